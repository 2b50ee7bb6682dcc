"""The fast readers against the plain one: the same answer for every batch, no other exception for any bytes."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kq.record import columns, compression, seams, strides
from kq.record.batch import HEADER_SIZE, BatchHeader, Record, decode_record, decode_records, encode_batch, parse_header
from kq.record.columns import Columns, iter_columns, read_columns, read_joined, read_values
from kq.record.faults import CorruptRecord, TooLarge
from tests.record.support import EDGES, LIMIT, records, runs, with_section

batches = st.one_of(records(), runs())


def by_column(rows: list[Record]) -> Columns:
    return Columns(*([row[field] for row in rows] for field in range(5)))  # type: ignore[arg-type]


def joined(rows: list[Record], delimiter: bytes) -> bytes:
    return b"".join((row.value or b"") + delimiter for row in rows)


def in_pieces(batch: bytes, most: int, limit: int = LIMIT) -> Columns:
    whole = Columns.empty()
    for part in iter_columns(batch, limit=limit, most=most):
        assert 1 <= len(part.values) <= most
        for column, more in zip(whole, part, strict=True):
            column.extend(more)  # type: ignore[attr-defined]
    return whole


@settings(max_examples=300)
@given(batches, st.sampled_from(range(5)))
def test_all_readers_agree(rows: list[Record], codec: int) -> None:
    batch = memoryview(encode_batch(rows, codec=codec, base_offset=rows[0].offset))
    assert read_values(batch, limit=LIMIT) == [row.value for row in rows]
    assert read_columns(batch, limit=LIMIT) == by_column(rows)
    assert in_pieces(batch, 7) == by_column(rows)
    assert read_joined(batch, b"\r\n", limit=LIMIT) == (joined(rows, b"\r\n"), len(rows))


@given(batches, st.data())
def test_a_range_of_offsets_with_and_without_gaps(rows: list[Record], data: st.DataObject) -> None:
    batch = encode_batch(rows, base_offset=rows[0].offset)
    near = st.sampled_from([row.offset + delta for row in rows for delta in (-1, 0, 1)])
    start, stop = data.draw(near), data.draw(near)
    inside = [row for row in rows if start <= row.offset < stop]
    assert read_values(batch, limit=LIMIT, start=start, stop=stop) == [row.value for row in inside]
    assert read_columns(batch, limit=LIMIT, start=start, stop=stop) == by_column(inside)
    assert read_joined(batch, b"\n", limit=LIMIT, start=start, stop=stop) == (joined(inside, b"\n"), len(inside))


def test_values_of_any_size_between_seams() -> None:
    rng = random.Random(3)
    values = [rng.randbytes(rng.randrange(300)).replace(b"\0", b"") for _ in range(9000)]
    rows = [Record(index, 5 + index // 40, None, value) for index, value in enumerate(values)]
    batch = encode_batch(rows)
    section = batch[HEADER_SIZE:]
    _, second = decode_record(bytes(section), 0, parse_header(batch))
    assert seams.cut(bytes(section), second) == values[1:]
    assert read_values(batch, limit=LIMIT) == values


@pytest.mark.parametrize(
    "odd",
    [
        Record(50, 5, b"k", b"v"),
        Record(50, 5, None, None),
        Record(50, 5, None, b"v", (("h", b""),)),
        Record(50, 5, None, b"..\0\x10\0\0\x02\x01\x04.."),  # a seam, but for the length of what follows
        Record(50, 5, None, b"..\0\x10\0\0\x02\x01\x04..\0\x10\0\0\x02\x01\x04.."),  # two seams, one right
    ],
)
def test_no_seams(odd: Record) -> None:
    rows = [Record(index, 5, None, b"v" * (index % 7)) for index in range(100)]
    rows[50] = odd
    batch = encode_batch(rows)
    section = bytes(batch[HEADER_SIZE:])
    _, second = decode_record(section, 0, parse_header(batch))
    assert seams.cut(section, second) == []
    assert read_values(batch, limit=LIMIT) == [row.value for row in rows]


def test_log_append_time() -> None:
    rows = [Record(index, 1000 + index, None, b"v") for index in range(3)]
    assert read_columns(encode_batch(rows, log_append_time=5), limit=LIMIT).timestamps == [5, 5, 5]


def test_a_compacted_batch_keeps_its_offsets() -> None:
    rows = [Record(offset, 0, b"k", b"%d" % offset) for offset in (100, 101, 163, 164, 8291, 8292, 2_000_000)]
    batch = encode_batch(rows, base_offset=90)
    assert read_columns(batch, limit=LIMIT).offsets == [row.offset for row in rows]
    assert read_values(batch, limit=LIMIT, start=164, stop=8292) == [b"164", b"8291"]


@pytest.mark.parametrize("count", [1, 15, 16, 63, 64, 65, 200, 8191, 8193, 8300])
@pytest.mark.parametrize("size", EDGES[:9])
def test_one_stride_through_every_change_of_width(count: int, size: int) -> None:
    rng = random.Random(count)
    rows = [Record(index, 7, None, rng.randbytes(size)) for index in range(count)]
    assert read_values(encode_batch(rows), limit=LIMIT) == [row.value for row in rows]


def test_records_of_one_size_are_cut_by_stride_and_not_walked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the fast gait could be lost without a test noticing."""
    cuts: list[int] = []
    cut = strides.cut

    def counted(section: bytes, pos: int, before: list[bytes | None]) -> tuple[list[bytes], int]:
        run, end = cut(section, pos, before)
        cuts.append(len(run))
        return run, end

    monkeypatch.setattr(columns.strides, "cut", counted)
    rows = [Record(index, index // 100, b"key-%06d" % index, b"%0100d" % index) for index in range(5000)]
    assert read_values(encode_batch(rows), limit=LIMIT) == [row.value for row in rows]
    assert sum(cuts) > 4900


def test_usual_records_are_not_read_number_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    plain: list[int] = []
    decode = columns.decode_record

    def counted(section: bytes, pos: int, header: BatchHeader) -> tuple[Record, int]:
        plain.append(pos)
        return decode(section, pos, header)

    monkeypatch.setattr(columns, "decode_record", counted)
    rng = random.Random(4)
    rows = [
        Record(i, i // 9, rng.randbytes(20) if i % 2 else None, rng.randbytes(rng.randrange(300))) for i in range(3000)
    ]
    batch = encode_batch(rows)
    assert read_columns(batch, limit=LIMIT) == by_column(rows)
    assert read_values(batch, limit=LIMIT) == [row.value for row in rows]
    assert len(plain) <= 2  # at most the last one, each time


def agree_on_damage(batch: bytes) -> None:
    try:
        rows = decode_records(batch, limit=1 << 20)
    except CorruptRecord:
        with pytest.raises(CorruptRecord):
            read_columns(batch, limit=1 << 20)
        with pytest.raises(CorruptRecord):
            in_pieces(batch, 2, limit=1 << 20)
        try:
            values = read_values(batch, limit=1 << 20)  # may overlook what it was not asked for
        except CorruptRecord:
            return
        assert all(value is None or isinstance(value, bytes) for value in values)
        return
    assert read_columns(batch, limit=1 << 20) == in_pieces(batch, 2, limit=1 << 20) == by_column(rows)
    assert read_values(batch, limit=1 << 20) == [row.value for row in rows]


@settings(max_examples=200)
@given(batches, st.integers(0, 2**32))
def test_damaged_batches(rows: list[Record], seed: int) -> None:
    batch = encode_batch(rows, base_offset=rows[0].offset)
    rng = random.Random(seed)
    for _ in range(5):
        hurt = bytearray(batch)
        for _ in range(rng.choice((1, 1, 2, 8))):
            hurt[rng.randrange(HEADER_SIZE, len(hurt))] = rng.choice(
                (0, 1, 2, 0x7F, 0x80, 0x81, 0xFF, rng.randrange(256))
            )
        agree_on_damage(bytes(hurt))


@settings(max_examples=500)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=12),
            st.sampled_from(
                (b"\x0c\0\0\0\x01\x01\0", b"\x0e\0\0\0\x01\x02a\0", b"\x10\0\0\0\x02k\x02v\0", b"\x80\x01")
            ),
        ),
        max_size=8,
    ),
    st.integers(0, 8),
)
def test_invented_sections(pieces: list[bytes], count: int) -> None:
    if count:
        agree_on_damage(with_section(b"".join(pieces), count))


def test_a_batch_cut_anywhere() -> None:
    rows = [Record(index, index, None if index % 3 else b"k", b"v" * index) for index in range(70)]
    batch = bytes(encode_batch(rows))
    for size in range(len(batch)):
        for read in (read_values, read_columns, decode_records):
            with pytest.raises(CorruptRecord):
                read(batch[:size], limit=LIMIT)
    assert read_values(batch + b"trailing bytes", limit=LIMIT) == [row.value for row in rows]


def test_a_section_cut_anywhere_whatever_the_header_says() -> None:
    rows = [Record(index, index, None, b"%040d" % index) for index in range(30)]
    section = bytes(encode_batch(rows)[HEADER_SIZE:])
    for size in range(len(section)):
        agree_on_damage(with_section(section[:size], 30))


@pytest.mark.parametrize("codec", range(5), ids=compression.NAMES)
def test_the_limit_holds(codec: int) -> None:
    batch = encode_batch([Record(index, 0, None, bytes(1000)) for index in range(100)], codec=codec)
    for read in (read_values, read_columns):
        with pytest.raises(TooLarge):
            read(batch, limit=100_000)
        assert read(batch, limit=110_000)


def test_the_tables_of_two_bytes_say_what_the_definition_says() -> None:
    numbers, lengths, spans = columns._tables()
    for first, second in ((0, 9), (1, 0), (2, 255), (126, 7), (127, 3), (0x80, 0), (0xFE, 1), (0xC8, 1), (0xFF, 0x7F)):
        pair = first | second << 8
        raw, size = (first, 1) if first < 128 else (first & 127 | second << 7, 2)
        number = raw // 2 if raw % 2 == 0 else -(raw // 2) - 1
        assert numbers[pair] == number
        assert lengths[pair] == (number if number >= 0 else columns._FAR)
        assert spans[pair] == (number + size if number >= 0 else columns._FAR)
    endless = [numbers[first | second << 8] for first in (0x80, 0xFF) for second in (0x80, 0xFF)]
    assert endless == [columns._FAR] * 4
    assert all(later == earlier for earlier, later in pairwise(numbers[4::256]))
