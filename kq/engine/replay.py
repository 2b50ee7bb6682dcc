"""What the batches of a log say about its producers, transactions and leader epochs, read again from their headers.

Of control batches the record is read too: it says how a transaction ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kq.engine.epochs import EpochCache
from kq.engine.producers import CompletedTransaction, ProducerStates
from kq.engine.scan import DamagedBatch
from kq.engine.segment import Segment
from kq.engine.txnindex import AbortedTransaction
from kq.record.batch import BatchHeader
from kq.record.control import EndOfTransaction, read_marker
from kq.record.crc import Readable
from kq.record.faults import CorruptRecord

Aborted = dict[int, list[AbortedTransaction]]
"""By the base offset of the segment that has the marker."""


def replay(
    segments: Iterable[Segment],
    start_offset: int,
    end_offset: int,
    states: ProducerStates,
    epochs: EpochCache,
    now_ms: int,
    told: Mapping[int, tuple[tuple[int, int], ...]],
) -> Aborted:
    """Bring `states`, as they were before `start_offset`, and `epochs` up to `end_offset`. `told`: the epochs of
    segments, by base offset, that were read already and have no producers."""
    aborted: Aborted = {}
    row = list(segments) if start_offset < end_offset else []
    for number, segment in enumerate(row):
        is_before = number + 1 < len(row) and row[number + 1].base_offset <= start_offset
        if is_before or segment.base_offset >= end_offset:
            continue
        if segment.base_offset in told:
            for epoch, offset in told[segment.base_offset]:
                if epoch > epochs.latest:
                    epochs.assign(epoch, offset)
            continue
        try:
            aborted[segment.base_offset] = _replay_one(segment, start_offset, end_offset, states, epochs, now_ms)
        except DamagedBatch:
            continue  # below the recovery point, where nothing is cut: the other batches still count
    return aborted


def _replay_one(
    segment: Segment, start_offset: int, end_offset: int, states: ProducerStates, epochs: EpochCache, now_ms: int
) -> list[AbortedTransaction]:
    aborted: list[AbortedTransaction] = []
    for position, header in segment.headers_from(max(start_offset, segment.base_offset)):
        if header.base_offset >= end_offset:
            break
        if header.leader_epoch > epochs.latest:
            epochs.assign(header.leader_epoch, header.base_offset)
        if header.producer_id >= 0:
            end = end_in(segment.log.read(position, header.size), header) if header.is_control else None
            done = states.update(header, header.base_offset, now_ms, end)
            entry = aborted_by(done)
            if entry is not None:
                aborted.append(entry)
    return aborted


def end_in(batch: Readable, header: BatchHeader) -> EndOfTransaction | None:
    """The end of a transaction that a whole control batch marks. One that cannot be understood marks none: its checksum
    was right, so it was written like this, and no partition is given up for it."""
    try:
        return read_marker(batch) if header.record_count else None
    except CorruptRecord:
        return None


def aborted_by(done: CompletedTransaction | None) -> AbortedTransaction | None:
    """The entry of the transaction index for a transaction that a marker has closed, if it was aborted."""
    if done is None or not done.is_abort:
        return None
    return AbortedTransaction(done.producer_id, done.first_offset, done.last_offset, done.last_stable_offset)
