"""Short words for tests that speak the group protocol by hand: members that join, sync and commit on a plain socket."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from kq.errors import Err
from kq.wire.apis.commits import OFFSET_COMMIT, OFFSET_DELETE, OFFSET_FETCH
from kq.wire.apis.groups import (
    DELETE_GROUPS,
    DESCRIBE_GROUPS,
    FIND_COORDINATOR,
    HEARTBEAT,
    JOIN_GROUP,
    LEAVE_GROUP,
    LIST_GROUPS,
    SYNC_GROUP,
)
from tests.support.wire import Wire

NOT_YET = (Err.COORDINATOR_NOT_AVAILABLE, Err.COORDINATOR_LOAD_IN_PROGRESS, Err.NOT_COORDINATOR)
SUBSCRIBED = b"\0\0" + b"\0\0\0\1" + b"\0\1t" + b"\xff\xff\xff\xff"
"""A subscription to one topic, `t`, as the embedded consumer protocol has it. Apache Kafka 4.3.1 gives no answer at all
to a consumer whose subscription cannot be read."""
RANGE = (("range", SUBSCRIBED),)
DECLINED = -1


def find(wire: Wire, group_id: str) -> None:
    """Returns when the coordinator of the group takes requests (Apache Kafka makes its topic first)."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = wire.call(FIND_COORDINATOR, 4, FIND_COORDINATOR.Request(coordinator_keys=[group_id])).coordinators[0]
        if found.error_code == Err.NONE and fetch(wire, group_id).error_code not in NOT_YET:
            return
        time.sleep(0.05)
    raise AssertionError(f"no coordinator for {group_id!r}")


def join_request(
    group_id: str,
    member_id: str = "",
    *,
    instance: str | None = None,
    protocols: Sequence[tuple[str, bytes]] = RANGE,
    kind: str = "consumer",
    session_ms: int = 10_000,
    rebalance_ms: int = 10_000,
) -> Any:
    make = JOIN_GROUP.Request
    return make(
        group_id=group_id,
        member_id=member_id,
        group_instance_id=instance,
        session_timeout_ms=session_ms,
        rebalance_timeout_ms=rebalance_ms,
        protocol_type=kind,
        protocols=[make.Protocol(name=name, metadata=metadata) for name, metadata in protocols],
    )


def join(wire: Wire, group_id: str, member_id: str = "", *, version: int = 9, **more: Any) -> Any:
    """Joins, with a second request where the first one only told the member id."""
    answer = wire.call(JOIN_GROUP, version, join_request(group_id, member_id, **more))
    if answer.error_code == Err.MEMBER_ID_REQUIRED:
        answer = wire.call(JOIN_GROUP, version, join_request(group_id, answer.member_id, **more))
    return answer


def sync_request(
    group_id: str, generation: int, member_id: str, given: dict[str, bytes] | None = None, **more: Any
) -> Any:
    make = SYNC_GROUP.Request
    return make(
        group_id=group_id,
        generation_id=generation,
        member_id=member_id,
        group_instance_id=more.get("instance"),
        protocol_type=more.get("kind", "consumer"),
        protocol_name=more.get("protocol", "range"),
        assignments=[make.Assignment(member_id=who, assignment=what) for who, what in (given or {}).items()],
    )


def sync(
    wire: Wire, group_id: str, generation: int, member_id: str, given: dict[str, bytes] | None = None, **more: Any
) -> Any:
    return wire.call(SYNC_GROUP, more.pop("version", 5), sync_request(group_id, generation, member_id, given, **more))


def alone(wire: Wire, group_id: str, **more: Any) -> tuple[str, int]:
    """The one member of a stable group: its id and the generation."""
    joined = join(wire, group_id, **{name: value for name, value in more.items() if name != "protocol"})
    assert joined.error_code == Err.NONE, joined
    synced = sync(wire, group_id, joined.generation_id, joined.member_id, {joined.member_id: b"mine"}, **more)
    assert synced.error_code == Err.NONE, synced
    return joined.member_id, joined.generation_id


def heartbeat(wire: Wire, group_id: str, generation: int, member_id: str, *, instance: str | None = None) -> int:
    asked = HEARTBEAT.Request(
        group_id=group_id, generation_id=generation, member_id=member_id, group_instance_id=instance
    )
    return int(wire.call(HEARTBEAT, 4, asked).error_code)


def leave(wire: Wire, group_id: str, *members: tuple[str, str | None], version: int = 5) -> Any:
    make = LEAVE_GROUP.Request
    if version < 3:
        return wire.call(LEAVE_GROUP, version, make(group_id=group_id, member_id=members[0][0]))
    leaving = [make.Member(member_id=member_id, group_instance_id=instance) for member_id, instance in members]
    return wire.call(LEAVE_GROUP, version, make(group_id=group_id, members=leaving))


def commit(
    wire: Wire,
    group_id: str,
    topic: str | bytes,
    offset: int = 5,
    *,
    index: int = 0,
    version: int = 9,
    generation: int = -1,
    member_id: str = "",
    instance: str | None = None,
    metadata: str | None = "",
    epoch: int = -1,
) -> int:
    """The error of the one partition; a topic of bytes is an id."""
    make = OFFSET_COMMIT.Request
    partition = make.Partition(
        index=index, committed_offset=offset, committed_leader_epoch=epoch, committed_metadata=metadata
    )
    named: dict[str, Any] = {"topic_id": topic} if isinstance(topic, bytes) else {"name": topic}
    asked = make(
        group_id=group_id,
        generation_id_or_member_epoch=generation,
        member_id=member_id,
        group_instance_id=instance,
        topics=[make.Topic(**named, partitions=[partition])],
    )
    answer = wire.call(OFFSET_COMMIT, version, asked).topics[0]
    assert (answer.topic_id if isinstance(topic, bytes) else answer.name) == topic
    assert answer.partitions[0].index == index
    return int(answer.partitions[0].error_code)


def fetch(
    wire: Wire,
    group_id: str,
    topics: dict[str, list[int]] | dict[bytes, list[int]] | None = None,
    *,
    version: int = 9,
    member_id: str | None = None,
    epoch: int = -1,
    stable: bool = False,
) -> Any:
    """The group's part of an answer from version 8 on; before, the answer."""
    make = OFFSET_FETCH.Request
    wanted = topics and [
        make.Topic(**({"topic_id": topic} if isinstance(topic, bytes) else {"name": topic}), partitions=indexes)
        for topic, indexes in topics.items()
    ]
    if version < 8:
        return wire.call(OFFSET_FETCH, version, make(group_id=group_id, topics=wanted, require_stable=stable))
    group = make.Group(group_id=group_id, member_id=member_id, member_epoch=epoch, topics=wanted)
    return wire.call(OFFSET_FETCH, version, make(groups=[group], require_stable=stable)).groups[0]


def committed(wire: Wire, group_id: str, topic: str, index: int = 0) -> tuple[int, int, str]:
    """Offset, leader epoch and metadata."""
    found = fetch(wire, group_id, {topic: [index]}).topics[0].partitions[0]
    assert found.error_code == Err.NONE
    return found.committed_offset, found.committed_leader_epoch, found.metadata


def describe(wire: Wire, group_id: str, *, version: int = 6, operations: bool = False) -> Any:
    asked = DESCRIBE_GROUPS.Request(groups=[group_id], include_authorized_operations=operations)
    return wire.call(DESCRIBE_GROUPS, version, asked).groups[0]


def state(wire: Wire, group_id: str) -> str:
    return str(describe(wire, group_id).group_state)


def listed(wire: Wire, *, version: int = 5, states: Sequence[str] = (), types: Sequence[str] = ()) -> dict[str, Any]:
    asked = LIST_GROUPS.Request(states_filter=list(states), types_filter=list(types))
    answer = wire.call(LIST_GROUPS, version, asked)
    assert answer.error_code == Err.NONE
    return {group.group_id: group for group in answer.groups}


def delete(wire: Wire, *group_ids: str) -> dict[str, int]:
    answer = wire.call(DELETE_GROUPS, 2, DELETE_GROUPS.Request(groups=list(group_ids)))
    return {group.group_id: int(group.error_code) for group in answer.groups}


def forget(wire: Wire, group_id: str, topics: dict[str, list[int]]) -> Any:
    make = OFFSET_DELETE.Request
    asked = [
        make.Topic(name=name, partitions=[make.Partition(index=index) for index in indexes])
        for name, indexes in topics.items()
    ]
    return wire.call(OFFSET_DELETE, 0, make(group_id=group_id, topics=asked))


Connect = Callable[[], Wire]
