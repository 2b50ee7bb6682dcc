"""What is written on the command line of `kq groups`, and what it means, without a broker."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from kq.cli.groups import selection
from kq.cli.groups.filters import in_order, parse_lag, sort_place
from kq.cli.groups.members import active_words, member_names
from kq.cli.groups.narrowing import narrowed
from kq.cli.groups.rhythm import ONCE, Rhythm, parse_rhythm
from kq.cli.groups.selection import choose_groups, matching
from kq.cli.groups.views import COLUMNS, columns_of, parse_by
from kq.cli.output.render import Form
from kq.cli.run.call import Call
from kq.cli.run.failures import Failure, NotFound, Usage
from kq.client import Cluster, GroupListing, GroupListings, GroupMember
from tests.cli.harness import run


@pytest.mark.parametrize(
    ("text", "meant", "not_meant"),
    [
        (">1000", [1001], [1000, 0]),
        (" >= 5 ", [5, 6], [4]),
        ("<3", [2, 0], [3]),
        ("<=3", [3], [4]),
        ("==0", [0], [1]),
        ("=0", [0], [1]),
        ("!=0", [1], [0]),
    ],
)
def test_lag_comparisons(text: str, meant: list[int], not_meant: list[int]) -> None:
    is_meant = parse_lag(text)
    assert is_meant is not None
    assert all(map(is_meant, meant))
    assert not any(map(is_meant, [*not_meant, None]))


@pytest.mark.parametrize("text", ["1000", "", ">", ">1k", "=>5", "> -1", ">1.5", "lag>5", ">" + "9" * 20])
def test_no_comparison(text: str) -> None:
    with pytest.raises(Usage, match="write --lag '>1000'"):
        parse_lag(text)


def test_sorting() -> None:
    columns = columns_of("partition", has_trend=True)
    assert sort_place("to-empty", columns) == len(columns) - 1
    assert sort_place("LAG", columns) == 3
    with pytest.raises(Usage, match="did you mean 'behind'"):
        sort_place("behnd", columns)
    with pytest.raises(Usage, match="there are partition, committed"):
        sort_place("written", COLUMNS["partition"])  # without two looks there is no such column
    assert in_order([3, None, 10, 1], lambda item: item) == [10, 3, 1, None]
    assert in_order(["b", None, "a"], lambda item: item) == ["a", "b", None]
    assert in_order([(1, "x"), (1, "y"), (2, "z")], lambda item: item[0]) == [(2, "z"), (1, "x"), (1, "y")]


def test_by() -> None:
    with pytest.raises(Usage, match="did you mean 'partition'"):
        parse_by("partitions")


def test_rhythms() -> None:
    assert parse_rhythm(None, None, None) == ONCE
    assert parse_rhythm("2", None, None) == Rhythm(2, shown=None)
    assert parse_rhythm("500ms", None, 3) == Rhythm(0.5, shown=3)
    assert parse_rhythm(None, "5s", None) == Rhythm(5, hidden=1)
    for watch, sample, count in [("2", "5s", None), (None, "5s", 3), (None, None, 3), ("0", None, None)]:
        with pytest.raises(Usage):
            parse_rhythm(watch, sample, count)
    with pytest.raises(Usage, match="--sample soon: 'soon' is not a duration; write 30s, 5m"):
        parse_rhythm(None, "soon", None)


def test_narrowing() -> None:
    is_meant = narrowed(["orders:0,2-3", "click*", "audit"])
    assert [pair for pair in [("orders", 0), ("orders", 1), ("orders", 3), ("clicks", 7), ("audit", 0), ("other", 0)]
            if is_meant(pair)] == [("orders", 0), ("orders", 3), ("clicks", 7), ("audit", 0)]  # fmt: skip
    assert narrowed([])(("anything", 3))


def test_which_groups() -> None:
    known = ["billing", "bills", "search"]
    assert matching(choose_groups(["bill*", "search"]), known, "here") == known
    assert matching(choose_groups([]), known, "here") == known
    assert matching(choose_groups(["^b.*s$"], regex=True), known, "here") == ["bills"]
    with pytest.raises(NotFound, match="no group 'serch' on here; did you mean 'search'"):
        matching(choose_groups(["serch"]), known, "here")
    with pytest.raises(NotFound, match="no group matches 'x\\*' on here"):
        matching(choose_groups(["x*"]), known, "here")


def test_members_have_different_names() -> None:
    one = GroupMember("c-1", "client", "10.0.0.6")
    other_host = GroupMember("c-2", "client", "10.0.0.7")
    assert member_names([one, other_host]) == {"c-1": "client @ 10.0.0.6", "c-2": "client @ 10.0.0.7"}
    twin = GroupMember("c-3", "client", "10.0.0.6")
    assert member_names([one, twin]) == {"c-1": "c-1 @ 10.0.0.6", "c-3": "c-3 @ 10.0.0.6"}
    static = GroupMember("c-4", "client", "10.0.0.6", "worker-4")
    assert active_words("g", [one, static]) == "group g is active: client @ 10.0.0.6, worker-4 @ 10.0.0.6"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["describe"], "groups describe: GROUP is missing"),
        (["describe", "g", "--by", "topc"], "did you mean 'topic'"),
        (["describe", "g", "--sort", "behid"], "did you mean 'behind'"),
        (["describe", "g", "--lag", "7"], "--lag 7: not a comparison"),
        (["describe", "g", "-t", "orders:x"], "'x' is not a partition"),
        (["describe", "g", "--wach"], "did you mean '--watch'"),
        (["describe", "g", "--watch", "0.01"], "too often"),
        (["list", "--state", "stabel"], "did you mean 'Stable'"),
        (["list", "--type", "clasic"], "did you mean 'classic'"),
        (["list", "--regex", "("], "--regex ("),
        (["list", "-n", "3"], "-n counts the looks of --watch"),
        (["peek"], "groups peek: GROUP is missing"),
        (["peek", "a", "-g", "b"], "about one group: a or b?"),
        (["history"], "groups history: GROUP is missing"),
        (["delete"], "groups delete: GROUP is missing"),
        (["delete-offsets", "g"], "TOPIC is missing"),
        (["delete-offsets"], "GROUP is missing"),
        (["decribe", "g"], "did you mean 'describe'"),
    ],
)
def test_nonsense(args: list[str], words: str) -> None:
    ran = run("groups", *args, "-b", "127.0.0.1:1")  # nobody is asked
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("kq: ")
    assert words in ran.err


def test_failures_have_one_sentence() -> None:
    with pytest.raises(Failure):
        choose_groups(["\udcff"])


def test_groups_reset_is_reset_offsets() -> None:
    for words in (["reset-offsets"], ["groups", "reset"], ["group", "reset"]):
        ran = run(*words, "-h").ok()
        assert "--to-earliest" in ran.out, words
    assert run("groups", "reset").err.startswith("kq: groups reset: GROUP is missing")


def test_groups_of_another_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """A share group is listed; what a pattern means are those that kq can read."""

    class Listing:
        def __init__(self, cluster: Cluster) -> None:
            self.groups = {name: GroupListing(name, "Stable", name) for name in ("classic", "consumer", "share")}

        async def list_groups(self, states: object = (), types: object = ()) -> GroupListings:
            return GroupListings(self.groups)

    monkeypatch.setattr(selection, "Admin", Listing)
    cluster = cast("Cluster", None)
    call = Call("groups describe", [], json=False, quiet=False, verbose=0, form=Form(), error_color=False)
    assert asyncio.run(selection.select_groups(cluster, call, choose_groups(["*"]))) == ["classic", "consumer"]
    assert asyncio.run(selection.select_groups(cluster, call, choose_groups(["share"]))) == ["share"]
    failure = asyncio.run(selection.missing_group(cluster, call, "share"))
    assert failure.message == "share is a share group; kq reads classic and consumer groups"
    assert failure.exit_code == 1
    assert asyncio.run(selection.missing_group(cluster, call, "shar")).exit_code == 3
