"""Every scenario of `kq reset-offsets` beside Apache Kafka's own kafka-consumer-groups, on Kafka and on kq."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kq.cli.reset_offsets import files
from kq.testing import Broker
from tests.cli.harness import run
from tests.cli.members import commit, committed, fill, member
from tests.support import peers
from tests.support.peers import Kafka

pytestmark = pytest.mark.java

NOW = datetime.now(UTC).replace(microsecond=0)
FIRST = NOW - timedelta(hours=3)  # of the first record of each partition; then one every minute


@pytest.fixture(scope="module", params=["kafka", "kq"])
def broker(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> Iterator[Kafka | Broker]:
    if request.param == "kq":
        with Broker() as running:
            yield running
        return
    base = tmp_path_factory.getbasetemp()
    with peers.shared((base if worker_id == "master" else base.parent) / "peer-kafka") as kafka:
        yield kafka


@pytest.fixture
def timed(cluster: str, topic: str) -> str:
    """A topic of 20, 10 and 15 records, a minute between them, the last partition trimmed to 3; a group of its name
    that stands at 5, nowhere, and 15. Kafka's CSV puts such a name into quotes."""
    name = f"{topic}-quoted-because-it-is-long"
    run("topic", "create", name, "-p", "3").ok()
    fill(cluster, name, {0: 20, 1: 10, 2: 15}, first_ms=round(FIRST.timestamp() * 1000), every_ms=60_000)
    run("topic", "trim", f"{name}:2", "-o", "3", "--execute").ok()
    commit(cluster, name, {(name, 0): 5, (name, 2): 15})
    return name


def kafkas_csv(cluster: str, group: str, *args: str) -> str:
    done = peers.run("kafka-consumer-groups", "--bootstrap-server", cluster, "--group", group, "--reset-offsets", *args)
    return done.stdout


def rows(csv: str) -> dict[tuple[str, int], int]:
    lines = [line.rsplit(",", 2) for line in csv.splitlines() if line.count(",") == 2]
    return {(topic.strip('"'), int(partition)): int(offset) for topic, partition, offset in lines}


MIDDLE = FIRST + timedelta(minutes=7, seconds=30)
SCENARIOS: dict[str, tuple[str, ...]] = {
    "earliest": ("--to-earliest",),
    "latest": ("--to-latest",),
    "offset": ("--to-offset", "12"),
    "offset past the end": ("--to-offset", "99"),
    "current": ("--to-current",),
    "time": ("--to-datetime", MIDDLE.strftime("%Y-%m-%dT%H:%M:%S.000")),
    "time in a zone": (
        "--to-datetime",
        MIDDLE.astimezone(UTC).replace(tzinfo=None).strftime("%Y-%m-%dT%H:%M:%S.000-05:00"),
    ),
    "duration": ("--by-duration", "PT2H50M"),
    "shift": ("--shift-by", "-2"),
    "shift past the end": ("--shift-by", "100"),
}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_each_scenario_is_kafkas(cluster: str, timed: str, scenario: str, tmp_path: Path) -> None:
    args = SCENARIOS[scenario]
    # Kafka's tool refuses to shift where there is no commit; kq leaves such a partition alone.
    topic = f"{timed}:0,2" if "shift" in scenario else timed
    kafkas = rows(kafkas_csv(cluster, timed, *args, "--topic", topic, "--dry-run", "--export"))
    ours = tmp_path / "ours.csv"
    run("reset-offsets", timed, *args, "-t", topic, "--export", str(ours)).ok()
    assert rows(ours.read_text()) == kafkas
    assert len(kafkas) == (2 if "shift" in scenario else 3)


def test_each_reads_what_the_other_wrote(cluster: str, timed: str, tmp_path: Path) -> None:
    theirs, ours = tmp_path / "theirs.csv", tmp_path / "ours.csv"
    theirs.write_text(kafkas_csv(cluster, timed, "--to-offset", "4", "--all-topics", "--dry-run", "--export"))
    assert f'"{timed}",0,4' in theirs.read_text()
    assert {pair: one.after.offset for pair, one in files.read(str(theirs), timed).items() if one.after} == {
        (timed, 0): 4,
        (timed, 2): 4,
    }
    run("reset-offsets", timed, "--from-file", str(theirs), "--execute").ok()
    assert committed(cluster, timed, timed, 3) == {0: 4, 2: 4}

    run("reset-offsets", timed, "--to", "-1", "--export", str(ours)).ok()
    kafkas_csv(cluster, timed, "--from-file", str(ours), "--execute")
    assert committed(cluster, timed, timed, 3) == {0: 19, 1: 9, 2: 14}
    told = run("reset-offsets", timed, "--undo", "--execute").ok()
    assert told.err.startswith(f"kq: since that reset: {timed}:0 went from 4 to 19, {timed}:2 went from 4 to 14\n")
    assert committed(cluster, timed, timed, 3) == {0: 5, 1: 9, 2: 15}


def test_kafkas_tool_refuses_the_same_group(cluster: str, timed: str) -> None:
    with member(cluster, timed, timed):
        said = kafkas_csv(cluster, timed, "--to-earliest", "--all-topics", "--execute")
        assert f"can only be reset if the group '{timed}' is inactive" in said
        assert run("reset-offsets", timed, "--to-earliest", "--execute").code == 1
    assert committed(cluster, timed, timed, 3) == {0: 5, 2: 15}
