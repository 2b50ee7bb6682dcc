"""Groups over restarts: what was answered is remembered, however the broker ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kq.errors import Err
from kq.testing import Broker
from kq.wire.apis.groups import JOIN_GROUP
from tests.support import groups
from tests.support.asking import plain
from tests.support.patience import until
from tests.support.wire import Wire


@pytest.fixture(params=["false", "true"], ids=["page-cache", "fsync"])
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    settings = {"group.initial.rebalance.delay.ms": "0", "kq.log.fsync.before.ack": request.param}
    with Broker(settings) as broker:
        broker.create_topic("t", partitions=2)
        yield broker


def told(wire: Wire) -> Any:
    """All that can be asked of the groups of these tests."""
    names = sorted(groups.listed(wire))
    return [
        (
            plain(groups.describe(wire, name)),
            plain(groups.fetch(wire, name, {"t": [0, 1]})),
            plain(groups.listed(wire)[name]),
        )
        for name in names
    ]


def loaded(broker: Broker) -> Wire:
    wire = Wire(broker.bootstrap)
    groups.find(wire, "any")
    until(lambda: groups.fetch(wire, "any").error_code == Err.NONE, "the groups are loaded")
    for name in ("team", "alone", "simple"):
        groups.find(wire, name)
    return wire


def killed(broker: Broker) -> None:
    broker.kill()
    broker.start()


@pytest.mark.parametrize("end", [killed, Broker.restart], ids=["killed", "stopped"])
def test_the_same_after_a_restart(broker: Broker, end: Callable[[Broker], None]) -> None:
    wire = loaded(broker)
    member, generation = groups.alone(wire, "alone", instance="i")
    assert (
        groups.commit(wire, "alone", "t", 7, generation=generation, member_id=member, instance="i", metadata="x") == 0
    )
    assert groups.commit(wire, "simple", "t", 3, index=1, epoch=0) == 0
    left, _ = groups.alone(wire, "team")
    groups.leave(wire, "team", (left, None))
    assert groups.commit(wire, "gone", "t") == 0
    assert groups.delete(wire, "gone") == {"gone": 0}
    before = told(wire)
    assert len(before) == 3
    end(broker)
    again = loaded(broker)
    assert told(again) == before
    assert groups.heartbeat(again, "alone", generation, member, instance="i") == Err.NONE
    assert groups.sync(again, "alone", generation, member, instance="i").assignment == b"mine"


def test_killed_while_members_join(broker: Broker) -> None:
    """The last generation that was remembered holds: a rebalance that had no end has not happened."""
    wire = loaded(broker)
    first, generation = groups.alone(wire, "team")
    stable = plain(groups.describe(wire, "team"))
    with Wire(broker.bootstrap) as other:
        second = other.call(JOIN_GROUP, 9, groups.join_request("team")).member_id
        other.send(JOIN_GROUP, 9, groups.join_request("team", second))
        until(lambda: groups.state(wire, "team") == "PreparingRebalance", "a rebalance begins")
        killed(broker)
    again = loaded(broker)
    assert plain(groups.describe(again, "team")) == stable
    assert groups.heartbeat(again, "team", generation, first) == Err.NONE
    assert groups.commit(again, "team", "t", 9, generation=generation, member_id=first) == Err.NONE


def test_killed_while_members_wait_for_the_assignment(broker: Broker) -> None:
    wire = loaded(broker)
    first, _ = groups.alone(wire, "team")
    stable = plain(groups.describe(wire, "team"))
    with Wire(broker.bootstrap) as other:
        second = other.call(JOIN_GROUP, 9, groups.join_request("team")).member_id
        other.send(JOIN_GROUP, 9, groups.join_request("team", second))
        until(lambda: groups.state(wire, "team") == "PreparingRebalance", "a rebalance begins")
        assert groups.join(wire, "team", first).generation_id == 2
        assert other.receive().generation_id == 2
        killed(broker)
    again = loaded(broker)
    assert plain(groups.describe(again, "team")) == stable
    assert groups.heartbeat(again, "team", 2, first) == Err.ILLEGAL_GENERATION
    rejoined = groups.join(again, "team", first)
    assert (rejoined.error_code, rejoined.generation_id) == (Err.NONE, 2)


def test_those_who_wait_are_told_when_the_broker_stops(broker: Broker) -> None:
    wire = loaded(broker)
    groups.alone(wire, "team")
    with Wire(broker.bootstrap) as other:
        second = other.call(JOIN_GROUP, 9, groups.join_request("team")).member_id
        other.send(JOIN_GROUP, 9, groups.join_request("team", second))
        until(lambda: groups.state(wire, "team") == "PreparingRebalance", "a rebalance begins")
        broker.stop()
        assert other.is_closed()
        broker.start()
