"""The fast writers against the plain one: the same bytes."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kq.record import compression, packing, varint
from kq.record.batch import Record, decode_records, encode_batch, parse_header
from kq.record.columns import read_values
from kq.record.packing import ANYONE, Producer, pack_columns, pack_keyed, pack_values
from tests.record.support import EDGES, LIMIT, records, runs

producers = st.sampled_from((ANYONE, Producer(2**40, 7, 2**31 - 1), Producer(1, 0, 0, transactional=True)))


def plain(rows: list[Record], producer: Producer, codec: int = 0) -> bytearray:
    return encode_batch(
        rows,
        codec=codec,
        producer_id=producer.id,
        producer_epoch=producer.epoch,
        base_sequence=producer.base_sequence,
        transactional=producer.transactional,
    )


@settings(max_examples=200)
@given(
    st.lists(st.one_of(st.binary(max_size=80), st.sampled_from(EDGES).map(bytes)), min_size=1, max_size=40),
    st.integers(-1, 2**50),
    producers,
    st.sampled_from(range(5)),
)
def test_values(values: list[bytes], timestamp: int, producer: Producer, codec: int) -> None:
    rows = [Record(index, timestamp, None, value) for index, value in enumerate(values)]
    assert pack_values(values, timestamp, producer=producer, codec=codec) == plain(rows, producer, codec)


fields = st.one_of(st.binary(max_size=80), st.sampled_from(EDGES).map(bytes))


@settings(max_examples=200)
@given(
    st.lists(st.tuples(fields, fields), min_size=1, max_size=40),
    st.integers(-1, 2**50),
    producers,
    st.sampled_from(range(5)),
)
def test_keyed(pairs: list[tuple[bytes, bytes]], timestamp: int, producer: Producer, codec: int) -> None:
    rows = [Record(index, timestamp, key, value) for index, (key, value) in enumerate(pairs)]
    keys, values = [key for key, _ in pairs], [value for _, value in pairs]
    assert pack_keyed(keys, values, timestamp, producer=producer, codec=codec) == plain(rows, producer, codec)


@pytest.mark.parametrize("count", [1, 63, 64, 65, 8191, 8192, 8193, 9000])
@pytest.mark.parametrize("size", [0, 57, 58, 59, 63, 64])
def test_values_through_every_change_of_width(count: int, size: int) -> None:
    rng = random.Random(count)
    values = [rng.randbytes(size) for _ in range(count)]
    assert pack_values(values, 5) == plain([Record(i, 5, None, v) for i, v in enumerate(values)], ANYONE)
    keys = values[::-1]
    rows = [Record(i, 5, key, value) for i, (key, value) in enumerate(zip(keys, values, strict=True))]
    assert pack_keyed(keys, values, 5) == plain(rows, ANYONE)


def test_many_and_long_values() -> None:
    values = [b""] * 1_050_000
    values[-1] = bytes(3_000_000)
    batch = pack_values(values, 9)
    header = parse_header(batch)
    assert (header.record_count, header.last_offset_delta) == (1_050_000, 1_049_999)
    offset_delta, length = varint.write(1_049_999), varint.write(3_000_000)
    assert (len(offset_delta), len(length)) == (4, 4)
    fields = b"\0\0" + offset_delta + b"\x01" + length + bytes(3_000_001)
    assert batch.endswith(b"\0" + varint.write(len(fields)) + fields)
    assert len(read_values(batch, limit=LIMIT)) == 1_050_000


@settings(max_examples=200)
@given(st.one_of(records(gaps=False), runs()), producers, st.sampled_from(range(5)))
def test_columns(rows: list[Record], producer: Producer, codec: int) -> None:
    rows = [row._replace(offset=index) for index, row in enumerate(rows)]
    batch = pack_columns(
        [row.key for row in rows],
        [row.value for row in rows],
        [row.headers for row in rows],
        [row.timestamp for row in rows],
        producer=producer,
        codec=codec,
    )
    assert batch == plain(rows, producer, codec)


def test_columns_left_out() -> None:
    rows = [Record(index, 3, None, b"v%d" % index) for index in range(100)]
    assert pack_columns(None, [row.value for row in rows], None, [3] * 100) == plain(rows, ANYONE)


def test_columns_of_unequal_length_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="shorter"):
        pack_columns([b"k"], [b"v", b"w"], None, [1, 1])
    with pytest.raises(ValueError, match="zip"):
        pack_keyed([b"k"], [b"v", b"w"], 1)


def test_a_level_is_handed_on() -> None:
    values = [b"the same words again and again, number %d" % index for index in range(2000)]
    small = pack_values(values, 0, codec=compression.GZIP, level=9)
    large = pack_values(values, 0, codec=compression.GZIP, level=1)
    assert len(small) < len(large)
    assert decode_records(small, limit=LIMIT) == decode_records(large, limit=LIMIT)


def test_threads_do_not_spoil_the_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "_ready", [])
    counts = [random.Random(n).randrange(1, 3000) for n in range(60)]
    with ThreadPoolExecutor(8) as threads:
        packed = list(threads.map(lambda count: pack_values([b"v"] * count, 0), counts))
    assert [parse_header(batch).size for batch in packed] == [len(pack_values([b"v"] * n, 0)) for n in counts]
    assert packing._offset_deltas(3000)[2999] == b"\xee\x2e"
