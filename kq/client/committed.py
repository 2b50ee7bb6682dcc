"""Which of the batches fetched are data that counts. Pure.

Control batches are never data. Under read_committed a broker sends everything below the last stable offset together
with the aborted transactions in that range (producer id, first offset); a batch is dropped when it is transactional and
its producer has, at that place, an aborted transaction that its abort marker has not ended yet.
Source: Kafka's `CompletedFetch.nextFetchedRecord`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from kq.record.batch import BatchHeader
from kq.record.control import Marker, read_marker

__all__ = ["Aborted", "RawBatch", "data_batches"]


class RawBatch(NamedTuple):
    header: BatchHeader
    data: memoryview  # the whole batch, its header included


class Aborted(NamedTuple):
    producer_id: int
    first_offset: int


def data_batches(batches: Iterable[RawBatch], aborted: Iterable[Aborted]) -> Iterator[RawBatch]:
    """The batches that hold records for the reader, in order. Without `aborted` only control batches go."""
    coming = sorted(aborted, key=lambda transaction: -transaction.first_offset)  # the next one is the last
    open_now: set[int] = set()  # producers inside an aborted transaction
    for batch in batches:
        header = batch.header
        while coming and coming[-1].first_offset <= header.last_offset:
            open_now.add(coming.pop().producer_id)
        if header.is_control:
            if header.producer_id in open_now and _is_abort(batch):
                open_now.discard(header.producer_id)
        elif not (header.is_transactional and header.producer_id in open_now):
            yield batch


def _is_abort(batch: RawBatch) -> bool:
    end = read_marker(batch.data)
    return end is not None and end.marker == Marker.ABORT
