"""The producer snapshot's bytes, what comes back from them, and what a producer costs in memory."""

from __future__ import annotations

import struct
import tracemalloc

import pytest

from kq.engine import producer_snapshot
from kq.engine.producer_snapshot import CorruptSnapshot
from kq.engine.producers import Duplicate, ProducerStates
from kq.errors import Err
from kq.record.crc import crc32c
from tests.support.producers import MAX, TRANSACTIONAL, appended, batch, refused


def test_the_snapshot_is_kafkas_byte_for_byte() -> None:
    # Written by Apache Kafka 4.3.1 after two transactional producers committed and aborted on one partition.
    kafka = bytes.fromhex(
        "0001 6c8a74ee 00000002"
        "0000000000000000 0000 00000009 0000000000000011 00000000 000001a202b392c6 00000000 ffffffffffffffff"
        "0000000000000001 0000 00000003 0000000000000010 00000000 000001a202b392a2 00000000 0000000000000010"
    )
    states = producer_snapshot.decode(kafka)
    assert producer_snapshot.encode(states) == kafka
    assert states.highest_producer_id == 1
    assert states.first_unstable_offset == 0x10
    entry = states.entries[0]
    assert (entry.epoch, entry.last_sequence, entry.last_offset, entry.coordinator_epoch) == (0, 9, 17, 0)
    assert states.entries[1].last_timestamp == 0x1A202B392A2
    assert states.check(batch(0, 9, timestamp=77)) == Duplicate(17, 17, 0x1A202B392C6)


def test_an_empty_snapshot_is_ten_bytes() -> None:
    data = producer_snapshot.encode(ProducerStates())
    assert data == struct.pack(">hIi", 1, crc32c(bytes(4)), 0)
    assert not producer_snapshot.decode(data).entries


def test_a_snapshot_keeps_the_newest_batch_a_wrapped_one_too() -> None:
    states = producer_snapshot.decode(producer_snapshot.encode(appended(batch(7, MAX - 9, 5), batch(7, MAX - 4, 7))))
    assert states.check(batch(7, MAX - 4, 7)) == Duplicate(5, 11, 1000)
    assert refused(states, batch(7, MAX - 9, 5)) is Err.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert refused(states, batch(7, 2)) is None


def test_every_cut_and_every_flipped_bit_of_a_snapshot_is_noticed() -> None:
    data = producer_snapshot.encode(appended(batch(7, 0, 3), batch(8, 5, attributes=TRANSACTIONAL)))
    damaged = [data[:size] for size in range(len(data))]
    damaged += [data + b"\0", data + data]
    for position in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[position // 8] ^= 1 << position % 8
        damaged.append(bytes(flipped))
    for each in damaged:
        with pytest.raises(CorruptSnapshot):
            producer_snapshot.decode(each)


@pytest.mark.parametrize("count", [-1, 2, 2**31 - 1])
def test_a_count_that_lies_under_a_right_crc_is_noticed(count: int) -> None:
    body = struct.pack(">i", count) + producer_snapshot.encode(appended(batch(7, 0)))[10:]
    with pytest.raises(CorruptSnapshot, match="announces"):
        producer_snapshot.decode(struct.pack(">hI", 1, crc32c(body)) + body)


def test_a_full_window_costs_less_than_half_a_kilobyte() -> None:
    states = ProducerStates()
    tracemalloc.start()
    for producer_id in range(10_000, 12_000):
        for i in range(6):
            states.update(batch(producer_id, i, timestamp=producer_id * 1000), producer_id * 1000 + i, now_ms=2**40 + i)
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used / 2000 < 512
