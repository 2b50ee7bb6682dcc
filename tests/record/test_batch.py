"""The plain form of the batch: what it writes others read, what others write it reads, and damage is always named."""

from __future__ import annotations

import itertools
import random

import pytest
from aiokafka.record.default_records import DefaultRecordBatch as AioBatch
from aiokafka.record.default_records import DefaultRecordBatchBuilder as AioBuilder
from hypothesis import given
from hypothesis import strategies as st
from kafka.record.default_records import DefaultRecordBatch as PyBatch
from kafka.record.default_records import DefaultRecordBatchBuilder as PyBuilder

from kq.record import compression
from kq.record.batch import (
    CONTROL,
    HEADER_SIZE,
    LOG_APPEND_TIME,
    TRANSACTIONAL,
    BatchHeader,
    Record,
    crc_ok,
    decode_records,
    encode_batch,
    iter_batches,
    parse_header,
    restamp,
    set_offset_and_epoch,
)
from kq.record.faults import CorruptRecord
from tests.record.support import LIMIT, records, runs, with_section

CODECS = range(len(compression.NAMES))
SAMPLE = [
    Record(0, 1_000, b"key", b"value", (("trace", b"\x00\x01"), ("empty", b""), ("null", None))),
    Record(1, 900, None, b"x" * 200),
    Record(2, 70_000, b"", None, (("naïve", b"y"),)),
]


def built_by(
    builder: type, rows: list[Record], codec: int, producer: tuple[int, int, int], transactional: bool
) -> bytes:
    other = builder(2, codec, transactional, *producer, 1 << 26)
    for row in rows:
        assert other.append(row.offset, row.timestamp, row.key, row.value, list(row.headers))
    return bytes(other.build())


def read_by(reader: type, batch: bytes) -> list[Record]:
    other = reader(batch)
    assert other.validate_crc()
    return [Record(r.offset, r.timestamp, r.key, r.value, tuple(r.headers)) for r in other]


@given(records(gaps=False), st.sampled_from([(-1, -1, -1), (4000, 3, 17)]))
def test_the_bytes_are_those_of_kafka_python_and_aiokafka(rows: list[Record], producer: tuple[int, int, int]) -> None:
    transactional = producer[0] != -1
    ours = encode_batch(
        rows,
        producer_id=producer[0],
        producer_epoch=producer[1],
        base_sequence=producer[2],
        transactional=transactional,
        leader_epoch=0,
    )
    assert ours == built_by(PyBuilder, rows, 0, producer, transactional)
    set_offset_and_epoch(ours, 0, 0, -1)  # aiokafka leaves the epoch unset
    theirs = bytearray(built_by(AioBuilder, rows, 0, producer, transactional))
    set_offset_and_epoch(theirs, 0, 0, -1)
    assert ours == theirs


@pytest.mark.parametrize("codec", CODECS, ids=compression.NAMES)
@pytest.mark.parametrize("library", [(PyBuilder, PyBatch), (AioBuilder, AioBatch)], ids=["kafka-python", "aiokafka"])
def test_each_reads_what_the_other_packs(codec: int, library: tuple[type, type]) -> None:
    builder, reader = library
    rows = [*SAMPLE, *(Record(3 + i, 1_000 + i, b"k%d" % i, b"some text that repeats " * 90) for i in range(100))]
    assert read_by(reader, bytes(encode_batch(rows, codec=codec))) == rows
    theirs = built_by(builder, rows, codec, (-1, -1, -1), False)
    assert parse_header(theirs).codec == codec
    assert decode_records(theirs, limit=LIMIT) == rows


@given(st.one_of(records(), runs()), st.sampled_from(CODECS))
def test_what_is_written_is_read(rows: list[Record], codec: int) -> None:
    batch = encode_batch(rows, codec=codec, base_offset=rows[0].offset)
    header = parse_header(batch)
    assert decode_records(batch, limit=LIMIT) == rows
    assert crc_ok(batch, 0, header.size)
    assert header.size == len(batch)
    assert (header.base_offset, header.last_offset, header.next_offset) == (
        rows[0].offset,
        rows[-1].offset,
        rows[-1].offset + 1,
    )
    assert header.record_count == len(rows)
    assert (header.base_timestamp, header.max_timestamp) == (rows[0].timestamp, max(row.timestamp for row in rows))


def test_attributes() -> None:
    plain = parse_header(encode_batch(SAMPLE, codec=compression.ZSTD))
    assert plain.codec == compression.ZSTD
    assert not any((plain.is_transactional, plain.is_control, plain.is_log_append_time, plain.has_delete_horizon))
    marked = parse_header(encode_batch(SAMPLE, transactional=True, control=True, log_append_time=5))
    assert marked.attributes == TRANSACTIONAL | CONTROL | LOG_APPEND_TIME
    assert (marked.is_transactional, marked.is_control, marked.is_log_append_time) == (True, True, True)


def test_log_append_time_counts_for_every_record() -> None:
    batch = encode_batch(SAMPLE, log_append_time=123_456)
    assert [record.timestamp for record in decode_records(batch, limit=LIMIT)] == [123_456] * 3
    assert [record.timestamp for record in read_by(PyBatch, bytes(batch))] == [123_456] * 3


@pytest.mark.parametrize(
    ("base", "delta", "last"),
    [(-1, 5, -1), (0, 0, 0), (7, 3, 10), (2**31 - 1, 0, 2**31 - 1), (2**31 - 1, 1, 0), (2**31 - 2, 4, 2)],
)
def test_sequences_wrap(base: int, delta: int, last: int) -> None:
    assert BatchHeader(base_sequence=base, last_offset_delta=delta).last_sequence == last


def test_placing_a_batch_leaves_its_checksum_right() -> None:
    shelf = bytearray(b"before") + encode_batch(SAMPLE) + b"after"
    set_offset_and_epoch(memoryview(shelf), 6, 2**40, 9)
    header = parse_header(shelf, 6)
    assert (header.base_offset, header.leader_epoch) == (2**40, 9)
    assert crc_ok(shelf, 6, header.size)
    assert [record.offset for record in decode_records(shelf[6:], limit=LIMIT)] == [2**40, 2**40 + 1, 2**40 + 2]
    assert shelf[:6] == b"before"
    assert shelf[-5:] == b"after"


def test_restamping_makes_a_new_checksum() -> None:
    batch = encode_batch(SAMPLE)
    header = restamp(memoryview(batch), LOG_APPEND_TIME, 77)
    assert (header.attributes, header.max_timestamp) == (LOG_APPEND_TIME, 77)
    assert header == parse_header(batch)
    assert crc_ok(batch, 0, len(batch))


def test_a_flipped_bit_anywhere_after_the_checksum_is_noticed() -> None:
    batch = encode_batch(SAMPLE)
    for position in range(17, len(batch)):
        hurt = bytearray(batch)
        hurt[position] ^= 1 << position % 8
        assert not crc_ok(hurt, 0, len(hurt))


def test_a_fetch_answer_is_walked_up_to_its_torn_tail() -> None:
    batches = [encode_batch(SAMPLE, codec=codec) for codec in (0, 4, 2, 3)]
    whole = b"".join(batches)
    starts = [sum(map(len, batches[:n])) for n in range(5)]
    for size in range(len(whole) + 1):
        walked = [position for position, _ in iter_batches(memoryview(whole)[:size])]
        assert walked == [start for start, end in itertools.pairwise(starts) if end <= size]


@pytest.mark.parametrize("hurt", [(8, b"\0\0\0\x30"), (8, b"\xff\xff\xff\xff"), (16, b"\x01"), (16, b"\x03")])
def test_what_is_no_batch_does_not_pass_for_a_torn_one(hurt: tuple[int, bytes]) -> None:
    batch = encode_batch(SAMPLE)
    batch[hurt[0] : hurt[0] + len(hurt[1])] = hurt[1]
    with pytest.raises(CorruptRecord, match="No record batch at byte 0"):
        list(iter_batches(batch))


def test_a_header_that_is_cut_short_is_named() -> None:
    batch = encode_batch(SAMPLE)
    for size in range(HEADER_SIZE):
        with pytest.raises(CorruptRecord, match="needs 61 bytes"):
            parse_header(batch[:size])


@given(st.one_of(records(), runs()), st.sampled_from(CODECS), st.data())
def test_damage_is_one_clean_error(rows: list[Record], codec: int, data: st.DataObject) -> None:
    batch = encode_batch(rows, codec=codec, base_offset=rows[0].offset)
    rng = random.Random(data.draw(st.integers(0, 2**32)))
    for _ in range(10):
        hurt = bytearray(batch)
        for _ in range(rng.choice((1, 1, 3, 10))):
            hurt[rng.randrange(len(hurt))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        del hurt[rng.choice((len(hurt), rng.randrange(len(hurt)))) :]
        try:
            decode_records(hurt, limit=1 << 20)
        except CorruptRecord:
            continue


@pytest.mark.parametrize(
    ("section", "count"),
    [
        (b"", 1),  # fewer records than announced
        (b"\x0c\0\0\0\x01\x01\0" * 2, 1),  # more
        (b"\x0c\0\0\0\x01\x01", 1),  # the last byte missing
        (b"\x0e\0\0\0\x01\x01\0\0", 1),  # a byte too many inside the record
        (b"\x0a\0\0\0\x01\x01\0", 1),  # a record shorter than its fields
        (b"\x00\0\0\0\x01\x01\0", 1),  # of no length
        (b"\x0b\0\0\0\x01\x01\0", 1),  # of negative length
        (b"\x0c\0\0\0\x03\x01\0", 1),  # key length -2
        (b"\x0c\0\0\0\x01\x03\0", 1),  # value length -2
        (b"\x0c\0\0\0\x01\x14\0", 1),  # value past the record
        (b"\x0c\0\0\0\x01\x01\x01", 1),  # header count -1
        (b"\x0c\0\0\0\x01\x01\x7e", 1),  # 63 headers in no bytes
        (b"\x10\0\0\0\x01\x01\x02\x01\x01", 1),  # a header without a name
        (b"\x0e\0\0\0\x01\x01\x02\0", 1),  # a header cut short
        (b"\x80" * 50, 1),  # a number without end
    ],
)
def test_each_lie_about_records_is_refused(section: bytes, count: int) -> None:
    with pytest.raises(CorruptRecord):
        decode_records(with_section(section, count), limit=LIMIT)


def test_the_smallest_record_is_accepted() -> None:
    assert decode_records(with_section(b"\x0c\0\0\0\x01\x01\0", 1), limit=LIMIT) == [Record(0, 0, None, None)]


def test_a_header_name_that_is_no_utf8_is_mended() -> None:
    section = b"\x12\0\0\0\x01\x01\x02\x02\xff\x01"
    assert decode_records(with_section(section, 1), limit=LIMIT)[0].headers == (("\ufffd", None),)
