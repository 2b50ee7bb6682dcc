"""What an answer to Produce means: one row a case, and the numbers of idempotent batches."""

from __future__ import annotations

import pytest

from kq.client.outcomes import MAX_EPOCH, MAX_SEQUENCE, Numbers, Outcome, PartitionNumbers, advanced, judge
from kq.errors import Err

FIRST = {"oldest": True, "numbered": True}
BEHIND = {"oldest": False, "numbered": True}
PLAIN = {"oldest": True, "numbered": False}


@pytest.mark.parametrize(
    ("code", "state", "outcome"),
    [
        (Err.NONE, FIRST, Outcome.DONE),
        (Err.DUPLICATE_SEQUENCE_NUMBER, FIRST, Outcome.DONE),
        (Err.NOT_LEADER_OR_FOLLOWER, FIRST, Outcome.RETRY),
        (Err.NOT_ENOUGH_REPLICAS_AFTER_APPEND, FIRST, Outcome.RETRY),
        (Err.REQUEST_TIMED_OUT, PLAIN, Outcome.RETRY),
        (Err.NETWORK_EXCEPTION, BEHIND, Outcome.RETRY),
        (Err.OUT_OF_ORDER_SEQUENCE_NUMBER, FIRST, Outcome.RENUMBER),
        (Err.OUT_OF_ORDER_SEQUENCE_NUMBER, BEHIND, Outcome.RETRY),
        (Err.OUT_OF_ORDER_SEQUENCE_NUMBER, PLAIN, Outcome.FAIL),
        (Err.UNKNOWN_PRODUCER_ID, FIRST, Outcome.RENUMBER),
        (Err.INVALID_PRODUCER_EPOCH, FIRST, Outcome.RENUMBER),
        (Err.INVALID_RECORD, FIRST, Outcome.FAIL),
        (Err.TOPIC_AUTHORIZATION_FAILED, FIRST, Outcome.FAIL),
        (Err.MESSAGE_TOO_LARGE, FIRST, Outcome.SPLIT),
        (Err.MESSAGE_TOO_LARGE, PLAIN, Outcome.SPLIT),
        (Err.UNKNOWN_SERVER_ERROR, FIRST, Outcome.FAIL),
    ],
)
def test_what_an_answer_means(code: Err, state: dict[str, bool], outcome: Outcome) -> None:
    assert judge(code, retriable=code.retriable, records=3, attempts_left=True, **state) is outcome


def test_one_record_cannot_be_split() -> None:
    assert judge(Err.MESSAGE_TOO_LARGE, retriable=False, records=1, attempts_left=True, **FIRST) is Outcome.FAIL


@pytest.mark.parametrize("code", [Err.NOT_LEADER_OR_FOLLOWER, Err.OUT_OF_ORDER_SEQUENCE_NUMBER])
def test_without_attempts_left_it_fails(code: Err) -> None:
    assert judge(code, retriable=True, records=3, attempts_left=False, **FIRST) is Outcome.FAIL


def test_splitting_is_no_retry() -> None:
    assert judge(Err.MESSAGE_TOO_LARGE, retriable=False, records=2, attempts_left=False, **FIRST) is Outcome.SPLIT


def test_numbers_continue_and_wrap() -> None:
    numbers = PartitionNumbers(7, 0)
    assert numbers.take(10) == Numbers(7, 0, 0)
    assert numbers.take(5) == Numbers(7, 0, 10)
    assert Numbers(7, 0, MAX_SEQUENCE).after(1) == Numbers(7, 0, 0)
    assert advanced(MAX_SEQUENCE - 1, 3) == 1


def test_a_new_epoch_begins_at_sequence_0() -> None:
    numbers = PartitionNumbers(7, 0)
    numbers.take(10)
    numbers.begin_epoch((9, 0))
    assert numbers.take(1) == Numbers(7, 1, 0)


def test_an_epoch_is_confirmed_by_a_batch_of_its_own() -> None:
    numbers = PartitionNumbers(7, 0)
    first = numbers.take(1)
    assert not numbers.confirmed
    numbers.confirm(first)
    assert numbers.confirmed
    numbers.begin_epoch((9, 0))
    numbers.confirm(first)  # a late answer
    assert not numbers.confirmed


def test_after_the_last_epoch_comes_another_producer_id() -> None:
    numbers = PartitionNumbers(7, MAX_EPOCH)
    assert numbers.exhausted
    numbers.begin_epoch((9, 3))
    assert numbers.take(1) == Numbers(9, 3, 0)
    assert not numbers.exhausted
