"""The producer window: each rule by its number."""

from __future__ import annotations

import pytest

from kq.engine import producer_snapshot
from kq.engine.producers import CompletedTransaction, Duplicate, ProducerStates
from kq.errors import Err
from kq.record.control import EndOfTransaction, Marker
from tests.support.producers import ABORT, COMMIT, MAX, TRANSACTIONAL, appended, batch, marker, refused

DAY_MS = 24 * 3600 * 1000


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
    done = states.update(marker(7), 4, 0, EndOfTransaction(Marker.ABORT, 9))
    assert done == CompletedTransaction(7, 0, 4, is_abort=True, last_stable_offset=5)
    entry = states.entries[7]
    assert (entry.coordinator_epoch, entry.last_timestamp, entry.transaction_start) == (9, 2000, -1)
    assert entry.last_sequence == 3
    assert states.first_undecided_offset is None
    assert refused(states, batch(7, 4)) is None


def test_rule_8_a_marker_without_data_moves_only_the_epochs() -> None:
    states = ProducerStates()
    assert states.update(marker(7, epoch=4), 0, 0, EndOfTransaction(Marker.COMMIT, 2)) is None
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
    before = producer_snapshot.encode(states)
    assert states.update(marker(7, epoch=9), 1, 0) is None
    assert producer_snapshot.encode(states) == before
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
    states = producer_snapshot.decode(producer_snapshot.encode(appended(batch(7, 0, timestamp=5))))
    now_ms = 50 * DAY_MS
    assert states.expire(now_ms, DAY_MS) == 0
    assert states.expire(now_ms + DAY_MS - 1, DAY_MS) == 0
    assert states.expire(now_ms + DAY_MS, DAY_MS) == 1


def test_rule_10_what_a_snapshot_brought_goes_at_once_when_old_and_gone_from_the_log() -> None:
    old, young = batch(7, 0, timestamp=5), batch(8, 0, timestamp=50 * DAY_MS)
    states = producer_snapshot.decode(producer_snapshot.encode(appended(old, young, batch(9, 0, timestamp=5))))
    states.truncate_before(2)
    assert states.expire(50 * DAY_MS, DAY_MS) == 1
    assert set(states.entries) == {8, 9}
