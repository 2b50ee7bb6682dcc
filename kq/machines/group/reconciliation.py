"""How one member of a consumer group gets from what it has to what it should have (KIP-848, CurrentAssignmentBuilder).

Rules
1. A partition has at most one owner, and who must give one up owns it until it says that it no longer does.
2. First away, then towards: as long as the member still owns what it must give up, it stays at its epoch and gets
   nothing new. What it owns it says itself (`owned` of its heartbeat); silence about it means "as before".
3. With nothing left to give up it moves to the epoch of the target, with every partition of the target that is free.
4. Partitions of topics the member no longer subscribes to are taken from it at once, whatever the target still says.
5. A partition keeps the epoch at which it came to the member: a commit of a later epoch than that is no zombie's.

Transitions
    from                  when                                              to
    any                   must give up partitions that it still owns        UNREVOKED_PARTITIONS, epoch stays
    any                   target partitions are owned by others             UNRELEASED_PARTITIONS, epoch of the target
    any                   has all of the target                             STABLE, epoch of the target
    UNREVOKED_PARTITIONS  has not yet given up what it must                 stays
    STABLE                at the epoch of the target                        stays
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from types import MappingProxyType

from kq.errors import Err, KafkaError

Epochs = Mapping[bytes, Mapping[int, int]]  # by topic id and partition: the epoch at which it came to the member
Partitions = Mapping[bytes, Collection[int]]  # by topic id
NOTHING: Epochs = MappingProxyType({})


class MemberState(IntEnum):
    """Numbers as they are stored; what a newer Kafka wrote and we do not know reads as UNKNOWN."""

    STABLE = 0
    UNREVOKED_PARTITIONS = 1
    UNRELEASED_PARTITIONS = 2
    UNKNOWN = 127


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a member stands. `epoch` is the one its next heartbeat must bring, `previous_epoch` the one before: the
    answer that told it may have been lost. `assigned` and `revoking` have no partition in common."""

    epoch: int = 0
    previous_epoch: int = 0
    state: MemberState = MemberState.STABLE
    assigned: Epochs = field(default_factory=lambda: NOTHING)
    revoking: Epochs = field(default_factory=lambda: NOTHING)

    def has_reached(self, target_epoch: int) -> bool:
        return self.state is MemberState.STABLE and self.epoch == target_epoch

    def is_owner(self, topic_id: bytes, partition: int) -> bool:
        """Nobody else may have a partition that is assigned to the member or still to be given up by it."""
        return partition in self.assigned.get(topic_id, ()) or partition in self.revoking.get(topic_id, ())


def reconciled(
    standing: Standing,
    *,
    target_epoch: int,
    target: Partitions,
    subscribed: Collection[bytes],
    subscription_changed: bool,
    is_free: Callable[[bytes, int], bool],
    owned: Partitions | None,
) -> Standing:
    """The member's next standing, or the same object if nothing can move. `is_free` says that nobody owns a partition;
    `owned` is None if the member did not say what it owns."""
    if standing.state is MemberState.UNKNOWN and (owned is None or any(owned.values())):
        raise KafkaError(
            Err.FENCED_MEMBER_EPOCH,
            "The member is in a state that this version does not know: it must give up all partitions and rejoin.",
        )
    if standing.state is MemberState.STABLE and standing.epoch == target_epoch:
        return _without_unsubscribed(standing, subscribed, owned) if subscription_changed else standing
    if standing.state is MemberState.UNREVOKED_PARTITIONS and _owns_any(owned, standing.revoking):
        return _without_unsubscribed(standing, subscribed, owned) if subscription_changed else standing
    return _towards(standing, target_epoch, target, subscribed, is_free, owned)


def _owns_any(owned: Partitions | None, partitions: Epochs) -> bool:
    if owned is None:
        return True
    return any(partition in partitions.get(topic_id, ()) for topic_id, said in owned.items() for partition in said)


def _without_unsubscribed(standing: Standing, subscribed: Collection[bytes], owned: Partitions | None) -> Standing:
    left = {topic_id: epochs for topic_id, epochs in standing.assigned.items() if topic_id not in subscribed}
    if not left:
        return standing
    assigned = {topic_id: epochs for topic_id, epochs in standing.assigned.items() if topic_id in subscribed}
    revoking = {topic_id: dict(epochs) for topic_id, epochs in standing.revoking.items()}
    for topic_id, epochs in left.items():
        revoking.setdefault(topic_id, {}).update(epochs)
    if _owns_any(owned, revoking):
        return _moved(standing, standing.epoch, MemberState.UNREVOKED_PARTITIONS, assigned, revoking)
    return _moved(standing, standing.epoch, standing.state, assigned, standing.revoking)


def _towards(
    standing: Standing,
    target_epoch: int,
    target: Partitions,
    subscribed: Collection[bytes],
    is_free: Callable[[bytes, int], bool],
    owned: Partitions | None,
) -> Standing:
    assigned: dict[bytes, Mapping[int, int]] = {}
    revoking: dict[bytes, Mapping[int, int]] = {}
    unreleased = False
    granted: dict[bytes, Mapping[int, int]] = {}
    for topic_id in target.keys() | standing.assigned.keys():
        wanted = frozenset(target.get(topic_id, ())) if topic_id in subscribed else frozenset()
        had = standing.assigned.get(topic_id, {})
        if kept := {partition: epoch for partition, epoch in had.items() if partition in wanted}:
            assigned[topic_id] = kept
        if given_up := {partition: epoch for partition, epoch in had.items() if partition not in wanted}:
            revoking[topic_id] = given_up
        missing = wanted - had.keys()
        # What the member itself has just given up is free for it, as nobody else could have taken it meanwhile.
        returning = standing.revoking.get(topic_id, {})
        free = {partition for partition in missing if partition in returning or is_free(topic_id, partition)}
        unreleased |= len(free) < len(missing)
        if free:
            granted[topic_id] = dict(sorted({**kept, **dict.fromkeys(free, target_epoch)}.items()))
    if revoking and _owns_any(owned, revoking):
        return _moved(standing, standing.epoch, MemberState.UNREVOKED_PARTITIONS, assigned, revoking)
    state = MemberState.UNRELEASED_PARTITIONS if unreleased else MemberState.STABLE
    return _moved(standing, target_epoch, state, {**assigned, **granted}, NOTHING)


def _moved(standing: Standing, epoch: int, state: MemberState, assigned: Epochs, revoking: Epochs) -> Standing:
    # As in Kafka the epoch that is kept counts as the previous one, too: it has been told and answered.
    moved = Standing(epoch, standing.epoch, state, assigned, revoking)
    return standing if moved == standing else moved
