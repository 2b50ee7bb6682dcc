"""Admin calls about groups: which there are, who is in them, and how to be rid of either.

Rules
- A group is described by ConsumerGroupDescribe; where that answers 69 or 35, or is not known, by DescribeGroups, as
  Java's admin does. A group that DescribeGroups calls Dead does not exist (before version 6 it had no error for that).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kq.client.admin.group_types import (
    CONSUMER,
    GroupDescription,
    GroupListing,
    GroupListings,
    GroupMember,
    LeavingMember,
)
from kq.client.admin.routing import each_node, error_of
from kq.client.admin.topics import operations
from kq.client.admin.types import TopicPartition
from kq.client.cluster import Cluster
from kq.client.errors import UnsupportedRequest
from kq.client.group.protocol import PROTOCOL_TYPE, decode_assignment
from kq.errors import Err, KafkaError
from kq.wire.apis.consumers import CONSUMER_GROUP_DESCRIBE
from kq.wire.apis.groups import DELETE_GROUPS, DESCRIBE_GROUPS, LEAVE_GROUP, LIST_GROUPS
from kq.wire.errors import ProtocolError

__all__ = ["GroupAdmin"]

OPERATIONS_SINCE = 3  # version of DescribeGroups
ELSEWHERE = {Err.GROUP_ID_NOT_FOUND, Err.UNSUPPORTED_VERSION}  # ConsumerGroupDescribe does not know it
CLASSIC_MEMBER, CONSUMER_MEMBER = 0, 1  # member types


class GroupAdmin:
    _cluster: Cluster

    async def find_coordinator(self, group_id: str) -> int:
        """Node id of the broker that coordinates this group (whether or not there is such a group)."""
        return await self._cluster.coordinators.find(group_id)

    async def list_groups(self, states: Iterable[str] = (), types: Iterable[str] = ()) -> GroupListings:
        """All groups of all brokers, or those in one of these states and of one of these types."""
        body = LIST_GROUPS.Request(states_filter=list(states), types_filter=list(types))

        async def ask(node: int) -> list[GroupListing] | KafkaError:
            await self._cluster.connection(node)  # a broker that is not there is a gap, one that loads is waited for
            return await self._cluster.retrying(lambda: listed(node))

        async def listed(node: int) -> list[GroupListing]:
            answer = await self._cluster.request(LIST_GROUPS, body, node=node)
            if answer.error_code:
                raise KafkaError(Err.of(answer.error_code))
            return [
                GroupListing(g.group_id, g.group_state, g.group_type.lower(), g.protocol_type) for g in answer.groups
            ]

        nodes = sorted((await self._cluster.metadata([], max_age_ms=0)).brokers)
        said = await each_node(nodes, ask, lambda node, error: error)
        errors = {node: answer for node, answer in said.items() if isinstance(answer, KafkaError)}
        found = [group for answer in said.values() if not isinstance(answer, KafkaError) for group in answer]
        return GroupListings({group.id: group for group in sorted(found)}, errors)

    async def describe_groups(self, groups: Iterable[str]) -> dict[str, GroupDescription]:
        """By id: state, coordinator and members of classic and consumer groups alike."""
        return await self._cluster.coordinators.each(groups, self._describe, _failed)

    async def delete_groups(self, groups: Iterable[str]) -> dict[str, KafkaError | None]:
        """Removes groups without members, with all they have committed; NON_EMPTY_GROUP where there is one."""

        async def ask(node: int, ids: list[str]) -> dict[str, GroupDescription]:
            answer = await self._cluster.request(DELETE_GROUPS, DELETE_GROUPS.Request(groups=ids), node=node)
            return {g.group_id: GroupDescription(g.group_id, error=error_of(g.error_code)) for g in answer.groups}

        said = await self._cluster.coordinators.each(groups, ask, _failed)
        return {group: answer.error for group, answer in said.items()}

    async def remove_members(
        self, group_id: str, members: Iterable[LeavingMember] | None = None, *, reason: str = ""
    ) -> dict[LeavingMember, KafkaError | None]:
        """Makes these members (None: all) leave, the static ones too. One that lives joins again at once."""
        if members is None:
            described = (await self.describe_groups([group_id]))[group_id]
            if described.error is not None:
                raise described.error
            members = [
                LeavingMember("", m.instance_id) if m.instance_id is not None else LeavingMember(m.member_id)
                for m in described.members
            ]
        wanted = list(dict.fromkeys(members))
        if not wanted:
            return {}
        request = LEAVE_GROUP.Request
        leaving = [
            request.Member(member_id=m.member_id, group_instance_id=m.instance_id, reason=reason or None)
            for m in wanted
        ]
        body = request(group_id=group_id, members=leaving)
        answer = await self._cluster.coordinators.ask(group_id, LEAVE_GROUP, body, _code)
        if answer.error_code:
            raise KafkaError(Err.of(answer.error_code))
        # In the order asked: a broker may answer with the member id that it found behind an instance id.
        codes = [member.error_code for member in answer.members]
        return {member: error_of(code) for member, code in zip(wanted, codes, strict=True)}

    # -- describing -------------------------------------------------------------------------------------------------

    async def _describe(self, node: int, ids: list[str]) -> dict[str, GroupDescription]:
        described = await self._describe_consumer(node, ids)
        rest = [group for group in ids if group not in described]
        return described | (await self._describe_classic(node, rest) if rest else {})

    async def _describe_consumer(self, node: int, ids: list[str]) -> dict[str, GroupDescription]:
        """Those that are of the new protocol."""
        body = CONSUMER_GROUP_DESCRIBE.Request(group_ids=ids, include_authorized_operations=True)
        try:
            answer = await self._cluster.request(CONSUMER_GROUP_DESCRIBE, body, node=node)
        except UnsupportedRequest:
            return {}
        return {g.group_id: _consumer(g, node) for g in answer.groups if g.error_code not in ELSEWHERE}

    async def _describe_classic(self, node: int, ids: list[str]) -> dict[str, GroupDescription]:
        request = DESCRIBE_GROUPS.Request

        def body(version: int) -> Any:
            return request(groups=ids, include_authorized_operations=version >= OPERATIONS_SINCE)

        answer = await self._cluster.request(DESCRIBE_GROUPS, body, node=node)
        return {g.group_id: _classic(g, node) for g in answer.groups}


def _code(answer: Any) -> int:
    code: int = answer.error_code
    return code


def _member_id(member: Any) -> str:
    member_id: str = member.member_id
    return member_id


def _failed(group_id: str, error: KafkaError) -> GroupDescription:
    return GroupDescription(group_id, error=error)


def _consumer(group: Any, node: int) -> GroupDescription:
    if group.error_code:
        error = error_of(group.error_code, group.error_message)
        return GroupDescription(group.group_id, type=CONSUMER, coordinator=node, error=error)
    return GroupDescription(
        group.group_id,
        group.group_state,
        CONSUMER,
        PROTOCOL_TYPE,
        group.assignor_name,
        node,
        tuple(map(_consumer_member, sorted(group.members, key=_member_id))),
        group.group_epoch,
        group.assignment_epoch,
        operations(group.authorized_operations),
    )


def _consumer_member(member: Any) -> GroupMember:
    return GroupMember(
        member.member_id,
        member.client_id,
        member.client_host.lstrip("/"),
        member.instance_id,
        _pairs(member.assignment),
        _pairs(member.target_assignment),
        member.rack_id,
        member.member_epoch,
        tuple(sorted(member.subscribed_topic_names)),
        member.subscribed_topic_regex or None,
        {CLASSIC_MEMBER: True, CONSUMER_MEMBER: False}.get(member.member_type),
    )


def _pairs(assignment: Any) -> tuple[TopicPartition, ...]:
    return tuple(sorted((topic.name, partition) for topic in assignment.topics for partition in topic.partitions))


def _classic(group: Any, node: int) -> GroupDescription:
    code = Err.of(group.error_code) or (Err.GROUP_ID_NOT_FOUND if group.group_state == "Dead" else Err.NONE)
    if code:
        sentence = group.error_message
        if code == Err.GROUP_ID_NOT_FOUND:
            sentence = f"there is no group {group.group_id!r}"
        return GroupDescription(group.group_id, group.group_state, coordinator=node, error=KafkaError(code, sentence))
    members = [_classic_member(member, group.protocol_type) for member in sorted(group.members, key=_member_id)]
    return GroupDescription(
        group.group_id,
        group.group_state,
        protocol_type=group.protocol_type,
        protocol=group.protocol_data,
        coordinator=node,
        members=tuple(members),
        authorized_operations=operations(group.authorized_operations),
    )


def _classic_member(member: Any, protocol_type: str) -> GroupMember:
    assignment: tuple[TopicPartition, ...] = ()
    if protocol_type == PROTOCOL_TYPE:
        try:
            assignment = tuple(sorted(decode_assignment(member.member_assignment)))
        except ProtocolError:
            assignment = ()  # some client's own format
    host = member.client_host.lstrip("/")
    return GroupMember(member.member_id, member.client_id, host, member.group_instance_id, assignment)
