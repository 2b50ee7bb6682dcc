"""A group, its members and its partitions inside the JSON of a command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kq.cli.groups.cells import figures
from kq.cli.groups.looking import Look
from kq.cli.output.units import utc_text
from kq.cli.run.problems import error_json
from kq.client.lag.asking import GroupStanding

if TYPE_CHECKING:
    from kq.client import GroupDescription, GroupMember, TopicPartition


def group_json(look: Look, group: GroupStanding) -> dict[str, Any]:
    numbers = figures(look, group)
    worst = numbers.total.worst
    return {
        **description_json(group.description),
        **numbers.as_json(),
        "worst_partition": None if worst is None else f"{worst[0]}:{worst[1]}",
        "partitions": [_partition(look, group, pair) for pair in group.standings],
    }


def description_json(said: GroupDescription) -> dict[str, Any]:
    return {
        "name": said.id,
        "state": said.state or None,
        "type": said.type or None,
        "protocol_type": said.protocol_type or None,
        "protocol": said.protocol or None,
        "generation": said.epoch,
        "coordinator": said.coordinator if said.coordinator >= 0 else None,
        "members": [_member(member) for member in said.members],
    }


def _member(member: GroupMember) -> dict[str, Any]:
    return {
        "member_id": member.member_id,
        "client_id": member.client_id,
        "host": member.host,
        "instance_id": member.instance_id,
        "rack_id": member.rack_id,
        "epoch": member.epoch,
        "partitions": [_pair(*pair) for pair in member.assignment],
        "target_partitions": None if member.target is None else [_pair(*pair) for pair in member.target],
    }


def _pair(topic: str, partition: int) -> dict[str, Any]:
    return {"topic": topic, "partition": partition}


def _partition(look: Look, group: GroupStanding, pair: TopicPartition) -> dict[str, Any]:
    one = group.standings[pair]
    owner = group.owners.get(pair)
    return {
        **_pair(*pair),
        "committed_offset": one.committed,
        "metadata": one.metadata if one.committed is not None else None,
        "start_offset": one.start,
        "end_offset": one.end,
        **figures(look, group, [pair]).as_json(),
        "next_record_at": None if one.next_at_ms is None else utc_text(one.next_at_ms),
        "past_end_records": one.past_end,
        "exists": one.exists,
        "member_id": None if owner is None else owner.member_id,
        "error": error_json(one.error),
    }
