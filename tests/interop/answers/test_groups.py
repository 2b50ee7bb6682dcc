"""Groups of the classic protocol: what coordinators, members and their rebalances are answered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from kq.errors import Err
from kq.wire.apis.groups import FIND_COORDINATOR, HEARTBEAT, JOIN_GROUP, SYNC_GROUP
from tests.support import groups
from tests.support.asking import Differs, Make
from tests.support.groups import SUBSCRIBED, Connect
from tests.support.patience import until
from tests.support.wire import Wire


@pytest.fixture
def connect(bootstrap: str) -> Iterator[Connect]:
    """Further connections: a member that waits for its generation occupies one."""
    with ExitStack() as open_:
        yield lambda: open_.enter_context(Wire(bootstrap, timeout_s=15))


@pytest.fixture
def group(wire: Wire, name: str) -> str:
    groups.find(wire, name)
    return name


# FindCoordinator


def test_every_version_finds_this_broker(wire: Wire, group: str, bootstrap: str) -> None:
    for version in range(7):
        many = version >= 4
        asked = FIND_COORDINATOR.Request(coordinator_keys=[group, group + "-2"]) if many else None
        answer = wire.call(FIND_COORDINATOR, version, asked or FIND_COORDINATOR.Request(key=group))
        for one in answer.coordinators if many else [answer]:
            assert (one.error_code, one.node_id, f"{one.host}:{one.port}") == (Err.NONE, 1, bootstrap)
            assert one.error_message == (None if version == 0 else "" if many else "NONE")
        assert [one.key for one in answer.coordinators] == ([group, group + "-2"] if many else [])


def test_what_has_no_coordinator(wire: Wire, group: str) -> None:
    for key_type in (2, 3):
        answer = wire.call(FIND_COORDINATOR, 3, FIND_COORDINATOR.Request(key=group, key_type=key_type))
        assert (answer.error_code, answer.node_id, answer.host, answer.port) == (Err.INVALID_REQUEST, -1, "", -1)


# JoinGroup


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"group_id": ""}, Err.INVALID_GROUP_ID),
        ({"session_timeout_ms": 5999}, Err.INVALID_SESSION_TIMEOUT),
        ({"session_timeout_ms": 1_800_001}, Err.INVALID_SESSION_TIMEOUT),
        ({"protocols": []}, Err.INCONSISTENT_GROUP_PROTOCOL),
        ({"protocol_type": ""}, Err.INCONSISTENT_GROUP_PROTOCOL),
        ({"member_id": "nobody"}, Err.UNKNOWN_MEMBER_ID),
        ({"member_id": "nobody", "group_instance_id": "i"}, Err.UNKNOWN_MEMBER_ID),
    ],
    ids=lambda value: str(value)[:40],
)
def test_who_cannot_join(wire: Wire, group: str, change: dict[str, Any], error: Err, differs: Differs) -> None:
    for version in (5, 6, 9):
        request = groups.join_request(group)
        for field, value in change.items():
            setattr(request, field, value)
        answer = wire.call(JOIN_GROUP, version, request)
        assert Err.of(answer.error_code) is error
        assert (answer.generation_id, answer.leader, answer.members) == (-1, "", [])
        assert answer.member_id == request.member_id
        assert answer.protocol_name == ("" if version < 7 else None)
    is_made = error is Err.INCONSISTENT_GROUP_PROTOCOL  # a new group has no protocol to be inconsistent with
    assert (group in groups.listed(wire)) == differs(kafka=is_made, kq=False)


def test_a_new_member_is_told_its_id_first(wire: Wire, group: str) -> None:
    for version in (4, 9):
        answer = wire.call(JOIN_GROUP, version, groups.join_request(group))
        assert answer.error_code == Err.MEMBER_ID_REQUIRED
        assert answer.member_id.startswith("test-")
    assert groups.state(wire, group) == "Empty"
    assert groups.describe(wire, group).members == []
    assert groups.listed(wire)[group].protocol_type == ""


def test_old_versions_join_at_once(wire: Wire, group: str) -> None:
    for version in range(4):
        joined = groups.join(wire, f"{group}-{version}", version=version)
        assert (joined.error_code, joined.generation_id, joined.leader) == (Err.NONE, 1, joined.member_id)


@pytest.mark.parametrize("version", [4, 5, 6, 7, 8, 9])
def test_what_the_only_member_is_told(wire: Wire, group: str, version: int) -> None:
    joined = groups.join(wire, group, version=version)
    assert (joined.error_code, joined.generation_id, joined.protocol_name) == (Err.NONE, 1, "range")
    assert joined.protocol_type == ("consumer" if version >= 7 else None)
    assert joined.leader == joined.member_id
    assert [(m.member_id, m.group_instance_id, m.metadata) for m in joined.members] == [
        (joined.member_id, None, SUBSCRIBED)
    ]
    synced = groups.sync(wire, group, 1, joined.member_id, {joined.member_id: b"mine"}, version=min(version, 5))
    assert (synced.error_code, synced.assignment) == (Err.NONE, b"mine")
    assert (synced.protocol_type, synced.protocol_name) == (("consumer", "range") if version >= 5 else (None, None))


def test_the_protocol_that_most_prefer(wire: Wire, connect: Connect, group: str) -> None:
    both = (("roundrobin", SUBSCRIBED), ("range", SUBSCRIBED + b"a"))
    member, _ = groups.alone(wire, group, protocols=both, protocol="roundrobin")
    other = connect()
    told = other.call(
        JOIN_GROUP, 9, groups.join_request(group, protocols=(("range", SUBSCRIBED + b"b"), ("sticky", SUBSCRIBED)))
    )
    other.send(
        JOIN_GROUP,
        9,
        groups.join_request(group, told.member_id, protocols=(("range", SUBSCRIBED + b"b"), ("sticky", SUBSCRIBED))),
    )
    until(lambda: groups.state(wire, group) == "PreparingRebalance", "a rebalance begins")
    again = wire.call(JOIN_GROUP, 9, groups.join_request(group, member, protocols=both))
    assert (again.generation_id, again.protocol_name) == (2, "range")
    assert {one.metadata for one in again.members} == {SUBSCRIBED + b"a", SUBSCRIBED + b"b"}
    assert other.receive().members == []


def test_who_shares_no_protocol_stays_out(wire: Wire, group: str) -> None:
    groups.alone(wire, group)
    for wrong in ({"protocols": (("sticky", SUBSCRIBED),)}, {"kind": "connect"}):
        assert groups.join(wire, group, **wrong).error_code == Err.INCONSISTENT_GROUP_PROTOCOL


# While the members rebalance


@pytest.fixture
def rebalancing(wire: Wire, connect: Connect, group: str, make_topic: Make) -> Callable[[], tuple[str, str, str, Wire]]:
    """Makes a group of which one member has joined again and the other, first, has not: topic, the first one's id, the
    second one's id, and the connection on which the second waits."""

    def make() -> tuple[str, str, str, Wire]:
        topic = make_topic()
        first, _ = groups.alone(wire, group)
        second = connect()
        told = second.call(JOIN_GROUP, 9, groups.join_request(group))
        assert told.error_code == Err.MEMBER_ID_REQUIRED
        second.send(JOIN_GROUP, 9, groups.join_request(group, told.member_id))
        until(lambda: groups.state(wire, group) == "PreparingRebalance", "a rebalance begins")
        return topic, first, told.member_id, second

    return make


def test_while_members_join(wire: Wire, group: str, rebalancing: Any) -> None:
    topic, first, second, waiting = rebalancing()
    assert groups.heartbeat(wire, group, 1, first) == Err.REBALANCE_IN_PROGRESS
    assert groups.sync(wire, group, 1, first).error_code == Err.REBALANCE_IN_PROGRESS
    assert groups.commit(wire, group, topic, generation=1, member_id=first) == Err.NONE
    assert waiting.is_silent()
    described = groups.describe(wire, group)
    assert (described.protocol_type, described.protocol_data) == ("consumer", "")
    assert {(m.member_id, m.member_metadata, m.member_assignment) for m in described.members} == {
        (first, b"", b"mine"),
        (second, b"", b""),
    }


def test_while_members_wait_for_the_assignment(wire: Wire, group: str, rebalancing: Any) -> None:
    topic, first, second, waiting = rebalancing()
    joined = groups.join(wire, group, first)
    assert (joined.generation_id, joined.leader, len(joined.members)) == (2, first, 2)
    follower = waiting.receive()
    assert (follower.generation_id, follower.leader, follower.member_id, follower.members) == (2, first, second, [])
    assert groups.state(wire, group) == "CompletingRebalance"
    assert groups.heartbeat(wire, group, 2, first) == Err.NONE
    assert groups.heartbeat(wire, group, 1, first) == Err.ILLEGAL_GENERATION
    assert groups.commit(wire, group, topic, generation=2, member_id=first) == Err.REBALANCE_IN_PROGRESS
    assert groups.commit(wire, group, topic, generation=1, member_id=first) == Err.ILLEGAL_GENERATION
    waiting.send(SYNC_GROUP, 5, groups.sync_request(group, 2, second))
    assert waiting.is_silent()
    wrong = groups.sync(wire, group, 2, first, {}, protocol="sticky")
    assert wrong.error_code == Err.INCONSISTENT_GROUP_PROTOCOL
    assert groups.sync(wire, group, 2, first, {first: b"1", second: b"2"}).assignment == b"1"
    assert waiting.receive().assignment == b"2"
    assert groups.state(wire, group) == "Stable"
    described = groups.describe(wire, group)
    assert {(m.member_id, m.member_metadata, m.member_assignment) for m in described.members} == {
        (first, SUBSCRIBED, b"1"),
        (second, SUBSCRIBED, b"2"),
    }
    assert {m.client_id for m in described.members} == {"test"}
    assert {m.client_host for m in described.members} == {"/127.0.0.1"}


def test_whoever_does_not_join_again_is_out(wire: Wire, connect: Connect, group: str) -> None:
    first, _ = groups.alone(wire, group, session_ms=6000, rebalance_ms=300)
    joined = groups.join(connect(), group, session_ms=6000, rebalance_ms=300)
    assert (joined.generation_id, joined.leader) == (2, joined.member_id)
    assert [m.member_id for m in joined.members] == [joined.member_id]
    assert groups.heartbeat(wire, group, 2, first) == Err.UNKNOWN_MEMBER_ID


# SyncGroup, Heartbeat, LeaveGroup


def test_members_and_groups_that_are_not_there(wire: Wire, group: str) -> None:
    assert groups.heartbeat(wire, group, 1, "m") == Err.UNKNOWN_MEMBER_ID
    assert groups.sync(wire, group, 1, "m").error_code == Err.UNKNOWN_MEMBER_ID
    left = groups.leave(wire, group, ("m", None))
    assert (left.error_code, [m.error_code for m in left.members]) == (Err.NONE, [Err.UNKNOWN_MEMBER_ID])
    assert groups.leave(wire, group, ("m", None), version=2).error_code == Err.UNKNOWN_MEMBER_ID
    assert groups.leave(wire, "", ("m", None)).error_code == Err.INVALID_GROUP_ID
    assert groups.sync(wire, "", 1, "m").error_code == Err.INVALID_GROUP_ID
    assert groups.heartbeat(wire, "", 1, "m") == Err.INVALID_GROUP_ID


def test_a_sync_must_name_the_protocol(wire: Wire, group: str) -> None:
    member, generation = groups.alone(wire, group)
    request = groups.sync_request(group, generation, member, kind=None, protocol=None)
    assert wire.call(SYNC_GROUP, 5, request).error_code == Err.INCONSISTENT_GROUP_PROTOCOL
    again = wire.call(SYNC_GROUP, 4, request)
    assert (again.error_code, again.assignment) == (Err.NONE, b"mine")


def test_generations_are_held_against_the_group(wire: Wire, group: str) -> None:
    member, generation = groups.alone(wire, group)
    assert groups.heartbeat(wire, group, generation, member) == Err.NONE
    assert groups.heartbeat(wire, group, generation + 1, member) == Err.ILLEGAL_GENERATION
    assert groups.heartbeat(wire, group, generation, "other") == Err.UNKNOWN_MEMBER_ID
    assert groups.sync(wire, group, generation + 1, member).error_code == Err.ILLEGAL_GENERATION


@pytest.mark.parametrize("version", range(6))
def test_leaving(wire: Wire, group: str, version: int) -> None:
    member, generation = groups.alone(wire, group)
    left = groups.leave(wire, group, (member, None), version=version)
    assert left.error_code == Err.NONE
    assert [m.error_code for m in left.members] == ([Err.NONE] if version >= 3 else [])
    assert groups.heartbeat(wire, group, generation, member) == Err.UNKNOWN_MEMBER_ID
    described = groups.describe(wire, group)
    assert (described.group_state, described.protocol_type, described.protocol_data) == ("Empty", "consumer", "")


def test_a_member_that_is_silent_is_lost(wire: Wire, group: str) -> None:
    member, generation = groups.alone(wire, group, session_ms=6000)
    until(lambda: groups.state(wire, group) == "Empty", "its session ends", timeout_s=12)
    assert groups.heartbeat(wire, group, generation, member) == Err.UNKNOWN_MEMBER_ID


# Static members (KIP-345)


def test_a_static_member_comes_back(wire: Wire, group: str) -> None:
    before, generation = groups.alone(wire, group, instance="i")
    again = wire.call(JOIN_GROUP, 9, groups.join_request(group, instance="i"))
    assert (again.error_code, again.generation_id, again.skip_assignment) == (Err.NONE, generation, True)
    assert again.member_id != before
    assert again.member_id.startswith("i-")
    assert groups.state(wire, group) == "Stable"
    assert groups.heartbeat(wire, group, generation, before, instance="i") == Err.FENCED_INSTANCE_ID
    assert groups.heartbeat(wire, group, generation, again.member_id, instance="i") == Err.NONE
    assert groups.sync(wire, group, generation, again.member_id, instance="i").assignment == b"mine"
    assert groups.sync(wire, group, generation, before, instance="i").error_code == Err.FENCED_INSTANCE_ID
    assert (
        wire.call(JOIN_GROUP, 9, groups.join_request(group, before, instance="i")).error_code == Err.FENCED_INSTANCE_ID
    )
    left = groups.leave(wire, group, (before, "i"))
    assert left.members[0].error_code == Err.FENCED_INSTANCE_ID
    left = groups.leave(wire, group, ("", "i"))
    assert (left.members[0].error_code, left.members[0].group_instance_id) == (Err.NONE, "i")
    assert groups.state(wire, group) == "Empty"


def test_before_version_9_a_static_leader_is_told_the_members_no_more(wire: Wire, group: str) -> None:
    before, generation = groups.alone(wire, group, instance="i")
    again = wire.call(JOIN_GROUP, 8, groups.join_request(group, instance="i"))
    assert (again.error_code, again.generation_id, again.leader, again.members) == (Err.NONE, generation, before, [])


def test_heartbeats_of_static_members_nobody_knows(wire: Wire, group: str) -> None:
    member, generation = groups.alone(wire, group)
    assert groups.heartbeat(wire, group, generation, member, instance="other") == Err.UNKNOWN_MEMBER_ID
    asked = HEARTBEAT.Request(group_id=group, generation_id=generation, member_id="wrong", group_instance_id=None)
    for version in range(5):
        assert wire.call(HEARTBEAT, version, asked).error_code == Err.UNKNOWN_MEMBER_ID


def test_a_returning_static_member_with_other_wishes(wire: Wire, group: str) -> None:
    _, generation = groups.alone(wire, group, instance="i")
    none_in_common = groups.join_request(group, instance="i", protocols=(("roundrobin", SUBSCRIBED),))
    assert wire.call(JOIN_GROUP, 9, none_in_common).error_code == Err.INCONSISTENT_GROUP_PROTOCOL
    both = (("roundrobin", SUBSCRIBED), ("range", SUBSCRIBED))
    again = wire.call(JOIN_GROUP, 9, groups.join_request(group, instance="i", protocols=both))
    assert (again.error_code, again.protocol_name, again.skip_assignment) == (Err.NONE, "roundrobin", False)
    assert again.generation_id == generation + 1
