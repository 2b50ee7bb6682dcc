"""Committed offsets, and groups as a whole: listing, describing, deleting."""

from __future__ import annotations

import pytest

from kq.errors import Err
from kq.wire.apis.groups import DELETE_GROUPS, DESCRIBE_GROUPS, LIST_GROUPS
from kq.wire.apis.topics import DELETE_TOPICS
from tests.support import asking, groups
from tests.support.asking import Differs, Make
from tests.support.patience import until
from tests.support.wire import Wire

NOWHERE = (-1, -1, "")


@pytest.fixture
def group(wire: Wire, name: str) -> str:
    groups.find(wire, name)
    return name


# OffsetCommit


def test_every_version_commits(wire: Wire, group: str, make_topic: Make) -> None:
    topic = make_topic()
    for version in range(2, 10):
        assert (
            groups.commit(
                wire,
                group,
                topic,
                version,
                version=version,
                metadata=f"v{version}",
                epoch=version if version >= 6 else -1,
            )
            == Err.NONE
        )
        assert groups.committed(wire, group, topic) == (version, version if version >= 6 else -1, f"v{version}")
    assert groups.commit(wire, group, asking.topic_id(wire, topic), 10, version=10, metadata=None) == Err.NONE
    assert groups.committed(wire, group, topic) == (10, -1, "")
    assert groups.state(wire, group) == "Empty"


def test_what_cannot_be_committed(wire: Wire, group: str, make_topic: Make) -> None:
    topic = make_topic()
    assert groups.commit(wire, group, group + "-missing") == Err.UNKNOWN_TOPIC_OR_PARTITION
    assert groups.commit(wire, group, topic, index=1) == Err.UNKNOWN_TOPIC_OR_PARTITION
    assert groups.commit(wire, group, topic, index=-1) == Err.UNKNOWN_TOPIC_OR_PARTITION
    assert groups.commit(wire, group, bytes([7] * 16), version=10) == Err.UNKNOWN_TOPIC_ID
    assert (
        groups.commit(wire, group, asking.topic_id(wire, topic), index=1, version=10) == Err.UNKNOWN_TOPIC_OR_PARTITION
    )
    assert groups.commit(wire, group, topic, metadata="x" * 4097) == Err.OFFSET_METADATA_TOO_LARGE
    assert group not in groups.listed(wire)
    assert groups.commit(wire, group, topic, metadata="é" * 4096) == Err.NONE


def test_the_offset_itself_may_be_anything(wire: Wire, group: str, make_topic: Make) -> None:
    topic = make_topic()
    for offset in (-5, 0, 2**62):
        assert groups.commit(wire, group, topic, offset) == Err.NONE
        assert groups.committed(wire, group, topic)[0] == offset


def test_who_may_commit(wire: Wire, group: str, make_topic: Make) -> None:
    topic = make_topic()
    for version, error in ((8, Err.ILLEGAL_GENERATION), (9, Err.GROUP_ID_NOT_FOUND)):
        assert groups.commit(wire, group, topic, generation=3, member_id="m", version=version) == error
    assert groups.commit(wire, group, topic, member_id="m") == Err.NONE
    assert groups.commit(wire, group, topic, generation=3, member_id="m") == Err.UNKNOWN_MEMBER_ID
    member, generation = groups.alone(wire, group)
    assert groups.commit(wire, group, topic, generation=generation, member_id=member) == Err.NONE
    assert groups.commit(wire, group, topic, generation=generation + 1, member_id=member) == Err.ILLEGAL_GENERATION
    assert groups.commit(wire, group, topic, generation=generation, member_id="other") == Err.UNKNOWN_MEMBER_ID
    assert groups.commit(wire, group, topic) == Err.UNKNOWN_MEMBER_ID


def test_the_empty_group(wire: Wire, group: str, make_topic: Make) -> None:
    topic = make_topic()
    groups.find(wire, "")
    assert groups.commit(wire, "", topic) == Err.NONE
    assert groups.committed(wire, "", topic)[0] == 5
    assert "" in groups.listed(wire)
    assert groups.delete(wire, "") == {"": Err.NONE}


# OffsetFetch


def test_what_nobody_committed(wire: Wire, group: str, make_topic: Make) -> None:
    topic = make_topic()
    for version in range(1, 10):
        answer = groups.fetch(wire, group, {topic: [0, 7], group + "-missing": [0]}, version=version)
        assert answer.error_code == Err.NONE
        partitions = [partition for topic in answer.topics for partition in topic.partitions]
        assert [(p.committed_offset, p.committed_leader_epoch, p.metadata, p.error_code) for p in partitions] == [
            (-1, -1, "", 0)
        ] * 3
        if version >= 2:
            assert groups.fetch(wire, group, None, version=version).topics == []


def test_topics_by_id(wire: Wire, group: str, make_topic: Make) -> None:
    topic, other = make_topic(2), make_topic(suffix="-2")
    id_ = asking.topic_id(wire, topic)
    groups.commit(wire, group, topic, 3, index=1)
    groups.commit(wire, group, other, 4)
    found = groups.fetch(wire, group, {id_: [1, 0], bytes([7] * 16): [2]}, version=10)
    told = {
        topic.topic_id: [(p.index, p.committed_offset, p.error_code) for p in topic.partitions]
        for topic in found.topics
    }
    assert told == {id_: [(1, 3, 0), (0, -1, 0)], bytes([7] * 16): [(2, -1, Err.UNKNOWN_TOPIC_ID)]}
    everything = groups.fetch(wire, group, None, version=10)
    assert {topic.topic_id for topic in everything.topics} == {id_, asking.topic_id(wire, other)}
    everything = groups.fetch(wire, group, None, version=9)
    assert {topic.name for topic in everything.topics} == {topic, other}


def test_many_groups_at_once(wire: Wire, group: str, make_topic: Make) -> None:
    from kq.wire.apis.commits import OFFSET_FETCH

    topic = make_topic()
    groups.commit(wire, group, topic, 8)
    make = OFFSET_FETCH.Request
    asked = [
        make.Group(group_id=group, topics=[make.Topic(name=topic, partitions=[0])]),
        make.Group(group_id=group + "-none", topics=[make.Topic(name=topic, partitions=[0])]),
        make.Group(group_id=group, topics=None),
    ]
    answer = wire.call(OFFSET_FETCH, 8, make(groups=asked)).groups
    told = sorted((one.group_id, one.topics[0].partitions[0].committed_offset) for one in answer)
    assert told == [(group, 8), (group, 8), (group + "-none", -1)]


# Topics that go


def test_nobody_reads_on_in_a_topic_that_was_made_again(wire: Wire, group: str, make_topic: Make) -> None:
    topic = make_topic()
    groups.commit(wire, group, topic, 6)
    first = asking.topic_id(wire, topic)
    wire.call(DELETE_TOPICS, 5, DELETE_TOPICS.Request(topic_names=[topic], timeout_ms=9000))
    until(lambda: asking.metadata(wire, topic).topics[0].error_code, "the topic is gone")
    until(lambda: groups.committed(wire, group, topic) == NOWHERE, "its offsets are gone")
    make_topic()
    assert asking.topic_id(wire, topic) != first
    assert groups.committed(wire, group, topic) == NOWHERE


# OffsetDelete


def test_forgetting_offsets(wire: Wire, group: str, make_topic: Make) -> None:
    topic = make_topic(2)
    assert groups.forget(wire, group, {topic: [0]}).error_code == Err.GROUP_ID_NOT_FOUND
    for index in (0, 1):
        groups.commit(wire, group, topic, index=index)
    answer = groups.forget(wire, group, {topic: [0, 5], group + "-missing": [0]})
    assert answer.error_code == Err.NONE
    told = {t.name: [(p.index, p.error_code) for p in t.partitions] for t in answer.topics}
    assert (0, Err.NONE) in told[topic]
    assert told[group + "-missing"] == [(0, Err.UNKNOWN_TOPIC_OR_PARTITION)]
    assert groups.committed(wire, group, topic, 0) == NOWHERE
    assert groups.committed(wire, group, topic, 1)[0] == 5
    assert groups.forget(wire, group, {}).error_code == Err.NONE


def test_offsets_that_members_read_are_not_forgotten(wire: Wire, group: str, name: str, make_topic: Make) -> None:
    topic, other = make_topic(), make_topic(suffix="-2")
    written = topic.encode()
    subscribed = b"\0\0\0\0\0\1" + len(written).to_bytes(2, "big") + written + b"\xff\xff\xff\xff"
    member, generation = groups.alone(wire, group, protocols=(("range", subscribed),))
    for one in (topic, other):
        assert groups.commit(wire, group, one, generation=generation, member_id=member) == Err.NONE
    answer = groups.forget(wire, group, {topic: [0], other: [0]})
    told = {t.name: t.partitions[0].error_code for t in answer.topics}
    assert told == {topic: Err.GROUP_SUBSCRIBED_TO_TOPIC, other: Err.NONE}
    assert groups.committed(wire, group, topic)[0] == 5
    assert groups.committed(wire, group, other) == NOWHERE


def test_a_group_of_another_kind_forgets_when_it_is_empty(wire: Wire, group: str, make_topic: Make) -> None:
    topic = make_topic()
    member, generation = groups.alone(wire, group, kind="connect")
    assert groups.commit(wire, group, topic, generation=generation, member_id=member) == Err.NONE
    assert groups.forget(wire, group, {topic: [0]}).error_code == Err.NON_EMPTY_GROUP
    groups.leave(wire, group, (member, None))
    assert groups.forget(wire, group, {topic: [0]}).error_code == Err.NONE
    assert groups.committed(wire, group, topic) == NOWHERE


# ListGroups


def test_filters(wire: Wire, group: str, make_topic: Make) -> None:
    stable, empty = group + "-stable", group + "-empty"
    groups.alone(wire, stable)
    groups.commit(wire, empty, make_topic())

    def found(states: tuple[str, ...] = (), types: tuple[str, ...] = ()) -> set[str]:
        return {stable, empty} & groups.listed(wire, states=states, types=types).keys()

    assert found() == {stable, empty}
    assert found(("Stable",)) == {stable}
    assert found(("sTABLE", "empty")) == {stable, empty}
    assert found(("Dead",)) == set()
    assert found(("nonsense",)) == set()
    assert found((), ("classic",)) == {stable, empty}
    assert found((), ("CLASSIC",)) == {stable, empty}
    assert found((), ("consumer",)) == set()
    assert found((), ("nonsense",)) == set()
    assert found(("Empty",), ("classic", "consumer")) == {empty}


def test_what_each_version_lists(wire: Wire, group: str) -> None:
    groups.alone(wire, group)
    for version in range(6):
        one = {g.group_id: g for g in wire.call(LIST_GROUPS, version, LIST_GROUPS.Request()).groups}[group]
        assert one.protocol_type == "consumer"
        assert one.group_state == ("Stable" if version >= 4 else "")
        assert one.group_type == ("classic" if version >= 5 else "")


# DescribeGroups


def test_what_each_version_describes(wire: Wire, group: str) -> None:
    member, _ = groups.alone(wire, group, instance="i")
    for version in range(7):
        one = groups.describe(wire, group, version=version, operations=version >= 3)
        assert (one.error_code, one.group_state, one.protocol_type, one.protocol_data) == (
            0,
            "Stable",
            "consumer",
            "range",
        )
        assert one.authorized_operations == (sum(1 << bit for bit in (3, 6, 8, 10, 11)) if version >= 3 else -(2**31))
        (told,) = one.members
        assert (told.member_id, told.member_metadata, told.member_assignment) == (member, groups.SUBSCRIBED, b"mine")
        assert told.group_instance_id == ("i" if version >= 4 else None)


def test_groups_that_do_not_exist(wire: Wire, group: str) -> None:
    for version in range(7):
        one = groups.describe(wire, group, version=version)
        assert one.error_code == (Err.GROUP_ID_NOT_FOUND if version >= 6 else Err.NONE)
        assert one.error_message == (f"Group {group} not found." if version >= 6 else None)
        assert (one.group_state, one.protocol_type, one.members) == ("Dead", "", [])


def test_groups_are_described_in_the_order_asked(wire: Wire, group: str, make_topic: Make) -> None:
    groups.commit(wire, group, make_topic())
    asked = [group + "-none", group, group]
    answer = wire.call(DESCRIBE_GROUPS, 6, DESCRIBE_GROUPS.Request(groups=asked)).groups
    assert sorted(one.group_id for one in answer) == sorted(asked)
    assert {(one.group_id, one.error_code) for one in answer} == {(group, 0), (group + "-none", 69)}


# DeleteGroups


def test_deleting(wire: Wire, group: str, make_topic: Make) -> None:
    topic = make_topic()
    empty, full, none = group + "-empty", group + "-full", group + "-none"
    groups.commit(wire, empty, topic)
    member, _ = groups.alone(wire, full)
    assert groups.delete(wire, empty, full, none) == {
        empty: Err.NONE,
        full: Err.NON_EMPTY_GROUP,
        none: Err.GROUP_ID_NOT_FOUND,
    }
    assert groups.committed(wire, empty, topic) == NOWHERE
    assert empty not in groups.listed(wire)
    groups.leave(wire, full, (member, None))
    for version in range(3):
        groups.commit(wire, empty, topic)
        answer = wire.call(DELETE_GROUPS, version, DELETE_GROUPS.Request(groups=[empty])).groups
        assert [one.error_code for one in answer] == [Err.NONE]
    assert groups.delete(wire, full) == {full: Err.NONE}


def test_deleting_twice_in_one_request(wire: Wire, group: str, make_topic: Make, differs: Differs) -> None:
    groups.commit(wire, group, make_topic())
    answer = wire.call(DELETE_GROUPS, 2, DELETE_GROUPS.Request(groups=[group, group])).groups
    assert {one.error_code for one in answer} == {Err.NONE}
