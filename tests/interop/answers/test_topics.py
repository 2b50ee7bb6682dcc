"""CreateTopics, DeleteTopics and CreatePartitions."""

from __future__ import annotations

from typing import Any

import pytest

from kq.errors import Err
from kq.wire.apis.topics import CREATE_PARTITIONS, CREATE_TOPICS, DELETE_TOPICS
from kq.wire.primitives import ZERO_UUID
from tests.support.asking import Differs, Make, metadata, plain, topic_id
from tests.support.patience import until
from tests.support.wire import Wire

TOPIC_KEYS = 33
Assigned = list[tuple[int, list[int]]]


def new(
    name: str, partitions: int = 1, factor: int = 1, assigned: Assigned | None = None, **settings: str | None
) -> Any:
    """A topic of the request; settings with `_` for `.`."""
    make = CREATE_TOPICS.Request
    return make.Topic(
        name=name,
        num_partitions=partitions,
        replication_factor=factor,
        assignments=[make.Assignment(index=index, broker_ids=brokers) for index, brokers in assigned or ()],
        configs=[make.Config(name=key.replace("_", "."), value=value) for key, value in settings.items()],
    )


def create(wire: Wire, *topics: Any, version: int = 7, dry: bool = False, timeout_ms: int = 9000) -> dict[str, Any]:
    request = CREATE_TOPICS.Request(topics=list(topics), validate_only=dry, timeout_ms=timeout_ms)
    answers = wire.call(CREATE_TOPICS, version, request).topics
    assert len({answer.name for answer in answers}) == len(answers)
    return {answer.name: answer for answer in answers}


def tried(wire: Wire, *topics: Any) -> list[int]:
    """The error codes of a dry run."""
    answers = create(wire, *topics, dry=True)
    return [answers[topic.name].error_code for topic in topics]


def exists(wire: Wire, name: str) -> bool:
    return bool(metadata(wire, name).topics[0].error_code == Err.NONE)


def partitions(wire: Wire, name: str) -> int:
    return len(metadata(wire, name).topics[0].partitions)


# CreateTopics


def test_what_each_version_tells(wire: Wire, name: str) -> None:
    for version in range(2, 8):
        topic = f"{name}-{version}"
        answer = create(wire, new(topic, 2), version=version)[topic]
        assert (answer.topic_id != ZERO_UUID) == (version >= 7)
        assert len(answer.configs) == (TOPIC_KEYS if version >= 5 else 0)
        assert plain(answer, "topic_id", "configs") == plain(
            CREATE_TOPICS.Response.Topic(
                name=topic,
                error_code=0,
                error_message=None,
                topic_config_error_code=0,
                num_partitions=2 if version >= 5 else -1,
                replication_factor=1 if version >= 5 else -1,
            ),
            "topic_id",
            "configs",
        )
        until(lambda topic=topic: partitions(wire, topic) == 2, "the topic is there")


def test_a_refusal_tells_nothing_of_the_topic(wire: Wire, make_topic: Make) -> None:
    topic = make_topic()
    for dry in (False, True):
        answer = create(wire, new(topic), dry=dry)[topic]
        assert answer.error_message
        assert plain(answer, "error_message") == plain(
            CREATE_TOPICS.Response.Topic(name=topic, error_code=Err.TOPIC_ALREADY_EXISTS, configs=[]), "error_message"
        )


def test_a_dry_run_answers_the_same_and_makes_nothing(wire: Wire, name: str) -> None:
    answer = create(wire, new(name, 3), dry=True)[name]
    assert (answer.error_code, answer.num_partitions, len(answer.configs)) == (Err.NONE, 3, TOPIC_KEYS)
    assert answer.topic_id != ZERO_UUID
    assert not exists(wire, name)


def test_the_brokers_defaults(wire: Wire, name: str) -> None:
    for count, factor in ((-1, -1), (-1, 1), (3, -1)):
        answer = create(wire, new(name, count, factor), dry=True)[name]
        assert (answer.error_code, answer.num_partitions, answer.replication_factor) == (0, max(count, 1), 1)


COUNTS = {
    (0, 1): Err.INVALID_PARTITIONS,
    (-2, 1): Err.INVALID_PARTITIONS,
    (0, 3): Err.INVALID_PARTITIONS,
    (0, 0): Err.INVALID_REPLICATION_FACTOR,
    (1, 0): Err.INVALID_REPLICATION_FACTOR,
    (1, -2): Err.INVALID_REPLICATION_FACTOR,
    (1, 3): Err.INVALID_REPLICATION_FACTOR,
    (9_000, 1): Err.NONE,
    (10_001, 1): Err.POLICY_VIOLATION,
    (2_000_000, 1): Err.POLICY_VIOLATION,
    (2**31 - 1, 1): Err.POLICY_VIOLATION,
}


@pytest.mark.parametrize(("count", "factor"), COUNTS)
def test_counts(wire: Wire, name: str, count: int, factor: int) -> None:
    """The largest would not fit into memory if anything were made of it before it is refused."""
    assert tried(wire, new(name, count, factor)) == [COUNTS[count, factor]]


def test_a_request_for_too_many_is_refused_as_a_whole(wire: Wire, make_topic: Make, name: str) -> None:
    """Kafka's limit of 10,000 holds for records of its metadata log too, of which each topic and setting has one."""
    there, other, third = make_topic(), f"{name}-b", f"{name}-c"
    for asked in (
        [new(other, 6000), new(third, 4001)],
        [new(there), new(third, 10_001)],
        [new("bad name!"), new(third, 10_001)],
        [new(other, -5), new(third, 10_001)],
        [new(other, -1, -1, assigned=[(0, [1]), (1, [1])]), new(third, 9999)],
    ):
        assert tried(wire, *asked) == [Err.POLICY_VIOLATION] * 2
    assert tried(wire, new(other, 6000), new(third, 3000)) == [Err.NONE] * 2
    assert create(wire, new(other, 6000), new(other, 6000), new(third), dry=True)[third].error_code == Err.NONE


NAMES = {
    "": Err.INVALID_TOPIC_EXCEPTION,
    ".": Err.INVALID_TOPIC_EXCEPTION,
    "..": Err.INVALID_TOPIC_EXCEPTION,
    "a b": Err.INVALID_TOPIC_EXCEPTION,
    "a/b": Err.INVALID_TOPIC_EXCEPTION,
    "a\0b": Err.INVALID_TOPIC_EXCEPTION,
    "é": Err.INVALID_TOPIC_EXCEPTION,
    "x" * 250: Err.INVALID_TOPIC_EXCEPTION,
    "x" * 249: Err.NONE,
    "con": Err.NONE,
    "__cluster_metadata": Err.INVALID_REQUEST,
}


def test_names(wire: Wire) -> None:
    assert {name: tried(wire, new(name))[0] for name in NAMES} == NAMES


def test_names_that_differ_by_dot_and_underscore(wire: Wire, make_topic: Make, name: str) -> None:
    make_topic(suffix=".x")
    assert tried(wire, new(f"{name}_x")) == [Err.INVALID_TOPIC_EXCEPTION]
    assert tried(wire, new(f"{name}.y"), new(f"{name}_y")) == [Err.NONE, Err.NONE], "in one request nobody looks"


def test_a_name_twice(wire: Wire, make_topic: Make, name: str) -> None:
    there, twice, once = make_topic(), f"{name}-b", f"{name}-c"
    answers = create(wire, *[new(topic) for topic in (there, twice, there, twice, once)])
    refused = Err.INVALID_REQUEST
    assert {topic: a.error_code for topic, a in answers.items()} == {there: refused, twice: refused, once: Err.NONE}
    assert create(wire, new(twice))[twice].error_code == Err.NONE, "nothing was done about it"


ASSIGNED: list[tuple[int, int, Assigned, Err]] = [
    (-1, -1, [(0, [1]), (1, [1])], Err.NONE),
    (-1, -1, [(1, [1]), (0, [1])], Err.NONE),
    (1, -1, [(0, [1])], Err.INVALID_REQUEST),
    (-1, 1, [(0, [1])], Err.INVALID_REQUEST),
    (-1, -1, [(1, [1])], Err.INVALID_REPLICA_ASSIGNMENT),
    (-1, -1, [(-1, [1])], Err.INVALID_REPLICA_ASSIGNMENT),
    (-1, -1, [(0, [1]), (2, [1])], Err.INVALID_REPLICA_ASSIGNMENT),
    (-1, -1, [(0, [1]), (0, [1])], Err.INVALID_REPLICA_ASSIGNMENT),
    (-1, -1, [(0, [1, 1])], Err.INVALID_REPLICA_ASSIGNMENT),
    (-1, -1, [(0, [1]), (1, [9])], Err.INVALID_REPLICA_ASSIGNMENT),
    (-1, -1, [(0, [-1])], Err.INVALID_REPLICA_ASSIGNMENT),
    (-1, -1, [(0, [1]), (1, [])], Err.INVALID_REPLICA_ASSIGNMENT),
]


def test_assignments(wire: Wire, name: str) -> None:
    for count, factor, assigned, error in ASSIGNED:
        answer = create(wire, new(name, count, factor, assigned), dry=True)[name]
        assert answer.error_code == error, assigned
        if error == Err.NONE:
            assert (answer.num_partitions, answer.replication_factor) == (2, 1)


ACCEPTED: list[dict[str, str | None]] = [
    {"cleanup_policy": ""},
    {"cleanup_policy": " compact "},
    {"cleanup_policy": "compact, delete"},
    {"retention_ms": " 5 "},
    {"retention_ms": "-1"},
    {"unclean_leader_election_enable": "TRUE"},
    {"min_insync_replicas": "3"},
    {"leader_replication_throttled_replicas": "*"},
    {"leader_replication_throttled_replicas": "0:1"},
    {"remote_storage_enable": "false"},
    {"segment_bytes": "1048576"},
]
REFUSED: list[dict[str, str | None]] = [
    {"cleanup_policy": None},
    {"cleanup_policy": "compact,"},
    {"retention_ms": ""},
    {"retention_ms": "-2"},
    {"retention_ms": "x"},
    {"bogus": "1"},
    {"": "x"},
    {"segment_bytes": "1000"},
    {"max_message_bytes": "-1"},
    {"min_insync_replicas": "0"},
    {"compression_type": "bogus"},
    {"message_timestamp_type": "logappendtime"},
    {"min_compaction_lag_ms": "10", "max_compaction_lag_ms": "5"},
    {"leader_replication_throttled_replicas": "bogus"},
    {"remote_storage_enable": "true"},
    {"preallocate": "yes"},
    {"min_cleanable_dirty_ratio": "1.1"},
    {"message_format_version": "3.0"},
]


def test_settings(wire: Wire, name: str) -> None:
    for settings in ACCEPTED:
        assert tried(wire, new(name, **settings)) == [Err.NONE], settings
    for settings in REFUSED:
        assert tried(wire, new(name, **settings)) == [Err.INVALID_CONFIG], settings


def test_a_setting_that_is_not_a_number(wire: Wire, name: str, differs: Differs) -> None:
    """Kafka takes NaN for a ratio by accident."""
    asked = new(name, min_cleanable_dirty_ratio="NaN")
    assert tried(wire, asked) == [differs(kafka=Err.NONE, kq=Err.INVALID_CONFIG)]


def test_of_a_setting_given_twice_the_later_counts(wire: Wire, name: str) -> None:
    make = CREATE_TOPICS.Request.Config
    topic = new(name)
    topic.configs = [make(name="retention.ms", value=value) for value in ("x", "7")]
    answer = create(wire, topic, dry=True)[name]
    assert [config.value for config in answer.configs if config.name == "retention.ms"] == ["7"]


def test_the_settings_that_are_answered(wire: Wire, name: str, differs: Differs) -> None:
    """Names, values and where they come from; documentation and synonyms are DescribeConfigs' business."""
    topic = new(name, retention_ms="500", cleanup_policy="compact")
    rows = {row.name: row for row in create(wire, topic)[name].configs}
    assert list(rows) == sorted(rows)
    assert {key: (row.value, row.config_source) for key, row in rows.items() if row.config_source != 5} == {
        "cleanup.policy": ("compact", 1),
        "retention.ms": ("500", 1),
        **differs(kafka={"min.insync.replicas": ("1", 3)}, kq={}),  # a dynamic default that Kafka's ELR needs
    }
    assert not any(row.read_only or row.is_sensitive for row in rows.values())
    defaults = {"retention.bytes": "-1", "segment.bytes": "1073741824", "flush.ms": "9223372036854775807"}
    assert {key: rows[key].value for key in defaults} == defaults


def test_no_topics(wire: Wire) -> None:
    for dry in (False, True):
        assert create(wire, dry=dry) == {}


@pytest.mark.parametrize("timeout_ms", [0, -1])
def test_no_time_for_it(wire: Wire, make_topic: Make, name: str, timeout_ms: int, differs: Differs) -> None:
    """Kafka does nothing within no time, and says so; kq does it."""
    answer = create(wire, new(f"{name}-b"), timeout_ms=timeout_ms)[f"{name}-b"]
    assert answer.error_code == differs(kafka=Err.REQUEST_TIMED_OUT, kq=Err.NONE)
    topic = make_topic()
    assert grow(wire, (topic, 2, None), timeout_ms=timeout_ms) == {topic: answer.error_code}
    assert list(delete(wire, (topic, ZERO_UUID), timeout_ms=timeout_ms).values()) == [answer.error_code]


# DeleteTopics


def delete(
    wire: Wire, *topics: tuple[str | None, bytes], version: int = 6, timeout_ms: int = 9000
) -> dict[tuple[str | None, bytes], int]:
    """Error codes by name and id."""
    make = DELETE_TOPICS.Request
    if version >= 6:
        request = make(topics=[make.Topic(name=name, topic_id=id_) for name, id_ in topics], timeout_ms=timeout_ms)
    else:
        request = make(topic_names=[name for name, _ in topics], timeout_ms=timeout_ms)
    answers = wire.call(DELETE_TOPICS, version, request).topics
    return {(answer.name, answer.topic_id): answer.error_code for answer in answers}


def test_every_version_deletes(wire: Wire, make_topic: Make) -> None:
    for version in range(1, 7):
        topic = make_topic(suffix=f"-{version}")
        told_id = topic_id(wire, topic) if version >= 6 else ZERO_UUID
        assert delete(wire, (topic, ZERO_UUID), version=version) == {(topic, told_id): Err.NONE}
        until(lambda topic=topic: not exists(wire, topic), "the topic is gone")
        gone = delete(wire, (topic, ZERO_UUID), version=version)
        assert gone == {(topic, ZERO_UUID): Err.UNKNOWN_TOPIC_OR_PARTITION}


def test_deleting_by_id(wire: Wire, make_topic: Make) -> None:
    topic = make_topic()
    id_ = topic_id(wire, topic)
    assert delete(wire, (None, id_)) == {(topic, id_): Err.NONE}
    until(lambda: not exists(wire, topic), "the topic is gone")
    assert delete(wire, (None, id_)) == {(None, id_): Err.UNKNOWN_TOPIC_ID}


def test_a_topic_is_named_in_one_way(wire: Wire, make_topic: Make) -> None:
    topic = make_topic()
    id_ = topic_id(wire, topic)
    for both in ((topic, id_), (topic, b"x" * 16), ("", id_), (None, ZERO_UUID)):
        assert delete(wire, both) == {both: Err.INVALID_REQUEST}
    for unknown in ("no-such-topic", "a b", "", ".", "x" * 300):
        assert delete(wire, (unknown, ZERO_UUID)) == {(unknown, ZERO_UUID): Err.UNKNOWN_TOPIC_OR_PARTITION}


def test_a_topic_named_twice_stays(wire: Wire, make_topic: Make) -> None:
    topic, other = make_topic(), make_topic(suffix="-b")
    id_ = topic_id(wire, topic)
    by_name, by_id = (topic, ZERO_UUID), (None, id_)
    refused = Err.INVALID_REQUEST
    assert delete(wire, by_name, by_id) == delete(wire, by_id, by_name) == {(topic, id_): refused}
    assert delete(wire, by_name, by_name) == {by_name: refused}
    assert delete(wire, by_name, by_name, version=5) == {by_name: refused}
    assert delete(wire, by_id, by_id) == {by_id: refused}
    assert delete(wire, ("nope", ZERO_UUID), ("nope", ZERO_UUID)) == {("nope", ZERO_UUID): refused}
    other_id = topic_id(wire, other)
    answers = delete(wire, by_name, (other, ZERO_UUID), by_name)
    assert answers == {by_name: refused, (other, other_id): Err.NONE}
    assert exists(wire, topic)


def test_nothing_to_delete(wire: Wire) -> None:
    for version in (1, 5, 6):
        assert delete(wire, version=version) == {}


# CreatePartitions

Growth = tuple[str, int, list[list[int]] | None]


def grow(wire: Wire, *topics: Growth, version: int = 3, dry: bool = False, timeout_ms: int = 9000) -> dict[str, int]:
    make = CREATE_PARTITIONS.Request
    asked = [
        make.Topic(
            name=name,
            count=count,
            assignments=None if assigned is None else [make.Assignment(broker_ids=brokers) for brokers in assigned],
        )
        for name, count, assigned in topics
    ]
    request = make(topics=asked, validate_only=dry, timeout_ms=timeout_ms)
    answers = wire.call(CREATE_PARTITIONS, version, request).topics
    assert len({answer.name for answer in answers}) == len(answers)
    return {answer.name: answer.error_code for answer in answers}


def test_every_version_grows(wire: Wire, make_topic: Make) -> None:
    topic = make_topic()
    steps: list[tuple[int, list[list[int]] | None]] = [(2, None), (4, None), (5, [[1]]), (7, [[1], [1]])]
    for version, (count, assigned) in enumerate(steps):
        assert grow(wire, (topic, count, assigned), version=version) == {topic: Err.NONE}
        until(lambda count=count: partitions(wire, topic) == count, "there are more partitions")


GROWTH: list[tuple[int, list[list[int]] | None, Err]] = [
    (3, None, Err.INVALID_PARTITIONS),
    (2, None, Err.INVALID_PARTITIONS),
    (0, None, Err.INVALID_PARTITIONS),
    (-1, None, Err.INVALID_PARTITIONS),
    (3, [[1]], Err.INVALID_PARTITIONS),
    (4, [], Err.INVALID_REPLICA_ASSIGNMENT),
    (4, [[1], [1]], Err.INVALID_REPLICA_ASSIGNMENT),
    (5, [[1]], Err.INVALID_REPLICA_ASSIGNMENT),
    (4, [[9]], Err.INVALID_REPLICA_ASSIGNMENT),
    (4, [[-1]], Err.INVALID_REPLICA_ASSIGNMENT),
    (4, [[1, 1]], Err.INVALID_REPLICA_ASSIGNMENT),
    (4, [[]], Err.INVALID_REPLICA_ASSIGNMENT),
]


def test_growth_that_is_refused(wire: Wire, make_topic: Make) -> None:
    topic = make_topic(3)
    for count, assigned, error in GROWTH:
        assert grow(wire, (topic, count, assigned)) == {topic: error}, (count, assigned)
    for unknown in ("no-such-topic", "a b", ""):
        assert grow(wire, (unknown, 3, None)) == {unknown: Err.UNKNOWN_TOPIC_OR_PARTITION}
    assert grow(wire, (topic, 5, None), dry=True) == {topic: Err.NONE}
    assert grow(wire) == {}
    assert partitions(wire, topic) == 3


def test_a_topic_grown_twice_stays_as_it_is(wire: Wire, make_topic: Make) -> None:
    topic, other = make_topic(), make_topic(suffix="-b")
    answers = grow(wire, (topic, 2, None), (topic, 3, None), (other, 2, None))
    assert answers == {topic: Err.INVALID_REQUEST, other: Err.NONE}
    until(lambda: partitions(wire, other) == 2, "there are more partitions")
    assert partitions(wire, topic) == 1


def test_growth_without_bounds(wire: Wire, make_topic: Make, differs: Differs) -> None:
    """Kafka has no limit here, only what one write to its metadata log can hold."""
    topic = make_topic()
    error = differs(kafka=Err.UNKNOWN_SERVER_ERROR, kq=Err.POLICY_VIOLATION)
    assert grow(wire, (topic, 10_002, None), dry=True) == {topic: error}
