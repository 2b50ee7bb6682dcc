"""From looks at a group to what happened to it."""

from __future__ import annotations

import pytest

from kq.cli.groups.generations import Generation, Watcher
from kq.client import GroupDescription, GroupMember
from kq.errors import Err, KafkaError


def group(state: str, epoch: int | None = None, /, **members: list[int]) -> GroupDescription:
    described = tuple(
        GroupMember(name, assignment=tuple(("t", partition) for partition in partitions))
        for name, partitions in members.items()
    )
    return GroupDescription("g", state, members=described, epoch=epoch)


def told(*looks: GroupDescription) -> list[Generation]:
    """Looks come a second apart."""
    watcher = Watcher()
    said = [watcher.saw(look, number * 1000) for number, look in enumerate(looks)]
    return [one for one in said if one is not None]


def test_the_first_look_has_no_before() -> None:
    assert told(group("Stable", 4, a=[0, 1])) == [Generation(4, 0, "Stable with 1 member when watching began")]


def test_nothing_happens() -> None:
    assert len(told(*[group("Stable", 4, a=[0, 1])] * 5)) == 1


def test_one_joins() -> None:
    _, one = told(
        group("Stable", None, a=[0, 1]),
        group("PreparingRebalance", None, a=[0, 1]),
        group("CompletingRebalance", None, a=[], b=[]),
        group("Stable", None, a=[0], b=[1]),
    )
    assert one == Generation(None, 3000, "b joined", ("b",), (), moved_partitions=1, stood_ms=2000)


def test_one_leaves_between_two_looks() -> None:
    _, one = told(group("Stable", 4, a=[0], b=[1]), group("Stable", 5, a=[0, 1]))
    assert one == Generation(5, 1000, "b left", (), ("b",), moved_partitions=1, stood_ms=None)


def test_a_rebalance_for_nothing() -> None:
    _, one = told(group("Stable", None, a=[0]), group("PreparingRebalance", None, a=[0]), group("Stable", None, a=[0]))
    assert (one.reason, one.moved_partitions, one.stood_ms) == ("nobody came or went", 0, 1000)


def test_partitions_are_added() -> None:
    _, one = told(group("Stable", 1, a=[0]), group("Stable", 2, a=[0, 1]))
    assert (one.reason, one.moved_partitions) == ("partitions moved", 0)


def test_all_leave_and_the_group_goes() -> None:
    gone = GroupDescription("g", "Dead", error=KafkaError(Err.GROUP_ID_NOT_FOUND))
    _, empty = told(group("Stable", 1, a=[0]), group("Empty", 2), group("Empty", 2), gone._replace(epoch=2))
    assert (empty.reason, empty.left, empty.moved_partitions) == ("a left", ("a",), 0)  # nobody took it


def test_a_coordinator_that_does_not_answer_is_no_event() -> None:
    watcher = Watcher()
    watcher.saw(group("Stable", 1, a=[0]), 0)
    with pytest.raises(KafkaError):
        watcher.saw(GroupDescription("g", error=KafkaError(Err.GROUP_AUTHORIZATION_FAILED)), 1000)
