"""`kq groups peek`: the next unread records, seen by somebody who leaves no trace."""

from __future__ import annotations

import json

from tests.cli.groups.people import add, commit, filled, members
from tests.cli.harness import Terminal, run


def peeked(*args: str) -> list[list[str]]:
    head, *rows = [line.split("\t") for line in run("groups", "peek", *args).ok().lines]
    assert head == ["PARTITION", "OFFSET", "TIME", "KEY", "VALUE"]
    return rows


def test_what_comes_next(cluster: str, topic: str) -> None:
    filled(topic, 10, 10, 10)
    commit(cluster, topic, topic, {0: 4, 1: 9, 2: 10})
    before = run("groups", "describe", topic, "--json").ok()
    rows = peeked(topic)
    assert [(row[0].rpartition(":")[2], *row[1:2], *row[3:]) for row in rows] == [
        ("0", "4", "k4", "v4"), ("0", "5", "k5", "v5"), ("0", "6", "k6", "v6"), ("1", "9", "k9", "v9"),
    ]  # fmt: skip
    assert [row[1] for row in peeked(topic, "-n", "1")] == ["4", "9"]
    assert [row[1] for row in peeked(topic, "-t", f"{topic}:0", "-n", "100")] == [
        str(offset) for offset in range(4, 10)
    ]
    document = json.loads(run("groups", "peek", topic, "-t", f"{topic}:1", "--json").ok().out)
    (record,) = document["records"]
    assert record.pop("timestamp_ms") > 0
    assert record == {"topic": topic, "partition": 1, "offset": 9, "key": "k9", "value": "v9", "headers": []}

    after = run("groups", "describe", topic, "--json").ok()
    for ran in (before, after):
        (group,) = json.loads(ran.out)["groups"]
        assert (group["state"], group["members"]) == ("Empty", [])
        assert [part["committed_offset"] for part in group["partitions"]] == [4, 9, 10]


def test_nothing_comes_next(cluster: str, topic: str) -> None:
    filled(topic, 3)
    commit(cluster, topic, topic, {0: 3})
    assert run("groups", "peek", topic) == (0, "", f"{topic} has read all that it has commits for\n")
    assert json.loads(run("groups", "peek", topic, "--json").ok().out)["records"] == []
    ran = run("groups", "peek", topic, "-t", "elsewhere")
    assert ran == (3, "", f"kq: group {topic} has nothing to do with elsewhere\n")


def test_records_that_are_gone_and_partitions_without_a_commit(cluster: str, topic: str) -> None:
    filled(topic, 10, 10)
    commit(cluster, topic, topic, {0: 2})
    run("topic", "trim", f"{topic}:0", "-o", "7", "--execute").ok()
    with members(cluster, topic, topic, ["worker"], share=2):
        ran = run("groups", "peek", topic, "-n", "1").ok()
    assert ran.lines[1].split("\t")[:2] == [f"{topic}:0", "7"]
    assert ran.err.splitlines() == [
        f"{topic}:1 has no commit: auto.offset.reset of the members says where they begin",
        f"kq: {topic}:0 stands 5 records before the log start: those are gone",
    ]


def test_bytes_pass_a_pipe_and_cannot_drive_a_terminal(cluster: str, topic: str) -> None:
    run("topic", "create", topic).ok()
    run("produce", topic, "-k", "\x1b[2J", stdin=b"\xff\x1b[2Jx\ty\n").ok()
    add(topic, 1)
    commit(cluster, topic, topic, {0: 0})
    line = run("groups", "peek", topic, "-n", "1").ok().lines[1]
    assert line.encode("utf-8", "surrogateescape").endswith(b"\t\x1b[2J\t\xff\x1b[2Jx\\ty")
    terminal = Terminal("groups", "peek", topic, "-n", "1", columns=200, env={"NO_COLOR": "1"})
    assert terminal.end() == 0
    assert "\x1b[2J" not in terminal.screen
    assert "\\xff\\x1b[2Jx\\x09y" in terminal.screen


def test_large_and_compressed_batches(cluster: str, topic: str) -> None:
    run("topic", "create", topic, "-p", "2").ok()
    lines = b"".join(b"%06d" % number + b"x" * 500 + b"\n" for number in range(1000))
    run("produce", topic, "-p", "0", "-z", "zstd", "-X", "batch.size=900000", "-X", "linger.ms=1000", stdin=lines).ok()
    run("produce", topic, "-p", "1", "-X", "batch.size=900000", stdin=b"y" * 300_000 + b"\nlast\n").ok()
    commit(cluster, topic, topic, {0: 990, 1: 0})
    records = json.loads(run("groups", "peek", topic, "-n", "2", "--json").ok().out)["records"]
    assert [(one["partition"], one["offset"], one["value"][:6]) for one in records] == [
        (0, 990, "000990"), (0, 991, "000991"), (1, 0, "yyyyyy"), (1, 1, "last"),
    ]  # fmt: skip
    behind = run("groups", "describe", topic, "--no-header").ok().lines
    assert all(row.split("\t")[5].isdigit() for row in behind)
