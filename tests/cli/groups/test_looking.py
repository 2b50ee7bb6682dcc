"""`kq groups list` and `describe`, with and without members, to the character where it can be."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest

from kq.testing import Broker
from tests.cli.groups.people import OLD_MS, add, commit, filled, member, members, settle
from tests.cli.harness import Ran, run, spawn
from tests.support.peers import run as kafka_tool

PROTOCOLS = ("classic", "consumer")


def table(ran: Ran) -> list[dict[str, str]]:
    head, *rows = [line.split("\t") for line in ran.ok().lines]
    return [dict(zip(head, row, strict=True)) for row in rows]


@pytest.fixture
def idle(cluster: str, topic: str) -> str:
    """A group without members, called as its topic: 2 behind, at the end, never committed, overtaken by retention."""
    filled(topic, 10, 10, 10, 10)
    commit(cluster, topic, topic, {0: 8, 1: 10, 3: 3})
    run("topic", "trim", f"{topic}:3", "-o", "5", "--execute").ok()
    return topic


def test_a_group_at_rest(idle: str) -> None:
    ran = run("groups", "describe", idle)
    rows = table(ran)
    assert list(rows[0]) == ["GROUP", "PARTITION", "COMMITTED", "END", "LAG", "BEHIND", "MEMBER"]
    assert ran.err == f"kq: {idle}: {idle}:3 stands 2 records before the log start: those are gone\n"
    assert [(row["PARTITION"], row["COMMITTED"], row["END"], row["LAG"], row["MEMBER"]) for row in rows] == [
        (f"{idle}:0", "8", "10", "2", "-"),
        (f"{idle}:1", "10", "10", "0", "-"),
        (f"{idle}:3", "3", "10", "7", "-"),
    ]
    assert OLD_MS <= int(rows[0]["BEHIND"]) < OLD_MS + 120_000
    assert rows[1]["BEHIND"] == "0"
    assert int(rows[2]["BEHIND"]) >= OLD_MS
    (listed,) = table(run("groups", "list", idle))
    assert list(listed) == ["GROUP", "STATE", "TYPE", "MEMBERS", "TOPICS", "LAG", "BEHIND"]
    assert [listed[name] for name in ("GROUP", "STATE", "TYPE", "MEMBERS", "TOPICS", "LAG")] == [
        idle, "Empty", "classic", "0", "1", "9",
    ]  # fmt: skip
    assert int(listed["BEHIND"]) >= OLD_MS


@pytest.mark.parametrize("words", [("groups",), ("groups", "list")], ids=" ".join)
def test_every_group(idle: str, words: tuple[str, ...]) -> None:
    assert idle in {row["GROUP"] for row in table(run(*words))}


def test_a_group_at_rest_for_people(idle: str) -> None:
    shown = re.sub(r"10m\d\ds", "10mNNs", run("groups", "describe", idle, "--table").ok().out)
    width = len(f"{idle}:0")
    assert shown == (
        f"{idle}   Empty, classic protocol, coordinator 1\n"
        f"0 members, 3 partitions: lag 9 records, 10mNNs behind (worst: {idle}:3)\n"
        f"! {idle}:3 stands 2 records before the log start: those are gone\n"
        "\n"
        f"  {'PARTITION':<{width}}  COMMITTED  END  LAG  BEHIND  MEMBER\n"
        f"  {idle}:0          8   10    2  10mNNs  -\n"
        f"  {idle}:1         10   10    0      0s  -\n"
        f"! {idle}:3          3   10    7  10mNNs  -\n"
    )


def test_a_group_as_json(idle: str) -> None:
    document = json.loads(run("groups", "describe", idle, "--json").ok().out)
    assert (document["_command"], document["_version"]) == ("groups describe", 1)
    (group,) = document["groups"]
    parts = group.pop("partitions")
    assert group.pop("behind_ms") >= OLD_MS
    assert group == {
        "name": idle, "state": "Empty", "type": "classic", "protocol_type": group["protocol_type"], "protocol": None,
        "generation": None, "coordinator": 1, "members": [], "lag": 9, "behind_is_interpolated": False,
        "gone_records": 2, "worst_partition": f"{idle}:3",
    }  # fmt: skip
    overtaken = parts[2]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", overtaken.pop("next_record_at"))
    assert overtaken.pop("behind_ms") >= OLD_MS
    assert overtaken == {
        "topic": idle, "partition": 3, "committed_offset": 3, "metadata": "", "start_offset": 5, "end_offset": 10,
        "lag": 7, "behind_is_interpolated": False, "gone_records": 2, "past_end_records": 0, "exists": True,
        "member_id": None, "error": None,
    }  # fmt: skip
    (listed,) = json.loads(run("groups", "list", idle, "--json").ok().out)["groups"]
    assert (listed["name"], listed["topics"], listed["members"], listed["lag"]) == (idle, [idle], 0, 9)


def test_choosing_and_ordering(idle: str, cluster: str) -> None:
    def partitions(*args: str) -> list[str]:
        return [row["PARTITION"].removeprefix(f"{idle}:") for row in table(run("groups", "describe", idle, *args))]

    assert partitions("--sort", "lag") == ["3", "0", "1"]
    assert partitions("--lag", ">2") == ["3"]
    assert partitions("--lag", "==0") == ["1"]
    assert partitions("-t", f"{idle}:0-1") == ["0", "1"]
    assert run("groups", "describe", idle, "--names", "--lag", "!=0").ok().lines == [f"{idle}:0", f"{idle}:3"]
    other = f"{idle}-other"
    commit(cluster, other, idle, {0: 0})
    assert run("groups", "ls", "--names", f"{idle}*").ok().lines == [idle, other]
    assert [row["GROUP"] for row in table(run("group", "ls", f"{idle}*", "--sort", "lag"))] == [other, idle]
    assert [row["LAG"] for row in table(run("groups", "list", f"{idle}*", "-t", f"{idle}:0"))] == ["2", "10"]
    assert [row["GROUP"] for row in table(run("groups", "list", f"{idle}*", "--lag", ">9"))] == [other]
    ran = run("groups", "list", f"{idle}*", "--lag", ">99")
    assert ran == (0, "", "Of 2 groups none is meant.\n")
    assert run("groups", "list", f"{idle}*", "--names", "--state", "empty", "--type", "CLASSIC").ok().lines == [
        idle, other,
    ]  # fmt: skip
    assert run("groups", "list", f"{idle}*", "--state", "Stable").code == 3
    blocks = run("groups", "describe", idle, "-g", other, "--table").ok().out.split("\n\n")
    assert blocks[2].startswith(f"{other}   Empty, ")
    assert [row["GROUP"] for row in table(run("groups", "describe", f"{idle}*", "--by", "group"))] == [idle, other]


def test_a_group_that_does_not_exist(idle: str, cluster: str) -> None:
    for command in (["describe"], ["peek"], ["delete", "--yes"], ["delete-offsets", "--yes"]):
        words = [idle] if command[0] == "delete-offsets" else []
        ran = run("groups", *command, f"{idle}x", *words)
        assert ran == (3, "", f"kq: no group '{idle}x' on {cluster}; did you mean '{idle}'?\n"), command
    assert run("groups", "list", "zzz*") == (3, "", f"kq: no group matches 'zzz*' on {cluster}\n")
    error = json.loads(run("groups", "describe", f"{idle}x", "--json").err)["error"]
    assert (error["code"], error["exit"]) == ("GROUP_ID_NOT_FOUND", 3)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_members(cluster: str, topic: str, protocol: str) -> None:
    filled(topic, 10, 10, 10, 10)
    with members(cluster, topic, topic, ["one", "two"], protocol=protocol, share=2):
        commit_by_hand(cluster, topic, protocol)
        rows = table(run("groups", "describe", topic))
        assert sorted(row["MEMBER"] for row in rows) == ["one @ 127.0.0.1"] * 2 + ["two @ 127.0.0.1"] * 2
        assert {(row["COMMITTED"], row["END"], row["LAG"], row["BEHIND"]) for row in rows} == {("-", "10", "-", "-")}

        people = table(run("groups", "describe", topic, "--by", "member"))
        assert [(row["MEMBER"], row["HOST"], row["LAG"]) for row in people] in (
            [("one", "127.0.0.1", "-"), ("two", "127.0.0.1", "-")],
            [("two", "127.0.0.1", "-"), ("one", "127.0.0.1", "-")],
        )
        assert {row["PARTITIONS"] for row in people} <= {f"{topic}:{a},{b}" for a in range(4) for b in range(a, 4)}
        assert len({row["ID"] for row in people}) == 2

        (row,) = table(run("groups", "describe", topic, "--by", "topic"))
        assert (row["TOPIC"], row["PARTITIONS"], row["LAG"], row["MEMBERS"]) == (topic, "4", "-", "2")
        (row,) = table(run("groups", "describe", topic, "--by", "group"))
        assert (row["STATE"], row["TYPE"], row["MEMBERS"], row["PARTITIONS"]) == ("Stable", protocol, "2", "4")
        assert (row["GENERATION"] == "?") == (protocol == "classic")
        heading = run("groups", "describe", topic, "--table").ok().lines[:2]
        assert heading[0].startswith(f"{topic}   Stable, {protocol} protocol (")
        assert heading[1] == "2 members, 4 partitions: nothing committed"
        (described,) = json.loads(run("groups", "describe", topic, "--json").ok().out)["groups"]
        assert {one["client_id"] for one in described["members"]} == {"one", "two"}
        assert sum(len(one["partitions"]) for one in described["members"]) == 4
        owners = {one["member_id"] for one in described["members"]}
        assert {part["member_id"] for part in described["partitions"]} == owners
    (row,) = table(run("groups", "list", topic))
    assert (row["STATE"], row["MEMBERS"]) == ("Empty", "0")


def commit_by_hand(cluster: str, group: str, protocol: str) -> None:
    """Waits until the group's coordinator, too, sees it at rest."""
    deadline = time.monotonic() + 30
    while table(run("groups", "describe", group, "--by", "group"))[0]["STATE"] != "Stable":
        assert time.monotonic() < deadline, f"{group} ({protocol}) does not come to rest"
        time.sleep(0.1)


@pytest.mark.java
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_figures_are_those_of_kafkas_own_tool(cluster: str, topic: str, protocol: str, kafka: object) -> None:
    filled(topic, 30, 20, 10)
    with members(cluster, topic, topic, ["one", "two"], protocol=protocol) as joined:
        for consumer in joined:
            for place in consumer.assignment():
                if place.partition != 2:
                    place.offset = 5 + place.partition
                    consumer.commit(offsets=[place], asynchronous=False)
        commit_by_hand(cluster, topic, protocol)
        ours = table(run("groups", "describe", topic))
        said = kafka_tool("kafka-consumer-groups", "--bootstrap-server", cluster, "--describe", "--group", topic).stdout
    theirs = [line.split() for line in said.splitlines() if line.startswith(f"{topic} ")]
    assert sorted(
        (f"{line[1]}:{line[2]}", line[3], line[4], line[5], f"{line[8]} @ {line[7].lstrip('/')}") for line in theirs
    ) == [(row["PARTITION"], row["COMMITTED"], row["END"], row["LAG"], row["MEMBER"]) for row in ours]
    assert [row["LAG"] for row in ours] == ["25", "14", "-"]


def looks(*args: str, at_look: dict[int, Any]) -> list[dict[str, Any]]:
    """What `--watch --json` prints, look by look; `at_look` does something after a look."""
    seen = []
    with spawn("groups", "describe", *args, "--json") as watching:
        assert watching.stdout is not None
        for line in watching.stdout:
            (group,) = json.loads(line)["groups"]
            at_look.get(len(seen), lambda: None)()
            seen.append(group)
        assert watching.wait(30) == 0
    return seen


def test_rates_and_trend(cluster: str, topic: str) -> None:
    filled(topic, 100)
    commit(cluster, topic, topic, {0: 10})
    seen = looks(
        topic, "--watch", "0.5", "-n", "4",
        at_look={0: lambda: add(topic, 50), 1: lambda: commit(cluster, topic, topic, {0: 30})},
    )  # fmt: skip
    assert len(seen) == 4
    assert (seen[0]["lag"], seen[0]["written_per_s"], seen[0]["to_empty_ms"]) == (90, None, None)
    last = seen[-1]
    assert last["lag"] == 120
    assert last["written_per_s"] > last["read_per_s"] > 0
    assert last["written_per_s"] == pytest.approx(last["read_per_s"] * 50 / 20, rel=0.01)
    assert last["lag_growth_per_s"] == pytest.approx(last["written_per_s"] - last["read_per_s"], abs=0.01)
    assert last["to_empty_ms"] is None
    assert last["stuck_ms"] is None


def test_a_sample_is_two_looks_and_one_answer(cluster: str, topic: str) -> None:
    filled(topic, 10)
    commit(cluster, topic, topic, {0: 4})
    (row,) = table(run("groups", "describe", topic, "--sample", "300ms"))
    assert list(row)[-4:] == ["WRITTEN", "READ", "TREND", "TO EMPTY"]
    assert [row[name] for name in ("WRITTEN", "READ", "TREND", "TO EMPTY")] == ["0.000", "0.000", "0.000", "never"]
    shown = run("groups", "describe", topic, "--sample", "0.2", "--table").ok().lines
    assert shown[2] == "steady: 0/s written, 0/s read; never empty"
    (row,) = table(run("groups", "list", topic, "--sample", "0.2"))
    assert (row["LAG"], row["TO EMPTY"]) == ("6", "never")


def test_watching_in_a_pipe_appends(cluster: str, topic: str) -> None:
    filled(topic, 10)
    commit(cluster, topic, topic, {0: 4})
    rows = table(run("groups", "list", topic, "--watch", "0.2", "-n", "3"))
    assert [row["LAG"] for row in rows] == ["6"] * 3
    stamps = [row["AT"] for row in rows]
    assert stamps == sorted(set(stamps))
    assert [row["TREND"] for row in rows] == ["?", "0.000", "0.000"]


def test_a_member_that_does_not_commit_is_stuck(cluster: str, topic: str) -> None:
    filled(topic, 10)
    with members(cluster, topic, topic, ["sleeper"]):
        rows = table(run("groups", "describe", topic, "--watch", "0.1", "-n", "12"))
        assert {row["BEHIND"] for row in rows} == {"-"}
    commit(cluster, topic, topic, {0: 4})
    with members(cluster, topic, topic, ["sleeper"]):
        rows = table(run("groups", "describe", topic, "--watch", "0.1", "-n", "12"))
        assert rows[0]["BEHIND"].isdigit()
        assert re.fullmatch(r"stuck=\d+", rows[-1]["BEHIND"])
        shown = run("groups", "describe", topic, "--watch", "0.1", "-n", "12", "--table").ok().lines
        assert re.fullmatch(rf"! {topic}:0 .* stuck 1\.?\d*s  sleeper @ 127\.0\.0\.1 .*never", shown[-1])


def test_a_rebalance_is_a_state(cluster: str, topic: str) -> None:
    filled(topic, 1, 1)
    with members(cluster, topic, topic, ["one"], share=2) as joined:
        second = member(cluster, topic, topic, "two")
        try:
            deadline = time.monotonic() + 30
            while table(run("groups", "list", topic))[0]["STATE"] != "PreparingRebalance":
                second.poll(0.01)
                assert time.monotonic() < deadline
            shown = run("groups", "describe", topic, "--table").ok().out
            assert shown.startswith(f"{topic}   PreparingRebalance, classic protocol")
            settle([*joined, second], 1)
        finally:
            second.close()


def test_no_groups() -> None:
    with Broker() as empty:
        ran = run("groups", "-b", empty.bootstrap)
        assert ran == (0, "", "No groups. One appears when someone reads with a group: kq consume orders -g try\n")
        assert json.loads(run("groups", "list", "--json", "-b", empty.bootstrap).out)["groups"] == []
        ran = run("groups", "describe", "billing", "-b", empty.bootstrap)
        assert ran == (3, "", f"kq: no group 'billing' on {empty.bootstrap}\n")
