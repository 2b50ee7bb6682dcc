"""Transaction markers: Kafka's bytes, and damage."""

from __future__ import annotations

import pytest
from aiokafka.record.control_record import ABORT_MARKER, COMMIT_MARKER, ControlRecord
from hypothesis import given
from hypothesis import strategies as st

from kq.record.batch import BatchHeader, Record, assemble, crc_ok, decode_records, parse_header
from kq.record.control import EndOfTransaction, Marker, control_type, decode_marker, encode_marker, read_marker
from kq.record.faults import CorruptRecord
from tests.record.support import LIMIT


def marker_record(end: EndOfTransaction) -> Record:
    (record,) = decode_records(encode_marker(end, producer_id=1, producer_epoch=0, timestamp_ms=5), limit=LIMIT)
    return record


def test_the_bytes_of_a_commit_marker() -> None:
    batch = encode_marker(EndOfTransaction(Marker.COMMIT, 7), producer_id=4000, producer_epoch=3, timestamp_ms=1_000)
    header = parse_header(batch)
    assert crc_ok(batch, 0, len(batch))
    assert (header.is_control, header.is_transactional, header.record_count, header.base_sequence) == (
        True,
        True,
        1,
        -1,
    )
    assert (header.producer_id, header.producer_epoch, header.max_timestamp) == (4000, 3, 1_000)
    (record,) = decode_records(batch, limit=LIMIT)
    assert record.key == b"\0\0\0\x01"
    assert record.value == b"\0\0\0\0\0\x07"


@pytest.mark.parametrize(("marker", "theirs"), [(Marker.ABORT, ABORT_MARKER), (Marker.COMMIT, COMMIT_MARKER)])
def test_aiokafka_reads_them(marker: Marker, theirs: ControlRecord) -> None:
    key = marker_record(EndOfTransaction(marker, 0)).key
    assert key is not None
    assert ControlRecord.parse(key) == theirs


@given(st.sampled_from(list(Marker)), st.integers(-1, 2**31 - 1))
def test_round_trip(marker: Marker, epoch: int) -> None:
    end = EndOfTransaction(marker, epoch)
    assert read_marker(encode_marker(end, producer_id=1, producer_epoch=0, timestamp_ms=5)) == end


def test_a_marker_that_compaction_took_says_nothing() -> None:
    assert read_marker(assemble(BatchHeader(attributes=0x30, last_offset_delta=0, producer_id=1), [])) is None


@pytest.mark.parametrize("kind", [2, 3, 4, 5, 6, 99])
def test_other_control_records_are_no_markers(kind: int) -> None:
    assert decode_marker(Record(0, 0, b"\0\0\0" + bytes([kind]), b"")) is None
    assert control_type(b"\0\0\0" + bytes([kind])) == kind


def test_later_versions_may_be_longer() -> None:
    assert decode_marker(Record(0, 0, b"\0\x01\0\0more", b"\0\x01\0\0\0\x09more")) == EndOfTransaction(Marker.ABORT, 9)


@pytest.mark.parametrize(
    "record",
    [
        Record(0, 0, None, b"\0\0\0\0\0\0"),
        Record(0, 0, b"", b"\0\0\0\0\0\0"),
        Record(0, 0, b"\0\0\0", b"\0\0\0\0\0\0"),
        Record(0, 0, b"\xff\xff\0\0", b"\0\0\0\0\0\0"),
        Record(0, 0, b"\0\0\0\0", None),
        Record(0, 0, b"\0\0\0\0", b"\0\0\0\0\0"),
    ],
)
def test_damage(record: Record) -> None:
    with pytest.raises(CorruptRecord, match="damaged"):
        decode_marker(record)
