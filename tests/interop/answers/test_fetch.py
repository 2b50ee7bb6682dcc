"""Fetch outside of sessions: where it reads, how much, and what it says when it cannot."""

from __future__ import annotations

from typing import Any

import pytest

from kq.errors import Err
from kq.wire.apis.fetch import FETCH
from kq.wire.primitives import ZERO_UUID
from tests.support.asking import Differs, Make, batch, plain, produce, topic_id
from tests.support.fetching import Request, base_offsets, of, part, partitions
from tests.support.wire import Wire

NOWHERE = {"high_watermark": -1, "last_stable_offset": -1, "log_start_offset": -1}


def fetch(wire: Wire, *topics: Any, version: int = 11, **request: Any) -> Any:
    return wire.call(FETCH, version, Request(topics=list(topics), **({"max_wait_ms": 0, "min_bytes": 0} | request)))


def one(wire: Wire, topic: str | bytes, partition: Any, **request: Any) -> Any:
    """The answer's part for the one partition that is asked for."""
    [found] = partitions(fetch(wire, of(topic, partition), **request))
    return found


@pytest.fixture
def filled(wire: Wire, make_topic: Make) -> str:
    """0: batches at 0, 3 and 6, the end at 9. 1: a small batch and one of 3 KB. 2: nothing."""
    topic = make_topic(3)
    for _ in range(3):
        assert produce(wire, topic, batch(b"a", b"b", b"c")).error_code == Err.NONE
    for value in (b"x" * 100, b"x" * 3000):
        assert produce(wire, topic, batch(value), index=1).error_code == Err.NONE
    return topic


@pytest.mark.parametrize(("offset", "found"), [(0, [0, 3, 6]), (3, [3, 6]), (4, [3, 6]), (8, [6]), (9, [])])
def test_whole_batches_from_the_one_that_holds_the_offset(
    wire: Wire, filled: str, offset: int, found: list[int]
) -> None:
    assert base_offsets(one(wire, filled, part(offset=offset))) == found


@pytest.mark.parametrize("offset", [10, -1, -5])
def test_an_offset_out_of_range(wire: Wire, filled: str, offset: int) -> None:
    answer = one(wire, filled, part(offset=offset), isolation_level=1)
    assert plain(answer, "records") == plain(
        FETCH.Response.Partition(index=0, error_code=Err.OFFSET_OUT_OF_RANGE, **NOWHERE, aborted_transactions=None),
        "records",
    )


@pytest.mark.parametrize("isolation_level", [0, 1])
def test_what_each_version_tells(wire: Wire, filled: str, isolation_level: int) -> None:
    ids = topic_id(wire, filled)
    for version in range(4, 19):
        answer = fetch(
            wire, of(ids if version >= 13 else filled, part()), version=version, isolation_level=isolation_level
        )
        assert (answer.error_code, answer.session_id) == (0, 0)
        assert answer.topics[0].name == ("" if version >= 13 else filled)
        assert answer.topics[0].topic_id == (ids if version >= 13 else ZERO_UUID)
        expected = FETCH.Response.Partition(
            index=0,
            high_watermark=9,
            last_stable_offset=9,
            log_start_offset=0 if version >= 5 else -1,
            aborted_transactions=[] if isolation_level else None,
        )
        assert plain(answer.topics[0].partitions[0], "records") == plain(expected, "records")


@pytest.mark.parametrize("isolation_level", [0, 1])
def test_places_that_are_not_known(wire: Wire, filled: str, isolation_level: int) -> None:
    places = [of("no-such-topic", part()), of("bad name!", part()), of(filled, part(9), part(-1))]
    answer = fetch(wire, *places, isolation_level=isolation_level)
    assert len(answer.topics) == 3
    unknown = {"error_code": Err.UNKNOWN_TOPIC_OR_PARTITION, **NOWHERE, "aborted_transactions": []}
    for found in partitions(answer):
        assert plain(found, "records") == plain(FETCH.Response.Partition(index=found.index, **unknown), "records")


@pytest.mark.parametrize("version", [13, 16, 18])
def test_ids_that_are_not_known(wire: Wire, filled: str, version: int) -> None:
    for unknown in (b"x" * 16, ZERO_UUID):
        assert one(wire, unknown, part(), version=version).error_code == Err.UNKNOWN_TOPIC_ID
    known = topic_id(wire, filled)
    assert one(wire, known, part(9), version=version).error_code == Err.UNKNOWN_TOPIC_OR_PARTITION


def test_what_is_not_known_is_answered_last(wire: Wire, filled: str) -> None:
    answer = fetch(wire, of("no-such-topic", part()), of(filled, part(7), part(0)))
    found = [(topic.name, partition.index) for topic in answer.topics for partition in topic.partitions]
    assert found[0] == (filled, 0)
    assert sorted(found[1:]) == sorted([("no-such-topic", 0), (filled, 7)])


@pytest.mark.parametrize(("first", "second", "found"), [(0, 6, [6]), (6, 0, [0, 3, 6])])
def test_of_a_partition_named_twice_the_later_entry_counts(
    wire: Wire, filled: str, first: int, second: int, found: list[int]
) -> None:
    answer = fetch(wire, of(filled, part(offset=first)), of(filled, part(1), part(offset=second)))
    assert sorted((p.index, base_offsets(p)) for p in partitions(answer)) == [(0, found), (1, [0, 1])]


# how much


@pytest.mark.parametrize("limit", [0, 1, 87])
def test_the_first_batch_comes_whole_whatever_the_limits(wire: Wire, filled: str, limit: int) -> None:
    for limits in ({"max_bytes": limit}, {}):
        asked = [part(index, max_bytes=1 << 20 if limits else limit) for index in (2, 1, 0)]
        answer = fetch(wire, of(filled, *asked), **limits)
        assert [(p.index, base_offsets(p)) for p in partitions(answer)] == [(2, []), (1, [0]), (0, [])]
    large = one(wire, filled, part(1, offset=1, max_bytes=200), max_bytes=100)
    assert len(large.records) > 3000


def test_limits_cut_between_batches(wire: Wire, filled: str, differs: Differs) -> None:
    """Kafka cuts anywhere, and a client throws the torn batch away; kq sends whole ones."""
    size = len(one(wire, filled, part()).records) // 3
    for limits in ({"max_bytes": 2 * size + 10}, {}):
        mine = part(max_bytes=1 << 20 if limits else 2 * size + 10)
        answer = fetch(wire, of(filled, mine, part(1, max_bytes=10)), **limits)
        first, second = partitions(answer)
        assert base_offsets(first) == [0, 3]
        assert len(first.records) == differs(kafka=2 * size + 10, kq=2 * size)
        assert len(second.records) == 0, "only the first that has records gives more than the limit"
    exact = one(wire, filled, part(max_bytes=2 * size))
    assert len(exact.records) == 2 * size


def test_a_negative_limit_is_a_fault_where_there_is_something_to_read(wire: Wire, filled: str) -> None:
    asked = [part(0, max_bytes=-1), part(1), part(2, max_bytes=-1)]
    found = partitions(fetch(wire, of(filled, *asked), isolation_level=1))
    assert [p.error_code for p in found] == [Err.UNKNOWN_SERVER_ERROR, Err.NONE, Err.NONE]
    assert found[0].aborted_transactions is None
    for version in (4, 11):
        answer = fetch(wire, of(filled, part(0), part(2)), max_bytes=-1, version=version)
        assert answer.error_code == Err.NONE
        assert [p.error_code for p in partitions(answer)] == [Err.UNKNOWN_SERVER_ERROR, Err.NONE]
    assert one(wire, filled, part(0, offset=99, max_bytes=-1)).error_code == Err.OFFSET_OUT_OF_RANGE


# who asks


@pytest.mark.parametrize("version", [4, 11, 13])
def test_an_isolation_level_that_does_not_exist(wire: Wire, filled: str, version: int) -> None:
    ref = topic_id(wire, filled) if version >= 13 else filled
    answer = fetch(wire, of(ref, part(), part(7)), version=version, isolation_level=2)
    assert answer.error_code == (Err.UNKNOWN_SERVER_ERROR if version >= 7 else Err.NONE)
    assert [p.error_code for p in partitions(answer)] == [Err.UNKNOWN_SERVER_ERROR] * (0 if version >= 13 else 2)
    assert all(p.aborted_transactions == [] for p in partitions(answer))


def test_replicas_are_sent_away_and_what_is_none_is_served(wire: Wire, filled: str) -> None:
    for replica in (0, 1, 5):
        answer = one(wire, filled, part(), replica_id=replica)
        assert (answer.error_code, answer.aborted_transactions) == (Err.NOT_LEADER_OR_FOLLOWER, None)
        assert answer.current_leader is None
    for replica in (-1, -2, -3):
        assert base_offsets(one(wire, filled, part(), replica_id=replica)) == [0, 3, 6]
    state = Request.ReplicaState(replica_id=5, replica_epoch=1)
    refused = one(wire, topic_id(wire, filled), part(), replica_state=state, version=16)
    assert refused.error_code == Err.NOT_LEADER_OR_FOLLOWER
    assert (refused.current_leader.leader_id, refused.current_leader.leader_epoch) == (1, 0)


def test_the_epoch_that_the_client_believes_in(wire: Wire, filled: str) -> None:
    for epoch in (0, -1, -7):
        assert one(wire, filled, part(current_leader_epoch=epoch)).error_code == Err.NONE
    unknown = one(wire, filled, part(current_leader_epoch=9), isolation_level=1)
    assert (unknown.error_code, unknown.aborted_transactions) == (Err.UNKNOWN_LEADER_EPOCH, None)
    by_id = one(wire, topic_id(wire, filled), part(current_leader_epoch=9), version=16)
    assert (by_id.error_code, by_id.current_leader) == (Err.UNKNOWN_LEADER_EPOCH, None)


def test_the_epoch_of_the_last_record_fetched(wire: Wire, filled: str) -> None:
    """KIP-595: the log ends at 9 in epoch 0."""

    def ask(epoch: int, offset: int) -> Any:
        return one(wire, filled, part(offset=offset, last_fetched_epoch=epoch), version=12)

    assert ask(3, 0).error_code == Err.OFFSET_OUT_OF_RANGE
    assert base_offsets(ask(0, 3)) == [3, 6]
    assert base_offsets(ask(-5, 3)) == [3, 6]
    assert ask(0, 9).diverging_epoch is None
    diverging = ask(0, 12)
    assert (diverging.error_code, diverging.high_watermark, len(diverging.records)) == (Err.NONE, 9, 0)
    assert (diverging.diverging_epoch.epoch, diverging.diverging_epoch.end_offset) == (0, 9)
