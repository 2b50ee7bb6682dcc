"""Batches while they fill, are sent again and are split; the queue that keeps their order."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kq.client.accumulator import Accumulator, PartitionQueue
from kq.client.batching import BATCH_OVERHEAD, RECORD_OVERHEAD, Columns, Sizes
from kq.client.delivery import Delivered, Piece, Slice
from kq.client.encoding import encode
from kq.client.outcomes import Numbers
from kq.errors import Err, KafkaError
from kq.record.batch import decode_records, parse_header
from tests.client.support import asynchronous, settings


def accumulator(**named: object) -> Accumulator:
    return Accumulator(settings("h:1", **named))


def put(acc: Accumulator, queue: PartitionQueue, columns: Columns) -> Slice:
    sizes = Sizes(columns.payloads())
    return acc.append(queue, columns, sizes.total(0, len(columns.values)), range(len(columns.values)))


def done(acc: Accumulator, batch: object, offset: int = 0, error: KafkaError | None = None) -> None:
    acc.finish(batch, Piece(batch.first_row, batch.records, offset, -1, error))  # type: ignore[arg-type, attr-defined]


@asynchronous
async def test_columns_that_come_later_are_filled_up() -> None:
    acc = accumulator(batch_size=10_000)
    queue = acc.queue("t", 0)
    put(acc, queue, Columns([b"a", b"b"], timestamps=10))
    put(acc, queue, Columns([b"c"], keys=[b"k"], timestamps=10))
    put(acc, queue, Columns([None, b"e"], headers=[[("h", b"1")], []], timestamps=[20, 30]))
    records = decode_records(encode(queue.take(), 0, None), limit=1 << 20)
    assert [tuple(record)[1:] for record in records] == [
        (10, None, b"a", ()),
        (10, None, b"b", ()),
        (10, b"k", b"c", ()),
        (20, None, None, (("h", b"1"),)),
        (30, None, b"e", ()),
    ]


@asynchronous
async def test_records_without_a_time_get_the_batchs() -> None:
    acc = accumulator(batch_size=10_000)
    queue = acc.queue("t", 0)
    put(acc, queue, Columns([b"a"]))
    await asyncio.sleep(0.003)
    part = put(acc, queue, Columns([b"b"]))
    batch = queue.take()
    assert isinstance(batch.timestamps, int)  # so that it is packed the fast way
    done(acc, batch)
    assert (await part).timestamp_ms == batch.timestamps


@asynchronous
async def test_a_full_batch_is_closed_and_the_next_record_begins_another() -> None:
    acc = accumulator(batch_size=BATCH_OVERHEAD + 2 * (RECORD_OVERHEAD + 10))
    queue = acc.queue("t", 0)
    for _ in range(5):
        put(acc, queue, Columns([b"x" * 10]))
    assert [batch.records for batch in queue.waiting] == [2, 2, 1]
    assert [batch.closed for batch in queue.waiting] == [True, True, False]


@asynchronous
async def test_memory_is_given_back_once_and_completely() -> None:
    acc = accumulator(batch_size=200)
    queue = acc.queue("t", 0)
    for _ in range(20):
        put(acc, queue, Columns([b"x" * 30]))
    assert acc.used_bytes == sum(batch.bytes for batch in queue.waiting) > 0
    while queue.waiting:
        batch = queue.take()
        for part in batch.split() if batch.records > 1 else (batch,):
            done(acc, part, error=KafkaError(Err.INVALID_RECORD))
            done(acc, part)  # a late answer to what was given up
        queue.landed(batch)
    assert acc.used_bytes == 0
    assert acc.records_failed == 20
    assert not acc.unresolved


@asynchronous
async def test_a_batch_goes_back_to_its_place() -> None:
    acc = accumulator(batch_size=100)
    queue = acc.queue("t", 0)
    for number in range(5):
        put(acc, queue, Columns([b"%d" % number * 60]))
    first, second, third = queue.take(), queue.take(), queue.take()
    queue.landed(second)
    queue.again(second)
    queue.landed(first)
    queue.again(first)
    assert [batch.values[0][:1] for batch in queue.waiting if batch.values[0]] == [b"0", b"1", b"3", b"4"]
    assert queue.on_the_way == [third]
    assert queue.is_oldest(first)
    assert not queue.is_oldest(second)


@asynchronous
async def test_what_is_sent_again_goes_alone() -> None:
    acc = accumulator(batch_size=100)
    queue = acc.queue("t", 0)
    for number in range(4):
        put(acc, queue, Columns([b"%d" % number * 60]))
    first, second = queue.take(), queue.take()
    assert queue.may_send(0.0, pipelined=True)
    assert not queue.may_send(0.0, pipelined=False)  # without numbers: one at a time
    queue.landed(first)
    queue.again(first)
    assert not queue.may_send(0.0, pipelined=True)  # the second is still on the way
    queue.landed(second)
    queue.again(second)
    assert queue.take() is first
    assert not queue.may_send(0.0, pipelined=True)  # the second would overtake it
    queue.landed(first)
    assert queue.may_send(0.0, pipelined=True)
    queue.retry_at_s = 5.0
    assert not queue.may_send(4.9, pipelined=True)


@asynchronous
async def test_new_numbers_wait_until_nothing_is_on_the_way() -> None:
    acc = accumulator(batch_size=100)
    queue = acc.queue("t", 0)
    for number in range(3):
        put(acc, queue, Columns([b"%d" % number * 60]))
    batch = queue.take()
    queue.renumber = True
    assert not queue.may_send(0.0, pipelined=True)
    queue.landed(batch)
    assert queue.may_send(0.0, pipelined=True)


@asynchronous
async def test_parts_of_a_split_batch_keep_order_numbers_and_rows() -> None:
    acc = accumulator(batch_size=100_000)
    queue = acc.queue("t", 0)
    part = put(acc, queue, Columns([b"%d" % number for number in range(8)], timestamps=list(range(8))))
    whole = queue.take()
    whole.numbers = Numbers(5, 0, 100)
    queue.landed(whole)
    left, right = whole.split()
    queue.again(*left.split(), right)
    assert [batch.records for batch in queue.waiting] == [2, 2, 4]
    assert [batch.numbers and batch.numbers.sequence for batch in queue.waiting] == [100, 102, 104]
    assert [batch.first_row for batch in queue.waiting] == [0, 2, 4]
    for offset, batch in zip((10, 12, 50), list(queue.waiting), strict=True):
        error = KafkaError(Err.MESSAGE_TOO_LARGE) if offset == 12 else None
        done(acc, batch, offset, error)
    each = await part.each()
    assert [one.offset if isinstance(one, Delivered) else one.code for one in each] == [
        10, 11, Err.MESSAGE_TOO_LARGE, Err.MESSAGE_TOO_LARGE, 50, 51, 52, 53,
    ]  # fmt: skip
    assert [one.timestamp_ms for one in each if isinstance(one, Delivered)] == [0, 1, 4, 5, 6, 7]
    with pytest.raises(KafkaError):
        await part


@given(st.lists(st.integers(0, 60), min_size=1, max_size=40), st.integers(0, 500), st.data())
def test_how_many_fit(payloads: list[int], room: int, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(payloads) - 1))
    sizes = Sizes(payloads)
    stop, used = start, 0
    while stop < len(payloads) and used + payloads[stop] + RECORD_OVERHEAD <= room:
        used += payloads[stop] + RECORD_OVERHEAD
        stop += 1
    assert sizes.fitting(start, room) == stop
    assert sizes.total(start, stop) == used


records = st.tuples(
    st.none() | st.binary(max_size=300),
    st.none() | st.binary(max_size=300),
    st.lists(
        st.tuples(st.text(st.characters(max_codepoint=127), max_size=9), st.none() | st.binary(max_size=9)), max_size=3
    ),
)


@given(st.lists(records, min_size=1, max_size=200))
def test_a_batch_is_never_larger_than_estimated(
    rows: list[tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]],
) -> None:
    async def estimate_and_size() -> tuple[int, int]:
        acc = accumulator(batch_size=10_000_000)
        queue = acc.queue("t", 0)
        values, keys, headers = zip(*rows, strict=True)
        put(acc, queue, Columns(values, keys, headers, timestamps=1_700_000_000_000))
        batch = queue.take()
        return batch.bytes, parse_header(encode(batch, 0, None)).size

    estimated, size = asyncio.run(estimate_and_size())
    assert size <= estimated
