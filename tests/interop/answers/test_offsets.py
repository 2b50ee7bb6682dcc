"""ListOffsets, OffsetForLeaderEpoch and DeleteRecords."""

from __future__ import annotations

from typing import Any

import pytest

from kq.errors import Err
from kq.record.batch import Record, encode_batch
from kq.wire.apis.offsets import DELETE_RECORDS, LIST_OFFSETS, OFFSET_FOR_LEADER_EPOCH
from tests.support.asking import Make, batch, list_offset, now_ms, plain, produce
from tests.support.fetching import partitions
from tests.support.wire import Wire

LATEST, EARLIEST, MAX_TIMESTAMP, EARLIEST_LOCAL, LATEST_TIERED, EARLIEST_PENDING = -1, -2, -3, -4, -5, -6
CODECS = range(5)


@pytest.fixture
def base() -> int:
    """The timestamp of the first record."""
    return now_ms() - 1_000_000


@pytest.fixture
def filled(wire: Wire, make_topic: Make, base: int) -> str:
    """0: a batch of five in each codec, batches a second and records 10 ms apart, but for record 11, which says 2900.
    1: two records without timestamps. 2: nothing."""
    topic = make_topic(3)
    for codec in CODECS:
        stamps = [base + codec * 1000 + n * 10 for n in range(5)]
        if codec == 2:
            stamps[1] = base + 2900
        records = [Record(n, stamp, b"k", b"v") for n, stamp in enumerate(stamps)]
        assert produce(wire, topic, encode_batch(records, codec=codec)).error_code == Err.NONE
    assert produce(wire, topic, batch(b"a", b"b", timestamp=-1), index=1).error_code == Err.NONE
    return topic


def found(answer: Any) -> tuple[int, int, int, int]:
    return answer.error_code, answer.timestamp, answer.offset, answer.leader_epoch


# ListOffsets


@pytest.mark.parametrize(
    ("spec", "since", "offset"),
    [
        (LATEST, 1, 25),
        (EARLIEST, 1, 0),
        (MAX_TIMESTAMP, 7, 24),
        (EARLIEST_LOCAL, 8, 0),
        (LATEST_TIERED, 9, -1),
        (EARLIEST_PENDING, 11, -1),
        (-7, 99, -1),
        (-100, 99, -1),
    ],
)
def test_what_is_no_time(wire: Wire, filled: str, base: int, spec: int, since: int, offset: int) -> None:
    for version in range(1, 12):
        answer = found(list_offset(wire, filled, spec, version=version))
        if version < since:
            assert answer == (Err.UNSUPPORTED_VERSION, -1, -1, -1)
        else:
            stamp = base + 4040 if spec == MAX_TIMESTAMP else -1
            epoch = -1 if version < 4 or offset == -1 else 0
            assert answer == (Err.NONE, stamp, offset, epoch)


EARLY = ((-1_000_000, 0, 0), (0, 0, 0), (1, 10, 1), (40, 40, 4), (41, 1000, 5), (1035, 1040, 9), (1041, 2000, 10))
LATE = ((2001, 2900, 11), (2500, 2900, 11), (2900, 2900, 11), (2901, 3000, 15), (3001, 3010, 16), (4040, 4040, 24))


def test_the_first_record_at_or_after_a_time(wire: Wire, filled: str, base: int) -> None:
    """Inside batches of every codec, and of times that do not rise the first in the order of offsets."""
    for asked, stamp, offset in EARLY + LATE:
        assert found(list_offset(wire, filled, base + asked)) == (Err.NONE, base + stamp, offset, 0), asked
        assert found(list_offset(wire, filled, base + asked, version=1)) == (Err.NONE, base + stamp, offset, -1)
    for late in (base + 4041, 2**63 - 1):
        assert found(list_offset(wire, filled, late)) == (Err.NONE, -1, -1, -1)


def test_records_without_timestamps(wire: Wire, filled: str) -> None:
    answers = {spec: found(list_offset(wire, filled, spec, index=1)) for spec in (-1, -2, -3, -4, 0, 5)}
    nothing = (Err.NONE, -1, -1, -1)
    first = (Err.NONE, -1, 0, 0)
    assert answers == {-1: (Err.NONE, -1, 2, 0), -2: first, -3: first, -4: first, 0: nothing, 5: nothing}


def test_an_empty_partition(wire: Wire, filled: str) -> None:
    answers = {spec: found(list_offset(wire, filled, spec, index=2))[2] for spec in (-1, -2, -3, -4, -5, -6, 0, 5)}
    assert answers == {-1: 0, -2: 0, -3: -1, -4: 0, -5: -1, -6: -1, 0: -1, 5: -1}


def test_who_asks_and_how(wire: Wire, filled: str) -> None:
    for replica in (-1, -2, -3, 1, 5):
        assert list_offset(wire, filled, LATEST, replica_id=replica).offset == 25
    for isolation_level, error in ((0, Err.NONE), (1, Err.NONE), (2, -1), (-1, -1)):
        assert list_offset(wire, filled, LATEST, isolation_level=isolation_level).error_code == error
    for epoch, error in ((0, Err.NONE), (-1, Err.NONE), (9, Err.UNKNOWN_LEADER_EPOCH), (-7, Err.FENCED_LEADER_EPOCH)):
        assert list_offset(wire, filled, LATEST, epoch=epoch).error_code == error
    assert list_offset(wire, filled, -9, epoch=9).error_code == Err.UNSUPPORTED_VERSION
    for timeout_ms in (0, -1):
        assert list_offset(wire, filled, LATEST, timeout_ms=timeout_ms).offset == 25


def test_places_that_are_not_known(wire: Wire, filled: str) -> None:
    unknown = (Err.UNKNOWN_TOPIC_OR_PARTITION, -1, -1, -1)
    for topic, index in (("no-such-topic", 0), ("bad name!", 0), ("", 0), (filled, 9), (filled, -1)):
        assert found(list_offset(wire, topic, LATEST, index=index)) == unknown
    assert list_offset(wire, "no-such-topic", -9).error_code == Err.UNSUPPORTED_VERSION


def test_a_partition_twice_is_answered_once(wire: Wire, filled: str) -> None:
    make = LIST_OFFSETS.Request
    first = [make.Partition(index=index, timestamp=-1) for index in (0, 0, 1)]
    second = [make.Partition(index=index, timestamp=-2) for index in (1, 2)]
    asked = make(topics=[make.Topic(name=filled, partitions=some) for some in (first, second, [])])
    [topic] = wire.call(LIST_OFFSETS, 7, asked).topics
    refused = (Err.INVALID_REQUEST, -1, -1, -1)
    answers = {partition.index: found(partition) for partition in topic.partitions}
    assert len(topic.partitions) == 3
    assert answers == {0: refused, 1: refused, 2: (Err.NONE, -1, 0, 0)}


def test_nothing_is_asked(wire: Wire, filled: str) -> None:
    make = LIST_OFFSETS.Request
    for topics in ([], [make.Topic(name=filled, partitions=[])]):
        assert wire.call(LIST_OFFSETS, 7, make(topics=topics)).topics == []


# OffsetForLeaderEpoch


def end_of(wire: Wire, topic: str, epoch: int, index: int = 0, current: int = -1, version: int = 4, **more: Any) -> Any:
    make = OFFSET_FOR_LEADER_EPOCH.Request
    partition = make.Partition(index=index, current_leader_epoch=current, leader_epoch=epoch)
    asked = make(topics=[make.Topic(name=topic, partitions=[partition])], **more)
    [answer] = partitions(wire.call(OFFSET_FOR_LEADER_EPOCH, version, asked))
    assert answer.index == index
    return answer.error_code, answer.leader_epoch, answer.end_offset


def test_where_an_epoch_ends(wire: Wire, filled: str) -> None:
    for version in (2, 3, 4):
        assert end_of(wire, filled, 0, version=version) == (Err.NONE, 0, 25)
        for unknown in (1, 5, -1):
            assert end_of(wire, filled, unknown, version=version) == (Err.NONE, -1, -1)
        assert end_of(wire, filled, -2, version=version) == (Err.NONE, -2, 0), "below the first: its start"
    assert end_of(wire, filled, 0, index=2) == (Err.NONE, 0, 0)
    assert end_of(wire, filled, 3, index=2) == (Err.NONE, -1, -1)
    for current, error in ((0, Err.NONE), (-1, Err.NONE), (1, Err.UNKNOWN_LEADER_EPOCH), (-2, Err.FENCED_LEADER_EPOCH)):
        assert end_of(wire, filled, 0, current=current)[0] == error
    for replica in (-1, 1, 5):
        assert end_of(wire, filled, 0, replica_id=replica) == (Err.NONE, 0, 25)
    for topic, index in (("no-such-topic", 0), ("bad name!", 0), (filled, 9)):
        assert end_of(wire, topic, 0, index=index) == (Err.UNKNOWN_TOPIC_OR_PARTITION, -1, -1)


def test_each_epoch_asked_is_answered(wire: Wire, filled: str) -> None:
    make = OFFSET_FOR_LEADER_EPOCH.Request
    twice = [make.Partition(index=0, leader_epoch=epoch) for epoch in (0, 7)]
    again = [make.Partition(index=1, leader_epoch=0)]
    asked = make(topics=[make.Topic(name=filled, partitions=some) for some in (twice, again)])
    answers = partitions(wire.call(OFFSET_FOR_LEADER_EPOCH, 4, asked))
    assert [(p.index, p.leader_epoch, p.end_offset) for p in answers] == [(0, 0, 25), (0, -1, -1), (1, 0, 2)]


# DeleteRecords


def delete(wire: Wire, topic: str, *offsets: tuple[int, int], version: int = 2, timeout_ms: int = 9000) -> Any:
    """Partition, error and new start of each answer."""
    make = DELETE_RECORDS.Request
    asked = [make.Partition(index=index, offset=offset) for index, offset in offsets]
    request = make(topics=[make.Topic(name=topic, partitions=asked)], timeout_ms=timeout_ms)
    answers = partitions(wire.call(DELETE_RECORDS, version, request))
    return [(p.index, p.error_code, p.low_watermark) for p in answers]


def test_a_trimmed_partition(wire: Wire, filled: str, base: int) -> None:
    assert delete(wire, filled, (0, 7)) == [(0, Err.NONE, 7)]
    answers = {spec: list_offset(wire, filled, spec).offset for spec in (-1, -2, -3, -4, -5)}
    assert answers == {-1: 25, -2: 7, -3: 24, -4: 7, -5: -1}
    for asked, stamp, offset in ((0, 1020, 7), (10, 1020, 7), (1030, 1030, 8)):
        assert found(list_offset(wire, filled, base + asked)) == (Err.NONE, base + stamp, offset, 0)
    assert delete(wire, filled, (0, 3)) == [(0, Err.NONE, 7)], "it never goes back"
    assert end_of(wire, filled, 0) == (Err.NONE, 0, 25)
    assert delete(wire, filled, (0, -1)) == [(0, Err.NONE, 25)]
    assert [list_offset(wire, filled, spec).offset for spec in (-1, -2)] == [25, 25]
    assert list_offset(wire, filled, base).offset == -1
    assert found(list_offset(wire, filled, MAX_TIMESTAMP)) == (Err.NONE, base + 4040, 24, 0), "below the start"


def test_a_trim_of_records_without_timestamps(wire: Wire, filled: str) -> None:
    assert delete(wire, filled, (1, 1)) == [(1, Err.NONE, 1)]
    answers = {spec: list_offset(wire, filled, spec, index=1).offset for spec in (-1, -2, -3, 0, 5)}
    assert answers == {-1: 2, -2: 1, -3: 0, 0: -1, 5: -1}


def test_every_version_trims(wire: Wire, filled: str) -> None:
    for version in (0, 1, 2):
        assert delete(wire, filled, (0, version + 1), version=version) == [(0, Err.NONE, version + 1)]
    for timeout_ms in (0, -1):
        assert delete(wire, filled, (0, 1), timeout_ms=timeout_ms) == [(0, Err.NONE, 3)]


def test_trims_that_are_refused(wire: Wire, filled: str) -> None:
    for offset in (26, 100, -2):
        assert delete(wire, filled, (0, offset)) == [(0, Err.OFFSET_OUT_OF_RANGE, -1)]
    for topic, index in (("no-such-topic", 0), ("bad name!", 0), (filled, 9)):
        assert delete(wire, topic, (index, 1)) == [(index, Err.UNKNOWN_TOPIC_OR_PARTITION, -1)]


@pytest.mark.parametrize(
    ("policy", "error"),
    [("compact", Err.POLICY_VIOLATION), ("compact,delete", Err.NONE), ("delete", Err.NONE), ("", Err.NONE)],
)
def test_trims_by_cleanup_policy(wire: Wire, make_topic: Make, policy: str, error: Err) -> None:
    topic = make_topic(**{"cleanup.policy": policy})
    produce(wire, topic, batch(b"a", b"b"))
    assert delete(wire, topic, (0, 1)) == [(0, error, 1 if error == Err.NONE else -1)]
    assert list_offset(wire, topic, EARLIEST).offset == (1 if error == Err.NONE else 0)


@pytest.mark.parametrize(("first", "second"), [(1, 3), (3, 1)])
def test_of_a_partition_trimmed_twice_the_later_entry_counts(wire: Wire, filled: str, first: int, second: int) -> None:
    trimmed = delete(wire, filled, (0, first), (1, 0), (0, second))  # Kafka answers in the order of a hash
    assert sorted(trimmed) == [(0, Err.NONE, second), (1, Err.NONE, 0)]
    assert list_offset(wire, filled, EARLIEST).offset == second
    make = DELETE_RECORDS.Request
    partition = make.Partition(index=2, offset=0)
    topics = [make.Topic(name=name, partitions=[partition]) for name in (filled, "no-such-topic", filled)]
    answer = wire.call(DELETE_RECORDS, 2, make(topics=topics, timeout_ms=9000))
    assert [len(topic.partitions) for topic in answer.topics] == [1, 1]
    assert plain(answer.throttle_time_ms) == 0
