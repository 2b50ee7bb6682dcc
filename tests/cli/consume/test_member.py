"""`kq consume -g`: shares of a group, commits of what was printed, and ends that lose nothing; on kq and on Kafka."""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.cli.harness import run, spawn
from tests.cli.members import committed, fill
from tests.support.patience import until

SHARES = 4


@pytest.fixture(params=["kq", pytest.param("kafka", marks=pytest.mark.java)])
def cluster(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address, which the commands find by themselves."""
    where = request.getfixturevalue("broker" if request.param == "kq" else "kafka")
    monkeypatch.setenv("KQ_BOOTSTRAP", where.bootstrap)
    return str(where.bootstrap)


@pytest.fixture
def orders(cluster: str, topic: str) -> str:
    """Three partitions with 20, 10 and no records, each its number."""
    run("topic", "create", topic, "-p", "3").ok()
    fill(cluster, topic, {0: 20, 1: 10})
    return topic


def test_the_end_as_of_the_start_is_read_committed_and_left(cluster: str, orders: str) -> None:
    assert Counter(run("consume", orders, "-g", orders, "-e").ok().lines) == Counter(
        [*map(str, range(20)), *map(str, range(10))]
    )
    assert committed(cluster, orders, orders, 3) == {0: 20, 1: 10, 2: 0}  # an empty one has a place too
    assert run("consume", orders, "-g", orders, "-e").ok().out == ""
    fill(cluster, orders, {2: 3})
    assert run("consume", orders, "-g", orders, "-e").ok().lines == ["0", "1", "2"]


def test_a_count_commits_just_so_many(cluster: str, orders: str) -> None:
    seen: list[str] = []
    while len(seen) < 30:
        lines = run("consume", orders, "-g", orders, "-n", "7", "-e", "-f", "%p:%o\\n").ok().lines
        assert len(lines) == min(7, 30 - len(seen))
        seen += lines
    assert sorted(seen) == sorted([*(f"0:{n}" for n in range(20)), *(f"1:{n}" for n in range(10))])


def test_what_a_filter_leaves_out_is_dealt_with_too(cluster: str, orders: str) -> None:
    assert run("consume", orders, "-g", orders, "-e", "-G", "v:19").ok().lines == ["19"]
    assert committed(cluster, orders, orders, 3) == {0: 20, 1: 10, 2: 0}


def test_an_offset_is_for_partitions_without_a_commit(cluster: str, orders: str) -> None:
    assert Counter(run("consume", orders, "-g", orders, "-o", "-2", "-e").ok().lines) == Counter(["18", "19", "8", "9"])
    assert run("consume", orders, "-g", orders, "-o", "start", "-e").ok().out == ""


def test_nothing_is_committed_where_that_is_switched_off(cluster: str, orders: str) -> None:
    for _ in range(2):
        lines = run("consume", orders, "-g", orders, "-e", "-X", "enable.auto.commit=false").ok().lines
        assert len(lines) == 30
    assert committed(cluster, orders, orders, 3) == {}


def test_slow_commands_do_not_hold_up_the_others(cluster: str, topic: str, tmp_path: Path) -> None:
    run("topic", "create", topic, "-p", "2").ok()
    fill(cluster, topic, {0: 12, 1: 12})
    out = tmp_path / "out"
    quick = ("-X", "heartbeat.interval.ms=200")  # so soon does it hear of the other one
    members = [spawn("consume", topic, "-g", topic, "-e", *quick, "--exec", f'sleep 0.3; echo "$RECORD_ID" >> {out}')]
    while not out.exists():
        time.sleep(0.05)
    other = run("consume", topic, "-g", topic, "-e", "-f", "%p:%o\\n").ok()
    assert len(other.lines) >= 2, "nothing was left when the share came"
    assert members[0].communicate(timeout=60)[1] == b""
    ids = out.read_text().splitlines()
    dealt_with = {line.partition(":")[2] for line in ids} | set(other.lines)
    assert dealt_with == {f"{p}:{o}" for p in range(2) for o in range(12)}


@pytest.mark.slow
def test_members_share_and_none_is_missed_when_they_come_and_go(cluster: str, topic: str) -> None:
    run("topic", "create", topic, "-p", "6").ok()
    members: list[subprocess.Popen[bytes]] = []
    outs: list[bytes] = []
    for number in range(SHARES):
        members.append(spawn("consume", topic, "-g", topic, "-f", "%p:%o\\n", "-X", "session.timeout.ms=6000"))
        fill(cluster, topic, dict.fromkeys(range(6), 50))
        time.sleep(0.5)
        if number == 1:
            members[0].send_signal(signal.SIGINT)  # leaves, and commits
            outs.append(members[0].communicate(timeout=60)[0])
            assert members[0].returncode == 0
    members[1].kill()  # leaves nothing but what it has committed
    outs.append(members[1].communicate()[0])
    deadline = time.monotonic() + 60
    while run("wait", "-g", topic, "lag==0", "--timeout", "1").code and time.monotonic() < deadline:
        pass
    for one in members[2:]:
        one.send_signal(signal.SIGINT)
        outs.append(one.communicate(timeout=60)[0])
        assert one.returncode == 0
    seen = Counter(line for out in outs for line in out.decode().splitlines())
    assert set(seen) == {f"{p}:{o}" for p in range(6) for o in range(50 * SHARES)}
    assert committed(cluster, topic, topic, 6) == dict.fromkeys(range(6), 50 * SHARES)


def test_sigterm_commits_and_leaves(cluster: str, orders: str) -> None:
    """systemd, docker and plain kill. In a script's background SIGINT is ignored: only this one comes through."""
    ignoring = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)}
    with spawn("consume", orders, "-g", orders, **ignoring) as following:
        try:
            assert following.stdout is not None
            assert all(following.stdout.readline() for _ in range(30))
            following.send_signal(signal.SIGTERM)
            assert following.wait(20) == 0
        finally:
            following.kill()
    assert committed(cluster, orders, orders, 3) == {0: 20, 1: 10}
    assert _members(orders) == []
    with spawn("consume", orders, "-g", orders, "-n", "5") as waiting:
        try:
            until(lambda: _members(orders), "it is a member")
            waiting.send_signal(signal.SIGTERM)
            assert waiting.wait(20) == 143
        finally:
            waiting.kill()
    assert _members(orders) == []


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_commands_that_have_run_do_not_run_again(
    cluster: str, orders: str, tmp_path: Path, ending: signal.Signals
) -> None:
    out = tmp_path / "out"
    out.touch()
    command = f'echo "$RECORD_ID" >> {out}; [ "$RECORD_OFFSET" != 5 ] || exec sleep 100'
    with spawn("consume", orders, "-g", orders, "--exec", command) as one:
        try:
            until(lambda: ":5\n" in out.read_text(), "the command for a record takes its time")
            one.send_signal(ending)
            assert one.wait(20) == 0
        finally:
            one.kill()
    run("consume", orders, "-g", orders, "-e", "--exec", f'echo "$RECORD_ID" >> {out}').ok()
    times = Counter(out.read_text().split())
    assert len(times) == 30
    again = [record for record, count in times.items() if count > 1]
    assert len(again) == 1
    assert again[0].endswith(":5")


def test_members_can_be_told_apart(cluster: str, orders: str) -> None:
    """Who has to stop a member finds the host and the process in its name."""
    with spawn("consume", orders, "-g", orders) as one, spawn("consume", orders, "-g", orders) as two:
        try:
            until(lambda: len(_members(orders)) == 2, "both are members")
            host = socket.gethostname()
            assert set(_members(orders)) == {f"kq-{host}-{process.pid}" for process in (one, two)}
            refused = run("reset-offsets", orders, "--to-earliest", "--execute")
            assert refused.code == 1
            assert all(f"kq-{host}-{process.pid} @ " in refused.err for process in (one, two))
        finally:
            one.terminate()
            two.terminate()
    with spawn("consume", orders, "-g", orders, "-X", "client.id=billing-1") as named:
        try:
            until(lambda: _members(orders) == ["billing-1"], "it is called as it was told")
        finally:
            named.terminate()


def _members(group: str) -> list[str]:
    ran = run("groups", "describe", group, "--json")
    return [] if ran.code else [one["client_id"] for one in json.loads(ran.out)["groups"][0]["members"]]


def test_the_new_protocol_is_refused(cluster: str, orders: str) -> None:
    ran = run("consume", orders, "-g", orders, "-e", "-X", "group.protocol=consumer")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("kq: group.protocol=consumer: kq's own members speak the classic protocol")


def test_a_command_for_each_record(cluster: str, orders: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = f'read value; echo "$RECORD_ID $value" >> {out}; [ "$RECORD_OFFSET" != 5 ]'
    ran = run("consume", orders, "-g", orders, "-e", "--exec", command)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.endswith("offset 5: the command ended with 1; it comes again\n")
    stopped = out.read_text().splitlines()[-1].split()[0].rpartition(":")[0]
    again = out.read_text().count("\n")
    ran = run("consume", orders, "-g", orders, "-e", "--exec", f'cat > /dev/null; echo "$RECORD_ID" >> {out}')
    assert ran.ok().out == ""
    ids = [line.split()[0] for line in out.read_text().splitlines()]
    assert ids[again] in {f"{stopped}:5", f"{orders}:0:0", f"{orders}:1:0"}
    assert Counter(ids) == Counter(
        [*(f"{orders}:0:{n}" for n in range(20)), *(f"{orders}:1:{n}" for n in range(10)), f"{stopped}:5"]
    )


def test_sql_that_a_command_prints_has_its_effect_once(cluster: str, orders: str, tmp_path: Path) -> None:
    path = tmp_path / "sums.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE sums (name TEXT PRIMARY KEY, sum INTEGER)")
        database.execute("INSERT INTO sums VALUES ('a;b', 0)")
    command = """read n; echo "UPDATE sums SET sum = sum + $n WHERE name = 'a;b'; SELECT 1;" """
    for _ in range(2):  # the second time as after a crash before the commit
        run(*("consume", orders, "-g", orders, "-e"), *("--exec", command, "--into", str(path))).ok()
        run("consume", orders, "-g", orders, "-e").ok()
        run("reset-offsets", orders, "--to-earliest", "--execute").ok()
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT sum FROM sums").fetchone() == (sum(range(20)) + sum(range(10)),)


def test_sql_that_is_refused_undoes_its_record(cluster: str, orders: str, tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    ran = run(
        "consume", orders, "-g", orders, "-e", "--exec", "echo 'INSERT INTO nowhere VALUES (1)'", "--into", str(path)
    )
    assert ran.code == 1
    assert "the database refused what the command printed: no such table: nowhere; it comes again" in ran.err
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT count(*) FROM kq_seen").fetchone() == (0,)
    assert committed(cluster, orders, orders, 3) == {}


CONTRADICTIONS = {
    ("orders:1", "-g", "g"): "-g: a group shares out whole topics; write orders",
    ("orders", "-p", "1", "-g", "g"): "-g: a group shares out the partitions itself; leave -p out",
    ("orders", "-g", ""): "-g: a group needs a name",
    ("orders", "--into", "x.db"): "--into is for the SQL that --exec CMD prints",
    ("orders", "--exec", " "): "--exec: which command?",
    ("orders", "--exec", "cat", "--json"): "--json says how records are printed; --exec prints none",
    ("orders", "--exec", "cat", "--output", "x"): "--output says how records are printed; --exec prints none",
    ("orders", "--exec", "cat", "--into", "mysql://x"): (
        "--into mysql://x: a database is the path of an SQLite file, sqlite:///PATH or postgresql://…"
    ),
}


@pytest.mark.parametrize("words", CONTRADICTIONS, ids=" ".join)
def test_contradictions(broker: object, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KQ_BOOTSTRAP", str(broker.bootstrap))  # type: ignore[attr-defined]
    ran = run("consume", *words)
    sentence = CONTRADICTIONS[words] if "--json" not in words else ""
    assert ran.code == 2
    assert ran.err.startswith(f"kq: {sentence}") or sentence == ""
    assert CONTRADICTIONS[words] in ran.err + ran.out
