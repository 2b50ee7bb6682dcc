"""Apache Kafka's tools for groups (kafka-consumer-groups, kafka-groups, kafka-configs) say and do the same on kq as on
Apache Kafka: the very lines, but for member ids and addresses."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cli.members import commit, committed, member
from tests.support import topics
from tests.support.peers import run
from tests.support.rdkafka import produce

pytestmark = pytest.mark.java

Rows = set[tuple[str, ...]]
Ask = Callable[..., str]


@pytest.fixture(scope="module", params=["kq", "kafka"])
def where(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param).bootstrap)


class Scene:
    """A topic of three partitions with 20 records each, and three groups: `modern` and `classic` have a member each,
    `resting` has commits only."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap, mark = bootstrap, uuid.uuid4().hex[:6]
        self.topic, self.other = f"orders-{mark}", f"other-{mark}"
        self.modern, self.classic, self.resting = f"modern-{mark}", f"classic-{mark}", f"resting-{mark}"
        self.groups = [word for group in (self.modern, self.classic, self.resting) for word in ("--group", group)]
        topics.create(bootstrap, self.topic, 3)
        topics.create(bootstrap, self.other)
        produce(bootstrap, self.topic, [{"value": b"%d" % i, "partition": i % 3} for i in range(60)])
        commit(bootstrap, self.resting, {(self.topic, 0): 5, (self.topic, 2): 20, (self.other, 0): 0})

    def plain(self, text: str) -> str:
        """Without what differs from one time to the next."""
        text = text.replace(self.bootstrap, "ADDRESS")
        for name in ("topic", "other", "modern", "classic", "resting"):
            text = text.replace(getattr(self, name), name)
        return re.sub(r"c1-[0-9a-f-]{36}|(?<= )[A-Za-z0-9_/+-]{22}(?= )", "MEMBER", text)

    def ask(self, *arguments: str, tool: str = "kafka-consumer-groups") -> str:
        done = run(tool, "--bootstrap-server", self.bootstrap, *arguments)
        return self.plain(done.stdout)

    def rows(self, *arguments: str, tool: str = "kafka-consumer-groups") -> Rows:
        """The lines that tell of this scene's groups."""
        lines = [tuple(line.split()) for line in self.ask(*arguments, tool=tool).splitlines()]
        return {line for line in lines if line and line[0] in ("modern", "classic", "resting")}


@pytest.fixture(scope="module")
def scene(where: str) -> Iterator[Scene]:
    made = Scene(where)
    with (
        member(where, made.classic, made.topic, client_id="c1"),
        member(where, made.modern, made.topic, client_id="c2", protocol="consumer"),
    ):
        yield made


def test_list(scene: Scene) -> None:
    assert scene.rows("--list") == {("modern",), ("classic",), ("resting",)}
    assert scene.rows("--list", "--state", "--type") == {
        ("modern", "Consumer", "Stable"),
        ("classic", "Classic", "Stable"),
        ("resting", "Classic", "Empty"),
    }
    assert scene.rows("--list", "--state", "stable,Empty", "--type", "classic") == {
        ("classic", "Classic", "Stable"),
        ("resting", "Classic", "Empty"),
    }
    assert scene.rows("--list", "--type", "consumer") == {("modern", "Consumer")}


def test_kafka_groups(scene: Scene) -> None:
    assert scene.rows("--list", tool="kafka-groups") == {
        ("modern", "Consumer", "consumer"),
        ("classic", "Classic", "consumer"),
        ("resting", "Classic"),
    }
    assert scene.rows("--list", "--group-type", "consumer", "--protocol", "consumer", tool="kafka-groups") == {
        ("modern", "Consumer", "consumer")
    }


def test_describe(scene: Scene) -> None:
    here = ("MEMBER", "/127.0.0.1")
    assert scene.rows("--describe", *scene.groups) == {
        *(("modern", "topic", str(p), "-", "20", "-", *here, "c2") for p in range(3)),
        *(("classic", "topic", str(p), "-", "20", "-", *here, "c1") for p in range(3)),
        ("resting", "topic", "0", "5", "20", "15", "-", "-", "-"),
        ("resting", "topic", "2", "20", "20", "0", "-", "-", "-"),
        ("resting", "other", "0", "0", "0", "0", "-", "-", "-"),
    }
    assert scene.rows("--describe", "--members", "--verbose", *scene.groups) == {
        ("modern", *here, "c2", "3", "2", "topic:0,1,2", "2", "topic:0,1,2"),
        ("classic", *here, "c1", "3", "-", "topic:0,1,2", "-", "-"),
    }
    assert scene.rows("--describe", "--state", "--verbose", *scene.groups) == {
        ("modern", "ADDRESS", "(1)", "uniform", "Stable", "2", "2", "1"),
        ("classic", "ADDRESS", "(1)", "range", "Stable", "-", "-", "1"),
        ("resting", "ADDRESS", "(1)", "-", "Empty", "-", "-", "0"),
    }
    assert "GroupIdNotFoundException: Group nobody not found." in scene.ask("--describe", "--group", "nobody")


def test_what_is_in_use_cannot_be_changed(scene: Scene) -> None:
    told = scene.ask("--delete", "--group", scene.classic, "--group", scene.modern)
    for name in ("classic", "modern"):
        assert re.search(rf"Group '{name}' could not be deleted .*GroupNotEmptyException: The group is not empty", told)
    for name in ("classic", "modern"):
        told = scene.ask("--reset-offsets", "--to-latest", "--all-topics", "--execute", "--group", getattr(scene, name))
        assert f"can only be reset if the group '{name}' is inactive, but the current state is Stable." in told
    told = scene.ask("--delete-offsets", "--group", scene.classic, "--topic", f"{scene.topic}:1")
    assert "GroupSubscribedToTopicException" in told


def test_delete_offsets_and_groups(where: str) -> None:
    scene = Scene(where)
    told = scene.ask("--delete-offsets", "--group", scene.resting, "--topic", scene.topic)
    assert "Request succeeded for deleting offsets from group resting." in told
    assert sorted(line.split() for line in told.splitlines() if line.startswith("topic")) == [
        ["topic", "0", "Successful"],
        ["topic", "1", "Successful"],
        ["topic", "2", "Successful"],
    ]
    assert committed(where, scene.resting, scene.topic, 3) == {}
    assert committed(where, scene.resting, scene.other, 1) == {0: 0}
    told = scene.ask("--delete", "--group", scene.resting, "--group", "nobody")
    assert "Group 'nobody' could not be deleted due to:" in told
    assert "GroupIdNotFoundException" in told
    assert "These consumer groups were deleted successfully: 'resting'" in told
    assert committed(where, scene.resting, scene.other, 1) == {}


def test_settings_of_groups(scene: Scene) -> None:
    def configs(*arguments: str) -> str:
        return scene.ask("--entity-type", "groups", *arguments, tool="kafka-configs")

    this = ("--entity-name", scene.modern)
    added = configs(*this, "--alter", "--add-config", "consumer.session.timeout.ms=50000")
    assert "Completed updating config for group modern." in added
    altered = (
        "consumer.session.timeout.ms=50000 sensitive=false synonyms={"
        "DYNAMIC_GROUP_CONFIG:consumer.session.timeout.ms=50000, "
        "DEFAULT_CONFIG:group.consumer.session.timeout.ms=45000}"
    )
    assert f"Dynamic configs for group modern are:\n  {altered}\n" in configs("--describe")
    everything = configs(*this, "--describe", "--all").splitlines()
    assert f"  {altered}" in everything
    assert sum(line.startswith("  ") for line in everything) == 17
    refused = run(
        *("kafka-configs", "--bootstrap-server", scene.bootstrap, "--entity-type", "groups", *this),
        *("--alter", "--add-config", "consumer.session.timeout.ms=1"),
        check=False,
    )
    assert refused.returncode == 1
    assert "InvalidConfigurationException" in refused.stderr
    configs(*this, "--alter", "--delete-config", "consumer.session.timeout.ms")
    assert altered not in configs(*this, "--describe")  # others of this cluster have settings of their own


# Resets. Partitions of 20, 10 and 15 records: ten a minute apart from FIRST on, the others two hours later. The last
# one was trimmed to 3. The group stands at 5, nowhere and 15.

NOW = datetime.now(UTC).replace(microsecond=0)
FIRST = NOW - timedelta(hours=3)
STOOD = {0: 5, 2: 15}
PLACES: dict[str, tuple[tuple[str, ...], dict[int, int]]] = {
    "to-earliest": (("--to-earliest",), {0: 0, 1: 0, 2: 3}),
    "to-latest": (("--to-latest",), {0: 20, 1: 10, 2: 15}),
    "to-offset": (("--to-offset", "12"), {0: 12, 1: 10, 2: 12}),
    "to-current": (("--to-current",), {0: 5, 1: 10, 2: 15}),
    "shift-by": (("--shift-by", "-13"), {0: 0, 2: 3}),
    "by-duration": (("--by-duration", "PT2H"), {0: 10, 1: 10, 2: 10}),
    "to-datetime": (
        ("--to-datetime", (FIRST + timedelta(minutes=7, seconds=30)).strftime("%Y-%m-%dT%H:%M:%S.000Z")),
        {0: 8, 1: 8, 2: 8},
    ),
}


@pytest.fixture(scope="module")
def timed(where: str) -> str:
    name = f"timed-{uuid.uuid4().hex[:6]}"
    first_ms = round(FIRST.timestamp() * 1000)
    topics.create(where, name, 3)
    counts = {0: 20, 1: 10, 2: 15}
    records = [
        {"value": b"x", "partition": partition, "timestamp": first_ms + 60_000 * (i if i < 10 else i + 120)}
        for partition, count in counts.items()
        for i in range(count)
    ]
    produce(where, name, records)
    topics.delete_records(where, name, 3, partition=2)
    return name


def reset(where: str, group: str, *arguments: str) -> dict[int, int]:
    """The plan that the tool prints, as a table or as CSV."""
    told = run("kafka-consumer-groups", "--bootstrap-server", where, "--group", group, "--reset-offsets", *arguments)
    rows = re.findall(r"^(?:\S+ +|\"?)timed-\w{6}\"?(?: +|,)(\d) *(?:,| )(\d+)\s*$", told.stdout, re.M)
    assert rows, told.stdout
    return {int(partition): int(offset) for partition, offset in rows}


@pytest.mark.parametrize("scenario", PLACES)
def test_each_way_to_reset(where: str, timed: str, scenario: str) -> None:
    arguments, places = PLACES[scenario]
    group = f"{scenario}-{uuid.uuid4().hex[:6]}"
    commit(where, group, {(timed, partition): offset for partition, offset in STOOD.items()})
    # The tool refuses to shift a partition without a commit.
    scope = ("--topic", f"{timed}:0,2" if scenario == "shift-by" else timed)
    assert reset(where, group, *arguments, *scope, "--dry-run") == places
    assert committed(where, group, timed, 3) == STOOD
    assert reset(where, group, *arguments, *scope, "--execute") == places
    assert committed(where, group, timed, 3) == places


def test_a_plan_in_a_file(where: str, timed: str, tmp_path: Path) -> None:
    group = f"planned-{uuid.uuid4().hex[:6]}"
    commit(where, group, {(timed, partition): offset for partition, offset in STOOD.items()})
    exported = run(
        *("kafka-consumer-groups", "--bootstrap-server", where, "--group", group, "--reset-offsets"),
        *("--shift-by", "2", "--all-topics", "--dry-run", "--export"),
    ).stdout
    assert sorted(exported.split()) == [f"{timed},0,7", f"{timed},2,15"]
    plan = tmp_path / "plan.csv"
    plan.write_text(exported)
    assert reset(where, group, "--from-file", str(plan), "--execute") == {0: 7, 2: 15}
    assert committed(where, group, timed, 3) == {0: 7, 2: 15}
