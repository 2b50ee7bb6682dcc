"""What Produce checks, one row a fault, with the codes measured on Apache Kafka 4.3.1."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kq.errors import Err, KafkaError
from kq.record import compression
from kq.record.batch import (
    LOG_APPEND_TIME,
    TRANSACTIONAL,
    BatchHeader,
    Record,
    assemble,
    crc_ok,
    decode_records,
    encode_batch,
    parse_header,
    seal,
)
from kq.record.packing import pack_values
from kq.record.validate import (
    MOST_RECORD_ERRORS,
    RecordsRefused,
    check_codec,
    check_produced,
    check_records,
    recompressed,
    timestamp_errors,
    with_log_append_time,
    with_producer_bits,
)
from tests.record.support import LIMIT, records

NOW = 1_700_000_000_000
HOUR = 3_600_000
FOREVER = 2**63 - 1
ROWS = [Record(index, NOW + index, b"k%d" % index, b"value %d" % index) for index in range(5)]


def checked(data: bytes | bytearray | None, **changes: int | bool) -> BatchHeader:
    arguments = {"max_message_bytes": 1_048_588, "now_ms": NOW, "before_max_ms": FOREVER, "after_max_ms": HOUR}
    view = None if data is None else memoryview(data)
    return check_produced(view, **{**arguments, **changes})  # type: ignore[arg-type]


def refusal(data: bytes | bytearray | None, **changes: int | bool) -> Err:
    with pytest.raises(KafkaError) as caught:
        checked(data, **changes)
    return caught.value.code


def batch(**fields: int) -> bytearray:
    """The sample with these header fields, and a checksum that fits."""
    plain = encode_batch(ROWS)
    return assemble(parse_header(plain)._replace(**fields), [plain[61:]])


def patched(at: int, data: bytes, *, sealed: bool = False) -> bytearray:
    plain = encode_batch(ROWS)
    plain[at : at + len(data)] = data
    if sealed:
        seal(plain)
    return plain


GOOD = bytes(encode_batch(ROWS))
FAULTS: dict[str, tuple[bytes | bytearray | None, Err]] = {
    "null": (None, Err.INVALID_RECORD),
    "nothing": (b"", Err.INVALID_RECORD),
    "less than a length": (GOOD[:11], Err.INVALID_RECORD),
    "less than a magic": (GOOD[:16], Err.INVALID_RECORD),
    "less than a header": (GOOD[:40], Err.INVALID_RECORD),
    "two thirds of a batch": (GOOD[: len(GOOD) * 2 // 3], Err.INVALID_RECORD),
    "all but the last byte": (GOOD[:-1], Err.INVALID_RECORD),
    "two batches": (GOOD + GOOD, Err.INVALID_RECORD),
    "one and a half": (GOOD + GOOD[:-1], Err.INVALID_RECORD),
    "garbage after a batch": (GOOD + b"\xff" * 40, Err.CORRUPT_MESSAGE),
    "garbage like an old message after a batch": (GOOD + bytes(8) + b"\0\0\0\x05" + bytes(40), Err.CORRUPT_MESSAGE),
    "magic 0": (patched(16, b"\0"), Err.INVALID_RECORD),
    "magic 1": (patched(16, b"\x01"), Err.INVALID_RECORD),
    "magic 3": (patched(16, b"\x03"), Err.CORRUPT_MESSAGE),
    "magic -1": (patched(16, b"\xff"), Err.CORRUPT_MESSAGE),
    "a length of 5": (patched(8, b"\0\0\0\x05"), Err.CORRUPT_MESSAGE),
    "a negative length": (patched(8, b"\xff\0\0\0"), Err.CORRUPT_MESSAGE),
    "no room for the header": (GOOD[:8] + b"\0\0\0\x30" + GOOD[12:60], Err.CORRUPT_MESSAGE),
    "an announced length that is too large": (patched(8, b"\x7f\xff\xff\xff"), Err.INVALID_RECORD),
    "a base offset": (batch(base_offset=1), Err.INVALID_RECORD),
    "a wrong checksum": (patched(17, b"\0\0\0\0"), Err.CORRUPT_MESSAGE),
    "a changed value": (patched(len(GOOD) - 3, b"X"), Err.CORRUPT_MESSAGE),
    "a count that is too large": (batch(record_count=6), Err.INVALID_RECORD),
    "a last offset delta that is too large": (batch(last_offset_delta=5), Err.INVALID_RECORD),
    "no records": (batch(record_count=0, last_offset_delta=-1), Err.INVALID_RECORD),
    "fewer than none": (batch(record_count=-1, last_offset_delta=-2), Err.INVALID_RECORD),
    "a control batch": (encode_batch(ROWS, control=True), Err.INVALID_RECORD),
    "a producer id with sequence -1": (batch(producer_id=7, producer_epoch=0), Err.INVALID_RECORD),
    "a producer id with sequence -2": (batch(producer_id=7, producer_epoch=0, base_sequence=-2), Err.INVALID_RECORD),
    "codec 5": (batch(attributes=5), Err.INVALID_RECORD),
    "codec 7": (batch(attributes=7), Err.INVALID_RECORD),
    "an hour and a bit ahead": (batch(max_timestamp=NOW + HOUR + 1), Err.INVALID_TIMESTAMP),
    "a base timestamp too far ahead": (batch(base_timestamp=NOW + HOUR + 1), Err.INVALID_TIMESTAMP),
}


@pytest.mark.parametrize(("data", "code"), FAULTS.values(), ids=FAULTS)
def test_faults(data: bytes | bytearray | None, code: Err) -> None:
    assert refusal(data) == code


ACCEPTED: dict[str, bytes | bytearray] = {
    "the sample": GOOD,
    "a producer id": batch(producer_id=7, producer_epoch=0, base_sequence=0),
    "a producer id without an epoch": batch(producer_id=7, base_sequence=0),
    "an epoch without an id": batch(producer_epoch=3),
    "a sequence without an id": batch(base_sequence=9),
    "sequences that wrap inside": batch(producer_id=7, producer_epoch=0, base_sequence=2**31 - 2),
    "a leader epoch": batch(leader_epoch=12),
    "no timestamps": batch(base_timestamp=-1, max_timestamp=-1),
    "an hour ahead": batch(max_timestamp=NOW + HOUR),
    "the year 1970": batch(base_timestamp=0, max_timestamp=0),
    "attribute bits that are not the producer's": batch(attributes=0b11001000),
    "a transactional batch": batch(attributes=TRANSACTIONAL, producer_id=7, producer_epoch=0, base_sequence=0),
}


@pytest.mark.parametrize("data", ACCEPTED.values(), ids=ACCEPTED)
def test_accepted(data: bytes | bytearray) -> None:
    assert checked(data) == parse_header(data)


def test_the_size_that_counts_is_that_of_the_whole_batch() -> None:
    assert checked(GOOD, max_message_bytes=len(GOOD)).size == len(GOOD)
    assert refusal(GOOD, max_message_bytes=len(GOOD) - 1) == Err.MESSAGE_TOO_LARGE


def test_a_batch_too_large_is_told_so_before_its_checksum_is_computed() -> None:
    assert refusal(patched(17, b"\0\0\0\0"), max_message_bytes=100) == Err.MESSAGE_TOO_LARGE


def test_timestamps_too_old() -> None:
    old = batch(base_timestamp=NOW - 11, max_timestamp=NOW)
    assert checked(old, before_max_ms=11)
    assert refusal(old, before_max_ms=10) == Err.INVALID_TIMESTAMP


def test_timestamps_are_not_asked_for_where_the_broker_sets_them() -> None:
    assert checked(batch(max_timestamp=NOW + 10 * HOUR), log_append_time=True)


@pytest.mark.parametrize("version", range(3, 14))
def test_zstd_needs_produce_7(version: int) -> None:
    header = parse_header(encode_batch(ROWS, codec=compression.ZSTD))
    if version >= 7:
        check_codec(header, version)
        return
    with pytest.raises(KafkaError) as caught:
        check_codec(header, version)
    assert caught.value.code == Err.UNSUPPORTED_COMPRESSION_TYPE
    check_codec(parse_header(GOOD), version)


def test_the_records_out_of_time_are_named() -> None:
    rows = [
        row._replace(timestamp=NOW + ahead) for row, ahead in zip(ROWS, (0, HOUR + 1, -5, HOUR, HOUR * 2), strict=True)
    ]
    data = encode_batch(rows, codec=compression.GZIP)
    bounds = {"now_ms": NOW, "before_max_ms": FOREVER, "after_max_ms": HOUR}
    errors = timestamp_errors(data, **bounds, limit=LIMIT)
    assert [index for index, _ in errors] == [1, 4]
    assert str(NOW + HOUR + 1) in errors[0][1]


def test_bits_that_are_not_the_producers_are_cleared() -> None:
    data = batch(attributes=0b1111_1111_1100_1000 - 0x10000 | TRANSACTIONAL)
    header = with_producer_bits(memoryview(data), checked(data))
    assert header.attributes == TRANSACTIONAL
    assert header == parse_header(data)
    assert crc_ok(data, 0, len(data))
    assert [row.timestamp for row in decode_records(data, limit=LIMIT)] == [row.timestamp for row in ROWS]


def test_a_proper_batch_is_left_alone() -> None:
    header = parse_header(GOOD)
    assert with_producer_bits(memoryview(GOOD), header) is header  # read-only memory: a write would raise


def test_log_append_time_changes_max_timestamp_and_bit_3() -> None:
    data = encode_batch(ROWS, codec=compression.LZ4)
    before = parse_header(data)
    header = with_log_append_time(memoryview(data), NOW + 9)
    assert header == before._replace(
        attributes=compression.LZ4 | LOG_APPEND_TIME, max_timestamp=NOW + 9, crc=header.crc
    )
    assert crc_ok(data, 0, len(data))
    assert data[61:] == encode_batch(ROWS, codec=compression.LZ4)[61:]


def walked(data: bytearray, need_keys: bool = False) -> BatchHeader:
    return check_records(memoryview(data), parse_header(data), need_keys=need_keys, limit=LIMIT)


@given(records(gaps=False), st.sampled_from(range(5)))
def test_the_walk_passes_what_is_well_formed(rows: list[Record], codec: int) -> None:
    data = encode_batch(rows, codec=codec)
    assert walked(data) == parse_header(data)
    if all(row.key is not None for row in rows):
        assert walked(data, need_keys=True)


@pytest.mark.parametrize("codec", range(5), ids=compression.NAMES)
def test_a_lying_max_timestamp_is_corrected(codec: int) -> None:
    honest = encode_batch(ROWS, codec=codec)
    for lie in (NOW - 50, NOW + 50, -1):
        lying = assemble(parse_header(honest)._replace(max_timestamp=lie), [honest[61:]])
        assert walked(lying).max_timestamp == NOW + 4
        assert lying == honest


def test_records_without_a_key_are_named() -> None:
    rows = [row._replace(key=None) if row.offset in (1, 3) else row for row in ROWS]
    assert walked(encode_batch(rows))
    with pytest.raises(RecordsRefused) as caught:
        walked(encode_batch(rows), need_keys=True)
    assert caught.value.code == Err.INVALID_RECORD
    assert [index for index, _ in caught.value.record_errors] == [1, 3]
    assert walked(encode_batch([row._replace(key=b"") for row in ROWS]), need_keys=True)  # empty is not null


def resealed(change: Callable[[bytearray], None], codec: int = 0) -> bytearray:
    data = encode_batch(ROWS, codec=codec)
    change(data)
    data[8:12] = (len(data) - 12).to_bytes(4, "big")
    seal(data)
    return data


def lie_about_count(data: bytearray) -> None:
    data[57:61] = (9).to_bytes(4, "big")
    data[23:27] = (8).to_bytes(4, "big")


def number_a_record_wrongly(data: bytearray) -> None:
    data[64] = 2  # offset delta 1 in the first record


LIES = {
    "the count": resealed(lie_about_count),
    "trailing bytes": resealed(lambda data: data.extend(b"xyz")),
    "a record cut short": resealed(lambda data: data.__delitem__(slice(-2, None))),
    "an offset delta": resealed(number_a_record_wrongly),
    "offset deltas with a gap": encode_batch([row._replace(offset=row.offset * 2) for row in ROWS]),
    "compressed data": resealed(lambda data: data.__setitem__(slice(70, 80), bytes(10)), compression.ZSTD),
    "no compressed data at all": resealed(lambda data: data.__delitem__(slice(61, None)), compression.GZIP),
    "a timestamp past 64 bits": encode_batch([ROWS[0], ROWS[1]._replace(timestamp=NOW + 2**63 - 1)], log_append_time=0),
}
LIES["a timestamp past 64 bits"][21:23] = b"\0\0"
seal(LIES["a timestamp past 64 bits"])


@pytest.mark.parametrize("data", LIES.values(), ids=LIES)
def test_lies_that_only_the_walk_finds(data: bytearray) -> None:
    with pytest.raises(KafkaError) as caught:
        walked(data)
    assert caught.value.code == Err.INVALID_RECORD
    with pytest.raises(KafkaError) as caught:
        recompressed(data, parse_header(data), compression.LZ4, None, LIMIT)
    assert caught.value.code == Err.INVALID_RECORD


@pytest.mark.parametrize("source", range(5), ids=compression.NAMES)
@pytest.mark.parametrize("target", range(5), ids=compression.NAMES)
def test_recompression_changes_the_section_and_nothing_else(source: int, target: int) -> None:
    rows = [Record(i, NOW - i, b"key", b"words that repeat " * 20, (("h", b"v"),)) for i in range(50)]
    data = encode_batch(rows, codec=source, producer_id=5, producer_epoch=1, base_sequence=8, transactional=True)
    before = parse_header(data)
    packed = recompressed(memoryview(data), before, target, None, LIMIT)
    header = parse_header(packed)
    assert crc_ok(packed, 0, len(packed))
    assert decode_records(packed, limit=LIMIT) == rows
    assert header == before._replace(attributes=target | TRANSACTIONAL, length=header.length, crc=header.crc)


def test_recompression_corrects_a_lying_max_timestamp_but_not_the_brokers_own() -> None:
    data = batch(max_timestamp=NOW + 1000)
    assert parse_header(recompressed(data, parse_header(data), compression.GZIP, 1, LIMIT)).max_timestamp == NOW + 4
    header = with_log_append_time(memoryview(data), NOW + 77)
    assert parse_header(recompressed(data, header, compression.GZIP, 1, LIMIT)).max_timestamp == NOW + 77
    assert walked(data).max_timestamp == NOW + 77


def test_recompression_for_a_compacted_topic_needs_keys_too() -> None:
    data = encode_batch([ROWS[0]._replace(key=None)])
    with pytest.raises(RecordsRefused):
        recompressed(data, parse_header(data), compression.GZIP, None, LIMIT, need_keys=True)


def test_what_unfolds_past_the_limit_is_refused() -> None:
    data = encode_batch([Record(0, NOW, None, bytes(10_000_000))], codec=compression.ZSTD)
    for check in (
        lambda: check_records(memoryview(data), parse_header(data), need_keys=False, limit=1 << 20),
        lambda: recompressed(data, parse_header(data), compression.NONE, None, 1 << 20),
    ):
        with pytest.raises(KafkaError, match="more than 1048576 bytes") as caught:
            check()
        assert caught.value.code == Err.INVALID_RECORD


def test_a_hundred_thousand_faults_are_not_all_named() -> None:
    values = [b""] * 100_000
    bare = encode_batch([Record(i, NOW + 2 * HOUR, None, v) for i, v in enumerate(values)], codec=compression.ZSTD)
    with pytest.raises(RecordsRefused) as caught:
        walked(bare, need_keys=True)
    assert [index for index, _ in caught.value.record_errors] == list(range(MOST_RECORD_ERRORS))
    errors = timestamp_errors(bare, now_ms=NOW, before_max_ms=FOREVER, after_max_ms=HOUR, limit=LIMIT)
    assert [index for index, _ in errors] == list(range(MOST_RECORD_ERRORS))


def test_the_walk_needs_little_more_memory_than_the_records_section() -> None:
    """40,000 empty records: 0.4 MB unfolded, 4 MB as lists."""
    data = pack_values([b""] * 40_000, NOW, codec=compression.ZSTD)
    walked(data)  # builds the tables
    tracemalloc.start()
    try:
        walked(data)
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()


def test_any_bytes_get_an_answer() -> None:
    rng = random.Random(11)
    for _ in range(3000):
        hurt = bytearray(rng.choice((GOOD, GOOD + GOOD)))
        for _ in range(rng.choice((1, 2, 5))):
            hurt[rng.randrange(61)] = rng.randrange(256)
        if rng.random() < 0.5 and len(hurt) == len(GOOD):
            seal(hurt)
        assert answer(hurt) in (
            Err.NONE,
            Err.INVALID_RECORD,
            Err.CORRUPT_MESSAGE,
            Err.MESSAGE_TOO_LARGE,
            Err.INVALID_TIMESTAMP,
        )


def answer(data: bytearray) -> Err:
    try:
        header = with_producer_bits(data, checked(data))
        check_records(data, header, need_keys=True, limit=LIMIT)
    except KafkaError as fault:
        return fault.code
    return Err.NONE
