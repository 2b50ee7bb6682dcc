"""What compaction leaves of a batch: pure, a function of the batch and of what was found out before.

Rules (SEMANTICS 22; Kafka's Cleaner.cleanInto and MemoryRecords.filterTo):
1. A record stays if no later one has its key; above the part that was mapped (`end_offset`) every record stays. One
   without a key has no business in a compacted topic and goes.
2. A tombstone stays until the delete horizon of its batch, which the first pass that keeps one sets: so many ms from
   now (delete.retention.ms), into the base timestamp, with a bit to say so (KIP-534).
3. A marker stays as long as its transaction has batches before it, and then until its horizon, as a tombstone does.
4. A record of an aborted transaction goes at once.
5. A batch of which every record stays is not touched, unless it gets a horizon. Else it is made anew: offsets,
   sequences, producer and leader epoch stay, records are copied as they are, compressed as they were.
6. A batch that loses all its records goes, unless it is needed empty: the last batch of a producer that is still known
   (its next sequence follows from it; where there is none, its last marker, for the epoch), or the last batch that this
   pass may touch, so that the log goes on saying how far it goes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from kq.engine.compaction_map import LONG, shortened
from kq.engine.compaction_transactions import Transactions
from kq.engine.replay import end_in
from kq.engine.txnindex import AbortedTransaction
from kq.record.batch import BatchHeader, records_section
from kq.record.crc import Readable
from kq.record.outline import Outline, hollow, outline, rebased, thinned

NOWHERE: Final = -1


class LastBatch(NamedTuple):
    """What is known of a producer by its newest batch."""

    last_offset: int  # of its newest data batch in its epoch; -1: there is none
    epoch: int


class BatchFilter:
    """Walks the batches of a log in order, from its first."""

    __slots__ = (
        "_end_offset",
        "_last_batches",
        "_latest",
        "_new_horizon_ms",
        "_now_ms",
        "_round_end",
        "_transactions",
        "_unpacked_limit",
        "aborted",
    )

    def __init__(
        self,
        latest: Mapping[bytes, int],
        end_offset: int,
        transactions: Transactions,
        last_batches: Mapping[int, LastBatch],
        *,
        round_end: int,
        now_ms: int,
        delete_retention_ms: int,
        unpacked_limit: int,
    ) -> None:
        self._latest = latest  # the last offset of each key below `end_offset`, as far as it was not clean
        self._end_offset = end_offset
        self._transactions = transactions
        self._last_batches = last_batches
        self._round_end = round_end  # nothing at or above it may be touched
        self._now_ms = now_ms
        self._new_horizon_ms = now_ms + delete_retention_ms
        self._unpacked_limit = unpacked_limit  # bytes that the records of one batch may unfold to
        self.aborted: list[AbortedTransaction] = []  # entries of the transaction index that stay, in order

    def left_of(self, batch: Readable, header: BatchHeader) -> Readable | None:
        """The bytes that stay of a whole batch; None for none."""
        left = self._control(batch, header) if header.is_control else self._data(batch, header)
        if left is None and (header.next_offset == self._round_end or self._is_last_of_producer(header)):
            return batch if header.record_count == 0 else hollow(header)
        return left

    def _data(self, batch: Readable, header: BatchHeader) -> Readable | None:
        if self._transactions.is_aborted(header) or not header.record_count:
            return None
        section = records_section(batch, header, limit=self._unpacked_limit)
        found = outline(section, header.record_count)
        kept = self._kept(header, found)
        if not kept:
            return None
        if not header.has_delete_horizon and any(found.tombstones) and any(found.tombstones[i] for i in kept):
            return rebased(header, section, found, kept, self._new_horizon_ms)
        return batch if len(kept) == header.record_count else thinned(header, section, found, kept)

    def _kept(self, header: BatchHeader, found: Outline) -> list[int]:
        """The numbers of the records that stay."""
        base, end, get = header.base_offset, self._end_offset, self._latest.get
        is_past_horizon = header.has_delete_horizon and header.base_timestamp <= self._now_ms
        kept: list[int] = []
        for number, (delta, key, is_tombstone) in enumerate(
            zip(found.deltas, found.keys, found.tombstones, strict=True)
        ):
            offset = base + delta
            if offset < end:
                if key is None or (is_tombstone and is_past_horizon):
                    continue
                if offset < get(key if len(key) <= LONG else shortened(key), NOWHERE):
                    continue
            kept.append(number)
        return kept

    def _control(self, batch: Readable, header: BatchHeader) -> Readable | None:
        end = end_in(batch, header)
        has_no_use, entry = self._transactions.end(header, None if end is None else end.marker)
        if entry is not None:
            self.aborted.append(entry)
        if header.record_count == 0:
            return None
        if not has_no_use:
            return batch
        if header.has_delete_horizon:
            return None if header.base_timestamp <= self._now_ms else batch
        section = records_section(batch, header, limit=self._unpacked_limit)
        found = outline(section, header.record_count)
        return rebased(header, section, found, range(header.record_count), self._new_horizon_ms)

    def _is_last_of_producer(self, header: BatchHeader) -> bool:
        last = self._last_batches.get(header.producer_id) if header.producer_id >= 0 else None
        if last is None:
            return False
        if last.last_offset >= 0:
            return header.last_offset == last.last_offset
        return header.is_control and header.producer_epoch == last.epoch
