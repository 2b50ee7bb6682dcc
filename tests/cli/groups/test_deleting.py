"""`kq groups delete` and `delete-offsets`."""

from __future__ import annotations

import json

import pytest

from tests.cli.groups.people import commit, filled, members
from tests.cli.harness import Terminal, run


def committed(group: str) -> dict[str, str]:
    """Commits by partition, of a group that is there."""
    rows = [line.split("\t") for line in run("groups", "describe", group, "--no-header").ok().lines]
    return {row[1].rpartition(":")[2]: row[2] for row in rows}


@pytest.fixture
def idle(cluster: str, topic: str) -> str:
    """A group without members, called as its topic."""
    filled(topic, 5, 5, 5)
    commit(cluster, topic, topic, {0: 1, 1: 2, 2: 3})
    return topic


def test_groups_go_with_their_commits(idle: str, cluster: str) -> None:
    ran = run("groups", "delete", idle)
    assert (ran.code, ran.out) == (2, "")
    assert "there is no terminal to ask on" in ran.err
    ran = run("groups", "delete", idle, "--dry-run").ok()
    assert ran.lines == ["GROUP\tSTATE\tMEMBERS\tTOPICS\tCOMMITS", f"{idle}\tEmpty\t0\t1\t3"]
    assert committed(idle) == {"0": "1", "1": "2", "2": "3"}

    assert run("groups", "delete", idle, "--yes") == (0, "", "")
    assert run("groups", "describe", idle).code == 3
    assert run("groups", "delete", idle, "--yes", "--if-exists") == (0, "", "")
    assert run("groups", "delete", f"{idle}*", "--yes", "--if-exists") == (0, "", "")
    assert run("groups", "rm", f"{idle}*", "--yes").code == 3


def test_an_active_group_is_refused_and_the_others_are_done(idle: str, cluster: str) -> None:
    active = f"{idle}-active"
    with members(cluster, active, idle, ["worker"]):
        words = f"kq: group {active} is active: worker @ 127.0.0.1; stop them first\n"
        assert run("groups", "delete", active, "--yes") == (1, "", words)
        assert run("groups", "delete", active) == (1, "", words)  # there is nothing to ask
        ran = run("groups", "delete", f"{idle}*", "--yes", "--json")
        assert ran.code == 1
        assert [(one["name"], one["deleted"], one["error"] and one["error"]["code"])
                for one in json.loads(ran.out)["groups"]] == [
            (idle, True, None), (active, False, "NON_EMPTY_GROUP"),
        ]  # fmt: skip
        assert ran.err.startswith(words)
    assert run("groups", "list", "--names", f"{idle}*").ok().lines == [active]


def test_commits_of_some_partitions(idle: str, cluster: str) -> None:
    ran = run("groups", "delete-offsets", idle, f"{idle}:0-1", "--dry-run").ok()
    assert ran.lines == ["PARTITION\tCOMMITTED\tEND\tLAG", f"{idle}:0\t1\t5\t4", f"{idle}:1\t2\t5\t3"]
    assert run("groups", "delete-offsets", idle, f"{idle}:0-1").code == 2
    assert committed(idle) == {"0": "1", "1": "2", "2": "3"}

    assert run("groups", "delete-offsets", idle, f"{idle}:0-1", "--yes") == (0, "", "")
    assert committed(idle) == {"2": "3"}
    ran = run("groups", "delete-offsets", idle, f"{idle}:0", "--yes")
    assert ran == (3, "", f"kq: group {idle} has no commit in '{idle}:0'\n")
    ran = run("groups", "delete-offsets", idle, f"{idle}s", "--yes")
    assert ran == (3, "", f"kq: group {idle} has no commit in '{idle}s'; did you mean '{idle}'?\n")
    done = json.loads(run("groups", "delete-offsets", "-g", idle, "-t", "*", "--yes", "--json").ok().out)
    assert done["partitions"] == [
        {"name": f"{idle}:2", "topic": idle, "partition": 2, "committed_offset": 3, "deleted": True, "error": None}
    ]


def test_commits_that_a_member_needs_stay(idle: str, cluster: str) -> None:
    with members(cluster, idle, idle, ["worker"]):
        ran = run("groups", "delete-offsets", idle, f"{idle}:0", "--yes")
        assert (ran.code, ran.out) == (1, "")
        assert ran.err == f"kq: {idle}:0: group {idle} reads {idle}: worker @ 127.0.0.1; stop them first\n"
        ran = run("groups", "delete-offsets", idle, idle, "--yes")
        assert ran.code == 1
        assert ran.err.splitlines()[-1] == "kq: 3 of 3 failed"
    assert committed(idle) == {"0": "1", "1": "2", "2": "3"}


def test_typing_the_name(idle: str) -> None:
    terminal = Terminal("groups", "delete", idle)
    terminal.type(f"{idle}x\n", after="This group will be deleted. Type its name to go on: ")
    assert terminal.end() == 1
    assert "kq: nothing has been deleted" in terminal.screen
    terminal = Terminal("groups", "delete-offsets", idle, f"{idle}:0,2")
    terminal.type("2\n", after=f"These commits of group {idle} will be deleted. Type how many they are to go on: ")
    assert terminal.end() == 0
    assert committed(idle) == {"1": "2"}
    terminal = Terminal("groups", "delete", idle)
    terminal.type(f"{idle}\n", after="Type its name to go on: ")
    assert terminal.end() == 0
    assert f"deleted {idle}" in terminal.screen


def test_a_profile_that_may_not_change_anything(idle: str, cluster: str, own_home: object) -> None:
    for command in (["delete", idle], ["delete-offsets", idle, idle]):
        ran = run("groups", *command, "--yes", env={"KQ_READ_ONLY": "true"})
        assert ran.code == 1
        assert "read_only" in ran.err
    assert committed(idle) == {"0": "1", "1": "2", "2": "3"}
