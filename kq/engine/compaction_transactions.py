"""What compaction knows of transactions while it walks a log from its beginning: pure, one use a walk.

Rules (Kafka's CleanedTransactionMetadata):
1. A batch of an aborted transaction goes at once. Which those are the transaction index says: a transaction that begins
   at `first_offset` takes the producer's transactional batches from there to its marker.
2. A marker may go when no batch of its transaction is left before it: one that was met in this walk, though it goes
   too, keeps its marker for this walk. An abort marker that stays keeps its entry in the transaction index.
3. A control batch that marks no end of a transaction stays; one that compaction has emptied may go.

Every transaction met here has ended: nothing at or above the last stable offset is cleaned.
"""

from __future__ import annotations

from collections.abc import Iterable

from kq.engine.txnindex import AbortedTransaction
from kq.record.batch import BatchHeader
from kq.record.control import Marker


class Transactions:
    __slots__ = ("_aborted", "_committed", "_ongoing")

    def __init__(self, aborted: Iterable[AbortedTransaction]) -> None:
        """`aborted`: those of which the walk may meet a batch or the marker."""
        self._aborted = sorted(aborted, key=lambda entry: entry.first_offset, reverse=True)  # next one last
        self._ongoing: dict[int, tuple[AbortedTransaction, bool]] = {}  # by producer; whether a batch of it was met
        self._committed: set[int] = set()  # producers of whose transaction a batch was met

    def is_aborted(self, header: BatchHeader) -> bool:
        """A data batch is met: does it belong to an aborted transaction?"""
        self._begin_up_to(header.last_offset)
        if not header.is_transactional:
            return False
        ongoing = self._ongoing.get(header.producer_id)
        if ongoing is None:
            self._committed.add(header.producer_id)
            return False
        self._ongoing[header.producer_id] = ongoing[0], True
        return True

    def end(self, header: BatchHeader, marker: Marker | None) -> tuple[bool, AbortedTransaction | None]:
        """A control batch with this marker is met, or with another record (None). Whether it has no use any more; and
        the entry of the transaction index that must stay with it."""
        self._begin_up_to(header.last_offset)
        if header.record_count == 0:
            return True, None
        if marker is Marker.ABORT:
            entry, was_met = self._ongoing.pop(header.producer_id, (None, False))
            return not was_met, entry if was_met else None
        if marker is Marker.COMMIT:
            was_met = header.producer_id in self._committed
            self._committed.discard(header.producer_id)
            return not was_met, None
        return False, None

    def _begin_up_to(self, offset: int) -> None:
        while self._aborted and self._aborted[-1].first_offset <= offset:
            entry = self._aborted.pop()
            self._ongoing.setdefault(entry.producer_id, (entry, False))
