"""Anything may happen to a group, in any order, and these hold:

- every JoinGroup and SyncGroup is answered exactly once, and what is not answered is parked in the group;
- generations only rise; who is told an assignment is told its own, of the generation it is in;
- nobody is lost: a member has a session running or waits for an answer, and a rebalance has an end;
- what is remembered is what a fresh coordinator makes of the log;
- left alone, the group answers everybody and ends up empty.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kq.errors import Err, KafkaError
from kq.machines.group.classic import ClassicGroup
from kq.machines.group.classic_states import State
from kq.machines.group.coordinator import GroupCoordinator
from kq.machines.group.decision import Decision
from kq.machines.group.requests import (
    CommitRequest,
    JoinRequest,
    JoinResult,
    LeavingMember,
    SyncRequest,
    SyncResult,
)
from kq.machines.group.settings import GroupSettings

SETTINGS = GroupSettings(group_max_size=4, offsets_retention_minutes=30)
STATIC = {"s1", "s2"}


@dataclass
class Client:
    name: str
    member_id: str = ""
    generation: int = -1
    heard_of: list[str] = field(default_factory=list)  # as the leader
    next: str = "join"  # what a client that behaves does next: join, sync or heartbeat


CLIENTS = st.sampled_from(["a", "b", "c", "d", "e", "s1", "s2"])
PROTOCOLS = st.sampled_from([("range",), ("range", "sticky"), ("sticky", "range")])


class GroupMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now_ms = 0
        self.rng = random.Random(1)
        self.coordinator = GroupCoordinator(SETTINGS, self.rng)
        self.coordinator.loaded(0)
        self.log: list[tuple[Any, Any]] = []
        self.clients = {name: Client(name) for name in ["a", "b", "c", "d", "e", "s1", "s2"]}
        self.asked: dict[int, tuple[Client, int]] = {}  # by ticket: who waits, and with a sync for which generation
        self.tickets = 0
        self.generation = 0
        self.append_fails = False

    # what clients do

    @rule(names=st.lists(CLIENTS, min_size=1, max_size=4, unique=True), rounds=st.integers(1, 4))
    def some_behave(self, names: list[str], rounds: int) -> None:
        """As real clients do; without it a group would hardly ever become stable."""
        for _ in range(rounds):
            for name in names:
                client = self.clients[name]
                if any(waiting is client for waiting, _ in self.asked.values()):
                    continue
                if client.next == "join":
                    self.join(name, ("range", "sticky"), True, client.member_id == "", 20)
                elif client.next == "sync":
                    self.sync(name)
                else:
                    self.heartbeat(name)
            self.time_passes(1_500)

    @rule(name=CLIENTS, protocols=PROTOCOLS, is_new=st.booleans(), anew=st.booleans(), patience_s=st.integers(6, 30))
    def join(self, name: str, protocols: tuple[str, ...], is_new: bool, anew: bool, patience_s: int) -> None:
        client = self.clients[name]
        request = JoinRequest(
            group_id="G",
            member_id="" if anew else client.member_id,
            group_instance_id=name if name in STATIC else None,
            client_id=name,
            client_host="/h",
            session_timeout_ms=10_000,
            rebalance_timeout_ms=patience_s * 1000,
            protocol_type="consumer",
            protocols=[(protocol, b"") for protocol in protocols],
            member_id_required=is_new,
            may_skip_assignment=is_new,
        )
        ticket = self.ask(client)
        self.settle(self.coordinator.join(request, ticket, self.now_ms))

    @rule(name=CLIENTS)
    def sync(self, name: str) -> None:
        client = self.clients[name]
        request = SyncRequest(
            group_id="G",
            generation_id=client.generation,
            member_id=client.member_id,
            group_instance_id=name if name in STATIC else None,
            assignments={member_id: f"{client.generation} {member_id}".encode() for member_id in client.heard_of},
        )
        ticket = self.ask(client, client.generation)
        self.settle(self.coordinator.sync(request, ticket, self.now_ms))

    @rule(name=CLIENTS)
    def heartbeat(self, name: str) -> None:
        client = self.clients[name]
        try:
            decision = self.coordinator.heartbeat("G", client.member_id, client.generation, None, self.now_ms)
        except KafkaError as error:
            client.next = "join"
            if error.code == Err.UNKNOWN_MEMBER_ID:
                client.member_id = ""
            return
        if decision.response.error_code:
            client.next = "join"

    @rule(names=st.lists(CLIENTS, max_size=3))
    def leave(self, names: list[str]) -> None:
        leaving = [LeavingMember(self.clients[name].member_id) for name in names]
        self.command(lambda: self.coordinator.leave("G", leaving, self.now_ms))

    @rule(instance=st.sampled_from(sorted(STATIC)))
    def administrator_removes(self, instance: str) -> None:
        self.command(lambda: self.coordinator.leave("G", [LeavingMember("", instance)], self.now_ms))

    @rule(name=CLIENTS, inside=st.booleans(), partition=st.integers(0, 2), offset=st.integers(0, 9))
    def commit(self, name: str, inside: bool, partition: int, offset: int) -> None:
        asked = SimpleNamespace(
            index=partition, committed_offset=offset, committed_leader_epoch=-1, committed_metadata=""
        )
        client = self.clients[name]
        request = CommitRequest(
            group_id="G",
            generation_id_or_member_epoch=client.generation if inside else -1,
            member_id=client.member_id if inside else "",
            topics=[SimpleNamespace(name="A", topic_id=bytes(16), partitions=[asked])],
        )
        self.command(lambda: self.coordinator.commit(request, self.now_ms))

    @rule()
    def delete_group(self) -> None:
        self.command(lambda: self.coordinator.delete_groups(["G"]))

    @rule(partitions=st.lists(st.integers(0, 2), max_size=2))
    def forget(self, partitions: list[int]) -> None:
        self.command(lambda: self.coordinator.forget_offsets("G", {"A": partitions}))

    # what happens to them

    @rule(ms=st.sampled_from([1, 500, 1_500, 3_000, 3_000, 7_000, 11_000, 31_000, 700_000]))
    def time_passes(self, ms: int) -> None:
        until_ms = self.now_ms + ms
        while (due_ms := self.coordinator.next_deadline_ms) is not None and due_ms <= until_ms:
            self.now_ms = max(due_ms, self.now_ms)
            self.settle(self.coordinator.tick(self.now_ms))
        self.now_ms = until_ms

    @rule()
    def the_next_append_fails(self) -> None:
        self.append_fails = True

    @precondition(lambda self: self.log)
    @rule()
    def restart(self) -> None:
        """A clean one: the coordinator tells everybody."""
        decision = self.coordinator.closed(Err.NOT_COORDINATOR)
        assert not decision.facts
        self.settle(decision)
        assert not self.asked
        self.coordinator = self.replayed()
        self.generation = 0
        self.settle(self.coordinator.loaded(self.now_ms))

    # the runtime

    def ask(self, client: Client, generation: int = -1) -> int:
        self.tickets += 1
        self.asked[self.tickets] = client, generation
        return self.tickets

    def command(self, decide: Any) -> None:
        try:
            decision = decide()
        except KafkaError:
            return
        self.settle(decision)

    def settle(self, decision: Decision) -> None:
        if decision.facts and self.append_fails:
            self.append_fails = False
            decision = self.coordinator.failed(decision, KafkaError(Err.COORDINATOR_NOT_AVAILABLE), self.now_ms)
            assert not decision.facts
        for key, value in decision.facts:
            self.log.append((key, value))
            self.coordinator.replay(key, value)
        for ticket, answer in decision.replies:
            self.answered(*self.asked.pop(ticket), answer)

    def answered(self, client: Client, generation: int, answer: Any) -> None:
        client.next = "join"
        if getattr(answer, "error_code", Err.NONE) == Err.UNKNOWN_MEMBER_ID:
            client.member_id = ""
        if isinstance(answer, JoinResult):
            client.member_id = answer.member_id or client.member_id
            if not answer.error_code:
                client.next = "sync"
                client.generation = answer.generation_id
                client.heard_of = [member.member_id for member in answer.members]
                assert len(set(client.heard_of)) == len(client.heard_of)
                assert not answer.members or client.member_id in client.heard_of
        if isinstance(answer, SyncResult) and not answer.error_code:
            client.next = "heartbeat"
        if isinstance(answer, SyncResult) and not answer.error_code and answer.assignment:
            told_generation, told_member = answer.assignment.decode().split(" ", 1)
            assert int(told_generation) == generation
            # A static member may have come back since: it has what its former self was given.
            assert told_member == client.member_id or client.name in STATIC

    def replayed(self) -> GroupCoordinator:
        fresh = GroupCoordinator(SETTINGS, self.rng)
        for key, value in self.log:
            fresh.replay(key, value)
        return fresh

    # what holds

    @property
    def group(self) -> ClassicGroup | None:
        group = self.coordinator.groups.get("G")
        assert group is None or isinstance(group, ClassicGroup)
        return group

    @invariant()
    def who_is_not_answered_is_parked_once(self) -> None:
        members = self.group.roster if self.group is not None else ()
        parked = [ticket for member in members for ticket in (member.join_ticket, member.sync_ticket) if ticket]
        assert sorted(parked) == sorted(self.asked)

    @invariant()
    def generations_only_rise(self) -> None:
        if self.group is None:
            self.generation = 0
        else:
            assert self.group.generation >= self.generation
            self.generation = self.group.generation

    @invariant()
    def nobody_is_lost(self) -> None:
        group = self.group
        if group is None:
            return
        assert all(member.alarm.is_set or member.waits for member in group.roster)
        assert all(alarm.is_set for alarm in group.roster.pending.values())
        alarms = {alarm.what for _, _, alarm in self.coordinator.shard.alarms._heap if alarm.is_set}
        if group.state is State.PREPARING:
            assert "join" in alarms
        if group.state is State.COMPLETING:
            assert "sync" in alarms
        if group.state is State.EMPTY:
            assert not group.roster

    @invariant()
    def the_roster_agrees_with_itself(self) -> None:
        if self.group is None:
            return
        roster = self.group.roster
        assert roster.joining == sum(member.join_ticket is not None for member in roster)
        assert roster.by_instance == {m.instance_id: m.member_id for m in roster if m.instance_id is not None}
        assert all(roster.by_id[member_id].member_id == member_id for member_id in roster.by_id)
        support = Counter(name for member in roster for name in {name for name, _ in member.protocols})
        assert +roster._support == support
        assert roster.leader in roster.by_id if roster else roster.leader is None
        if roster and self.group.state is not State.PREPARING:
            assert all(self.group.protocol in dict(member.protocols) for member in roster)
        assert len(roster) <= 4 or self.group.state is State.PREPARING

    @invariant()
    def what_is_remembered_is_in_the_log(self) -> None:
        fresh = self.replayed()
        assert dict(fresh.offsets) == dict(self.coordinator.offsets)
        assert set(fresh.groups) == set(self.coordinator.groups)
        again, group = fresh.groups.get("G"), self.group
        if isinstance(again, ClassicGroup) and group is not None:
            assert again.remembered == group.remembered
            if group.state is State.STABLE:
                assert again.state is State.STABLE
                assert again.described()._replace(members=()) == group.described()._replace(members=())
                assert sorted(again.described().members) == sorted(group.described().members)

    def teardown(self) -> None:
        self.append_fails = False
        self.time_passes(6 * 3_600_000)
        assert not self.asked
        assert self.group is None or not self.group.roster


TestGroupMachine = GroupMachine.TestCase
TestGroupMachine.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
