"""Produce: one batch, hurt in one way at a time."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import pytest

from kq.errors import Err
from kq.record.batch import Record, encode_batch, parse_header, restamp
from kq.record.crc import crc32c
from kq.wire.apis.produce import PRODUCE
from kq.wire.apis.producers import INIT_PRODUCER_ID
from kq.wire.frame import request_parts
from tests.support.asking import Differs, Make, batch, now_ms, patiently, produce
from tests.support.wire import Closed, Wire


def patched(data: bytearray, position: int, layout: str, value: int, *, crc: bool = True) -> bytearray:
    """The batch with one field overwritten, its checksum made right again unless that is the point."""
    struct.pack_into(layout, data, position, value)
    if crc:
        struct.pack_into(">I", data, 17, crc32c(bytes(data[21:])))
    return data


FAULTS: dict[str, tuple[Callable[[], bytearray], Err]] = {
    "count lies": (lambda: patched(batch(b"a", b"b"), 57, ">i", 3), Err.INVALID_RECORD),
    "empty batch": (lambda: patched(patched(batch(), 57, ">i", 0), 23, ">i", -1), Err.INVALID_RECORD),
    "last offset delta lies": (lambda: patched(batch(b"a", b"b"), 23, ">i", 5), Err.INVALID_RECORD),
    "base offset": (lambda: batch(base_offset=7), Err.INVALID_RECORD),
    "control batch": (lambda: patched(batch(), 21, ">h", 1 << 5), Err.INVALID_RECORD),
    "two batches": (lambda: batch() + batch(), Err.INVALID_RECORD),
    "magic 0": (lambda: patched(batch(), 16, ">b", 0, crc=False), Err.INVALID_RECORD),
    "magic 1": (lambda: patched(batch(), 16, ">b", 1, crc=False), Err.INVALID_RECORD),
    "a pid with sequence -1": (lambda: batch(producer_id=7, producer_epoch=0, base_sequence=-1), Err.INVALID_RECORD),
    "a pid with sequence -2": (lambda: batch(producer_id=7, producer_epoch=0, base_sequence=-2), Err.INVALID_RECORD),
    "crc": (lambda: patched(batch(), 17, ">I", 1, crc=False), Err.CORRUPT_MESSAGE),
    "magic 3": (lambda: patched(batch(), 16, ">b", 3, crc=False), Err.CORRUPT_MESSAGE),
    "short length": (lambda: patched(batch(), 8, ">i", 10, crc=False), Err.CORRUPT_MESSAGE),
    "an announced length that is too large": (lambda: patched(batch(), 8, ">i", 9999, crc=False), Err.INVALID_RECORD),
    "two thirds of a batch": (lambda: batch()[:45], Err.INVALID_RECORD),
    "garbage after a batch": (lambda: batch() + bytes(20), Err.CORRUPT_MESSAGE),
    "more than an hour ahead": (lambda: batch(timestamp=now_ms() + 3_700_000), Err.INVALID_TIMESTAMP),
    "too large": (lambda: batch(bytes(1_100_000)), Err.MESSAGE_TOO_LARGE),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults(wire: Wire, make_topic: Make, fault: str) -> None:
    topic = make_topic()
    data, error = FAULTS[fault][0](), FAULTS[fault][1]
    answer = produce(wire, topic, data)
    assert answer.error_code == error
    assert answer.base_offset == -1
    behind_the_header = error in (Err.INVALID_RECORD, Err.INVALID_TIMESTAMP)
    if fault in ("more than an hour ahead", "count lies", "crc", "too large"):
        assert answer.log_start_offset == (0 if behind_the_header else -1)
    assert produce(wire, topic, batch()).base_offset == 0, "nothing was written"


def test_a_timestamp_fault_names_the_records(wire: Wire, make_topic: Make) -> None:
    now = now_ms()
    records = [Record(0, now, None, b"a"), Record(1, now + 4_000_000, None, b"b"), Record(2, now, None, b"c")]
    answer = produce(wire, make_topic(), encode_batch(records))
    assert answer.error_code == Err.INVALID_TIMESTAMP
    assert [error.batch_index for error in answer.record_errors] == [1]


def test_a_null_key_on_a_compacted_topic(wire: Wire, make_topic: Make) -> None:
    topic = make_topic(**{"cleanup.policy": "compact"})
    answer = produce(wire, topic, batch(b"a", b"b", key=None))
    assert answer.error_code == Err.INVALID_RECORD
    assert [error.batch_index for error in answer.record_errors] == [0, 1]
    assert produce(wire, topic, batch()).error_code == Err.NONE


@pytest.mark.parametrize("bit", [3, 6, 7])
def test_attribute_bits_that_are_not_a_producers_are_cleared(wire: Wire, make_topic: Make, bit: int) -> None:
    topic = make_topic()
    assert produce(wire, topic, patched(batch(), 21, ">h", 1 << bit)).error_code == Err.NONE


def test_requests_that_name_no_known_place(wire: Wire, make_topic: Make, differs: Differs) -> None:
    assert produce(wire, "no-such-topic", batch()).error_code == Err.UNKNOWN_TOPIC_OR_PARTITION
    assert produce(wire, "bad name!", batch()).error_code == Err.UNKNOWN_TOPIC_OR_PARTITION
    assert produce(wire, "no-such-topic", batch(), acks=5).error_code == Err.UNKNOWN_TOPIC_OR_PARTITION
    assert produce(wire, make_topic(), batch(), acks=5).error_code == Err.INVALID_REQUIRED_ACKS
    nothing = wire.call(PRODUCE, 9, PRODUCE.Request(transactional_id=None, acks=5, topics=[]))
    assert nothing.topics == []


def test_zstd_came_with_version_7(wire: Wire, make_topic: Make) -> None:
    topic = make_topic()
    assert produce(wire, topic, batch(codec=4), version=3).error_code == Err.UNSUPPORTED_COMPRESSION_TYPE
    assert produce(wire, topic, batch(codec=4), version=7).error_code == Err.NONE


def test_acks_0_is_not_answered_and_a_fault_closes(wire: Wire, bootstrap: str, make_topic: Make) -> None:
    topic = make_topic()
    part = PRODUCE.Request.Partition(index=0, records=bytes(batch()))
    good = PRODUCE.Request(transactional_id=None, acks=0, topics=[PRODUCE.Request.Topic(name=topic, partitions=[part])])
    wire.send_bytes(b"".join(request_parts(PRODUCE, 9, 77, None, good)))
    assert produce(wire, topic, batch()).base_offset == 1
    part.records = bytes(patched(batch(), 17, ">I", 1, crc=False))
    with Wire(bootstrap) as other:
        other.send_bytes(b"".join(request_parts(PRODUCE, 9, 78, None, good)))
        assert other.is_closed(within_s=5)


def test_one_partition_twice_is_never_a_silent_drop(wire: Wire, make_topic: Make, differs: Differs) -> None:
    topic = make_topic()
    part = PRODUCE.Request.Partition(index=0, records=bytes(batch()))
    again = PRODUCE.Request.Partition(index=0, records=bytes(batch(b"other")))
    topics = [PRODUCE.Request.Topic(name=topic, partitions=[part, again])]
    answer = wire.call(PRODUCE, 9, PRODUCE.Request(transactional_id=None, acks=1, topics=topics))
    codes = [p.error_code for p in answer.topics[0].partitions]
    assert codes == differs(kafka=[Err.NONE], kq=[Err.INVALID_REQUEST, Err.INVALID_REQUEST])


def test_min_insync_replicas_means_at_most_the_replicas(wire: Wire, make_topic: Make) -> None:
    topic = make_topic(**{"min.insync.replicas": "2"})
    assert produce(wire, topic, batch(), acks=-1).error_code == Err.NONE


def test_log_append_time_changes_max_timestamp_and_bit_3(wire: Wire, make_topic: Make) -> None:
    topic = make_topic(**{"message.timestamp.type": "LogAppendTime"})
    before = now_ms()
    answer = produce(wire, topic, batch(timestamp=123))
    assert answer.error_code == Err.NONE
    assert before <= answer.log_append_time_ms <= now_ms()


def producer_id(wire: Wire) -> int:
    """A fresh id. Apache Kafka has none to give for a moment after its start (COORDINATOR_LOAD_IN_PROGRESS)."""
    request = INIT_PRODUCER_ID.Request(transactional_id=None, transaction_timeout_ms=0)
    return int(patiently(lambda: wire.call(INIT_PRODUCER_ID, 2, request)).producer_id)


def test_the_window_of_an_idempotent_producer(wire: Wire, make_topic: Make) -> None:
    topic, pid = make_topic(), producer_id(wire)

    def send(sequence: int, epoch: int = 0, count: int = 1) -> tuple[int, int]:
        values = [b"%d" % i for i in range(count)]
        data = batch(*values, producer_id=pid, producer_epoch=epoch, base_sequence=sequence)
        answer = produce(wire, topic, data, acks=-1)
        return answer.error_code, answer.base_offset

    assert send(40) == (Err.NONE, 0), "an unknown producer may start anywhere"
    assert send(41, count=2) == (Err.NONE, 1)
    assert send(41, count=2) == (Err.NONE, 1), "a duplicate answers its old offset"
    assert send(40) == (Err.NONE, 0)
    assert send(42)[0] == Err.OUT_OF_ORDER_SEQUENCE_NUMBER, "part of an old batch"
    assert send(44)[0] == Err.OUT_OF_ORDER_SEQUENCE_NUMBER, "a gap"
    for sequence in range(43, 48):
        assert send(sequence)[0] == Err.NONE
    assert send(40)[0] == Err.OUT_OF_ORDER_SEQUENCE_NUMBER, "out of the window of five"
    assert send(5, epoch=3)[0] == Err.OUT_OF_ORDER_SEQUENCE_NUMBER, "a new epoch starts at 0"
    assert send(0, epoch=3)[0] == Err.NONE, "epochs may jump"
    assert send(48)[0] == Err.INVALID_PRODUCER_EPOCH


def test_sequences_wrap_inside_a_batch(wire: Wire, make_topic: Make) -> None:
    topic, pid = make_topic(), producer_id(wire)
    last = 2**31 - 1
    first = batch(b"a", b"b", producer_id=pid, producer_epoch=0, base_sequence=last)
    assert produce(wire, topic, first).error_code == Err.NONE
    following = batch(b"c", producer_id=pid, producer_epoch=0, base_sequence=1)
    assert produce(wire, topic, following).error_code == Err.NONE


def test_an_id_without_an_epoch_and_the_other_way_round(wire: Wire, make_topic: Make) -> None:
    topic, pid = make_topic(), producer_id(wire)
    assert produce(wire, topic, batch(producer_id=pid, producer_epoch=-1, base_sequence=0)).error_code == Err.NONE
    assert produce(wire, topic, batch(producer_id=-1, producer_epoch=3, base_sequence=4)).error_code == Err.NONE


def test_records_that_cannot_be_decompressed(wire: Wire, make_topic: Make, differs: Differs) -> None:
    topic = make_topic(**{"cleanup.policy": "compact"})  # for which kq looks into the batch too
    data = patched(batch(), 21, ">h", 1)  # says gzip, is not
    expected = differs(kafka=Err.UNKNOWN_SERVER_ERROR, kq=Err.INVALID_RECORD)
    assert produce(wire, topic, data).error_code == expected


def test_a_lying_max_timestamp(wire: Wire, make_topic: Make) -> None:
    """Kafka corrects it; kq does where it walks the records, and both accept it."""
    data = batch()
    restamp(data, parse_header(data).attributes, now_ms() - 5)
    assert produce(wire, make_topic(), data).error_code == Err.NONE


def test_null_records(bootstrap: str, make_topic: Make, differs: Differs) -> None:
    topic = make_topic()
    with Wire(bootstrap, timeout_s=2) as wire:
        try:
            code: Any = produce(wire, topic, None).error_code
        except (TimeoutError, Closed):
            code = "no answer"
    assert code == differs(kafka="no answer", kq=Err.INVALID_RECORD)
