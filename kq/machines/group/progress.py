"""How a consumer group moves on when one of its members speaks (KIP-848, GroupMetadataManager's consumer half).

A `Change` is one request being decided: it sees the group as it will be when the facts so far are remembered, and
changes nothing of the group itself but alarms and what it has looked at.

The steps of `Change.carry`, in this order, each leaving its facts:
1. What the member says of itself is remembered if it is new (5).
2. A pattern nobody asks for any longer is forgotten; patterns are matched anew if there is a new one, if topics have
   appeared, or after `group.consumer.regex.refresh.interval.ms` - at most every MATCHING_INTERVAL_MS (16).
3. The group's epoch rises if subscriptions, or the topics subscribed to, have changed (3).
4. If the group's epoch is ahead of the target's and the last assignment is `group.consumer.assignment.interval.ms` old,
   a new target is computed (7, 6); else an alarm will see to it. Kafka waits for the next heartbeat instead.
5. The member is reconciled with its target (8).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from kq.machines.group.assignors import ASSIGNORS, Subscriber
from kq.machines.group.consumer_state import NO_TARGET, ConsumerState
from kq.machines.group.decision import Decision
from kq.machines.group.facts import (
    ConsumerGroupMemberMetadataValue,
    ConsumerGroupMetadataKey,
    ConsumerGroupMetadataValue,
    ConsumerGroupTargetAssignmentMetadataKey,
    ConsumerGroupTargetAssignmentMetadataValue,
    Fact,
)
from kq.machines.group.members import (
    Member,
    Resolved,
    about_fact,
    pattern_fact,
    removal_facts,
    standing_fact,
    subscribed_names,
    target_fact,
)
from kq.machines.group.reconciliation import MemberState, Partitions, reconciled
from kq.machines.group.regexes import Resolution, compiled

_T = TypeVar("_T")
MATCHING_INTERVAL_MS = 10_000  # GroupMetadataManager.REGEX_BATCH_REFRESH_MIN_INTERVAL_MS


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a group beats: the broker's settings, or the group's own within the broker's bounds."""

    session_timeout_ms: int
    heartbeat_interval_ms: int
    assignment_interval_ms: int


def pace_of(group: ConsumerState) -> Pace:
    settings, own = group.shard.settings, group.shard.overrides.get(group.group_id, {})

    def among(name: str, default: int, least: int, most: int) -> int:
        return min(max(int(own[name]), least), most) if name in own else default

    return Pace(
        among(
            "consumer.session.timeout.ms",
            settings.group_consumer_session_timeout_ms,
            settings.group_consumer_min_session_timeout_ms,
            settings.group_consumer_max_session_timeout_ms,
        ),
        among(
            "consumer.heartbeat.interval.ms",
            settings.group_consumer_heartbeat_interval_ms,
            settings.group_consumer_min_heartbeat_interval_ms,
            settings.group_consumer_max_heartbeat_interval_ms,
        ),
        among(
            "consumer.assignment.interval.ms",
            settings.group_consumer_assignment_interval_ms,
            settings.group_consumer_min_assignment_interval_ms,
            settings.group_consumer_max_assignment_interval_ms,
        ),
    )


class Change:
    """`members`, `targets`, `patterns` and the epochs are as they will be; `facts` is what makes them so."""

    def __init__(self, group: ConsumerState, now_ms: int) -> None:
        self.group = group
        self.now_ms = now_ms
        self.pace = pace_of(group)
        self.facts: list[Fact] = []
        self.members: Mapping[str, Member] = group.members
        self.targets: Mapping[str, Partitions] = group.targets
        self.patterns: Mapping[str, Resolved] = group.patterns
        self.epoch = group.epoch
        self.target_epoch = group.target_epoch
        self._replaced: str | None = None
        group.news.now_ms = now_ms

    # Who comes and goes

    def replace_static(self, old: Member, member_id: str) -> Member:
        """A static member is back under another id: it has what its former self had, and yet no epoch."""
        new = Member(member_id, old.about, replace(old.standing, epoch=0, previous_epoch=0))
        target = self.targets.get(old.member_id, NO_TARGET)
        group_id = self.group.group_id
        self.facts += removal_facts(group_id, old.member_id)
        self.facts.append(about_fact(group_id, member_id, new.about))
        self.facts.append(target_fact(group_id, member_id, target))
        self.facts.append(standing_fact(group_id, member_id, new.standing))
        self._replaced = old.member_id
        self.members = {**_without(self.members, [old.member_id]), member_id: new}
        self.targets = {**_without(self.targets, [old.member_id]), member_id: target}
        return new

    def remove(self, gone: Sequence[Member]) -> None:
        """They are out; the group's epoch rises, and what they had is free."""
        group = self.group
        ids = [member.member_id for member in gone]
        for member_id in ids:
            self.facts += removal_facts(group.group_id, member_id)
        self.members = _without(self.members, ids)
        self.targets = _without(self.targets, ids)
        asked = {member.about.subscribed_topic_regex for member in self.members.values()}
        for pattern in sorted({member.about.subscribed_topic_regex or "" for member in gone} - asked - {""}):
            self._forget_pattern(pattern)
        self._rise(self.group.hash_of_topics(self.subscribed()))
        if self.members:
            group.shard.alarms.set(group.alarm("assign"), self._assignable_at_ms())

    # The steps

    def carry(
        self, member: Member, about: ConsumerGroupMemberMetadataValue, owned: Partitions | None
    ) -> tuple[Member, bool]:
        """The member as it will be, and whether it subscribes to something else than before."""
        group = self.group
        is_new = member.member_id not in group.members
        names_changed = about.subscribed_topic_names != member.about.subscribed_topic_names
        if is_new or about != member.about:
            self.facts.append(about_fact(group.group_id, member.member_id, about))
            updated = replace(member, about=about)
            self.members = {**self.members, member.member_id: updated}
        else:
            updated = member
        pattern_changed, rise = self._match(member, about)
        if rise or names_changed or group.topics_checked is not group.shard.image.topics:
            hashed = group.hash_of_topics(self.subscribed())
            if rise or names_changed or hashed != group.metadata_hash:
                self._rise(hashed)
                self._tell(updated, is_new, names_changed or pattern_changed)
            else:
                group.topics_checked = group.shard.image.topics
        self.assign_if_due()
        updated = self._reconcile(updated, names_changed or pattern_changed, owned)
        return updated, names_changed or pattern_changed

    def _tell(self, member: Member, is_new: bool, subscription_changed: bool) -> None:
        if self._replaced is not None:
            self.group.news.changed(f"{member.called} came back")
        elif is_new:
            self.group.news.changed(f"{member.called} joined", joined=member.called)
        elif subscription_changed:
            self.group.news.changed(f"{member.called} subscribes to other topics")
        else:
            self.group.news.changed("topics have changed")

    def _match(self, member: Member, about: ConsumerGroupMemberMetadataValue) -> tuple[bool, bool]:
        """Whether the member's pattern changed, and whether that, or new matches, must raise the epoch."""
        group = self.group
        before, after = member.about.subscribed_topic_regex or "", about.subscribed_topic_regex or ""
        rise = False
        if before != after:
            if before and group.pattern_members[before] <= 1:
                self._forget_pattern(before)
            if after and not group.pattern_members[after]:
                compiled(after)  # says what is wrong with it
            rise = after in self.patterns or not after
        if not after and not group.pattern_members:
            return before != after, rise
        asked = {m.about.subscribed_topic_regex for m in self.members.values()} - {None, ""}
        if asked and group.resolution is None and self._matching_due({pattern for pattern in asked if pattern}):
            resolution = Resolution((pattern for pattern in asked if pattern), group.shard.image.topics)
            group.topics_matched = group.shard.image.topics
            if resolution.advance():
                rise |= self.matched(resolution)
            else:
                group.resolution = resolution
                group.shard.alarms.set(group.alarm("match"), self.now_ms)
        return before != after, rise

    def _matching_due(self, asked: set[str]) -> bool:
        group, topics = self.group, self.group.shard.image.topics
        last_ms = max((resolved.at_ms for resolved in group.patterns.values()), default=None)
        if last_ms is None:
            return True
        if self.now_ms <= last_ms + MATCHING_INTERVAL_MS:
            return False
        if asked != self.patterns.keys() or group.topics_matched is None:
            return True
        if self.now_ms > last_ms + group.shard.settings.group_consumer_regex_refresh_interval_ms:
            return True
        seen = group.topics_matched
        return seen is not topics and any(name not in seen for name in topics)

    def matched(self, resolution: Resolution) -> bool:
        """Remembers what the patterns match, as far as somebody still asks for them; True if that is something new."""
        rise = False
        asked = {member.about.subscribed_topic_regex for member in self.members.values()}
        for pattern, names in resolution.matched.items():
            if pattern in asked:
                before, now = self.patterns.get(pattern), Resolved(frozenset(names), self.now_ms)
                rise |= now.topics != (frozenset() if before is None else before.topics)
                self.patterns = {**self.patterns, pattern: now}
                self.facts.append(pattern_fact(self.group.group_id, pattern, now))
        return rise

    def _forget_pattern(self, pattern: str) -> None:
        if pattern in self.patterns:
            self.patterns = _without(self.patterns, [pattern])
        self.facts.append(pattern_fact(self.group.group_id, pattern, None))

    def subscribed(self) -> frozenset[str]:
        return frozenset().union(*(subscribed_names(m.about, self.patterns) for m in self.members.values()))

    def rise(self) -> None:
        self._rise(self.group.hash_of_topics(self.subscribed()))

    def _rise(self, hashed: int) -> None:
        self.epoch = self.group.epoch + 1
        value = ConsumerGroupMetadataValue(self.epoch, hashed)
        self.facts.append((ConsumerGroupMetadataKey(self.group.group_id), value))

    # The target

    def _assignable_at_ms(self) -> int:
        group = self.group
        return self.now_ms if not group.target_at_ms else group.target_at_ms + self.pace.assignment_interval_ms

    def assign_if_due(self) -> None:
        if self.epoch <= self.target_epoch:
            return
        if self.now_ms < self._assignable_at_ms():
            self.group.shard.alarms.set(self.group.alarm("assign"), self._assignable_at_ms())
        else:
            self._assign()

    def _assign(self) -> None:
        group = self.group
        ids_of: dict[frozenset[str], frozenset[bytes]] = {}
        subscribers = []
        for member in self.members.values():
            names = subscribed_names(member.about, self.patterns)
            if names not in ids_of:
                ids_of[names] = group.topic_ids(names)
            owned = {topic: frozenset(p) for topic, p in self.targets.get(member.member_id, NO_TARGET).items()}
            subscribers.append(Subscriber(member.member_id, member.about.instance_id, ids_of[names], owned))
        names_there = group.shard.image.topic_names
        topics = group.shard.image.topics
        counts = {
            topic_id: len(topics[names_there[topic_id]].partitions) for topic_id in frozenset().union(*ids_of.values())
        }
        shares = ASSIGNORS[group.preferred_assignor(self.members.values())](subscribers, counts)
        for member_id, share in shares.items():
            if member_id not in self.targets or share != self.targets[member_id]:
                self.facts.append(target_fact(group.group_id, member_id, share))
        value = ConsumerGroupTargetAssignmentMetadataValue(self.epoch, self.now_ms)
        self.facts.append((ConsumerGroupTargetAssignmentMetadataKey(group.group_id), value))
        group.news.assigned(group.group_id, self.epoch, self.now_ms, self.targets, shares, self._has)
        self.targets, self.target_epoch = shares, self.epoch

    def _has(self, member_id: str, partition: tuple[bytes, int]) -> bool:
        member = self.members.get(member_id)
        return member is not None and partition[1] in member.standing.assigned.get(partition[0], ())

    # The member

    def _reconcile(self, member: Member, subscription_changed: bool, owned: Partitions | None) -> Member:
        group = self.group
        if member.standing.has_reached(self.target_epoch) and not subscription_changed:
            return member
        owners, replaced = group.owners, self._replaced
        standing = reconciled(
            member.standing,
            target_epoch=self.target_epoch,
            target=self.targets.get(member.member_id, NO_TARGET),
            subscribed=group.topic_ids(subscribed_names(member.about, self.patterns)),
            subscription_changed=subscription_changed,
            is_free=lambda topic_id, partition: owners.get((topic_id, partition)) in (None, replaced),
            owned=owned,
        )
        if standing is member.standing:
            return member
        self.facts.append(standing_fact(group.group_id, member.member_id, standing))
        if not member.is_classic:
            if standing.state is MemberState.UNREVOKED_PARTITIONS:
                deadline_ms = self.now_ms + member.about.rebalance_timeout_ms
                group.shard.alarms.set(group.alarm("rebalance", member.member_id), deadline_ms)
            else:
                group.stop("rebalance", member.member_id)
        return replace(member, standing=standing)

    def live(self, member: Member) -> None:
        """The member has shown that it is there: its session begins anew."""
        classic = member.about.classic_member_metadata
        timeout_ms = self.pace.session_timeout_ms if classic is None else classic.session_timeout_ms
        self.group.shard.alarms.set(self.group.alarm("session", member.member_id), self.now_ms + timeout_ms)


def match_on(group: ConsumerState, now_ms: int, decision: Decision) -> None:
    """One more slice of the patterns under way; what they match is remembered when all are through."""
    resolution = group.resolution
    if resolution is None:
        return
    if not resolution.advance():
        group.shard.alarms.set(group.alarm("match"), now_ms)
        return
    group.resolution = None
    change = Change(group, now_ms)
    if change.matched(resolution):
        group.news.changed("a pattern matches other topics")
        change.rise()
        change.assign_if_due()
    decision.facts += change.facts


def assign_on(group: ConsumerState, now_ms: int, decision: Decision) -> None:
    """The time for a new target has come without anybody asking for it."""
    change = Change(group, now_ms)
    if change.members:
        change.assign_if_due()
    decision.facts += change.facts


def _without(mapping: Mapping[str, _T], keys: Sequence[str]) -> dict[str, _T]:
    return {key: value for key, value in mapping.items() if key not in keys}
