"""The requests of one member to its group's coordinator: each sent once, answered or raised.

JoinGroup and SyncGroup may be held back for as long as a rebalance takes, and a broker answers a connection in order:
they go a way of their own, so that commits need not wait for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from kq.client.admin.group_offsets import (
    BY_NAME,
    commit_code,
    commit_request,
    commit_results,
    offsets_code,
    offsets_of,
    offsets_request,
)
from kq.client.admin.group_types import GroupOffset
from kq.client.admin.types import TopicPartition
from kq.client.cluster import Cluster
from kq.client.group.membership import Membership
from kq.client.group.protocol import PROTOCOL_TYPE
from kq.errors import Err, KafkaError
from kq.wire.apis.commits import OFFSET_COMMIT, OFFSET_FETCH
from kq.wire.apis.groups import HEARTBEAT, JOIN_GROUP, LEAVE_GROUP, SYNC_GROUP

__all__ = ["Calls", "Joined"]

JOIN_SLACK_MS = 5_000  # a coordinator waits for the others as long as they may take, and then has to answer
MANY_LEAVE_SINCE = 3  # version of LeaveGroup
STABLE_SINCE = 7  # version of OffsetFetch that can wait for transactions to decide


class Joined(NamedTuple):
    code: Err
    member_id: str
    generation: int
    leader: str
    protocol: str  # the assignor that the group has chosen
    skip_assignment: bool  # the leader came back: the assignment of before holds
    members: Mapping[str, tuple[bytes, str | None]]  # of the leader: subscription and instance id by member id


class Calls:
    def __init__(self, cluster: Cluster, group_id: str, membership: Membership) -> None:
        self._cluster = cluster
        self._group_id = group_id
        self._membership = membership
        self._lanes = ("group", id(self)), ("joining", id(self))

    async def join(
        self, protocols: Iterable[tuple[str, bytes]], session_timeout_ms: int, rebalance_timeout_ms: int
    ) -> Joined:
        request = JOIN_GROUP.Request
        me = self._membership
        body = request(
            group_id=self._group_id,
            session_timeout_ms=session_timeout_ms,
            rebalance_timeout_ms=rebalance_timeout_ms,
            member_id=me.member_id,
            group_instance_id=me.instance_id,
            protocol_type=PROTOCOL_TYPE,
            protocols=[request.Protocol(name=name, metadata=metadata) for name, metadata in protocols],
            reason=me.reason,
        )
        timeout_ms = max(rebalance_timeout_ms + JOIN_SLACK_MS, self._cluster.settings.request_timeout_ms)
        answer = await self._ask(JOIN_GROUP, body, held_back=True, timeout_ms=timeout_ms)
        members = {m.member_id: (bytes(m.metadata), m.group_instance_id) for m in answer.members}
        return Joined(
            Err.of(answer.error_code),
            answer.member_id,
            answer.generation_id,
            answer.leader,
            answer.protocol_name or "",
            answer.skip_assignment,
            members,
        )

    async def sync(
        self, protocol: str, assignments: Mapping[str, bytes], rebalance_timeout_ms: int
    ) -> tuple[Err, bytes]:
        """The leader's `assignments` by member id, empty from others; the answer is one's own."""
        request = SYNC_GROUP.Request
        body = request(
            group_id=self._group_id,
            generation_id=self._membership.generation,
            member_id=self._membership.member_id,
            group_instance_id=self._membership.instance_id,
            protocol_type=PROTOCOL_TYPE,
            protocol_name=protocol,
            assignments=[request.Assignment(member_id=m, assignment=data) for m, data in assignments.items()],
        )
        timeout_ms = max(rebalance_timeout_ms + JOIN_SLACK_MS, self._cluster.settings.request_timeout_ms)
        answer = await self._ask(SYNC_GROUP, body, held_back=True, timeout_ms=timeout_ms)
        return Err.of(answer.error_code), bytes(answer.assignment)

    async def heartbeat(self) -> Err:
        body = HEARTBEAT.Request(
            group_id=self._group_id,
            generation_id=self._membership.generation,
            member_id=self._membership.member_id,
            group_instance_id=self._membership.instance_id,
        )
        return Err.of((await self._ask(HEARTBEAT, body)).error_code)

    async def leave(self, reason: str) -> Err:
        request = LEAVE_GROUP.Request
        me = self._membership

        def body(version: int) -> Any:
            if version < MANY_LEAVE_SINCE:
                return request(group_id=self._group_id, member_id=me.member_id)
            member = request.Member(member_id=me.member_id, group_instance_id=me.instance_id, reason=reason)
            return request(group_id=self._group_id, members=[member])

        return Err.of((await self._ask(LEAVE_GROUP, body)).error_code)

    async def commit(self, offsets: Mapping[TopicPartition, GroupOffset]) -> dict[TopicPartition, KafkaError | None]:
        me = self._membership
        body = commit_request(self._group_id, offsets, me.generation, me.member_id, me.instance_id)
        return commit_results(await self._ask(OFFSET_COMMIT, body, commit_code, highest=BY_NAME))

    async def committed(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, GroupOffset]:
        """Where a transaction has still to decide about a commit, the answer is UNSTABLE_OFFSET_COMMIT."""
        wanted = list(partitions)

        def body(version: int) -> Any:
            return offsets_request(self._group_id, wanted, version >= STABLE_SINCE)(version)

        return offsets_of(await self._ask(OFFSET_FETCH, body, offsets_code, highest=BY_NAME))

    async def close(self) -> None:
        for lane in self._lanes:
            await self._cluster.close_lane(lane)

    async def _ask(
        self,
        api: Any,
        body: Any,
        code: Any = lambda answer: answer.error_code,
        *,
        held_back: bool = False,
        highest: int | None = None,
        timeout_ms: float | None = None,
    ) -> Any:
        return await self._cluster.coordinators.ask_now(
            self._group_id, api, body, code, highest=highest, lane=self._lanes[held_back], timeout_ms=timeout_ms
        )
