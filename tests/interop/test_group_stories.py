"""The stories of the classic protocol (tests/machines/group/scenarios), told over the wire: Apache Kafka and kq give
the very answers that are written there. Time passes for real, so all stories are played side by side.
"""

from __future__ import annotations

import re
import select
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from kq.errors import Err
from kq.machines.group.requests import JoinedMember, JoinResult, LeaveResult, LeftMember, SyncResult
from kq.testing import Broker
from kq.wire.api import Api
from kq.wire.apis.commits import OFFSET_COMMIT, OFFSET_DELETE, OFFSET_FETCH
from kq.wire.apis.groups import (
    DELETE_GROUPS,
    DESCRIBE_GROUPS,
    FIND_COORDINATOR,
    HEARTBEAT,
    JOIN_GROUP,
    LEAVE_GROUP,
    LIST_GROUPS,
    SYNC_GROUP,
)
from tests.machines.group.story import Story, assignment, milliseconds, partitions, subscription
from tests.support import peers, topics
from tests.support.wire import Wire

pytestmark = pytest.mark.slow

STORIES = Path(__file__).parents[1] / "machines" / "group" / "scenarios"
TOO_LONG = {"expiry", "long_rebalance"}
DIFFERENT = {
    "asked_twice": "kq answers the question that was asked again; Kafka leaves it without an answer",
    "ghost_leaves": "Kafka rebalances a stable group because somebody left who never was in it",
}
# What cannot be said over the wire; a story is told up to there.
INSIDE = {"set", "restart", "appends", "topic"}
DELAY = "group.initial.rebalance.delay.ms"
LINGER_S = 0.06  # for an answer that comes at once
LATE_S = 1.5  # for one that is missing: a young JVM that is asked by all stories at once is slow
SLACK_S = 0.12  # for an alarm that rings at its time


class WireStory(Story):
    """Every question on a connection of its own; those that wait are asked for after each command."""

    def __init__(self, bootstrap: str) -> None:
        super().__init__()
        self.bootstrap = bootstrap
        self.group = f"story-{uuid.uuid4().hex[:8]}"
        self.parked: dict[Wire, tuple[str, Api]] = {}
        self.protocols: dict[str, str] = {}

    def tell(self, line: str) -> list[str]:
        super().tell(line)
        self.gather(LINGER_S)
        return self.said

    def ask(self, api: Api, version: int, **fields: Any) -> Any:
        with Wire(self.bootstrap) as wire:
            return wire.call(api, version, api.Request(**fields))

    def park(self, client: str, api: Api, version: int, **fields: Any) -> None:
        wire = Wire(self.bootstrap)
        wire.send(api, version, api.Request(**fields))
        self.parked[wire] = client, api

    def gather(self, for_s: float) -> None:
        until = time.monotonic() + for_s
        got: list[tuple[str, Any]] = []
        while self.parked and (left_s := until - time.monotonic()) > 0:
            ready = select.select([wire.socket for wire in self.parked], [], [], left_s)[0]
            for wire in [wire for wire in self.parked if wire.socket in ready]:
                client, api = self.parked.pop(wire)
                got.append((client, result(api, wire.receive())))
                wire.socket.close()
        for client, answer in got:
            if isinstance(answer, JoinResult) and answer.member_id:
                self.learn(client, answer.member_id)
        for client, answer in got:
            self.said += self.answer(client, answer)
            if isinstance(answer, JoinResult) and answer.protocol_name:
                self.protocols[client] = answer.protocol_name

    def close(self) -> None:
        for wire in self.parked:
            wire.socket.close()

    def do_join(self, client: str, opt: dict[str, str]) -> None:
        metadata = subscription(opt.get("topics", "A").split(","))
        names = filter(None, opt.get("protocols", "range").split(","))
        self.park(
            client,
            JOIN_GROUP,
            int(opt.get("version", 9)),
            group_id=self.group,
            session_timeout_ms=milliseconds(opt.get("session", "10s")),
            rebalance_timeout_ms=milliseconds(opt.get("patience", "60s")),
            member_id=self.member_id(client, opt.get("as")),
            group_instance_id=opt.get("instance"),
            protocol_type=opt.get("type", "consumer"),
            protocols=[JOIN_GROUP.Request.Protocol(name=name, metadata=metadata) for name in names],
            reason=opt.get("reason"),
        )

    def do_sync(self, client: str, opt: dict[str, str]) -> None:
        given = {name: text for name, text in opt.items() if name not in {"generation", "protocol", "instance"}}
        Assignment = SYNC_GROUP.Request.Assignment
        self.park(
            client,
            SYNC_GROUP,
            5,
            group_id=self.group,
            generation_id=int(opt.get("generation", self.generations.get(client, -1))),
            member_id=self.member_id(client),
            group_instance_id=opt.get("instance"),
            protocol_type="consumer",
            protocol_name=opt.get("protocol", self.protocols.get(client, "range")),
            assignments=[
                Assignment(member_id=self.member_id(name), assignment=assignment(text)) for name, text in given.items()
            ],
        )

    def do_heartbeat(self, client: str, opt: dict[str, str]) -> None:
        answer = self.ask(
            HEARTBEAT,
            4,
            group_id=self.group,
            generation_id=int(opt.get("generation", self.generations.get(client, -1))),
            member_id=self.member_id(client, opt.get("as")),
            group_instance_id=opt.get("instance"),
        )
        self.said.append(Err.of(answer.error_code).name)

    def do_leave(self, *clients: str, opt: dict[str, str]) -> None:
        Member = LEAVE_GROUP.Request.Member
        members = [
            Member(member_id=self.member_id(client), group_instance_id=None, reason=opt.get("reason"))
            for client in clients
        ]
        if "instance" in opt:
            members.append(Member(member_id="", group_instance_id=opt["instance"]))
        left = self.ask(LEAVE_GROUP, 5, group_id=self.group, members=members).members
        members = [LeftMember(who.member_id, who.group_instance_id, Err.of(who.error_code)) for who in left]
        self.said += self.answer("", LeaveResult(members))

    def do_commit(self, client: str, *, opt: dict[str, str]) -> None:
        inside = client != "nobody"
        generation = self.generations.get(client, -1) if inside else -1
        Request = OFFSET_COMMIT.Request
        asked = [
            Request.Topic(
                name=name[0],
                partitions=[
                    Request.Partition(
                        index=int(name[1:]),
                        committed_offset=int(value),
                        committed_metadata="m" * int(opt.get("metadata", 0)),
                    )
                ],
            )
            for name, value in opt.items()
            if name not in {"generation", "metadata"}
        ]
        answer = self.ask(
            OFFSET_COMMIT,
            9,
            group_id=self.group,
            generation_id_or_member_epoch=int(opt.get("generation", generation)),
            member_id=self.member_id(client) if inside else "",
            topics=asked,
        )
        refused = [(f"{topic.name}{p.index}", p.error_code) for topic in answer.topics for p in topic.partitions]
        for name, error in refused:
            if error == Err.OFFSET_METADATA_TOO_LARGE:
                self.said.append(f"{name}: {Err.of(error).name}")
            elif error:
                self.said.append(Err.of(error).name)

    def do_fetch(self, *names: str, opt: dict[str, str]) -> None:
        Request = OFFSET_FETCH.Request
        asked = [Request.Topic(name=name[0], partitions=[int(name[1:])]) for name in names] or None
        groups = [Request.Group(group_id=self.group, topics=asked)]
        for topic in self.ask(OFFSET_FETCH, 8, groups=groups, require_stable="stable" in opt).groups[0].topics:
            for partition in topic.partitions:
                self.said.append(f"{topic.name}{partition.index} = {partition.committed_offset}")

    def do_forget(self, *names: str, opt: dict[str, str]) -> None:
        Request = OFFSET_DELETE.Request
        asked = [Request.Topic(name=name[0], partitions=[Request.Partition(index=int(name[1:]))]) for name in names]
        answer = self.ask(OFFSET_DELETE, 0, group_id=self.group, topics=asked)
        if answer.error_code:
            self.said.append(Err.of(answer.error_code).name)
        self.said += [f"{t.name}{p.index}: {Err.of(p.error_code).name}" for t in answer.topics for p in t.partitions]

    def do_delete(self, opt: dict[str, str]) -> None:
        answer = self.ask(DELETE_GROUPS, 2, groups=[self.group])
        self.said.append(Err.of(answer.groups[0].error_code).name)

    def do_after(self, amount: str, unit: str = "", *, opt: dict[str, str]) -> None:
        until = time.monotonic() + milliseconds(amount + unit) / 1000 + SLACK_S
        self.gather(until - time.monotonic())
        time.sleep(max(until - time.monotonic(), 0))

    def do_describe(self, opt: dict[str, str]) -> None:
        group = self.ask(DESCRIBE_GROUPS, 5, groups=[self.group]).groups[0]
        spoken = " ".join(part for part in (group.protocol_type, group.protocol_data) if part)
        self.said.append(f"{group.group_state}{', ' + spoken if spoken else ''}")
        for member in group.members:
            instance = f" ({member.group_instance_id})" if member.group_instance_id else ""
            has = f" has {partitions(bytes(member.member_assignment))}"
            self.said.append(f"{self.name(member.member_id)}{instance}{has}")

    def do_list(self, opt: dict[str, str]) -> None:
        states = opt["states"].split(",") if "states" in opt else []
        types = opt["types"].split(",") if "types" in opt else []
        for group in self.ask(LIST_GROUPS, 5, states_filter=states, types_filter=types).groups:
            if group.group_id == self.group:
                self.said.append(f"G: {group.group_type} {group.protocol_type or '-'} {group.group_state}")


def result(api: Api, answer: Any) -> JoinResult | SyncResult:
    error = Err.of(answer.error_code)
    if api is SYNC_GROUP:
        return SyncResult(error, answer.protocol_type, answer.protocol_name, bytes(answer.assignment))
    return JoinResult(
        error,
        answer.generation_id,
        answer.protocol_type,
        answer.protocol_name,
        answer.leader,
        answer.skip_assignment,
        answer.member_id,
        [JoinedMember(member.member_id, member.group_instance_id, b"") for member in answer.members],
    )


def plain(said: list[str]) -> list[str]:
    """Without what only the inside knows, and without an order: answers come on connections of their own."""
    lines = []
    for line in said:
        line = re.sub(r"^[\d.]+ s: ", "", line.strip())
        line = re.sub(r", generation \d+|^\w+: (?=(NONE|REBALANCE_IN_PROGRESS)$)", "", line)
        match = re.fullmatch(r"(.* leads )(.*)", line)
        if not line.startswith("log:"):
            lines.append(match[1] + " ".join(sorted(match[2].split())) if match else line)
    return sorted(lines)


def commands(script: str) -> Iterator[tuple[str, list[str]]]:
    expected: list[str] = []
    for line in script.splitlines():
        if line.startswith("  "):
            expected.append(line)
        elif line and not line.startswith("#"):
            if line.split()[0] in INSIDE:
                return
            expected = []
            yield line, expected


def differences(path: Path, bootstrap: str) -> list[str]:
    story, found = WireStory(bootstrap), []
    for line, expected in list(commands(path.read_text())):
        if line != "history":
            story.tell(line)
            until = time.monotonic() + LATE_S
            while plain(story.said) != plain(expected) and story.parked and time.monotonic() < until:
                story.gather(LINGER_S)
            if plain(story.said) != plain(expected):
                found.append(f"{path.stem}: {line}: told {plain(expected)}, happened {plain(story.said)}")
    story.close()
    return found


def retold(path: Path, bootstrap: str) -> list[str]:
    """A story has a second between one event and the next, which a busy machine may miss,
    but not thrice."""
    found = [""]
    for _ in range(3):
        if found:
            found = differences(path, bootstrap)
    return found


@pytest.fixture(params=["kq", pytest.param("kafka", marks=pytest.mark.java)])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """With the delay before a first rebalance that the stories tell of; other tests have none."""
    if request.param == "kq":
        with Broker({DELAY: "3000"}) as kq:
            yield kq.bootstrap
    else:
        with peers.running(tmp_path / "kafka", f"{DELAY}=3000") as kafka:
            yield kafka.bootstrap


def test_the_stories_are_the_same_over_the_wire(broker: str) -> None:
    for topic in "ABC":
        topics.create(broker, topic, 4, {})
    with Wire(broker) as wire:
        groups = FIND_COORDINATOR.Request(coordinator_keys=["any"])
        until = time.monotonic() + 30
        while wire.call(FIND_COORDINATOR, 4, groups).coordinators[0].error_code and time.monotonic() < until:
            time.sleep(0.2)
    time.sleep(2)  # Apache Kafka: the other partitions of __consumer_offsets are still being made
    paths = [path for path in sorted(STORIES.glob("*.txt")) if path.stem not in TOO_LONG | set(DIFFERENT)]
    with ThreadPoolExecutor(len(paths)) as pool:
        found = [one for some in pool.map(lambda path: retold(path, broker), paths) for one in some]
    assert not found, "\n".join(found)
