"""A member's way from what it has to what it should have, step by step."""

from __future__ import annotations

import pytest

from kq.errors import Err, KafkaError
from kq.machines.group.reconciliation import MemberState, Standing, reconciled

A, B = b"A" * 16, b"B" * 16
STABLE, UNREVOKED, UNRELEASED = MemberState.STABLE, MemberState.UNREVOKED_PARTITIONS, MemberState.UNRELEASED_PARTITIONS

Has = dict[bytes, dict[int, int]]


def at(
    epoch: int, assigned: Has, revoking: Has | None = None, state: MemberState = STABLE, previous: int = 0
) -> Standing:
    return Standing(epoch, previous, state, assigned, revoking or {})


# What the member is, the target, what others own, what it says it owns -> what it becomes. The target's epoch is 5.
STEPS = {
    "has it all": (at(5, {A: {0: 1}}), {A: {0}}, [], None, at(5, {A: {0: 1}})),
    "gets what is free": (at(4, {A: {0: 1}}), {A: {0, 1}}, [], None, at(5, {A: {0: 1, 1: 5}}, previous=4)),
    "must give up first": (
        at(4, {A: {0: 1, 1: 1}}),
        {A: {0}, B: {0}},
        [],
        None,
        at(4, {A: {0: 1}}, {A: {1: 1}}, UNREVOKED, 4),
    ),
    "has given up already": (
        at(4, {A: {0: 1, 1: 1}}),
        {A: {0}, B: {0}},
        [],
        {A: {0}},
        at(5, {A: {0: 1}, B: {0: 5}}, previous=4),
    ),
    "still owns it": (
        at(4, {A: {0: 1}}, {A: {1: 1}}, UNREVOKED),
        {A: {0}},
        [],
        {A: {0, 1}},
        at(4, {A: {0: 1}}, {A: {1: 1}}, UNREVOKED),
    ),
    "does not say": (
        at(4, {A: {0: 1}}, {A: {1: 1}}, UNREVOKED),
        {A: {0}},
        [],
        None,
        at(4, {A: {0: 1}}, {A: {1: 1}}, UNREVOKED),
    ),
    "has given up": (
        at(4, {A: {0: 1}}, {A: {1: 1}}, UNREVOKED),
        {A: {0}},
        [],
        {A: {0}},
        at(5, {A: {0: 1}}, previous=4),
    ),
    "gets back what it gave up": (
        at(4, {A: {0: 1}}, {A: {1: 1}}, UNREVOKED),
        {A: {0, 1}},
        [(A, 1)],
        {A: {0}},
        at(5, {A: {0: 1, 1: 5}}, previous=4),
    ),
    "waits for another": (at(4, {}), {A: {0, 1}}, [(A, 1)], None, at(5, {A: {0: 5}}, None, UNRELEASED, 4)),
    "waits for all": (at(4, {}), {A: {0}}, [(A, 0)], None, at(5, {}, None, UNRELEASED, 4)),
    "waits no longer": (
        at(5, {A: {0: 5}}, None, UNRELEASED, 5),
        {A: {0, 1}},
        [],
        None,
        at(5, {A: {0: 5, 1: 5}}, previous=5),
    ),
    "loses all": (at(4, {A: {0: 1}}), {}, [], None, at(4, {}, {A: {0: 1}}, UNREVOKED, 4)),
}


@pytest.mark.parametrize(("before", "target", "taken", "owned", "after"), STEPS.values(), ids=STEPS)
def test_steps(before: Standing, target: object, taken: object, owned: object, after: Standing) -> None:
    assert step(before, target, taken, owned) == after


def step(before: Standing, target: object, taken: object, owned: object, **more: object) -> Standing:
    arguments = {"subscribed": {A, B}, "subscription_changed": False, "target_epoch": 5} | more
    return reconciled(before, target=target, is_free=lambda *pair: pair not in taken, owned=owned, **arguments)  # type: ignore[arg-type, operator]


def test_what_cannot_move_is_the_same_object() -> None:
    for before in (at(5, {A: {0: 1}}), at(4, {A: {0: 1}}, {A: {1: 1}}, UNREVOKED)):
        assert step(before, {A: {0}}, [], None) is before


def test_unsubscribed_topics_go_at_once() -> None:
    before = at(5, {A: {0: 1}, B: {0: 1}})
    asked = step(before, {A: {0}, B: {0}}, [], None, subscribed={A}, subscription_changed=True)
    assert asked == at(5, {A: {0: 1}}, {B: {0: 1}}, UNREVOKED, 5)
    given_up = step(before, {A: {0}, B: {0}}, [], {A: {0}}, subscribed={A}, subscription_changed=True)
    assert given_up == at(5, {A: {0: 1}}, previous=5)
    assert step(asked, {A: {0}, B: {0}}, [], {A: {0}}, subscribed={A}) == at(5, {A: {0: 1}}, previous=5)


def test_a_state_that_is_not_known_is_fenced_until_nothing_is_owned() -> None:
    before = at(4, {}, None, MemberState.UNKNOWN)
    for owned in (None, {A: {0}}):
        with pytest.raises(KafkaError) as refused:
            step(before, {A: {0}}, [], owned)
        assert refused.value.code is Err.FENCED_MEMBER_EPOCH
    assert step(before, {A: {0}}, [], {}) == at(5, {A: {0: 5}}, previous=4)
