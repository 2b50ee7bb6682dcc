"""What one partition knows of its producers: duplicates, gaps, fences and open transactions.

Pure: no file, no clock. Rules (as in ProducerStateManager and ProducerAppendInfo), in the order of `check`:

1. A batch without a producer id is nobody's: it is neither checked nor recorded.
2. The last five batches of a producer are remembered. One that repeats the sequence range of one of them, in the same
   epoch, is a `Duplicate` of it; to repeat only a part of one is out of order.
3. An older epoch than the last one seen: INVALID_PRODUCER_EPOCH (47).
4. A newer epoch (any, epochs may jump) begins at sequence 0: otherwise OUT_OF_ORDER_SEQUENCE_NUMBER (45).
5. Within an epoch a batch begins one above the last sequence, 0 after 2^31-1: otherwise 45. Inside a batch the sequence
   wraps in the same way.
6. A producer that is unknown here (state lost by retention or expiry), or known without an epoch (-1), may begin
   anywhere.
7. A batch outside a transaction while the producer has one open here: INVALID_TXN_STATE (48).

`update` records what is in the log already and refuses nothing: as leader `check` came before, as follower and at
recovery the leader's word counts, even an older epoch.

8. A transactional batch opens a transaction at its first offset if none is open; a marker closes it. A marker without
   data moves only the epochs. A marker in a newer epoch empties the window: the next batch begins at 0.
9. A transaction that is closed holds the first unstable offset until its marker is below the high watermark
   (`acknowledge`), so a read of committed data never shows what a new leader might not have.
10. A producer is forgotten after `expiry_ms` without an append, never inside a transaction. kq counts from the append,
    not, as Kafka does, from the timestamps in the records: who writes last year's events is no less alive. What came
    from a snapshot counts from the first `expire` after it, unless its last batch is gone from the log too.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from kq.errors import Err, KafkaError
from kq.record.batch import MAX_SEQUENCE, BatchHeader
from kq.record.control import EndOfTransaction, Marker

WINDOW: Final = 5
"""Batches remembered of each producer (Kafka's NUM_BATCHES_TO_RETAIN): the most an idempotent client has in flight."""

_BATCH: Final = struct.Struct("<iiqq")  # last sequence, last offset - first offset, last offset, max timestamp
_BATCH_SIZE: Final = _BATCH.size


class Duplicate(NamedTuple):
    """Where the batch that came again was written the first time."""

    base_offset: int
    last_offset: int
    timestamp: int


class CompletedTransaction(NamedTuple):
    """A transaction with data here, closed by the marker at `last_offset`: all that an entry of the txnindex needs."""

    producer_id: int
    first_offset: int
    last_offset: int
    is_abort: bool
    last_stable_offset: int  # first offset of the oldest transaction that is still open, else the one after the marker


class ProducerEntry:
    """One producer. The window is packed (24 bytes a batch), for a partition may know a hundred thousand of them."""

    __slots__ = ("_window", "coordinator_epoch", "epoch", "last_timestamp", "seen_ms", "transaction_start")

    def __init__(
        self, epoch: int, last_timestamp: int, coordinator_epoch: int = -1, transaction_start: int = -1
    ) -> None:
        self.epoch = epoch
        self.last_timestamp = last_timestamp  # of the last batch or marker, as it stands in the log
        self.coordinator_epoch = coordinator_epoch  # of the last marker; -1: none yet
        self.transaction_start = transaction_start  # first offset of the open transaction; -1: none
        self.seen_ms = -1  # broker's time of the last append; -1: came from a snapshot
        self._window = b""

    @property
    def last_sequence(self) -> int:
        """Of the newest batch in this epoch; -1: none."""
        window = self._window
        return _BATCH.unpack_from(window, len(window) - _BATCH_SIZE)[0] if window else -1

    @property
    def last_offset(self) -> int:
        """Of the newest batch in this epoch; -1: none."""
        return self.newest_batch()[2]

    def newest_batch(self) -> tuple[int, int, int, int]:
        """Last sequence, offset delta, last offset and timestamp of the newest batch of this epoch."""
        window = self._window
        if not window:
            return -1, 0, -1, -1
        last_sequence, delta, last_offset, timestamp = _BATCH.unpack_from(window, len(window) - _BATCH_SIZE)
        return last_sequence, delta, last_offset, timestamp

    def find(self, last_sequence: int, offset_delta: int) -> Duplicate | None:
        """The remembered batch of just this sequence range."""
        for known_sequence, delta, last_offset, timestamp in _BATCH.iter_unpack(self._window):
            if known_sequence == last_sequence and delta == offset_delta:
                return Duplicate(last_offset - delta, last_offset, timestamp)
        return None

    def enter_epoch(self, epoch: int) -> None:
        if epoch != self.epoch:
            self.epoch = epoch
            self._window = b""

    def add(self, last_sequence: int, offset_delta: int, last_offset: int, timestamp: int) -> None:
        kept = self._window[-(WINDOW - 1) * _BATCH_SIZE :]
        self._window = kept + _BATCH.pack(last_sequence, offset_delta, last_offset, timestamp)
        self.last_timestamp = timestamp


class ProducerStates:
    """The producers of one partition. Called from the one thread that appends to it."""

    __slots__ = ("_closed", "_entries", "_highest_producer_id", "_log_start", "_open")

    def __init__(self) -> None:
        self._entries: dict[int, ProducerEntry] = {}
        self._open: dict[int, int] = {}  # producer id -> first offset, oldest first: offsets only grow
        self._closed: dict[int, int] = {}  # first offset -> offset of the marker, not yet below the high watermark
        self._highest_producer_id = -1
        self._log_start = 0

    @classmethod
    def restored(cls, entries: dict[int, ProducerEntry]) -> ProducerStates:
        """The state that has these producers, by id."""
        states = cls()
        states._entries = entries
        opened = sorted((one.transaction_start, id_) for id_, one in entries.items() if one.transaction_start >= 0)
        states._open = {producer_id: start for start, producer_id in opened}
        states._highest_producer_id = max(entries, default=-1)
        return states

    @property
    def entries(self) -> Mapping[int, ProducerEntry]:
        """By producer id; a view."""
        return MappingProxyType(self._entries)

    @property
    def highest_producer_id(self) -> int:
        """The highest id ever met here, also of producers forgotten since; -1: none. New ids are given out above it."""
        return self._highest_producer_id

    @property
    def first_undecided_offset(self) -> int | None:
        """Where the oldest open transaction begins."""
        return next(iter(self._open.values()), None)

    @property
    def first_unstable_offset(self) -> int | None:
        """Where the oldest transaction begins that is open, or closed by a marker not yet acknowledged (rule 9)."""
        undecided = self.first_undecided_offset
        if not self._closed:
            return undecided
        closed = min(self._closed)
        return closed if undecided is None else min(closed, undecided)

    def check(self, header: BatchHeader) -> Duplicate | None:
        """May this data batch of a client be appended? Raises KafkaError; a duplicate must not be written again."""
        entry = self._entries.get(header.producer_id)
        if entry is None:
            return None
        epoch, sequence = header.producer_epoch, header.base_sequence
        if epoch == entry.epoch:
            last = entry.last_sequence
            expected = 0 if last == MAX_SEQUENCE else last + 1
            if sequence != expected or epoch < 0:  # the next in sequence, the usual case, is no duplicate
                duplicate = entry.find(header.last_sequence, header.last_offset_delta)
                if duplicate is not None:
                    return duplicate
                if epoch >= 0:
                    raise KafkaError(
                        Err.OUT_OF_ORDER_SEQUENCE_NUMBER,
                        f"Producer {header.producer_id} sent sequence {sequence}, expected {expected}.",
                    )
        elif epoch < entry.epoch:
            raise KafkaError(
                Err.INVALID_PRODUCER_EPOCH,
                f"Producer {header.producer_id} sent epoch {epoch}, but epoch {entry.epoch} has been seen.",
            )
        elif sequence != 0 and entry.epoch >= 0:
            raise KafkaError(
                Err.OUT_OF_ORDER_SEQUENCE_NUMBER,
                f"Producer {header.producer_id} began epoch {epoch} at sequence {sequence}, expected 0.",
            )
        if entry.transaction_start >= 0 and not header.is_transactional:
            raise KafkaError(
                Err.INVALID_TXN_STATE,
                f"Producer {header.producer_id} has a transaction open since offset {entry.transaction_start}.",
            )
        return None

    def update(
        self, header: BatchHeader, base_offset: int, now_ms: int, end: EndOfTransaction | None = None
    ) -> CompletedTransaction | None:
        """Record a batch that is in the log at `base_offset`.

        For a control batch `end` is what its marker says; one without (cleaned away, or not about transactions)
        changes nothing. Returns the transaction with data that the marker closed.
        """
        producer_id = header.producer_id
        if producer_id < 0:
            return None
        if producer_id > self._highest_producer_id:
            self._highest_producer_id = producer_id
        if header.is_control and end is None:
            return None
        entry = self._entries.get(producer_id)
        if entry is None:
            entry = self._entries[producer_id] = ProducerEntry(header.producer_epoch, header.max_timestamp)
        else:
            entry.enter_epoch(header.producer_epoch)
        entry.seen_ms = now_ms
        if end is not None:
            return self._close(producer_id, entry, base_offset, header.max_timestamp, end)
        delta = header.last_offset_delta
        entry.add(header.last_sequence, delta, base_offset + delta, header.max_timestamp)
        if header.is_transactional and entry.transaction_start < 0:
            entry.transaction_start = base_offset
            self._open[producer_id] = base_offset
        return None

    def _close(
        self, producer_id: int, entry: ProducerEntry, offset: int, timestamp: int, end: EndOfTransaction
    ) -> CompletedTransaction | None:
        entry.coordinator_epoch = end.coordinator_epoch
        entry.last_timestamp = timestamp
        first_offset, entry.transaction_start = entry.transaction_start, -1
        if first_offset < 0:
            return None
        del self._open[producer_id]
        self._closed[first_offset] = offset
        oldest_open = self.first_undecided_offset
        stable = offset + 1 if oldest_open is None else oldest_open
        return CompletedTransaction(producer_id, first_offset, offset, end.marker is Marker.ABORT, stable)

    def acknowledge(self, high_watermark: int) -> None:
        """Transactions whose marker is below the high watermark no longer hold the first unstable offset."""
        if self._closed:
            self._closed = {first: marker for first, marker in self._closed.items() if marker >= high_watermark}

    def truncate_before(self, log_start_offset: int) -> None:
        """The log begins here now. Producers stay known: their next sequence is still the next one."""
        self._log_start = log_start_offset
        self.acknowledge(log_start_offset)

    def expire(self, now_ms: int, expiry_ms: int) -> int:
        """Forget idle producers (rule 10); how many."""
        gone = [
            producer_id
            for producer_id, entry in self._entries.items()
            if entry.transaction_start < 0 and self._is_idle(entry, now_ms, expiry_ms)
        ]
        for producer_id in gone:
            del self._entries[producer_id]
        return len(gone)

    def _is_idle(self, entry: ProducerEntry, now_ms: int, expiry_ms: int) -> bool:
        if entry.seen_ms >= 0:
            return now_ms - entry.seen_ms >= expiry_ms
        entry.seen_ms = now_ms
        return entry.last_offset < self._log_start and now_ms - entry.last_timestamp >= expiry_ms
