"""Groups of the consumer protocol (KIP-848), heartbeat by heartbeat, as Apache Kafka 4.3.1 answers them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from kq.errors import Err
from kq.wire.apis.commits import OFFSET_COMMIT, OFFSET_FETCH
from kq.wire.apis.consumers import CONSUMER_GROUP_DESCRIBE, CONSUMER_GROUP_HEARTBEAT
from kq.wire.apis.groups import DESCRIBE_GROUPS, LIST_GROUPS
from kq.wire.apis.topics import CREATE_PARTITIONS
from tests.support import asking, groups
from tests.support.patience import until
from tests.support.wire import Wire

MakeTopic = Callable[..., str]
INTERVAL_S = 1.1  # group.consumer.assignment.interval.ms, and a little


class Group:
    """Heartbeats of many members over one connection; partitions by topic name."""

    def __init__(self, wire: Wire, group_id: str) -> None:
        self.wire = wire
        self.id = group_id
        self.topic_ids: dict[str, bytes] = {}

    def beat(
        self, member: str, epoch: int, *, version: int = 1, owns: dict[str, list[int]] | None = None, **fields: Any
    ) -> Any:
        make = CONSUMER_GROUP_HEARTBEAT.Request
        topics = None
        if owns is not None:
            topics = [make.Topic(topic_id=self.topic_id(name), partitions=ps) for name, ps in owns.items()]
        request = make(group_id=self.id, member_id=member, member_epoch=epoch, topics=topics, **fields)
        return self.wire.call(CONSUMER_GROUP_HEARTBEAT, version, request)

    def join(self, member: str, *topics: str, **fields: Any) -> Any:
        fields = {"owns": {}, "rebalance_timeout_ms": 60_000, "subscribed_topic_names": list(topics)} | fields
        return asking.patiently(lambda: self.beat(member, 0, **fields))

    def topic_id(self, name: str) -> bytes:
        if name not in self.topic_ids:
            self.topic_ids[name] = asking.topic_id(self.wire, name)
        return self.topic_ids[name]

    def has(self, answer: Any) -> dict[str, list[int]] | None:
        if answer.assignment is None:
            return None
        names = {topic_id: name for name, topic_id in self.topic_ids.items()}
        return {names.get(bytes(t.topic_id), "?"): sorted(t.partitions) for t in answer.assignment.topics}

    def told(self, answer: Any) -> tuple[Any, ...]:
        return Err.of(answer.error_code).name, answer.member_epoch, self.has(answer)

    def describe(self, version: int = 1) -> Any:
        request = CONSUMER_GROUP_DESCRIBE.Request(group_ids=[self.id])
        return self.wire.call(CONSUMER_GROUP_DESCRIBE, version, request).groups[0]

    def commit(self, member: str, epoch: int, topic: str, partition: int, *, version: int = 9) -> Err:
        make = OFFSET_COMMIT.Request
        part = make.Partition(index=partition, committed_offset=1, committed_metadata="")
        request = make(
            group_id=self.id,
            generation_id_or_member_epoch=epoch,
            member_id=member,
            topics=[make.Topic(name=topic, partitions=[part])],
        )
        return Err.of(self.wire.call(OFFSET_COMMIT, version, request).topics[0].partitions[0].error_code)


@pytest.fixture
def group(wire: Wire, name: str) -> Group:
    groups.find(wire, f"g-{name}")
    return Group(wire, f"g-{name}")


def test_two_members_from_birth_to_death(group: Group, make_topic: MakeTopic) -> None:
    topic = make_topic(4)
    group.topic_id(topic)
    first = group.join("m1", topic)
    assert group.told(first) == ("NONE", 2, {topic: [0, 1, 2, 3]})
    assert (first.member_id, first.heartbeat_interval_ms, first.error_message) == ("m1", 5000, None)
    assert group.told(group.beat("m1", 2)) == ("NONE", 2, None)
    time.sleep(INTERVAL_S)
    assert group.told(group.join("m2", topic)) == ("NONE", 3, {})
    answer = group.beat("m1", 2, owns={topic: [0, 1, 2, 3]})
    assert (answer.error_code, answer.member_epoch) == (0, 2)
    kept = group.has(answer)
    assert kept is not None
    assert len(kept[topic]) == 2
    others = sorted({0, 1, 2, 3} - set(kept[topic]))
    assert group.told(group.beat("m1", 2)) == ("NONE", 2, None)
    assert group.told(group.beat("m2", 3)) == ("NONE", 3, None)
    assert group.told(group.beat("m1", 2, owns=kept)) == ("NONE", 3, None)
    assert group.told(group.beat("m2", 3)) == ("NONE", 3, {topic: others})
    assert group.describe().group_state == "Stable"
    left = group.beat("m2", -1)
    assert (left.error_code, left.member_id, left.member_epoch) == (0, "m2", -1)
    assert left.heartbeat_interval_ms == 0
    time.sleep(INTERVAL_S)
    assert group.told(group.beat("m1", 3)) == ("NONE", 4, {topic: [0, 1, 2, 3]})
    group.beat("m1", -1)
    described = group.describe()
    assert (described.group_state, described.members) == ("Empty", [])


def test_what_is_said_of_a_group(group: Group, make_topic: MakeTopic, wire: Wire) -> None:
    topic = make_topic(2)
    group.topic_id(topic)
    group.join("m1", topic, instance_id="i1", rack_id="r1", server_assignor="range")
    for version in (0, 1):
        described = asking.plain(group.describe(version))
        client_host = described["members"][0].pop("client_host")
        assert client_host.startswith("/")
        assignment = {"topics": [{"topic_id": group.topic_id(topic), "name": topic, "partitions": [0, 1]}]}
        assert described == {
            "error_code": 0,
            "error_message": None,
            "group_id": group.id,
            "group_state": "Stable",
            "group_epoch": 2,
            "assignment_epoch": 2,
            "assignor_name": "range",
            "members": [
                {
                    "member_id": "m1",
                    "instance_id": "i1",
                    "rack_id": "r1",
                    "member_epoch": 2,
                    "client_id": "test",
                    "subscribed_topic_names": [topic],
                    "subscribed_topic_regex": "",
                    "assignment": assignment,
                    "target_assignment": assignment,
                    "member_type": 1 if version else -1,
                }
            ],
            "authorized_operations": -2147483648,
        }
    listed = wire.call(LIST_GROUPS, 5, LIST_GROUPS.Request(states_filter=[], types_filter=["CONSUMER"])).groups
    mine = next(asking.plain(one) for one in listed if one.group_id == group.id)
    assert mine == {
        "group_id": group.id,
        "protocol_type": "consumer",
        "group_state": "Stable",
        "group_type": "consumer",
    }
    classic = wire.call(DESCRIBE_GROUPS, 6, DESCRIBE_GROUPS.Request(groups=[group.id])).groups[0]
    assert (classic.error_code, classic.group_state) == (Err.GROUP_ID_NOT_FOUND, "Dead")
    assert classic.error_message == f"Group {group.id} is not a classic group."
    nowhere = Group(wire, group.id + "-nowhere").describe()
    assert (nowhere.error_code, nowhere.error_message) == (
        Err.GROUP_ID_NOT_FOUND,
        f"Group {group.id}-nowhere not found.",
    )
    group.beat("m1", -1, instance_id="i1")


@pytest.mark.parametrize(
    ("fields", "error", "sentence"),
    [
        ({"member": ""}, Err.INVALID_REQUEST, "MemberId can't be empty."),
        ({"instance_id": ""}, Err.INVALID_REQUEST, "InstanceId can't be empty."),
        ({"rack_id": " "}, Err.INVALID_REQUEST, "RackId can't be empty."),
        (
            {"rebalance_timeout_ms": -1},
            Err.INVALID_REQUEST,
            "RebalanceTimeoutMs must be provided in first request.",
        ),
        ({"owns": None}, Err.INVALID_REQUEST, "TopicPartitions must be empty when (re-)joining."),
        (
            {"subscribed_topic_names": None},
            Err.INVALID_REQUEST,
            "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.",
        ),
        ({"epoch": -3}, Err.INVALID_REQUEST, "MemberEpoch is invalid."),
        ({"epoch": -2}, Err.INVALID_REQUEST, "InstanceId can't be null."),
        (
            {"server_assignor": "lottery"},
            Err.UNSUPPORTED_ASSIGNOR,
            "ServerAssignor lottery is not supported. Supported assignors: uniform, range.",
        ),
        ({"epoch": 1}, Err.GROUP_ID_NOT_FOUND, None),
        ({"epoch": -1}, Err.GROUP_ID_NOT_FOUND, None),
        ({"subscribed_topic_regex": "("}, Err.INVALID_REGULAR_EXPRESSION, None),
    ],
    ids=str,
)
def test_refused(group: Group, make_topic: MakeTopic, fields: dict[str, Any], error: Err, sentence: str | None) -> None:
    topic = make_topic()
    said = {"owns": {}, "rebalance_timeout_ms": 1000, "subscribed_topic_names": [topic], "member": "m", "epoch": 0}
    said |= fields
    answer = asking.patiently(lambda: group.beat(said["member"], said["epoch"], **_without(said, "member", "epoch")))
    assert Err.of(answer.error_code) is error, answer.error_message
    if sentence is not None:
        assert answer.error_message.rstrip(".") == sentence.rstrip(".")
    assert answer.member_id is None
    assert answer.assignment is None


def _without(fields: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in names}


def test_an_id_is_given_at_version_0(group: Group, make_topic: MakeTopic) -> None:
    topic = make_topic()
    group.topic_id(topic)
    joined = group.join("", topic, version=0)
    assert (joined.error_code, joined.member_epoch, group.has(joined)) == (0, 2, {topic: [0]})
    assert joined.member_id
    assert group.told(group.beat(joined.member_id, 2, version=0)) == ("NONE", 2, None)
    group.beat(joined.member_id, -1)


def test_epochs_that_are_not_the_members(group: Group, make_topic: MakeTopic) -> None:
    topic = make_topic(2)
    group.topic_id(topic)
    group.join("m1", topic)
    ahead = group.beat("m1", 5)
    assert (Err.of(ahead.error_code), ahead.member_id) == (Err.FENCED_MEMBER_EPOCH, None)
    assert "greater member epoch (5) than the one known by the group coordinator (2)" in ahead.error_message
    assert group.told(group.beat("m2", 1))[0] == "UNKNOWN_MEMBER_ID"
    assert group.told(group.beat("m1", 2, subscribed_topic_names=[])) == ("NONE", 2, {})
    assert group.told(group.beat("m1", 2, owns={})) in [("NONE", 2, None), ("NONE", 3, None)]
    group.beat("m1", -1)


def test_static_members(group: Group, make_topic: MakeTopic) -> None:
    topic = make_topic(2)
    group.topic_id(topic)
    assert group.told(group.join("m1", topic, instance_id="i")) == ("NONE", 2, {topic: [0, 1]})
    taken = group.join("m2", topic, instance_id="i")
    assert Err.of(taken.error_code) is Err.UNRELEASED_INSTANCE_ID
    assert taken.error_message == (
        "Static member m2 with instance id i cannot join the group because the instance id is owned by m1 member."
    )
    assert group.told(group.beat("m2", 1, instance_id="i"))[0] == "FENCED_INSTANCE_ID"
    assert group.told(group.beat("m1", 2, instance_id="j"))[0] == "UNKNOWN_MEMBER_ID"
    assert group.told(group.beat("m1", -2, instance_id="i")) == ("NONE", -2, None)
    assert group.told(group.join("m2", topic, instance_id="i")) == ("NONE", 2, {topic: [0, 1]})
    assert group.told(group.beat("m1", 2, instance_id="i"))[0] == "FENCED_INSTANCE_ID"
    assert group.describe().group_epoch == 2
    group.beat("m2", -1, instance_id="i")


def test_commits_and_their_epochs(group: Group, make_topic: MakeTopic, wire: Wire) -> None:
    topic = make_topic(2)
    group.topic_id(topic)
    group.join("m1", topic)
    assert group.commit("m1", 2, topic, 0) is Err.NONE
    assert group.commit("m1", 3, topic, 0) is Err.STALE_MEMBER_EPOCH
    assert group.commit("m1", 1, topic, 0) is Err.STALE_MEMBER_EPOCH
    assert group.commit("m2", 1, topic, 0) is Err.UNKNOWN_MEMBER_ID
    assert group.commit("", -1, topic, 0) is Err.UNKNOWN_MEMBER_ID
    assert group.commit("m1", 2, topic, 0, version=8) is Err.UNSUPPORTED_VERSION
    make = OFFSET_FETCH.Request
    for member, epoch, error in [
        ("m1", 2, Err.NONE),
        ("m1", 3, Err.STALE_MEMBER_EPOCH),
        ("m2", 1, Err.UNKNOWN_MEMBER_ID),
        (None, -1, Err.NONE),
    ]:
        asked = make.Group(group_id=group.id, member_id=member, member_epoch=epoch, topics=None)
        answer = wire.call(OFFSET_FETCH, 9, make(groups=[asked])).groups[0]
        assert Err.of(answer.error_code) is error, (member, epoch)
    group.beat("m1", -1)
    assert group.commit("", -1, topic, 0) is Err.NONE


def test_patterns(group: Group, make_topic: MakeTopic, name: str) -> None:
    a, b = make_topic(1, suffix="-a"), make_topic(1, suffix="-b")
    for topic in (a, b):
        group.topic_id(topic)
    joined = group.join("m1", subscribed_topic_names=None, subscribed_topic_regex=f"{name}-[ab]")
    owned = group.has(joined) or {}  # Kafka matches in the background, kq at once if it is little work

    def has_both() -> bool:
        answer = group.beat("m1", group.describe().members[0].member_epoch, owns=owned)
        owned.update(group.has(answer) or {})
        return owned == {a: [0], b: [0]}

    until(has_both, "the pattern is matched")
    assert group.describe().members[0].subscribed_topic_regex == f"{name}-[ab]"
    group.beat("m1", -1)


def test_a_topic_that_grows(group: Group, make_topic: MakeTopic, wire: Wire) -> None:
    topic = make_topic(1)
    group.topic_id(topic)
    assert group.told(group.join("m1", topic)) == ("NONE", 2, {topic: [0]})
    make = CREATE_PARTITIONS.Request
    grown = make(topics=[make.Topic(name=topic, count=3, assignments=None)], timeout_ms=10_000, validate_only=False)
    assert wire.call(CREATE_PARTITIONS, 3, grown).topics[0].error_code == 0
    time.sleep(INTERVAL_S)
    told: list[Any] = []

    def grows() -> bool:
        told.append(group.told(group.beat("m1", 2)))
        return told[-1] != ("NONE", 2, None)

    until(grows, "the member gets more")
    assert told[-1] == ("NONE", 3, {topic: [0, 1, 2]})
    group.beat("m1", -1)


def test_a_pattern_matches_internal_topics_too(group: Group) -> None:
    joined = group.join("m1", subscribed_topic_names=None, subscribed_topic_regex="__consumer_offset.")
    assert joined.error_code == 0
    internal = group.topic_id("__consumer_offsets")

    def is_assigned() -> bool:
        member = group.describe().members[0]
        group.beat("m1", member.member_epoch)
        return [bytes(topic.topic_id) for topic in member.target_assignment.topics] == [internal]

    until(is_assigned, "the internal topic is assigned")
    group.beat("m1", -1)
