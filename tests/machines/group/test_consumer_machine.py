"""Members of a consumer group do whatever they like, in any order; what must hold, holds after every step.

The members are as real ones: they own what they were told and have taken, give up when told, lose answers, fall
silent, and come back. Some speak the classic protocol.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Mapping

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kq.errors import Err, KafkaError
from kq.machines.group.consumer import ConsumerGroup
from kq.machines.group.coordinator import GroupCoordinator
from kq.machines.group.decision import Decision
from kq.machines.group.embedded import decode_assignment
from kq.machines.group.heartbeats import ConsumerHeartbeatRequest
from kq.machines.group.requests import JoinRequest, JoinResult, LeavingMember, SyncRequest, SyncResult
from kq.machines.group.settings import GroupSettings
from kq.machines.image import ClusterImage
from tests.machines.group.consumer_story import topic_image

GROUP, NAMES, TOPICS = "G", ["m1", "m2", "m3", "m4"], ["A", "B", "C"]
SETTINGS = GroupSettings(group_initial_rebalance_delay_ms=0)
Pair = tuple[str, int]


class Client:
    """`owned` is what it reads from; `told` what it was last assigned. `epoch` 0: it is outside."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.member_id = name
        self.epoch = 0
        self.is_classic = False
        self.is_unsure = False  # it had no answer to its last heartbeat, and says everything in its next
        self.owned: set[Pair] = set()
        self.told: set[Pair] = set()
        self.topics = ["A"]

    def forget(self) -> None:
        self.epoch, self.owned, self.told = 0, set(), set()


class ConsumerGroups(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now_ms = 1_000_000
        self.image = ClusterImage("c", 1).with_topics(topic_image("A", 3), topic_image("B", 2))
        self.coordinator = GroupCoordinator(SETTINGS, random.Random(1))
        self.coordinator.image(self.image)
        self.clients = {name: Client(name) for name in NAMES}
        self.log: list[tuple] = []
        self.epochs = (0, 0)
        self.answers: dict[str, object] = {}

    # the runtime

    def settle(self, decision: Decision) -> object:
        for key, value in decision.facts:
            self.log.append((key, value))
            self.coordinator.replay(key, value)
        self.answers.update(decision.replies)
        return decision.response

    def ids(self, pairs: set[Pair]) -> dict[bytes, set[int]]:
        owned: dict[bytes, set[int]] = {}
        for topic, partition in pairs:
            if topic in self.image.topics:
                owned.setdefault(self.image.topics[topic].id, set()).add(partition)
        return owned

    def pairs(self, assignment: Mapping[bytes, object]) -> set[Pair]:
        names = self.image.topic_names
        return {(names[t], p) for t, ps in assignment.items() if t in names for p in ps}  # type: ignore[attr-defined]

    # what members do

    def beat(self, client: Client, *, hears: bool = True, **fields: object) -> None:
        request = ConsumerHeartbeatRequest(
            group_id=GROUP, member_id=client.member_id, client_id=client.name, client_host="/h", **fields
        )  # type: ignore[arg-type]
        try:
            result = self.settle(self.coordinator.consumer_heartbeat(request, self.now_ms))
        except KafkaError as error:
            if error.code not in (Err.UNKNOWN_MEMBER_ID, Err.FENCED_MEMBER_EPOCH, Err.GROUP_ID_NOT_FOUND):
                raise
            client.forget()
            return
        client.is_unsure = not hears
        if hears:
            client.epoch = result.member_epoch  # type: ignore[attr-defined]
            if result.assignment is not None:  # type: ignore[attr-defined]
                client.told = self.pairs(result.assignment)  # type: ignore[attr-defined]

    @rule(
        name=st.sampled_from(NAMES), topics=st.sets(st.sampled_from(TOPICS)), assignor=st.sampled_from([None, "range"])
    )
    def joins(self, name: str, topics: set[str], assignor: str | None) -> None:
        client = self.clients[name]
        client.forget()
        client.member_id, client.is_classic, client.topics = name, False, sorted(topics)
        self.beat(
            client,
            member_epoch=0,
            topics={},
            rebalance_timeout_ms=20_000,
            subscribed_topic_names=client.topics,
            server_assignor=assignor,
        )

    @rule(name=st.sampled_from(NAMES), hears=st.booleans(), says=st.booleans(), takes=st.booleans())
    def beats(self, name: str, hears: bool, says: bool, takes: bool) -> None:
        client = self.clients[name]
        if client.epoch <= 0 or client.is_classic:
            return
        client.owned &= client.told  # gives up first
        if takes:
            client.owned |= client.told
        self.beat_on(client, hears=hears, says=says)

    def beat_on(self, client: Client, *, hears: bool = True, says: bool = True) -> None:
        all_ = {"rebalance_timeout_ms": 20_000, "subscribed_topic_names": client.topics} if client.is_unsure else {}
        owned = self.ids(client.owned) if says or client.is_unsure else None
        self.beat(client, hears=hears, member_epoch=client.epoch, topics=owned, **all_)

    @rule(name=st.sampled_from(NAMES), topics=st.sets(st.sampled_from(TOPICS)))
    def subscribes_anew(self, name: str, topics: set[str]) -> None:
        client = self.clients[name]
        if client.epoch > 0 and not client.is_classic:
            client.topics = sorted(topics)
            self.beat(client, member_epoch=client.epoch, subscribed_topic_names=client.topics)

    @rule(name=st.sampled_from(NAMES))
    def leaves(self, name: str) -> None:
        client = self.clients[name]
        if client.epoch > 0:
            self.settle(self.coordinator.leave(GROUP, [LeavingMember(client.member_id)], self.now_ms))
            client.forget()

    @rule(name=st.sampled_from(NAMES))
    def joins_classic(self, name: str) -> None:
        """One whole round: eagerly, owning nothing, as often as it is told to."""
        client = self.clients[name]
        if client.epoch > 0 and not client.is_classic:
            return
        if not client.is_classic:
            client.forget()
            client.member_id, client.is_classic = "", True
        client.owned, client.epoch = set(), 0
        for _ in range(2):
            self.settle(self.coordinator.join(self.join_request(client), name, self.now_ms))
            joined = self.answers.pop(name, None)
            if not isinstance(joined, JoinResult):
                return  # waits in a classic group: another time
            client.member_id = joined.member_id
            if joined.error_code is Err.UNKNOWN_MEMBER_ID:
                client.member_id = ""
            if not joined.error_code:
                self.fetch_assignment(client, joined)
                return

    def join_request(self, client: Client) -> JoinRequest:
        data = struct.pack(">hih", 1, 1, 1) + b"A" + struct.pack(">ii", -1, 0)
        return JoinRequest(
            group_id=GROUP,
            member_id=client.member_id,
            client_id=client.name,
            client_host="/h",
            session_timeout_ms=10_000,
            rebalance_timeout_ms=20_000,
            protocol_type="consumer",
            protocols=[("range", data)],
        )

    def fetch_assignment(self, client: Client, joined: JoinResult) -> None:
        request = SyncRequest(
            group_id=GROUP, generation_id=joined.generation_id, member_id=joined.member_id, assignments={}
        )
        self.settle(self.coordinator.sync(request, client.name, self.now_ms))
        synced = self.answers.pop(client.name, None)
        if isinstance(synced, SyncResult) and not synced.error_code and synced.assignment:
            client.epoch = joined.generation_id
            owned = decode_assignment(synced.assignment)
            client.owned = client.told = {(topic, p) for topic, ps in owned.items() for p in ps}

    # what happens to them

    @rule(seconds=st.integers(1, 30))
    def time_passes(self, seconds: int) -> None:
        until_ms = self.now_ms + seconds * 1000
        while (due_ms := self.coordinator.next_deadline_ms) is not None and due_ms <= until_ms:
            self.now_ms = max(self.now_ms, due_ms)
            self.settle(self.coordinator.tick(self.now_ms))
        self.now_ms = until_ms

    @rule(topic=st.sampled_from(TOPICS), partitions=st.integers(1, 5))
    def topic_grows(self, topic: str, partitions: int) -> None:
        there = self.image.topics.get(topic)
        if there is None or len(there.partitions) < partitions:
            self.image = self.image.with_topics(topic_image(topic, partitions))
            self.coordinator.image(self.image)

    @rule()
    def restarts(self) -> None:
        before = self.group
        self.coordinator = GroupCoordinator(SETTINGS, random.Random(len(self.log)))
        self.coordinator.image(self.image)
        for key, value in self.log:
            self.coordinator.replay(key, value)
        if isinstance(before, ConsumerGroup):
            after = self.group
            assert isinstance(after, ConsumerGroup)
            for what in ("epoch", "metadata_hash", "target_epoch", "target_at_ms", "members", "targets", "patterns"):
                assert getattr(after, what) == getattr(before, what), what
            for what in ("static", "owners", "pattern_members"):
                assert getattr(after, what) == getattr(before, what), what
        self.settle(self.coordinator.loaded(self.now_ms))

    @rule()
    def settles(self) -> None:
        """When all answer, and nobody else comes, everybody soon has what it should have."""
        if not isinstance(self.group, ConsumerGroup) or any(m.is_classic for m in self.group.members.values()):
            return
        inside = set(self.group.members)
        for name in inside:
            self.clients[name].is_classic = False
        for _ in range(12):
            self.now_ms += 1_500
            for name in sorted(inside):
                client = self.clients[name]
                if client.epoch <= 0:
                    self.beat(
                        client, member_epoch=0, topics={}, rebalance_timeout_ms=20_000, subscribed_topic_names=["A"]
                    )
                else:
                    client.owned = set(client.told)
                    self.beat_on(client)
        assert isinstance(self.group, ConsumerGroup)
        if self.group.members:
            assert self.group.state == "Stable"
            for member in self.group.members.values():
                has = {t: set(ps) for t, ps in member.standing.assigned.items()}
                assert has == self.group.targets.get(member.member_id, {})
                assert self.clients[member.member_id].told == self.pairs(member.standing.assigned)

    # what holds

    @property
    def group(self) -> object:
        return self.coordinator.groups.get(GROUP)

    @invariant()
    def one_owner_a_partition(self) -> None:
        if not isinstance(self.group, ConsumerGroup):
            return
        owned: dict[tuple[bytes, int], str] = {}
        for member in self.group.members.values():
            for epochs in (member.standing.assigned, member.standing.revoking):
                for topic_id, partitions in epochs.items():
                    for partition in partitions:
                        assert (topic_id, partition) not in owned
                        owned[topic_id, partition] = member.member_id
        assert owned == self.group.owners

    @invariant()
    def no_two_read_the_same(self) -> None:
        """Of those who have not been put out: what a member still reads is nobody else's."""
        if not isinstance(self.group, ConsumerGroup):
            return
        read: dict[Pair, str] = {}
        for client in self.clients.values():
            member = self.group.members.get(client.member_id)
            if member is not None and not client.is_classic and client.epoch > 0:
                for pair in client.owned & client.told:
                    assert pair not in read, f"{read[pair]} and {client.name} both read {pair}"
                    read[pair] = client.name

    @invariant()
    def epochs_only_rise(self) -> None:
        if not isinstance(self.group, ConsumerGroup):
            self.epochs = (0, 0)
            return
        group = self.group
        assert group.epoch >= self.epochs[0]
        assert group.target_epoch >= self.epochs[1]
        assert group.target_epoch <= group.epoch
        for member in group.members.values():
            assert member.standing.epoch <= group.target_epoch
        self.epochs = (group.epoch, group.target_epoch)

    @invariant()
    def targets_do_not_overlap(self) -> None:
        """Who subscribes to nothing changes nothing, and has no target before the next one is computed."""
        group = self.group
        if isinstance(group, ConsumerGroup) and group.members and group.epoch == group.target_epoch:
            given = [(t, p) for share in group.targets.values() for t, ps in share.items() for p in ps]
            assert len(given) == len(set(given))
            assert group.targets.keys() <= group.members.keys()


ConsumerGroupsTest = ConsumerGroups.TestCase
ConsumerGroupsTest.settings = settings(
    max_examples=80, stateful_step_count=30, deadline=None, report_multiple_bugs=False
)
