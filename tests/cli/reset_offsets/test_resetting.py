"""`kq reset-offsets` on a broker: the plan, the commit, the refusal of an active group, and the way back."""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from kq.cli.reset_offsets import acting, journal
from tests.cli.harness import Terminal, run, spawn
from tests.cli.members import commit, committed, fill, member

HEADER = "PARTITION\tCOMMITTED\tNEW\tCHANGE\tEFFECT\n"


@pytest.fixture
def orders(cluster: str, topic: str) -> str:
    """A topic of three partitions with 20, 10 and 15 records, the last trimmed to 3; a group of the same name that
    stands at 5, nowhere, and 15."""
    run("topic", "create", topic, "-p", "3").ok()
    fill(cluster, topic, {0: 20, 1: 10, 2: 15})
    run("topic", "trim", f"{topic}:2", "-o", "3", "--execute").ok()
    commit(cluster, topic, {(topic, 0): 5, (topic, 2): 15})
    return topic


def test_the_plan_is_shown_and_nothing_else_happens(cluster: str, orders: str) -> None:
    ran = run("reset-offsets", orders, "--to-earliest", "--table")
    width = len(orders) + 2
    assert ran.out == (
        f"group {orders} (Empty): move 3 of 3 partitions to the earliest offset\n\n"
        f"  {'PARTITION':<{width}}  COMMITTED  NEW  CHANGE  EFFECT\n"
        f"  {orders}:0          5    0      -5  reads 5 again\n"
        f"  {orders}:1          -    0       -  first commit\n"
        f"  {orders}:2         15    3     -12  reads 12 again\n"
    )
    assert ran.err == (
        "\n17 records are read again, 0 are skipped. Nothing has been changed.\n"
        f"To do it:  kq reset-offsets {orders} --to-earliest --table --execute\n"
    )
    assert ran.code == 0
    assert committed(cluster, orders, orders, 3) == {0: 5, 2: 15}
    piped = run("reset-offsets", "-g", orders, "--to-earliest", "-q")
    rows = ["0\t5\t0\t-5\treads_again=5", "1\t-\t0\t-\tfirst_commit", "2\t15\t3\t-12\treads_again=12"]
    assert piped == (0, HEADER + "".join(f"{orders}:{row}\n" for row in rows), "")
    assert run("reset-offsets", orders, "--to-earliest", "--names", "-q").out == f"{orders}:0\n{orders}:1\n{orders}:2\n"


def test_execute_journals_and_undo_restores(cluster: str, orders: str, own_home: Path) -> None:
    ran = run("reset-offsets", orders, "--to-latest", "--execute", "--table").ok()
    assert ran.out.startswith(f"group {orders} (Empty): moved 2 of 3 partitions to the latest offset\n")
    assert f"{orders}:2         15   15       0  stays\n" in ran.out
    assert ran.err == f"\n0 records are read again, 15 are skipped.\nUndo: kq reset-offsets {orders} --undo\n"
    assert committed(cluster, orders, orders, 3) == {0: 20, 1: 10, 2: 15}
    [entry] = (own_home / "state" / "kq" / "resets").glob("*/*/*.json")
    document = json.loads(entry.read_text())
    assert (document["group"], document["undoes"]) == (orders, None)
    moves = [
        (p["partition"], p["before"] and p["before"]["offset"], p["after"]["offset"]) for p in document["partitions"]
    ]
    assert moves == [(0, 5, 20), (1, None, 10)]

    plan = run("reset-offsets", orders, "--undo", "--table").ok()
    assert re.match(rf"group {orders} \(Empty\): move 2 of 2 partitions back to before the reset of 20\d\d-", plan.out)
    assert f"{orders}:1         10    -       -  commit removed\n" in plan.out
    assert plan.err.endswith(f"To do it:  kq reset-offsets {orders} --undo --table --execute\n")
    assert committed(cluster, orders, orders, 3) == {0: 20, 1: 10, 2: 15}

    undone = run("reset-offsets", orders, "--undo", "--execute").ok()
    assert undone.out == HEADER + f"{orders}:0\t20\t5\t-15\treads_again=15\n{orders}:1\t10\t-\t-\tremoved\n"
    assert undone.err == "15 records are read again, 0 are skipped.\n"
    assert committed(cluster, orders, orders, 3) == {0: 5, 2: 15}
    again = run("reset-offsets", orders, "--undo")
    assert (again.code, again.out) == (3, "")
    assert again.err.startswith(f"kq: no reset of group {orders} is left to undo in ")


def test_undo_tells_what_changed_since(cluster: str, orders: str) -> None:
    run("reset-offsets", orders, "--to-earliest", "--execute").ok()
    commit(cluster, orders, {(orders, 0): 9})
    run("topic", "trim", f"{orders}:0", "-o", "8", "--execute").ok()
    ran = run("reset-offsets", orders, "--undo", "--execute").ok()
    assert ran.err.startswith(f"kq: since that reset: {orders}:0 went from 0 to 9\n")
    assert f"{orders}:0\t9\t5\t-4\treads_again=1\n" in ran.out
    assert committed(cluster, orders, orders, 3) == {0: 5, 2: 15}


def test_undo_leaves_topics_out_that_were_made_anew(cluster: str, orders: str) -> None:
    other = f"{orders}-b"
    run("topic", "create", other).ok()
    fill(cluster, other, {0: 4})
    commit(cluster, orders, {(other, 0): 1})
    run("reset-offsets", orders, "-t", f"{orders}:0", "-t", other, "--to-latest", "--execute").ok()
    run("topic", "delete", other, "--yes").ok()
    gone = run("reset-offsets", orders, "--undo").ok()
    assert gone.err.startswith(f"kq: left out, since it was deleted after that reset: {other}\n")
    run("topic", "create", other).ok()
    ran = run("reset-offsets", orders, "--undo", "--execute").ok()
    assert ran.err.startswith(f"kq: left out, since it was made anew after that reset: {other}\n")
    assert ran.out == HEADER + f"{orders}:0\t20\t5\t-15\treads_again=15\n"


def test_undo_keeps_metadata_and_takes_parts(cluster: str, orders: str, tmp_path: Path) -> None:
    commit(cluster, orders, {(orders, 0): 6}, metadata="a note")
    run("reset-offsets", orders, "--to-latest", "--execute").ok()
    run("reset-offsets", orders, "--undo", "-t", f"{orders}:1", "--execute").ok()
    assert committed(cluster, orders, orders, 3) == {0: 20, 2: 15}
    missed = run("reset-offsets", orders, "--undo", "-t", f"{orders}:1")
    assert missed == (3, "", f"kq: the last reset of group {orders} moved nothing of that\n")
    plan = tmp_path / "undo.json"
    exported = run("reset-offsets", orders, "--undo", "--export", str(plan), "--json").ok()
    [step] = json.loads(plan.read_text())["steps"]
    assert step["new_metadata"].rstrip("\0") == "a note"  # confluent-kafka sends the zero of its C string too
    assert json.loads(exported.out)["partitions"][0]["new_offset"] == 6
    run("reset-offsets", orders, "--from-file", str(plan), "--execute").ok()
    assert committed(cluster, orders, orders, 3) == {0: 6, 2: 15}


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_an_active_group_is_refused_by_name(cluster: str, orders: str, protocol: str) -> None:
    group = f"{orders}-{protocol}"
    commit(cluster, group, {(orders, 0): 5})
    with (
        member(cluster, group, orders, client_id="billing-1", protocol=protocol),
        member(cluster, group, orders, client_id="billing-2", protocol=protocol),
    ):
        for more in ((), ("--execute",)):
            ran = run("reset-offsets", group, "--to-earliest", *more)
            assert (ran.code, ran.out) == (1, "")
            assert re.fullmatch(
                rf"kq: group {group} is active: billing-[12] @ 127\.0\.0\.1, billing-[12] @ 127\.0\.0\.1; "
                r"stop them, or add --wait-empty\n",
                ran.err,
            )
            assert {"billing-1", "billing-2"} <= set(re.findall(r"billing-[12]", ran.err))
        told = run("reset-offsets", group, "--to-earliest", "--json")
        error = json.loads(told.err)["error"]
        assert (told.code, told.out, error["code"], error["exit"]) == (1, "", "NON_EMPTY_GROUP", 1)
        late = run("reset-offsets", group, "--to-earliest", "--execute", "--wait-empty", "--timeout", "0.3")
        assert (late.code, late.out) == (4, "")
        assert late.err.splitlines()[0].startswith("waiting for billing-1 @ 127.0.0.1, billing-2 @ 127.0.0.1")
        assert late.err.splitlines()[-1].startswith(f"kq: after 0.3s: group {group} is active: billing-")
    assert committed(cluster, group, orders, 3) == {0: 5}
    assert run("reset-offsets", group, "--undo").code == 3  # nothing was journalled


def test_wait_empty_goes_on_when_the_members_have_left(cluster: str, orders: str) -> None:
    with member(cluster, orders, orders):
        waiting = spawn("reset-offsets", orders, "--to-earliest", "--execute", "--wait-empty", "--timeout", "60")
        assert waiting.stderr is not None
        assert waiting.stderr.readline() == b"waiting for billing-1 @ 127.0.0.1 to leave\n"
    out, _ = waiting.communicate(timeout=60)
    assert waiting.returncode == 0
    assert f"{orders}:0\t5\t0\t-5\treads_again=5\n" in out.decode()
    assert committed(cluster, orders, orders, 3) == {0: 0, 1: 0, 2: 3}


def test_topics_partitions_and_globs_narrow(cluster: str, orders: str) -> None:
    others = [f"{orders}-b", f"{orders}-c"]
    for other in others:
        run("topic", "create", other).ok()
        fill(cluster, other, {0: 2})
    commit(cluster, orders, {(others[0], 0): 0})

    def names(*args: str) -> list[str]:
        return run("reset-offsets", orders, "--to-latest", "--names", "-q", *args).ok().lines

    assert names() == [f"{orders}:0", f"{orders}:1", f"{orders}:2", f"{others[0]}:0"]
    assert names("-t", f"{orders}:0,2") == [f"{orders}:0", f"{orders}:2"]
    assert names("-t", f"{orders}-*") == [f"{others[0]}:0"]  # only topics with a commit
    assert names("-t", f"{orders}:1", "-t", others[1]) == [f"{orders}:1", f"{others[1]}:0"]  # named: any topic
    assert names("--regex", "-t", f"^{orders}$") == [f"{orders}:{index}" for index in range(3)]
    ran = run("reset-offsets", orders, "--to-latest", "-t", "zzz*")
    assert ran == (3, "", f"kq: group {orders} has no commit in a topic that matches 'zzz*'\n")
    ran = run("reset-offsets", orders, "--to-latest", "-t", f"{orders}-d")
    assert (ran.code, ran.out) == (3, "")
    assert ran.err.startswith(f"kq: no topic '{orders}-d' on {cluster}; did you mean '{orders}-")
    ran = run("reset-offsets", orders, "--to-latest", "-t", f"{orders}:7")
    assert ran == (3, "", f"kq: topic {orders} has no partition 7; it has partitions 0 to 2\n")


def test_groups_that_are_not_there(cluster: str, orders: str) -> None:
    typo = f"{orders}x"
    ran = run("reset-offsets", typo, "--to-latest")
    assert (ran.code, ran.out) == (3, "")
    assert ran.err.startswith(f"kq: no group '{typo}' on {cluster}; did you mean '{orders}'?\n")
    new = run("reset-offsets", typo, "--to", "-3", "-t", f"{orders}:0,2", "--execute", "--table").ok()
    assert new.out.startswith(f"group {typo} (new): moved 2 of 2 partitions to the last 3 of each\n")
    assert committed(cluster, typo, orders, 3) == {0: 17, 2: 12}
    copied = run("reset-offsets", f"{orders}-none", "--from-group", f"{orders}-nobody")
    assert copied.code == 3
    assert copied.err.startswith(f"kq: no group '{orders}-nobody' on {cluster}")


def test_from_another_group(cluster: str, orders: str) -> None:
    copy = f"{orders}-copy"
    ran = run("reset-offsets", copy, "--from-group", orders, "--execute", "--table").ok()
    assert ran.out.startswith(f"group {copy} (new): moved 2 of 3 partitions to where group {orders} stands\n")
    assert f"{orders}:1          -    -       -  no commit\n" in ran.out
    assert committed(cluster, copy, orders, 3) == {0: 5, 2: 15}


def test_plans_in_files_are_done_exactly(cluster: str, orders: str, tmp_path: Path) -> None:
    plan, csv = str(tmp_path / "plan.json"), str(tmp_path / "plan.csv")
    ran = run("reset-offsets", orders, "--shift-by", "-2", "--export", plan).ok()
    assert ran.err.endswith(f"To do it:  kq reset-offsets {orders} --from-file {plan} --execute\n")
    assert run("reset-offsets", orders, "--shift-by", "-2", "--export", csv).ok()
    assert Path(csv).read_text() == f"{orders},0,3\n{orders},2,13\n"
    commit(cluster, orders, {(orders, 0): 7})
    ran = run("reset-offsets", orders, "--from-file", plan, "--execute").ok()
    assert ran.err.startswith(f"kq: since the plan was made: {orders}:0 went from 5 to 7\n")
    assert committed(cluster, orders, orders, 3) == {0: 3, 2: 13}
    Path(csv).write_text(f"{orders},0,99\n{orders},2,0\n")
    ran = run("reset-offsets", orders, "--from-file", csv, "--json").ok()
    assert ran.err.splitlines()[:2] == [
        f"kq: {orders}:0: the latest is taken, it goes no further",
        f"kq: {orders}:2: the earliest is taken, lower ones are gone",
    ]
    assert [part["new_offset"] for part in json.loads(ran.out)["partitions"]] == [20, 3]
    assert run("reset-offsets", orders, "--from-file", plan, "-t", orders).code == 2


def test_some_are_refused_the_others_are_done(cluster: str, orders: str, own_home: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    run("reset-offsets", orders, "--to-earliest", "--export", str(plan)).ok()
    document = json.loads(plan.read_text())
    document["steps"][0]["new_metadata"] = "x" * 5000  # over offset.metadata.max.bytes
    plan.write_text(json.dumps(document))
    ran = run("reset-offsets", orders, "--from-file", str(plan), "--execute", "--table")
    assert ran.code == 1
    assert ran.out.startswith(f"group {orders} (Empty): moved 2 of 3 partitions as {plan} says\n")
    assert f"! {orders}:0          5    0      -5  refused\n" in ran.out
    assert re.search(rf"\nkq: {orders}:0: .*metadata.*\nkq: 1 of 3 failed\n$", ran.err)
    assert committed(cluster, orders, orders, 3) == {0: 5, 1: 0, 2: 3}
    [entry] = (own_home / "state").rglob("*.json")
    assert [part["partition"] for part in json.loads(entry.read_text())["partitions"]] == [1, 2]
    run("reset-offsets", orders, "--undo", "--execute").ok()
    assert committed(cluster, orders, orders, 3) == {0: 5, 2: 15}


def test_as_json(cluster: str, orders: str) -> None:
    document = json.loads(run("reset-offsets", orders, "--to-offset", "12", "--json", "-q").ok().out)
    assert {key: document[key] for key in document if key != "partitions"} == {
        "_command": "reset-offsets", "_version": 1, "group": orders, "state": "Empty", "executed": False,
        "undoes": None, "moved": 3, "read_again": 3, "skipped": 7,
    }  # fmt: skip
    assert document["partitions"][0] == {
        "topic": orders, "partition": 0, "start_offset": 0, "end_offset": 20, "committed_offset": 5, "new_offset": 12,
        "change": 7, "effect": "skips", "read_again": 0, "skipped": 7, "error": None,
    }  # fmt: skip
    assert document["partitions"][1]["new_offset"] == 10
    assert document["partitions"][1]["committed_offset"] is None


def test_without_a_journal_nothing_is_changed(cluster: str, orders: str, own_home: Path) -> None:
    (own_home / "state").write_text("in the way")
    ran = run("reset-offsets", orders, "--to-latest", "--execute")
    assert (ran.code, ran.out) == (1, "")
    assert "cannot be journalled" in ran.err
    assert committed(cluster, orders, orders, 3) == {0: 5, 2: 15}


def test_a_run_that_is_cut_off_before_the_commit_is_sent(
    cluster: str, orders: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal knows a reset that never was: undoing it moves nothing, and the next undo takes the one before."""
    run("reset-offsets", orders, "--to", "+1", "-t", f"{orders}:0", "--execute").ok()

    def cut_off(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(acting, "_commit", cut_off)
        assert run("reset-offsets", orders, "--to-latest", "--execute").code == 130
    assert committed(cluster, orders, orders, 3) == {0: 1, 2: 15}
    ran = run("reset-offsets", orders, "--undo", "--execute").ok()
    assert ran.out == HEADER + f"{orders}:0\t1\t1\t0\tstays\n{orders}:1\t-\t-\t-\tno_commit\n"
    assert run("reset-offsets", orders, "--undo", "--execute").ok()
    assert committed(cluster, orders, orders, 3) == {0: 5, 2: 15}


def test_a_member_that_comes_between_plan_and_commit(
    cluster: str, orders: str, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = journal.write
    with contextlib.ExitStack() as joined:

        def join_and_write(*args: Any, **more: Any) -> journal.Entry:
            joined.enter_context(member(cluster, orders, orders))
            return write(*args, **more)

        with monkeypatch.context() as patched:
            patched.setattr(journal, "write", join_and_write)
            ran = run("reset-offsets", orders, "--to-latest", "--execute")
    said = f"kq: group {orders} is active: billing-1 @ 127.0.0.1; stop them, or add --wait-empty\n"
    assert ran == (1, "", said)
    assert committed(cluster, orders, orders, 3) == {0: 5, 2: 15}
    assert list((own_home / "state").rglob("*.json")) == []


def test_groups_reset_is_the_same(cluster: str, orders: str) -> None:
    ran = run("groups", "reset", orders, "--to-latest", "--execute").ok()
    assert ran.out.startswith(HEADER)
    assert ran.err.endswith(f"Undo: kq groups reset {orders} --undo\n")
    assert run("groups", "reset", orders, "--undo", "--execute").ok()
    assert committed(cluster, orders, orders, 3) == {0: 5, 2: 15}


def test_a_profile_that_is_read_only(cluster: str, orders: str, own_home: Path) -> None:
    profiles = own_home / "config" / "kq" / "profiles"
    profiles.mkdir(parents=True)
    (profiles / "p.toml").write_text("read_only = true\n")
    assert run("reset-offsets", orders, "--to-latest", "-C", "p").code == 0
    ran = run("reset-offsets", orders, "--to-latest", "--execute", "-C", "p")
    assert ran.code == 1
    assert "read_only" in ran.err
    assert committed(cluster, orders, orders, 3) == {0: 5, 2: 15}


def test_on_a_terminal(cluster: str, orders: str) -> None:
    terminal = Terminal("reset-offsets", orders, "--shift-by", "+4")
    assert terminal.end() == 0
    assert f"group {orders} (Empty): move 1 of 3 partitions by +4" in terminal.screen
    assert "skips 4\n" in terminal.screen
    assert "the latest is taken" in terminal.screen
    assert "no commit\n" in terminal.screen
