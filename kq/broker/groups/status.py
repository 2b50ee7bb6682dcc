"""What the status JSON says of groups: state, generation, members, and what happened in each generation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kq.broker.groups.groups import Groups
from kq.machines.group.classic import ClassicGroup
from kq.machines.group.consumer import ConsumerGroup
from kq.machines.group.group import Group

ATTEMPTS = 5  # asked from another thread than the loop's: a group may change while it is read


def shown(groups: Groups) -> list[dict[str, Any]]:
    """Those that are there, and with their history alone those that have gone."""
    live = [group for shard in list(groups.active) for group in list(shard.coordinator.groups.values())]
    found = {group.group_id: _shown(group) for group in live}
    found |= {name: {"group": name} for name in list(groups.history.groups) if name not in found}
    return [one | {"history": groups.history.shown(name)} for name, one in found.items()]


def _shown(group: Group) -> dict[str, Any]:
    for _ in range(ATTEMPTS):
        try:
            return _described(group)
        except RuntimeError:  # a dictionary changed its size
            continue
    return {"group": group.group_id}


def _described(group: Group) -> dict[str, Any]:
    listed = group.listed()
    return {
        "group": group.group_id,
        "type": listed.group_type,
        "protocol_type": listed.protocol_type,
        "state": listed.group_state,
        "generation": _generation(group),
        "members": list(_members(group)),
    }


def _generation(group: Group) -> int | None:
    """Of a group of the new protocol its epoch."""
    if isinstance(group, ClassicGroup):
        return group.generation
    return group.epoch if isinstance(group, ConsumerGroup) else None


def _members(group: Group) -> Iterator[dict[str, Any]]:
    if isinstance(group, ClassicGroup):
        for member in group.described().members:
            yield _member(member, member.group_instance_id)
    elif isinstance(group, ConsumerGroup):
        for consumer in group.described().members:
            yield _member(consumer, consumer.instance_id) | {"member_epoch": consumer.member_epoch}


def _member(member: Any, instance_id: str | None) -> dict[str, Any]:
    return {
        "member_id": member.member_id,
        "instance_id": instance_id,
        "client_id": member.client_id,
        "client_host": member.client_host,
    }
