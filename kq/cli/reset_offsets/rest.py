"""A group at rest: the coordinator takes commits from outside only while it has no members."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from kq.cli.groups.members import active_words, member_names
from kq.cli.output.units import duration_text, first_few
from kq.cli.run.failures import Failure, NotInTime
from kq.client import Admin
from kq.errors import Err

if TYPE_CHECKING:
    from kq.cli.run.call import Call
    from kq.client import Cluster, GroupDescription

EVERY_S = 0.5
AT_REST = ("Empty", "Dead", "")
MOST_NAMED = 5


async def group_at_rest(
    cluster: Cluster, call: Call, group: str, *, wait: bool, timeout_s: float | None
) -> GroupDescription:
    """The group once it has no members (one that does not exist has none). Raises Failure naming those it has, or
    NotInTime when they have not left in time."""
    deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
    told: list[str] = []
    while True:
        described = await describe(cluster, group)
        if not is_active(described):
            return described
        if not wait:
            raise active(described)
        if deadline_s is not None and time.monotonic() >= deadline_s:
            raise NotInTime(f"after {duration_text((timeout_s or 0) * 1000)}: {_still(described)}")
        names = sorted(member_names(described.members).values())
        if names != told:
            call.note_always(f"waiting for {first_few(names, MOST_NAMED) or 'the group'} to leave")
            told = names
        left_s = EVERY_S if deadline_s is None else min(EVERY_S, max(deadline_s - time.monotonic(), 0))
        await asyncio.sleep(left_s)


async def describe(cluster: Cluster, group: str) -> GroupDescription:
    """A group that does not exist is described with state ""."""
    described = (await Admin(cluster).describe_groups([group]))[group]
    if described.error is None:
        return described
    if described.error.code == Err.GROUP_ID_NOT_FOUND:
        return described._replace(state="")
    raise described.error


def is_active(described: GroupDescription) -> bool:
    return described.active or described.state not in AT_REST


def active(described: GroupDescription) -> Failure:
    return Failure(f"{_still(described)}; stop them, or add --wait-empty", code=Err.NON_EMPTY_GROUP.name)


def _still(described: GroupDescription) -> str:
    """Members may just be on their way out of a group that is still called Stable."""
    if described.members:
        return active_words(described.id, described.members)
    return f"group {described.id} is active ({described.state})"
