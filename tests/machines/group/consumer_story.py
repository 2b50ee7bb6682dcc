"""Stories of groups of the consumer protocol, told as in `story`, with these commands besides:

    topic A 4                       there is a topic A of 4 partitions; `topic A gone` deletes it
    enter alice topics=A            alice joins with epoch 0 (pattern=, instance=, assignor=, patience=)
    beat alice                      her next heartbeat: she gives up what she no longer has and takes what is new
    beat alice keeps                she has not given it up yet
    beat alice silent               she does not say what she owns
    part alice                      she leaves; `pause alice` leaves for now, as static members do
    show                            the group as ConsumerGroupDescribe has it

Members choose their ids: a member's id is its name, or `as=`.
"""

from __future__ import annotations

import random
from typing import Any

from kq.errors import KafkaError
from kq.machines.group.coordinator import GroupCoordinator
from kq.machines.group.facts import (
    ConsumerGroupCurrentMemberAssignmentValue,
    ConsumerGroupMemberMetadataValue,
    ConsumerGroupMetadataValue,
    ConsumerGroupRegularExpressionValue,
    ConsumerGroupTargetAssignmentMemberValue,
    ConsumerGroupTargetAssignmentMetadataValue,
)
from kq.machines.group.heartbeats import ConsumerHeartbeatRequest, ConsumerHeartbeatResult
from kq.machines.group.reconciliation import MemberState
from kq.machines.group.settings import GroupSettings
from kq.machines.image import ClusterImage, PartitionImage, TopicImage
from tests.machines.group.story import GROUP, Story, milliseconds

PARTITION = PartitionImage(1, 0, (1,), (1,))


def topic_image(name: str, partitions: int, version: int = 0) -> TopicImage:
    """`version` tells topics apart that were deleted and made again."""
    return TopicImage(name, f"{name}{version or ''}".encode().ljust(16, b"."), (PARTITION,) * partitions, {})


class ConsumerStory(Story):
    def __init__(self) -> None:
        super().__init__()
        self.now_ms = 1_000_000  # 0 is "never" to a target
        self.image = ClusterImage("c", 1)
        self.epochs: dict[str, int] = {}
        self.told: dict[str, set[str]] = {}
        self.owned: dict[str, set[str]] = {}
        self.versions: dict[str, int] = {}

    # commands

    def do_set(self, opt: dict[str, str]) -> None:
        self.settings |= {name: int(value) if value.isdecimal() else value for name, value in opt.items()}
        self.coordinator = GroupCoordinator(GroupSettings.of(self.settings), random.Random(4))
        self.coordinator.image(self.image)

    def do_topic(self, topic: str, partitions: str, opt: dict[str, str]) -> None:
        if partitions == "gone":
            self.image = self.image.without_topics(topic)
            self.versions[topic] = self.versions.get(topic, 0) + 1
        else:
            self.image = self.image.with_topics(topic_image(topic, int(partitions), self.versions.get(topic, 0)))
        self.coordinator.image(self.image)

    def do_enter(self, client: str, opt: dict[str, str]) -> None:
        self.told[client], self.owned[client] = set(), set()
        names = opt["topics"].split(",") if "topics" in opt else None
        self.beat(
            client,
            opt,
            member_epoch=0,
            topics={},
            rebalance_timeout_ms=milliseconds(opt.get("patience", "60s")),
            subscribed_topic_names=names if names is not None or "pattern" in opt else [],
            subscribed_topic_regex=opt.get("pattern"),
        )

    def do_beat(self, client: str, *how: str, opt: dict[str, str]) -> None:
        has, told = self.owned.get(client, set()), self.told.get(client, set())
        self.owned[client] = has | told if "keeps" in how else set(told)
        names = opt["topics"].split(",") if "topics" in opt else None
        self.beat(
            client,
            opt,
            member_epoch=int(opt.get("epoch", self.epochs.get(client, 0))),
            topics=None if "silent" in how else self.by_id(self.owned[client]),
            subscribed_topic_names=names,
            subscribed_topic_regex=opt.get("pattern"),
        )

    def do_part(self, client: str, opt: dict[str, str]) -> None:
        self.beat(client, opt, member_epoch=-1)

    def do_pause(self, client: str, opt: dict[str, str]) -> None:
        self.beat(client, opt, member_epoch=-2)

    def do_show(self, opt: dict[str, str]) -> None:
        group = self.coordinator.consumer_describe([GROUP])[0]
        self.said.append(f"{group.group_state}, epoch {group.group_epoch}, target {group.assignment_epoch}")
        for member in group.members:
            has = self.listed({f"{t.name}{p}" for t in member.assignment for p in t.partitions})
            target = self.listed({f"{t.name}{p}" for t in member.target_assignment for p in t.partitions})
            speaks = " (classic)" if member.member_type == 0 else ""
            wants = "" if has == target else f", should have {target}"
            self.said.append(f"{self.name(member.member_id)}{speaks}: epoch {member.member_epoch} has {has}{wants}")

    def do_restart(self, opt: dict[str, str]) -> None:
        self.coordinator = GroupCoordinator(GroupSettings.of(self.settings), random.Random(5))
        self.coordinator.image(self.image)
        for key, value in self.log:
            self.coordinator.replay(key, value)
        self.settle(self.coordinator.loaded(self.now_ms))

    # the client

    def beat(self, client: str, opt: dict[str, str], **fields: Any) -> None:
        request = ConsumerHeartbeatRequest(
            group_id=GROUP,
            member_id=opt.get("as", client),
            instance_id=opt.get("instance"),
            server_assignor=opt.get("assignor"),
            client_id=client,
            client_host="/127.0.0.1",
            **fields,
        )
        try:
            decision = self.coordinator.consumer_heartbeat(request, self.now_ms)
        except KafkaError as error:
            self.said.append(f"{client}: {error.code.name}")
            return
        result = decision.response
        self.settle(decision)
        if isinstance(result, ConsumerHeartbeatResult) and self.append_error is None:
            self.epochs[client] = self.generations[client] = result.member_epoch
            self.learn(client, result.member_id)
            told = ""
            if result.assignment is not None:
                self.told[client] = {f"{self.topic(id_)}{p}" for id_, ps in result.assignment.items() for p in ps}
                told = f" has {self.listed(self.told[client])}"
            self.said.append(f"{client}: epoch {result.member_epoch}{told}")

    def by_id(self, names: set[str]) -> dict[bytes, set[int]]:
        owned: dict[bytes, set[int]] = {}
        for name in names:
            if name[0] in self.image.topics:
                owned.setdefault(self.image.topics[name[0]].id, set()).add(int(name[1:]))
        return owned

    def topic(self, topic_id: bytes) -> str:
        return self.image.topic_names.get(topic_id, topic_id.decode().rstrip("."))

    @staticmethod
    def listed(names: set[str]) -> str:
        return ",".join(sorted(names)) or "nothing"

    # the log

    def fact(self, key: Any, value: Any) -> str:
        who = self.name(getattr(key, "member_id", ""))
        kind = type(key).__name__
        if kind == "ConsumerGroupRegularExpressionKey":
            if value is None:
                return f"pattern {key.regular_expression} forgotten"
            assert isinstance(value, ConsumerGroupRegularExpressionValue)
            return f"pattern {key.regular_expression} is {','.join(value.topics) or 'nothing'}"
        if not kind.startswith("Consumer"):
            return super().fact(key, value)
        if value is None:
            what = {
                "ConsumerGroupMetadataKey": "the group",
                "ConsumerGroupMemberMetadataKey": who,
                "ConsumerGroupTargetAssignmentMetadataKey": "the target",
                "ConsumerGroupTargetAssignmentMemberKey": f"{who}'s target",
                "ConsumerGroupCurrentMemberAssignmentKey": f"what {who} has",
            }
            return f"{what[kind]} forgotten"
        if isinstance(value, ConsumerGroupMetadataValue):
            return f"epoch {value.epoch}"
        if isinstance(value, ConsumerGroupTargetAssignmentMetadataValue):
            return f"target {value.assignment_epoch}"
        if isinstance(value, ConsumerGroupTargetAssignmentMemberValue):
            return f"{who} should have {self.partitions(value.topic_partitions)}"
        if isinstance(value, ConsumerGroupMemberMetadataValue):
            wants = ",".join(value.subscribed_topic_names) or value.subscribed_topic_regex or "nothing"
            return f"{who} wants {wants}"
        assert isinstance(value, ConsumerGroupCurrentMemberAssignmentValue)
        state = MemberState(value.state)
        text = f"{who} at {value.member_epoch} has {self.partitions(value.assigned_partitions)}"
        if value.partitions_pending_revocation:
            text += f", gives up {self.partitions(value.partitions_pending_revocation)}"
        return text + (", waits" if state is MemberState.UNRELEASED_PARTITIONS else "")

    def partitions(self, topics: Any) -> str:
        return self.listed({f"{self.topic(topic.topic_id)}{p}" for topic in topics for p in topic.partitions})


def play(script: str) -> str:
    """The script with what really happens below each command."""
    story, lines = ConsumerStory(), []
    for line in script.splitlines():
        if line.startswith("  "):
            continue
        lines.append(line)
        if line and not line.startswith("#"):
            lines += [f"  {said}" for said in story.tell(line)]
    return "\n".join(lines) + "\n"
