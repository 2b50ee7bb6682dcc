"""What an answer to Produce means for a batch, and the sequence numbers that make sending again safe.

A batch of an idempotent producer carries (producer id, epoch, first sequence). The leader takes a batch only if it
continues the last one, and recognizes the last five when they come again. From that follow the rules:

1. A batch keeps its numbers however often it is sent: if an earlier attempt was written after all, the leader says so.
2. While a batch is being sent again, the later ones of its partition wait, so that the leader never sees them first.
3. A leader that has not heard of a producer takes any sequence. So until the first batch of an epoch is acknowledged,
   the second is not sent: if the first were refused, the leader would take the second and never the first.
4. OUT_OF_ORDER for a batch with an older one still unanswered means only that the older one failed: it is sent again.
   For the oldest one it proves that neither it nor anything after it was written (an older batch was given up, or the
   leader lost its memory): the partition starts a new epoch with sequence 0 (KIP-360), once nothing is on the way any
   more, and all waiting batches are numbered anew. Nothing else ever changes a number; so no batch is written twice.

Without idempotence a partition has one batch on the way at a time if it could be sent again, so that order still holds.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple

from kq.errors import Err

__all__ = ["MAX_EPOCH", "MOVED", "NUMBERS_LOST", "Numbers", "Outcome", "PartitionNumbers", "judge"]

MAX_EPOCH = 32_767
MAX_SEQUENCE = 2**31 - 1

# The leader is elsewhere, or the topic is another one: ask for metadata before sending again.
MOVED = frozenset({
    Err.NOT_LEADER_OR_FOLLOWER, Err.UNKNOWN_TOPIC_OR_PARTITION, Err.LEADER_NOT_AVAILABLE, Err.KAFKA_STORAGE_ERROR,
    Err.FENCED_LEADER_EPOCH, Err.UNKNOWN_LEADER_EPOCH, Err.UNKNOWN_TOPIC_ID, Err.INCONSISTENT_TOPIC_ID,
    Err.NETWORK_EXCEPTION, Err.BROKER_NOT_AVAILABLE, Err.REPLICA_NOT_AVAILABLE,
})  # fmt: skip

NUMBERS_LOST = frozenset({Err.OUT_OF_ORDER_SEQUENCE_NUMBER, Err.UNKNOWN_PRODUCER_ID, Err.INVALID_PRODUCER_EPOCH})


class Outcome(Enum):
    DONE = auto()
    RETRY = auto()
    SPLIT = auto()  # into smaller batches, then again
    RENUMBER = auto()  # a new epoch for the partition, then again
    FAIL = auto()


def judge(code: Err, *, retriable: bool, records: int, attempts_left: bool, numbered: bool, oldest: bool) -> Outcome:
    """What to do with a batch that was answered with `code`.

    `retriable` is the error's own word for it (a lost connection has no code of its own). `oldest`: no earlier batch of
    its partition is unfinished.
    """
    if code in {Err.NONE, Err.DUPLICATE_SEQUENCE_NUMBER}:
        return Outcome.DONE
    if code == Err.MESSAGE_TOO_LARGE and records > 1:
        return Outcome.SPLIT
    if not attempts_left:
        return Outcome.FAIL
    if numbered and code in NUMBERS_LOST:
        return Outcome.RENUMBER if oldest else Outcome.RETRY
    return Outcome.RETRY if retriable else Outcome.FAIL


class Numbers(NamedTuple):
    """What an idempotent batch carries."""

    producer_id: int
    epoch: int
    sequence: int

    def after(self, records: int) -> Numbers:
        """Those of the record so many further on."""
        return self._replace(sequence=advanced(self.sequence, records))


class PartitionNumbers:
    """The producer id, epoch and next sequence of one partition. Epochs are the partition's own: its leader compares
    them only with what this partition has seen."""

    def __init__(self, producer_id: int, epoch: int) -> None:
        self._producer_id = producer_id
        self._epoch = epoch
        self._next = 0
        self._confirmed = False

    @property
    def confirmed(self) -> bool:
        """The leader knows this epoch: it has taken a batch of it."""
        return self._confirmed

    def confirm(self, numbers: Numbers) -> None:
        """A batch with these numbers was acknowledged."""
        if (numbers.producer_id, numbers.epoch) == (self._producer_id, self._epoch):
            self._confirmed = True

    def take(self, records: int) -> Numbers:
        """The numbers for the next batch."""
        numbers = Numbers(self._producer_id, self._epoch, self._next)
        self._next = advanced(self._next, records)
        return numbers

    @property
    def exhausted(self) -> bool:
        """No higher epoch is left: only another producer id helps."""
        return self._epoch >= MAX_EPOCH

    def begin_epoch(self, producer: tuple[int, int]) -> None:
        """Sequence 0 of the next epoch, or of this producer id and epoch where there is no next one."""
        if self.exhausted:
            self._producer_id, self._epoch = producer
        else:
            self._epoch += 1
        self._next = 0
        self._confirmed = False


def advanced(sequence: int, records: int) -> int:
    """The sequence after so many records; they wrap from 2^31-1 to 0."""
    return (sequence + records) & MAX_SEQUENCE
