"""Stories of a group, to be read aloud: commands, and below each what happens.

    join alice topics=A             a client joins; it comes back with the member id that it was given
    join old version=3              as a client before MEMBER_ID_REQUIRED
      old: UNKNOWN_MEMBER_ID        what is indented is what the coordinator answered, remembered (log:) or rang (3 s:)
    after 3 s                       time passes, and every alarm rings at its time

A story is run by `play`; with KQ_REWRITE=1 in the environment its expected lines are written anew.
"""

from __future__ import annotations

import random
import re
import struct
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from kq.broker.groups.history import History
from kq.errors import Err, KafkaError
from kq.machines.group.coordinator import GroupCoordinator
from kq.machines.group.decision import Decision
from kq.machines.group.embedded import decode_assignment, encode_assignment
from kq.machines.group.facts import GroupMetadataValue, OffsetCommitKey, OffsetCommitValue
from kq.machines.group.requests import (
    CommitRequest,
    FetchTopic,
    HeartbeatResult,
    JoinRequest,
    JoinResult,
    LeaveResult,
    LeavingMember,
    SyncRequest,
    SyncResult,
)
from kq.machines.group.settings import GroupSettings

GROUP = "G"
UNITS = {"ms": 1, "s": 1_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}


def play(script: str) -> str:
    """The script with what really happens below each command."""
    story, lines = Story(), []
    for line in script.splitlines():
        if line.startswith("  "):
            continue
        lines.append(line)
        if line and not line.startswith("#"):
            lines += [f"  {said}" for said in story.tell(line)]
    return "\n".join(lines) + "\n"


class Story:
    def __init__(self) -> None:
        self.now_ms = 0
        self.settings: dict[str, Any] = {}
        self.coordinator = GroupCoordinator(GroupSettings(), random.Random(4))
        self.log: list[tuple[Any, Any]] = []
        self.ids: dict[str, str] = {}  # by client: the member id it was last told
        self.names: dict[str, str] = {}  # by member id: how the story calls it
        self.generations: dict[str, int] = {}
        self.append_error: Err | None = None
        self.said: list[str] = []

    def tell(self, line: str) -> list[str]:
        verb, *words = line.split()
        self.said = []
        command: Callable[..., None] = getattr(self, f"do_{verb}")
        options = dict(word.split("=", 1) for word in words if "=" in word)
        try:
            command(*[word for word in words if "=" not in word], opt=options)
        except KafkaError as error:
            self.said.append(error.code.name)
        return self.said

    # commands

    def do_set(self, opt: dict[str, str]) -> None:
        """group.max.size=2: settings, before anything else"""
        self.settings |= {name: int(value) for name, value in opt.items()}
        self.coordinator = GroupCoordinator(GroupSettings.of(self.settings), random.Random(4))

    def do_join(self, client: str, opt: dict[str, str]) -> None:
        version = int(opt.get("version", 9))
        request = JoinRequest(
            group_id=GROUP,
            member_id=self.member_id(client, opt.get("as")),
            group_instance_id=opt.get("instance"),
            client_id=client,
            client_host="/127.0.0.1",
            session_timeout_ms=milliseconds(opt.get("session", "10s")),
            rebalance_timeout_ms=milliseconds(opt.get("patience", "60s")),
            protocol_type=opt.get("type", "consumer"),
            protocols=[
                (name, subscription(opt.get("topics", "A").split(",")))
                for name in opt.get("protocols", "range").split(",")
                if name
            ],
            reason=opt.get("reason"),
            member_id_required=version >= 4,
            may_skip_assignment=version >= 9,
        )
        self.settle(self.coordinator.join(request, client, self.now_ms))

    def do_sync(self, client: str, opt: dict[str, str]) -> None:
        """sync alice alice=A0,A1 bob=A2: the leader assigns; others send nothing"""
        given = {name: text for name, text in opt.items() if name not in {"generation", "protocol", "instance"}}
        request = SyncRequest(
            group_id=GROUP,
            generation_id=int(opt.get("generation", self.generations.get(client, -1))),
            member_id=self.member_id(client),
            group_instance_id=opt.get("instance"),
            protocol_type="consumer",
            protocol_name=opt.get("protocol"),
            assignments={self.member_id(name): assignment(text) for name, text in given.items()},
        )
        self.settle(self.coordinator.sync(request, client, self.now_ms))

    def do_heartbeat(self, client: str, opt: dict[str, str]) -> None:
        generation = int(opt.get("generation", self.generations.get(client, -1)))
        member_id = self.member_id(client, opt.get("as"))
        instance = opt.get("instance")
        self.settle(self.coordinator.heartbeat(GROUP, member_id, generation, instance, self.now_ms), client)

    def do_leave(self, *clients: str, opt: dict[str, str]) -> None:
        """leave alice bob, or leave instance=i: as an administrator"""
        leaving = [LeavingMember(self.member_id(client), None, opt.get("reason")) for client in clients]
        if "instance" in opt:
            leaving.append(LeavingMember("", opt["instance"]))
        self.settle(self.coordinator.leave(GROUP, leaving, self.now_ms))

    def do_commit(self, client: str, *, opt: dict[str, str]) -> None:
        """commit alice A0=5, or commit nobody A0=5: a client outside of the group"""
        inside = client != "nobody"
        generation = self.generations.get(client, -1) if inside else -1
        pairs = [(name, value) for name, value in opt.items() if name not in {"generation", "retention", "metadata"}]
        topics = [
            SimpleNamespace(
                name=name[0],
                topic_id=bytes(16),
                partitions=[
                    SimpleNamespace(
                        index=int(name[1:]),
                        committed_offset=int(value),
                        committed_leader_epoch=-1,
                        committed_metadata="m" * int(opt.get("metadata", 0)),
                    )
                ],
            )
            for name, value in pairs
        ]
        request = CommitRequest(
            group_id=GROUP,
            generation_id_or_member_epoch=int(opt.get("generation", generation)),
            member_id=self.member_id(client) if inside else "",
            retention_time_ms=milliseconds(opt["retention"]) if "retention" in opt else -1,
            topics=topics,
        )
        decision = self.coordinator.commit(request, self.now_ms)
        if isinstance(decision.response, list):
            refused = [(t.name, p) for t in decision.response for p in t.partitions if p.error_code]
            self.said += [f"{name}{partition.index}: {partition.error_code.name}" for name, partition in refused]
        decision.response = None if not isinstance(decision.response, KafkaError) else decision.response
        self.settle(decision)

    def do_fetch(self, *partitions: str, opt: dict[str, str]) -> None:
        topics = [FetchTopic(name[0], [int(name[1:])]) for name in partitions] or None
        for topic in self.coordinator.fetch_offsets(GROUP, None, -1, topics, "stable" in opt):
            for partition in topic.partitions:
                what = partition.error_code.name if partition.error_code else str(partition.committed_offset)
                self.said.append(f"{topic.name}{partition.index} = {what}")

    def do_forget(self, *partitions: str, opt: dict[str, str]) -> None:
        decision = self.coordinator.forget_offsets(GROUP, {name[0]: [int(name[1:])] for name in partitions})
        self.said += [f"{t.name}{p.index}: {p.error_code.name}" for t in decision.response for p in t.partitions]
        self.settle(decision)

    def do_delete(self, opt: dict[str, str]) -> None:
        decision = self.coordinator.delete_groups([GROUP])
        self.said.append(decision.response[0].error_code.name)
        self.settle(decision)

    def do_topic(self, topic: str, gone: str, opt: dict[str, str]) -> None:
        """topic A gone"""
        assert gone == "gone"
        self.settle(self.coordinator.topics_deleted([topic]))

    def do_after(self, amount: str, unit: str = "", *, opt: dict[str, str]) -> None:
        until_ms, began_ms = self.now_ms + milliseconds(amount + unit), self.now_ms
        while (due_ms := self.coordinator.next_deadline_ms) is not None and due_ms <= until_ms:
            self.now_ms = max(due_ms, self.now_ms)
            before = len(self.said)
            self.settle(self.coordinator.tick(self.now_ms))
            self.said[before:] = [f"{seconds(self.now_ms - began_ms)}: {said}" for said in self.said[before:]]
        self.now_ms = until_ms

    def do_describe(self, opt: dict[str, str]) -> None:
        group = self.coordinator.describe([GROUP])[0]
        known = self.coordinator.groups.get(GROUP)
        generation = f", generation {known.generation}" if known is not None and hasattr(known, "generation") else ""
        said = " ".join(part for part in (group.protocol_type, group.protocol_data) if part)
        self.said.append(f"{group.group_state}{generation}{', ' + said if said else ''}")
        for member in group.members:
            instance = f" ({member.group_instance_id})" if member.group_instance_id else ""
            has = f" has {partitions(member.member_assignment)}"
            self.said.append(f"{self.name(member.member_id)}{instance}{has}")

    def do_list(self, opt: dict[str, str]) -> None:
        states = opt["states"].split(",") if "states" in opt else []
        types = opt["types"].split(",") if "types" in opt else []
        for group in self.coordinator.list_groups(states, types):
            self.said.append(f"{group.group_id}: {group.group_type} {group.protocol_type or '-'} {group.group_state}")

    def do_history(self, opt: dict[str, str]) -> None:
        history = History()
        history.add(self.coordinator.events)
        for event in history.of(GROUP):
            who = [f"+{self.name(member)}" for member in event.joined] + [f"-{self.name(m)}" for m in event.left]
            reason = re.sub(r"\S+-[0-9a-f-]{36}", lambda match: self.name(match[0]), event.reason)
            self.said.append(
                f"generation {event.generation}: {reason} [{' '.join(who)}]"
                f" moved {event.moved_partitions}, stood {'?' if event.stood_ms is None else seconds(event.stood_ms)}"
            )
        self.coordinator.events.clear()

    def do_restart(self, opt: dict[str, str]) -> None:
        """The broker comes back: what is remembered is replayed, and sessions begin."""
        self.coordinator = GroupCoordinator(GroupSettings.of(self.settings), random.Random(5))
        for key, value in self.log:
            self.coordinator.replay(key, value)
        self.settle(self.coordinator.loaded(self.now_ms))

    def do_appends(self, fail: str, opt: dict[str, str]) -> None:
        """appends fail, appends work"""
        self.append_error = Err.COORDINATOR_NOT_AVAILABLE if fail == "fail" else None

    # the runtime

    def settle(self, decision: Decision, client: str = "") -> None:
        if decision.facts and self.append_error is not None:
            decision = self.coordinator.failed(decision, KafkaError(self.append_error), self.now_ms)
        for ticket, answer in decision.replies:
            if isinstance(answer, JoinResult) and answer.member_id:
                self.learn(ticket, answer.member_id)
        for key, value in decision.facts:
            self.log.append((key, value))
            self.coordinator.replay(key, value)
            self.said.append(f"log: {self.fact(key, value)}")
        if isinstance(decision.response, KafkaError | HeartbeatResult | LeaveResult):
            self.said += self.answer(client, decision.response)
        for ticket, answer in decision.replies:
            self.said += self.answer(ticket, answer)

    def answer(self, client: str, answer: Any) -> list[str]:
        who = f"{client}: " if client else ""
        if isinstance(answer, KafkaError):
            return [f"{who}{answer.code.name}"]
        if isinstance(answer, LeaveResult):
            return [
                f"{self.name(left.member_id) or left.group_instance_id}: {left.error_code.name}"
                for left in answer.members
            ]
        if answer.error_code or isinstance(answer, HeartbeatResult):
            return [f"{who}{answer.error_code.name}"]
        if isinstance(answer, SyncResult):
            return [f"{who}has {partitions(answer.assignment)}"]
        self.generations[client] = answer.generation_id
        leads = " skips" if answer.skip_assignment else ""
        if answer.members:
            leads += f" leads {' '.join(self.name(member.member_id) for member in answer.members)}"
        leader = "" if answer.members else f" behind {self.name(answer.leader)}"
        return [f"{who}generation {answer.generation_id} {answer.protocol_name}{leads}{leader}"]

    def fact(self, key: Any, value: Any) -> str:
        if isinstance(key, OffsetCommitKey):
            if value is None:
                return f"{key.topic}{key.partition} forgotten"
            assert isinstance(value, OffsetCommitValue)
            until = f" until {seconds(value.expire_timestamp)}" if value.expire_timestamp >= 0 else ""
            return f"{key.topic}{key.partition} = {value.offset}{until}"
        if value is None:
            return "group forgotten"
        assert isinstance(value, GroupMetadataValue)
        has = [f"{self.name(member.member_id)} has {partitions(member.assignment)}" for member in value.members]
        return f"generation {value.generation}: {'; '.join(has) or 'nobody'}"

    # names

    def member_id(self, client: str, override: str | None = None) -> str:
        """`as=nobody`: without an id; `as=x`: the id that the story calls x."""
        if override is None:
            return self.ids.get(client, "")
        return next((member_id for member_id, name in self.names.items() if name == override), "")

    def learn(self, client: str, member_id: str) -> None:
        self.ids[client] = member_id
        if member_id not in self.names:
            told = sum(1 for name in self.names.values() if name.split("'")[0] == client)
            self.names[member_id] = client + "'" * told

    def name(self, member_id: str) -> str:
        return self.names.get(member_id, member_id)


def milliseconds(text: str) -> int:
    match = re.fullmatch(r"(\d+)(ms|s|min|h|d)", text)
    assert match is not None, f"{text!r} is no time: 3s, 5min"
    return int(match[1]) * UNITS[match[2]]


def seconds(time_ms: int) -> str:
    return f"{time_ms / 1000:g} s"


def subscription(topics: list[str]) -> bytes:
    """ConsumerProtocolSubscription, version 0."""
    named = b"".join(struct.pack(">h", len(topic)) + topic.encode() for topic in topics)
    return struct.pack(">hi", 0, len(topics)) + named + struct.pack(">i", -1)


def assignment(text: str) -> bytes:
    """A0,A1,B0"""
    topics: dict[str, list[int]] = {}
    for part in filter(None, text.split(",")):
        topics.setdefault(part[0], []).append(int(part[1:]))
    return encode_assignment(0, topics)


def partitions(data: bytes) -> str:
    if not data:
        return "nothing"
    topics = decode_assignment(data)
    return ",".join(f"{topic}{index}" for topic, indexes in topics.items() for index in indexes) or "nothing"
