"""The producer window: each rule by its number, the snapshot's bytes, and a slow twin over random stories."""

from __future__ import annotations

import random
import struct
import tracemalloc
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kq.engine.producers import CompletedTransaction, CorruptSnapshot, Duplicate, Marker, ProducerStates
from kq.errors import Err, KafkaError
from kq.record.batch import BatchHeader
from kq.record.crc import crc32c

MAX = 2**31 - 1
TRANSACTIONAL, CONTROL = 16, 32
DAY_MS = 24 * 3600 * 1000
COMMIT, ABORT = Marker(is_abort=False, coordinator_epoch=0), Marker(is_abort=True, coordinator_epoch=0)


def batch(
    producer_id: int, sequence: int, count: int = 1, *, epoch: int = 0, timestamp: int = 1000, attributes: int = 0
) -> BatchHeader:
    return BatchHeader(
        base_offset=0,
        length=100,
        leader_epoch=0,
        magic=2,
        crc=0,
        attributes=attributes,
        last_offset_delta=count - 1,
        base_timestamp=timestamp,
        max_timestamp=timestamp,
        producer_id=producer_id,
        producer_epoch=epoch,
        base_sequence=sequence,
        record_count=count,
    )


def marker(producer_id: int, *, epoch: int = 0, timestamp: int = 2000) -> BatchHeader:
    return batch(producer_id, -1, epoch=epoch, timestamp=timestamp, attributes=TRANSACTIONAL | CONTROL)


def refused(states: ProducerStates, header: BatchHeader) -> Err | None:
    try:
        states.check(header)
    except KafkaError as error:
        return error.code
    return None


def appended(*headers: BatchHeader) -> ProducerStates:
    """The state after these data batches, one behind the other from offset 0 on."""
    states, offset = ProducerStates(), 0
    for header in headers:
        assert states.check(header) is None
        states.update(header, offset, now_ms=0)
        offset += header.record_count
    return states


def test_rule_1_a_batch_without_a_producer_is_nobodys() -> None:
    states = appended(batch(-1, -1), batch(-1, 7, epoch=3))
    assert not states.entries
    assert states.highest_producer_id == -1


def test_rule_2_the_last_five_batches_are_known_again_with_their_offsets_and_timestamps() -> None:
    headers = [batch(7, 10 * i, 10, timestamp=1000 + i) for i in range(7)]
    states = appended(*headers)
    for i in range(2, 7):
        assert states.check(headers[i]) == Duplicate(10 * i, 10 * i + 9, 1000 + i)
    assert refused(states, headers[1]) is Err.OUT_OF_ORDER_SEQUENCE_NUMBER


@pytest.mark.parametrize(("sequence", "count"), [(0, 9), (1, 9), (0, 11), (9, 2), (5, 10), (10, 20)])
def test_rule_2_a_part_of_an_old_batch_is_out_of_order(sequence: int, count: int) -> None:
    states = appended(batch(7, 0, 10), batch(7, 10, 10))
    assert refused(states, batch(7, sequence, count)) is Err.OUT_OF_ORDER_SEQUENCE_NUMBER


def test_rule_2_the_same_range_in_another_epoch_is_no_duplicate() -> None:
    states = appended(batch(7, 0, 5), batch(7, 0, 5, epoch=1))
    assert states.check(batch(7, 0, 5, epoch=1)) == Duplicate(5, 9, 1000)
    assert refused(states, batch(7, 0, 5)) is Err.INVALID_PRODUCER_EPOCH


def test_rule_3_an_older_epoch_is_fenced_whatever_its_sequence() -> None:
    states = appended(batch(7, 0, epoch=5))
    assert {refused(states, batch(7, sequence, epoch=4)) for sequence in (0, 1, 2)} == {Err.INVALID_PRODUCER_EPOCH}
    assert refused(states, batch(7, 1, epoch=-1)) is Err.INVALID_PRODUCER_EPOCH


@pytest.mark.parametrize("epoch", [1, 2, 900])
def test_rule_4_a_newer_epoch_begins_at_zero_and_may_jump(epoch: int) -> None:
    states = appended(batch(7, 0, 3))
    assert refused(states, batch(7, 3, epoch=epoch)) is Err.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert refused(states, batch(7, 0, epoch=epoch)) is None


@pytest.mark.parametrize("sequence", [0, 2, 4, 1000, MAX])
def test_rule_5_only_the_next_sequence_is_taken(sequence: int) -> None:
    states = appended(batch(7, 0, 3))
    assert refused(states, batch(7, sequence, 9)) is Err.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert refused(states, batch(7, 3, 9)) is None


def test_rule_5_the_sequence_wraps_between_batches() -> None:
    states = appended(batch(7, MAX - 1, 2))
    assert refused(states, batch(7, 1)) is Err.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert refused(states, batch(7, 0)) is None


def test_rule_5_the_sequence_wraps_inside_a_batch() -> None:
    wrapping = batch(7, MAX - 1, 5)  # MAX-1, MAX, 0, 1, 2
    states = appended(wrapping)
    assert states.entries[7].last_sequence == 2
    assert states.check(wrapping) == Duplicate(0, 4, 1000)
    assert refused(states, batch(7, MAX, 4)) is Err.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert refused(states, batch(7, 3)) is None


def test_rule_6_an_unknown_producer_begins_anywhere() -> None:
    assert refused(ProducerStates(), batch(7, 4711, epoch=3)) is None


def test_rule_6_a_producer_without_an_epoch_begins_anywhere_again_and_again() -> None:
    states = appended(batch(7, 50, 3, epoch=-1), batch(7, 10, epoch=-1), batch(7, 99, epoch=-1))
    assert states.check(batch(7, 10, epoch=-1)) == Duplicate(3, 3, 1000)
    assert refused(states, batch(7, 4711, epoch=2)) is None


def test_rule_7_only_transactional_batches_inside_a_transaction() -> None:
    states = appended(batch(7, 0, attributes=TRANSACTIONAL))
    assert refused(states, batch(7, 1)) is Err.INVALID_TXN_STATE
    assert refused(states, batch(7, 1, attributes=TRANSACTIONAL)) is None
    assert refused(states, batch(8, 0)) is None


def test_what_is_in_the_log_is_recorded_unasked() -> None:
    states = appended(batch(7, 0, epoch=5))
    states.update(batch(7, 40, 2, epoch=3), 1, 0)
    entry = states.entries[7]
    assert (entry.epoch, entry.last_sequence, entry.last_offset) == (3, 41, 2)


def test_rule_8_a_marker_closes_the_transaction_and_tells_where_it_lay() -> None:
    states = appended(batch(7, 0, 2, attributes=TRANSACTIONAL), batch(7, 2, 2, attributes=TRANSACTIONAL))
    assert states.first_undecided_offset == states.first_unstable_offset == 0
    done = states.update(marker(7), 4, 0, Marker(is_abort=True, coordinator_epoch=9))
    assert done == CompletedTransaction(7, 0, 4, is_abort=True, last_stable_offset=5)
    entry = states.entries[7]
    assert (entry.coordinator_epoch, entry.last_timestamp, entry.transaction_start) == (9, 2000, -1)
    assert entry.last_sequence == 3
    assert states.first_undecided_offset is None
    assert refused(states, batch(7, 4)) is None


def test_rule_8_a_marker_without_data_moves_only_the_epochs() -> None:
    states = ProducerStates()
    assert states.update(marker(7, epoch=4), 0, 0, Marker(is_abort=False, coordinator_epoch=2)) is None
    entry = states.entries[7]
    assert (entry.epoch, entry.coordinator_epoch, entry.last_sequence, entry.last_offset) == (4, 2, -1, -1)
    assert states.first_unstable_offset is None
    assert refused(states, batch(7, 1, epoch=4)) is Err.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert refused(states, batch(7, 0, epoch=4)) is None
    assert refused(states, batch(7, 0, epoch=3)) is Err.INVALID_PRODUCER_EPOCH


def test_rule_8_a_marker_of_the_next_epoch_empties_the_window() -> None:
    data = batch(7, 0, 3, attributes=TRANSACTIONAL)
    states = appended(data)
    states.update(marker(7, epoch=1), 3, 0, COMMIT)
    assert refused(states, data) is Err.INVALID_PRODUCER_EPOCH
    assert refused(states, batch(7, 3, epoch=1)) is Err.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert refused(states, batch(7, 0, epoch=1)) is None


def test_a_control_batch_that_is_no_marker_changes_nothing() -> None:
    states = appended(batch(7, 0, attributes=TRANSACTIONAL))
    before = states.encode_snapshot()
    assert states.update(marker(7, epoch=9), 1, 0) is None
    assert states.encode_snapshot() == before
    assert states.first_undecided_offset == 0


def test_rule_9_a_closed_transaction_holds_until_its_marker_is_below_the_high_watermark() -> None:
    states = appended(batch(7, 0, 2, attributes=TRANSACTIONAL))
    states.update(marker(7), 2, 0, COMMIT)
    states.acknowledge(2)
    assert states.first_unstable_offset == 0
    states.acknowledge(3)
    assert states.first_unstable_offset is None


def test_rule_9_the_oldest_of_open_and_closed_counts() -> None:
    states = appended(
        batch(7, 0, attributes=TRANSACTIONAL),
        batch(8, 0, attributes=TRANSACTIONAL),
        batch(9, 0, attributes=TRANSACTIONAL),
    )
    done = states.update(marker(8), 3, 0, ABORT)
    assert done is not None
    assert done.last_stable_offset == 0  # that of producer 7 is still open
    done = states.update(marker(7), 4, 0, ABORT)
    assert done is not None
    assert done.last_stable_offset == 2
    assert states.first_unstable_offset == 0
    states.acknowledge(5)
    assert states.first_unstable_offset == states.first_undecided_offset == 2


def test_log_start_moving_up_frees_closed_transactions_and_keeps_producers() -> None:
    states = appended(batch(7, 0, attributes=TRANSACTIONAL))
    states.update(marker(7), 1, 0, COMMIT)
    states.truncate_before(2)
    assert states.first_unstable_offset is None
    assert refused(states, batch(7, 2)) is Err.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert refused(states, batch(7, 1)) is None


def test_rule_10_the_idle_are_forgotten_and_then_begin_anywhere() -> None:
    states = ProducerStates()
    states.update(batch(7, 0), 0, now_ms=1000)
    states.update(batch(8, 0), 1, now_ms=2000)
    assert states.expire(now_ms=1000 + DAY_MS, expiry_ms=DAY_MS) == 1
    assert set(states.entries) == {8}
    assert refused(states, batch(7, 4711)) is None
    assert states.highest_producer_id == 8
    assert states.expire(now_ms=2000 + DAY_MS, expiry_ms=DAY_MS) == 1
    assert states.highest_producer_id == 8


def test_rule_10_old_events_do_not_make_a_producer_old() -> None:
    states = ProducerStates()
    states.update(batch(7, 0, timestamp=5), 0, now_ms=50 * DAY_MS)
    assert states.expire(now_ms=50 * DAY_MS + 1, expiry_ms=DAY_MS) == 0


def test_rule_10_never_inside_a_transaction() -> None:
    states = ProducerStates()
    states.update(batch(7, 0, attributes=TRANSACTIONAL), 0, now_ms=0)
    assert states.expire(now_ms=9 * DAY_MS, expiry_ms=DAY_MS) == 0


def test_rule_10_what_a_snapshot_brought_gets_a_whole_period_from_the_first_look() -> None:
    states = ProducerStates.decode_snapshot(appended(batch(7, 0, timestamp=5)).encode_snapshot())
    now_ms = 50 * DAY_MS
    assert states.expire(now_ms, DAY_MS) == 0
    assert states.expire(now_ms + DAY_MS - 1, DAY_MS) == 0
    assert states.expire(now_ms + DAY_MS, DAY_MS) == 1


def test_rule_10_what_a_snapshot_brought_goes_at_once_when_old_and_gone_from_the_log() -> None:
    old, young = batch(7, 0, timestamp=5), batch(8, 0, timestamp=50 * DAY_MS)
    states = ProducerStates.decode_snapshot(appended(old, young, batch(9, 0, timestamp=5)).encode_snapshot())
    states.truncate_before(2)
    assert states.expire(50 * DAY_MS, DAY_MS) == 1
    assert set(states.entries) == {8, 9}


def test_clear_forgets_all_but_the_highest_id() -> None:
    states = appended(batch(7, 0, attributes=TRANSACTIONAL), batch(8, 0))
    states.update(marker(7), 2, 0, COMMIT)
    states.clear()
    assert not states.entries
    assert states.first_unstable_offset is None
    assert states.highest_producer_id == 8


def test_the_snapshot_is_kafkas_byte_for_byte() -> None:
    # Written by Apache Kafka 4.3.1 after two transactional producers committed and aborted on one partition.
    kafka = bytes.fromhex(
        "0001 6c8a74ee 00000002"
        "0000000000000000 0000 00000009 0000000000000011 00000000 000001a202b392c6 00000000 ffffffffffffffff"
        "0000000000000001 0000 00000003 0000000000000010 00000000 000001a202b392a2 00000000 0000000000000010"
    )
    states = ProducerStates.decode_snapshot(kafka)
    assert states.encode_snapshot() == kafka
    assert states.highest_producer_id == 1
    assert states.first_unstable_offset == 0x10
    entry = states.entries[0]
    assert (entry.epoch, entry.last_sequence, entry.last_offset, entry.coordinator_epoch) == (0, 9, 17, 0)
    assert states.entries[1].last_timestamp == 0x1A202B392A2
    assert states.check(batch(0, 9, timestamp=77)) == Duplicate(17, 17, 0x1A202B392C6)


def test_an_empty_snapshot_is_ten_bytes() -> None:
    data = ProducerStates().encode_snapshot()
    assert data == struct.pack(">hIi", 1, crc32c(bytes(4)), 0)
    assert not ProducerStates.decode_snapshot(data).entries


def test_a_snapshot_keeps_the_newest_batch_a_wrapped_one_too() -> None:
    states = ProducerStates.decode_snapshot(appended(batch(7, MAX - 9, 5), batch(7, MAX - 4, 7)).encode_snapshot())
    assert states.check(batch(7, MAX - 4, 7)) == Duplicate(5, 11, 1000)
    assert refused(states, batch(7, MAX - 9, 5)) is Err.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert refused(states, batch(7, 2)) is None


def test_every_cut_and_every_flipped_bit_of_a_snapshot_is_noticed() -> None:
    data = appended(batch(7, 0, 3), batch(8, 5, attributes=TRANSACTIONAL)).encode_snapshot()
    damaged = [data[:size] for size in range(len(data))]
    damaged += [data + b"\0", data + data]
    for position in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[position // 8] ^= 1 << position % 8
        damaged.append(bytes(flipped))
    for each in damaged:
        with pytest.raises(CorruptSnapshot):
            ProducerStates.decode_snapshot(each)


@pytest.mark.parametrize("count", [-1, 2, 2**31 - 1])
def test_a_count_that_lies_under_a_right_crc_is_noticed(count: int) -> None:
    body = struct.pack(">i", count) + appended(batch(7, 0)).encode_snapshot()[10:]
    with pytest.raises(CorruptSnapshot, match="announces"):
        ProducerStates.decode_snapshot(struct.pack(">hI", 1, crc32c(body)) + body)


def test_a_full_window_costs_less_than_half_a_kilobyte() -> None:
    states = ProducerStates()
    tracemalloc.start()
    for producer_id in range(10_000, 12_000):
        for i in range(6):
            states.update(batch(producer_id, i, timestamp=producer_id * 1000), producer_id * 1000 + i, now_ms=2**40 + i)
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used / 2000 < 512


@dataclass
class TwinProducer:
    epoch: int
    batches: list[tuple[int, int, int, int]] = field(default_factory=list)  # first, last sequence, first, last offset
    open_at: int | None = None


@dataclass
class Twin:
    """The rules again, with nothing packed and nothing clever."""

    producers: dict[int, TwinProducer] = field(default_factory=dict)
    closed: list[tuple[int, int]] = field(default_factory=list)  # first offset, marker's offset

    def verdict(self, header: BatchHeader) -> Err | tuple[int, int] | None:
        known = self.producers.get(header.producer_id)
        if known is None:
            return None
        first, last = header.base_sequence, (header.base_sequence + header.last_offset_delta) % 2**31
        if header.producer_epoch == known.epoch:
            for old in known.batches[-5:]:
                if old[:2] == (first, last):
                    return old[2], old[3]
        if header.producer_epoch < known.epoch:
            return Err.INVALID_PRODUCER_EPOCH
        if header.producer_epoch > known.epoch:
            if first != 0 and known.epoch != -1:
                return Err.OUT_OF_ORDER_SEQUENCE_NUMBER
        elif known.epoch != -1 and first != ((known.batches[-1][1] + 1) % 2**31 if known.batches else 0):
            return Err.OUT_OF_ORDER_SEQUENCE_NUMBER
        if known.open_at is not None and not header.attributes & TRANSACTIONAL:
            return Err.INVALID_TXN_STATE
        return None

    def of(self, header: BatchHeader) -> TwinProducer:
        known = self.producers.setdefault(header.producer_id, TwinProducer(header.producer_epoch))
        if known.epoch != header.producer_epoch:
            known.epoch, known.batches = header.producer_epoch, []
        return known

    def append(self, header: BatchHeader, offset: int) -> None:
        known = self.of(header)
        last = (header.base_sequence + header.last_offset_delta) % 2**31
        known.batches.append((header.base_sequence, last, offset, offset + header.last_offset_delta))
        if header.attributes & TRANSACTIONAL and known.open_at is None:
            known.open_at = offset

    def mark(self, header: BatchHeader, offset: int) -> tuple[int, int] | None:
        known = self.of(header)
        first, known.open_at = known.open_at, None
        if first is None:
            return None
        self.closed.append((first, offset))
        return first, min((p.open_at for p in self.producers.values() if p.open_at is not None), default=offset + 1)

    def unstable(self) -> int | None:
        opened = [p.open_at for p in self.producers.values() if p.open_at is not None]
        return min(opened + [first for first, _ in self.closed], default=None)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_random_stories_agree_with_a_slow_twin(seed: int) -> None:
    rng = random.Random(seed)
    states, twin, offset, sent = ProducerStates(), Twin(), 0, [batch(1, 0)]
    for _ in range(120):
        producer_id, step = rng.randint(0, 3), rng.random()
        known = twin.producers.get(producer_id)
        epoch = max(-1, (known.epoch if known else rng.choice([-1, 0, 3])) + rng.choice([0] * 12 + [-1, 1, 5]))
        if step < 0.12:
            header = marker(producer_id, epoch=epoch)
            done, expected = states.update(header, offset, 0, ABORT), twin.mark(header, offset)
            assert (done and (done.first_offset, done.last_stable_offset)) == expected
            offset += 1
        elif step < 0.2:
            high_watermark = rng.randint(0, offset)
            states.acknowledge(high_watermark)
            twin.closed = [(first, at) for first, at in twin.closed if at >= high_watermark]
        elif step < 0.25:
            states = ProducerStates.decode_snapshot(states.encode_snapshot())
            twin.closed = []
            for producer in twin.producers.values():
                producer.batches = producer.batches[-1:]
        else:
            last = known.batches[-1][1] if known and known.batches else rng.choice([-1, MAX - 3])
            following = (last + rng.choice([1] * 8 + [0, 2, -3])) % 2**31 if rng.random() < 0.9 else 0
            transactional = TRANSACTIONAL * (
                known.open_at is not None if known and rng.random() < 0.9 else rng.random() < 0.3
            )
            header = batch(producer_id, following, rng.randint(1, 4), epoch=epoch, attributes=transactional)
            if rng.random() < 0.25:
                header = rng.choice(sent[-8:])
            sent.append(header)
            expected_verdict = twin.verdict(header)
            try:
                duplicate = states.check(header)
                verdict: Err | tuple[int, int] | None = duplicate and duplicate[:2]
            except KafkaError as error:
                verdict = error.code
            assert verdict == expected_verdict
            if verdict is None:
                states.update(header, offset, 0)
                twin.append(header, offset)
                offset += header.record_count
        assert states.first_unstable_offset == twin.unstable()
        assert {p: (e.epoch, e.last_sequence) for p, e in states.entries.items()} == {
            p: (t.epoch, t.batches[-1][1] if t.batches else -1) for p, t in twin.producers.items()
        }
