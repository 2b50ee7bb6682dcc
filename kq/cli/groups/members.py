"""What the members of a group are called: `billing-1 @ 10.0.0.6`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kq.cli.output.units import first_few

if TYPE_CHECKING:
    from kq.client import GroupMember

MOST_NAMED = 5


def member_names(members: Sequence[GroupMember]) -> dict[str, str]:
    """By member id: the instance id or else the client id, and the host; the member id itself where that would name
    two of them."""
    short = {member.member_id: f"{member.instance_id or member.client_id} @ {member.host}" for member in members}
    times = Counter(short.values())
    return {
        member.member_id: short[member.member_id]
        if times[short[member.member_id]] == 1
        else f"{member.member_id} @ {member.host}"
        for member in members
    }


def active_words(group: str, members: Sequence[GroupMember]) -> str:
    """`group billing is active: billing-1 @ 10.0.0.6, billing-2 @ 10.0.0.7`, for what needs a group at rest."""
    return f"group {group} is active: {first_few(list(member_names(members).values()), MOST_NAMED)}"
