"""How members leave a consumer group: by themselves, for now, or because nothing is heard of them.

If only members of the classic protocol stay, the group becomes a classic one (`migration`); else it goes on without
those who left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kq.machines.group.consumer_state import NO_TARGET, ConsumerState
from kq.machines.group.decision import Decision
from kq.machines.group.members import LEFT_FOR_NOW, Member, standing_fact
from kq.machines.group.migration import may_downgrade, to_classic
from kq.machines.group.news import Gone
from kq.machines.group.progress import Change
from kq.machines.group.reconciliation import NOTHING


def remove(group: ConsumerState, gone: Sequence[Member], reason: str, now_ms: int, decision: Decision) -> None:
    if not gone:
        return
    for member in gone:
        group.news.left(reason, member.member_id, Gone(member.called, group.targets.get(member.member_id, NO_TARGET)))
    staying = [member for member in group.members.values() if member not in gone]
    if may_downgrade(group, staying):
        to_classic(group, staying, f"{reason}: nobody speaks the consumer protocol any longer", now_ms, decision)
        return
    change = Change(group, now_ms)
    change.remove(gone)
    decision.facts += change.facts


def leave_for_now(group: ConsumerState, member: Member, decision: Decision) -> None:
    """It keeps what it has, until its session ends: whoever comes back under its instance id gets it."""
    standing = replace(member.standing, epoch=LEFT_FOR_NOW, revoking=NOTHING)
    decision.facts.append(standing_fact(group.group_id, member.member_id, standing))


def no_longer_heard_of(group: ConsumerState, member_id: str, why: str, now_ms: int, decision: Decision) -> None:
    """An alarm rang. Should its facts not be written, it will ring again."""
    member = group.members.get(member_id)
    if member is not None:
        Change(group, now_ms).live(member)
        remove(group, [member], f"{member.called} {why}", now_ms, decision)
