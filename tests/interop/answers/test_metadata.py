"""Metadata, with auto-creation, and DescribeTopicPartitions."""

from __future__ import annotations

from typing import Any

import pytest

from kq.errors import Err
from kq.wire.apis.metadata import DESCRIBE_TOPIC_PARTITIONS, METADATA
from kq.wire.primitives import ZERO_UUID
from tests.support.asking import Differs, Make, metadata, plain, topic_id
from tests.support.patience import until
from tests.support.wire import Wire

Asked = METADATA.Request.Topic
ALL_OPERATIONS = 3576
CLUSTER_OPERATIONS = 8096
NOT_ASKED = -(2**31)
UNKNOWN = Err.UNKNOWN_TOPIC_OR_PARTITION


def ask(wire: Wire, topics: list[Any] | None, *, version: int = 12, **request: Any) -> Any:
    given = {"allow_auto_topic_creation": False} if version >= 4 else {}
    return wire.call(METADATA, version, METADATA.Request(topics=topics, **given | request))


def by_id(id_: bytes, name: str | None = None) -> Any:
    return Asked(topic_id=id_, name=name)


def codes(answer: Any) -> list[tuple[str | None, int]]:
    return sorted((topic.name, topic.error_code) for topic in answer.topics)


# Metadata


def test_what_each_version_tells(wire: Wire, bootstrap: str, make_topic: Make) -> None:
    topic = make_topic(2)
    id_ = topic_id(wire, topic)
    for version in range(14):
        answer = ask(wire, [Asked(name=topic)], version=version)
        cluster_id = answer.cluster_id
        assert len(cluster_id or "") == (22 if version >= 2 else 0)
        make = METADATA.Response
        partition = {"leader_id": 1, "leader_epoch": 0 if version >= 7 else -1, "replicas": [1], "isr": [1]}
        expected = make(
            brokers=[make.Broker(node_id=1, host="127.0.0.1", port=int(bootstrap.split(":")[1]), rack=None)],
            cluster_id=cluster_id,
            controller_id=1 if version >= 1 else -1,
            topics=[
                make.Topic(
                    name=topic,
                    topic_id=id_ if version >= 10 else ZERO_UUID,
                    partitions=[make.Partition(index=index, **partition) for index in (0, 1)],
                )
            ],
        )
        for found in answer.topics:
            found.partitions.sort(key=lambda one: one.index)
        assert plain(answer) == plain(expected)


def test_operations_when_they_are_asked_for(wire: Wire, make_topic: Make) -> None:
    topic = make_topic()
    for version in range(8, 14):
        of_cluster = {"include_cluster_authorized_operations": True} if version <= 10 else {}
        answer = ask(wire, [Asked(name=topic)], version=version, include_topic_authorized_operations=True, **of_cluster)
        assert answer.topics[0].topic_authorized_operations == ALL_OPERATIONS
        assert answer.cluster_authorized_operations == (CLUSTER_OPERATIONS if of_cluster else NOT_ASKED)


def test_all_and_none(wire: Wire, make_topic: Make) -> None:
    topic = make_topic()
    for version in (0, 1, 4, 9, 12, 13):
        everything = ask(wire, None if version else [], version=version)
        assert topic in [found.name for found in everything.topics]
        if version:
            nothing = ask(wire, [], version=version)
            assert (nothing.topics, len(nothing.brokers)) == ([], 1)


def test_names_are_answered_once(wire: Wire, make_topic: Make) -> None:
    topic, other = make_topic(), make_topic(suffix="-b")
    asked = [Asked(name=name) for name in (other, "no-such-topic", topic, other, "no-such-topic", "a b", topic)]
    wrong = [("a b", Err.INVALID_TOPIC_EXCEPTION), ("no-such-topic", UNKNOWN)]
    for version in (4, 12):
        assert codes(ask(wire, asked, version=version)) == sorted([*wrong, (topic, Err.NONE), (other, Err.NONE)])


@pytest.mark.parametrize("name", ["", ".", "..", "a b", "é", "x" * 250])
def test_names_that_cannot_be(wire: Wire, name: str) -> None:
    answer = ask(wire, [Asked(name=name)], allow_auto_topic_creation=True)
    expected = METADATA.Response.Topic(name=name, error_code=Err.INVALID_TOPIC_EXCEPTION)
    assert plain(answer.topics) == [plain(expected)]


def test_internal_names_are_called_internal(wire: Wire) -> None:
    for name in ("__consumer_offsets", "__transaction_state"):
        [answer] = ask(wire, [Asked(name=name)]).topics
        assert answer.is_internal


def test_ids(wire: Wire, make_topic: Make) -> None:
    topic, other = make_topic(), make_topic(suffix="-b")
    id_ = topic_id(wire, topic)
    known, unknown = (topic, id_, Err.NONE), (None, b"z" * 16, Err.UNKNOWN_TOPIC_ID)
    for version in (12, 13):
        for asked, answered in (
            ([by_id(id_)], {known}),
            ([by_id(id_), by_id(id_)], {known}),
            ([by_id(id_, "wrong")], {known}),
            ([by_id(b"z" * 16)], {unknown}),
            ([by_id(b"z" * 16, other)], {unknown}),
            ([by_id(id_), Asked(name=other)], {known}),
            ([by_id(id_), by_id(ZERO_UUID)], {known}),
            ([by_id(b"z" * 16), by_id(id_)], {known, unknown}),
        ):
            found = ask(wire, asked, version=version).topics
            assert len(found) == len(answered)
            assert {(one.name, one.topic_id, one.error_code) for one in found} == answered


def test_ids_and_null_names_that_refuse_the_whole_request(wire: Wire, make_topic: Make) -> None:
    topic = make_topic()
    id_ = topic_id(wire, topic)
    nameless = by_id(ZERO_UUID)
    refused = dict.fromkeys((10, 11), Err.INVALID_REQUEST)
    for asked, error in (
        ([by_id(id_, topic)], refused),
        ([by_id(id_)], refused),
        ([by_id(b"z" * 16, topic), Asked(name=topic)], refused),
        ([nameless], refused | dict.fromkeys((12, 13), Err.UNKNOWN_SERVER_ERROR)),
        ([nameless, Asked(name=topic)], dict.fromkeys((12, 13), Err.UNKNOWN_SERVER_ERROR)),
    ):
        for version, code in error.items():
            make = METADATA.Response
            topics = [make.Topic(error_code=code, name=one.name or "", topic_id=one.topic_id) for one in asked]
            expected = make(cluster_id=None, topics=topics, error_code=code if version == 13 else 0)
            assert plain(ask(wire, asked, version=version)) == plain(expected)


# auto-creation


def test_a_topic_is_made_when_it_is_asked_for(wire: Wire, name: str) -> None:
    for version in (0, 1, 4, 12):
        topic = f"{name}-{version}"
        given = {"allow_auto_topic_creation": True} if version >= 4 else {}
        assert codes(ask(wire, [Asked(name=topic)], version=version, **given)) == [(topic, UNKNOWN)]
        until(lambda topic=topic: metadata(wire, topic).topics[0].error_code == Err.NONE, "the topic is there")
        assert len(metadata(wire, topic).topics[0].partitions) == 1


def test_no_topic_is_made_when_that_is_not_wanted_or_not_possible(wire: Wire, make_topic: Make, name: str) -> None:
    make_topic(suffix=".x")
    last = f"{name}-last"
    assert codes(ask(wire, [Asked(name=f"{name}-b")])) == [(f"{name}-b", UNKNOWN)]
    assert codes(ask(wire, [Asked(name=f"{name}_x")], allow_auto_topic_creation=True)) == [(f"{name}_x", UNKNOWN)]
    ask(wire, [by_id(b"z" * 16, f"{name}-c")], allow_auto_topic_creation=True)
    ask(wire, [Asked(name=last)], allow_auto_topic_creation=True)
    until(lambda: metadata(wire, last).topics[0].error_code == Err.NONE, "the topic asked for last is there")
    for topic in (f"{name}-b", f"{name}_x", f"{name}-c"):
        assert metadata(wire, topic).topics[0].error_code == UNKNOWN


# DescribeTopicPartitions

Describe = DESCRIBE_TOPIC_PARTITIONS.Request
Cursor = tuple[str, int]
Page = tuple[list[tuple[str, int, list[int], int]], Cursor | None]


def describe(wire: Wire, topics: list[str], limit: int = 2000, cursor: Cursor | None = None) -> Any:
    start = None if cursor is None else Describe.Cursor(name=cursor[0], index=cursor[1])
    asked = [Describe.Topic(name=topic) for topic in topics]
    request = Describe(topics=asked, response_partition_limit=limit, cursor=start)
    return wire.call(DESCRIBE_TOPIC_PARTITIONS, 0, request)


def page(answer: Any) -> Page:
    """Name, error, partitions and operations of each topic, and the next cursor."""
    topics = [
        (topic.name, topic.error_code, [p.index for p in topic.partitions], topic.topic_authorized_operations)
        for topic in answer.topics
    ]
    cursor = answer.next_cursor
    return topics, None if cursor is None else (cursor.name, cursor.index)


def test_a_topic_described(wire: Wire, make_topic: Make) -> None:
    topic = make_topic(2)
    make = DESCRIBE_TOPIC_PARTITIONS.Response
    partition = {"leader_id": 1, "leader_epoch": 0, "replicas": [1], "isr": [1]}
    elr: dict[str, Any] = {"eligible_leader_replicas": [], "last_known_elr": []}
    expected = make.Topic(
        name=topic,
        topic_id=topic_id(wire, topic),
        partitions=[make.Partition(index=index, **partition, **elr) for index in (0, 1)],
        topic_authorized_operations=ALL_OPERATIONS,
    )
    assert plain(describe(wire, [topic])) == plain(make(topics=[expected], next_cursor=None))


def test_topics_that_are_not_there(wire: Wire, differs: Differs) -> None:
    for name, error in (("nope", UNKNOWN), ("a b", 17), ("x" * 250, 17), (".", 17)):
        [answer] = describe(wire, [name]).topics
        assert (answer.error_code, answer.topic_authorized_operations) == (error, ALL_OPERATIONS)
        assert (answer.topic_id, answer.partitions) == (ZERO_UUID, [])
    [answer] = describe(wire, [""]).topics
    assert answer.error_code == differs(kafka=Err.UNKNOWN_SERVER_ERROR, kq=Err.INVALID_TOPIC_EXCEPTION)


@pytest.fixture
def three(make_topic: Make) -> tuple[str, str, str]:
    """Topics of three partitions each, in the order of their names."""
    a, b, c = (make_topic(3, suffix=suffix) for suffix in ("-a", "-b", "-d"))
    return a, b, c


def told(topic: str, *partitions: int) -> tuple[str, int, list[int], int]:
    return (topic, 0, list(partitions), ALL_OPERATIONS)


def test_pages(wire: Wire, three: tuple[str, str, str]) -> None:
    """Sorted, each topic once; a limit below 1 acts as 1."""
    a, b, c = three
    whole = {topic: told(topic, 0, 1, 2) for topic in three}
    pages: dict[int, Page] = {
        -1: ([told(a, 0)], (a, 1)),
        0: ([told(a, 0)], (a, 1)),
        1: ([told(a, 0)], (a, 1)),
        2: ([told(a, 0, 1)], (a, 2)),
        3: ([whole[a]], (b, 0)),
        4: ([whole[a], told(b, 0)], (b, 1)),
        6: ([whole[a], whole[b]], (c, 0)),
        9: (list(whole.values()), None),
        5000: (list(whole.values()), None),
    }
    for limit, expected in pages.items():
        assert page(describe(wire, [c, a, b, a], limit)) == expected, limit


def test_cursors(wire: Wire, three: tuple[str, str, str]) -> None:
    a, b, c = three
    for cursor, expected in (
        ((a, 1), ([told(a, 1, 2)], (b, 0))),
        ((a, 2), ([told(a, 2), told(b, 0)], (b, 1))),
        ((a, 3), ([told(a), told(b, 0, 1)], (b, 2))),
        ((a, 9), ([told(a), told(b, 0, 1)], (b, 2))),
        ((b, 0), ([told(b, 0, 1)], (b, 2))),
        ((c, 2), ([told(c, 2)], None)),
        ((c, 3), ([told(c)], None)),
    ):
        assert page(describe(wire, [c, a, b], 2, cursor)) == expected, cursor


def test_pages_with_a_topic_that_is_not_there(wire: Wire, three: tuple[str, str, str], name: str) -> None:
    a, _, c = three
    none = f"{name}-c"
    nothing = (none, UNKNOWN, [], ALL_OPERATIONS)
    for limit, cursor, expected in (
        (3, None, ([told(a, 0, 1, 2)], (none, 0))),
        (4, None, ([told(a, 0, 1, 2), nothing, told(c, 0)], (c, 1))),
        (2, (a, 1), ([told(a, 1, 2)], (none, 0))),
        (2, (none, 0), ([nothing, told(c, 0, 1)], (c, 2))),
        (3, (none, 0), ([nothing, told(c, 0, 1, 2)], None)),
    ):
        assert page(describe(wire, [a, none, c], limit, cursor)) == expected, (limit, cursor)


def test_a_cursor_on_no_topic_that_is_asked_for(wire: Wire, three: tuple[str, str, str], name: str) -> None:
    a, b, c = three
    refused = [(topic, Err.INVALID_REQUEST, [], NOT_ASKED) for topic in (c, a)]
    for cursor in ((b, 0), (b, 5), ("", 0), ("0", 0), (f"{name}-z", 0), (a, -1)):
        assert page(describe(wire, [c, a], 2, cursor)) == (refused, None), cursor


def test_every_topic_in_pages(wire: Wire, three: tuple[str, str, str]) -> None:
    a, b, _ = three
    topics, cursor = page(describe(wire, [], 4, (a, 0)))
    assert topics == [told(a, 0, 1, 2), told(b, 0)]
    assert cursor == (b, 1)
    topics, cursor = page(describe(wire, [], 2, (a + "+", 0)))
    assert (topics, cursor) == ([told(b, 0, 1)], (b, 2)), "a cursor on a topic that has gone meanwhile"
