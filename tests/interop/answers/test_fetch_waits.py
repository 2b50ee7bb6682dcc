"""Fetch that waits: for how long, for what, and what does not wait at all.

Where an answer must come at once the request would wait for a minute, far longer than the test does.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from kq.errors import Err
from kq.wire.apis.fetch import FETCH
from kq.wire.apis.topics import DELETE_TOPICS
from tests.support.asking import Differs, Make, batch, produce, topic_id
from tests.support.fetching import Request, base_offsets, of, part, partitions
from tests.support.wire import Wire

A_MINUTE_MS = 60_000
A_WHILE_MS = 300


def waiting(*topics: Any, wait_ms: int = A_MINUTE_MS, min_bytes: int = 1, **request: Any) -> Any:
    return Request(topics=list(topics), max_wait_ms=wait_ms, min_bytes=min_bytes, **request)


def found(answer: Any) -> list[list[int]]:
    return [base_offsets(partition) for partition in partitions(answer)]


def waits(wire: Wire, request: Any) -> bool:
    """Whether it takes the request's whole time."""
    began = time.monotonic()
    wire.call(FETCH, 12, request)
    return time.monotonic() - began >= request.max_wait_ms / 1000


@pytest.fixture
def other(bootstrap: str) -> Any:
    """A second connection: what waits holds up its own."""
    with Wire(bootstrap) as other:
        yield other


def test_it_ends_when_the_time_is_up(wire: Wire, make_topic: Make) -> None:
    topic = make_topic()
    produce(wire, topic, batch())
    assert waits(wire, waiting(of(topic, part(offset=1)), wait_ms=A_WHILE_MS))
    request = waiting(of(topic, part()), wait_ms=A_WHILE_MS, min_bytes=100_000)
    assert waits(wire, request)
    assert found(wire.call(FETCH, 12, request)) == [[0]], "and tells what is there"


def test_an_append_ends_it(wire: Wire, other: Wire, make_topic: Make) -> None:
    """Also one that comes in the same moment as the request: thirty tries, for a broker that misses some."""
    topic = make_topic(2)
    for offset in range(30):
        wire.send(FETCH, 12, waiting(of(topic, part(0), part(1, offset))))
        produce(other, topic, batch(), index=1)
        assert found(wire.receive()) == [[], [offset]]


def test_appends_are_counted_together(wire: Wire, other: Wire, make_topic: Make) -> None:
    topic = make_topic(2)
    data = batch(b"x" * 100)
    wire.send(FETCH, 12, waiting(of(topic, part(0), part(1)), min_bytes=2 * len(data) + 1))
    for index in (0, 1, 0):
        assert wire.is_silent()
        produce(other, topic, data, index=index)
    assert found(wire.receive()) == [[0, 1], [0]]


def test_what_was_there_before_counts(wire: Wire, other: Wire, make_topic: Make) -> None:
    topic = make_topic()
    data = batch(b"x" * 100)
    produce(wire, topic, data)
    wire.send(FETCH, 12, waiting(of(topic, part()), min_bytes=len(data) + 1))
    assert wire.is_silent()
    produce(other, topic, data)
    assert found(wire.receive()) == [[0, 1]]


AT_ONCE: dict[str, Callable[[str], Any]] = {
    "something is there": lambda topic: waiting(of(topic, part())),
    "no bytes are asked for": lambda topic: waiting(of(topic, part(1)), min_bytes=0),
    "fewer than none": lambda topic: waiting(of(topic, part(1)), min_bytes=-5),
    "no time is given": lambda topic: waiting(of(topic, part(1)), wait_ms=-1),
    "no partition is asked for": lambda topic: waiting(),
    "only what is not known": lambda topic: waiting(of("no-such-topic", part())),
    "an offset out of range": lambda topic: waiting(of(topic, part(1), part(0, offset=99))),
    "a leader that is not known": lambda topic: waiting(of(topic, part(1, current_leader_epoch=9))),
    "a log that diverges": lambda topic: waiting(of(topic, part(offset=12, last_fetched_epoch=0))),
    "more than may come": lambda topic: waiting(of(topic, part()), min_bytes=100_000, max_bytes=100),
    "as much as may come of this partition": lambda topic: waiting(of(topic, part(max_bytes=100)), min_bytes=100),
}


@pytest.mark.parametrize("why", AT_ONCE)
def test_no_wait_is_needed_when(wire: Wire, make_topic: Make, why: str) -> None:
    """The last two: 100 bytes hold one batch whole and part of the next; Kafka sends both, kq the first."""
    topic = make_topic(2)
    for _ in range(3):
        produce(wire, topic, batch())
    wire.call(FETCH, 12, AT_ONCE[why](topic))


def test_what_is_not_known_does_not_end_it(wire: Wire, make_topic: Make) -> None:
    topic = make_topic()
    assert waits(wire, waiting(of("no-such-topic", part()), of(topic, part(), part(7)), wait_ms=A_WHILE_MS))


def test_more_than_its_partitions_may_give_is_waited_for(wire: Wire, make_topic: Make) -> None:
    topic = make_topic()
    for _ in range(3):
        produce(wire, topic, batch())
    assert waits(wire, waiting(of(topic, part(max_bytes=100)), wait_ms=A_WHILE_MS, min_bytes=150))


def test_the_rest_of_an_old_segment_is_not_held_back(wire: Wire, make_topic: Make) -> None:
    topic = make_topic(**{"segment.bytes": str(1 << 20)})
    for _ in range(2):
        assert produce(wire, topic, batch(bytes(600_000))).error_code == Err.NONE
    answer = wire.call(FETCH, 12, waiting(of(topic, part(max_bytes=2 << 20)), min_bytes=1_000_000))
    assert found(answer) == [[0]]


def test_a_session_waits_too(wire: Wire, other: Wire, make_topic: Make) -> None:
    topic = make_topic()
    opened = wire.call(FETCH, 12, waiting(of(topic, part()), wait_ms=0, session_epoch=0))
    request = waiting(wait_ms=A_WHILE_MS, session_id=opened.session_id, session_epoch=1)
    assert waits(wire, request)
    wire.send(FETCH, 12, waiting(session_id=opened.session_id, session_epoch=2))
    produce(other, topic, batch())
    assert found(wire.receive()) == [[0]]


@pytest.mark.parametrize("version", [12, 13])
def test_it_ends_with_its_topic(wire: Wire, other: Wire, make_topic: Make, version: int, differs: Differs) -> None:
    """Asked by id Kafka says once more that the partition is not there, before it knows of no such id."""
    topic = make_topic()
    wire.send(FETCH, version, waiting(of(topic_id(wire, topic) if version >= 13 else topic, part())))
    assert wire.is_silent()
    other.call(DELETE_TOPICS, 5, DELETE_TOPICS.Request(topic_names=[topic], timeout_ms=9000))
    [gone] = partitions(wire.receive())
    by_id = differs(kafka=Err.UNKNOWN_TOPIC_OR_PARTITION, kq=Err.UNKNOWN_TOPIC_ID)
    assert gone.error_code == (by_id if version >= 13 else Err.UNKNOWN_TOPIC_OR_PARTITION)
