"""From a directory to what a log needs in memory: look, plan, repair, then read what is not in the segments' headers.

Three sources besides the batches make a start quick after a clean stop: the indexes (where the last batch is), the
newest producer snapshot, the leader-epoch checkpoint. None of them must be there, and none is believed when the batches
say otherwise; without them the batches are read.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final

from kq.engine import checkpoint, names, recovery
from kq.engine.checkpoint import CorruptCheckpoint
from kq.engine.compaction_log import LogCompaction
from kq.engine.disk import Disk
from kq.engine.durability import Durability
from kq.engine.entries import NO_TIMESTAMP, Entries, Latest
from kq.engine.epochs import EpochCache, EpochEntry
from kq.engine.health import Health
from kq.engine.index import DamagedIndex, OffsetIndex, TimeIndex
from kq.engine.ledger import Ledger
from kq.engine.producers import ProducerStates
from kq.engine.recovery import Facts, Plan, Reindex, SegmentFacts, Step
from kq.engine.replay import replay
from kq.engine.row import Row
from kq.engine.scan import DamagedBatch, headers
from kq.engine.segment import Segment
from kq.engine.settings import LogSettings
from kq.engine.snapshots import Snapshots
from kq.engine.txnindex import CorruptTransactionIndex
from kq.engine.walk import Walk, walk

_LOG: Final = logging.getLogger(__name__)


@dataclass(slots=True)
class Loaded:
    row: Row
    log_start_offset: int
    log_end_offset: int
    ledger: Ledger
    snapshots: Snapshots
    durability: Durability
    compaction: LogCompaction
    health: Health


class Loader:
    """One use: `load`."""

    def __init__(
        self,
        disk: Disk,
        directory: str,
        settings: LogSettings,
        *,
        now_ms: int,
        clean: bool,
        recovery_point: int,
        log_start_offset: int,
    ) -> None:
        self._disk = disk
        self._directory = directory
        self._settings = settings
        self._now_ms = now_ms
        self._clean = clean
        self._recovery_point = recovery_point
        self._log_start_offset = log_start_offset
        self._names: frozenset[str] = frozenset()
        self._sizes: dict[tuple[int, str], int] = {}  # by base offset and kind
        self._has_leftovers = False
        self._segments: dict[int, Segment] = {}  # by base offset, ascending
        self._entries: dict[int, Entries] = {}  # index entries of those that were walked
        self._walks: dict[int, Walk] = {}

    def load(self) -> Loaded:
        self._list()
        self._clean = self._clean and names.SYNC_FAILED not in self._names
        if self._has_leftovers:
            self._apply(recovery.plan_leftovers(self._names, self._swap_ends()))
            self._list()
        bases = self._offsets(names.LOG)
        self._segments = {base: self._segment(base) for base in bases}
        plan = recovery.plan_segments(self._facts())
        self._apply(plan.steps)
        segments = [self._segments[base] for base in plan.segments]
        for segment in segments:
            if segment.base_offset in self._walks:
                segment.size = self._walks[segment.base_offset].good_size
        if not segments:
            created = Segment.create(self._disk, self._directory, self._log_start_offset, self._settings, self._now_ms)
            return self._loaded([created], self._log_start_offset, plan, None)
        start = max(self._log_start_offset, segments[0].base_offset)
        return self._loaded(segments, start, plan, self._read_epochs(start))

    # ---- looking

    def _list(self) -> None:
        found = {entry.name: entry.size for entry in self._disk.entries(self._directory) if not entry.is_directory}
        parsed = {name: parts for name in found if (parts := names.parse(name))}
        self._names = frozenset(found)
        self._sizes = {(base, kind): found[name] for name, (base, kind, suffix) in parsed.items() if not suffix}
        self._has_leftovers = (
            len(self._sizes) < len(parsed)
            or any(name.endswith(names.TEMPORARY) for name in found)
            or any(kind in recovery.INDEX_FILES and (base, names.LOG) not in self._sizes for base, kind in self._sizes)
        )

    def _offsets(self, kind: str) -> list[int]:
        return sorted(base for base, one in self._sizes if one == kind)

    def _swap_ends(self) -> dict[int, int]:
        """The offset after the last batch of each `.log.swap`, by its base offset."""
        ends: dict[int, int] = {}
        for name in self._names:
            parts = names.parse(name)
            if parts and parts[1:] == (names.LOG, names.SWAP):
                ends[parts[0]] = parts[0]
                file = self._disk.open(f"{self._directory}/{name}")
                try:
                    for _, header in headers(file, 0, file.size()):
                        ends[parts[0]] = header.next_offset
                except DamagedBatch as damage:
                    _LOG.error("%s/%s: %s", self._directory, name, damage)
                file.close()
        return ends

    def _segment(self, base_offset: int) -> Segment:
        sizes = self._sizes
        index, time_index = sizes.get((base_offset, names.INDEX)), sizes.get((base_offset, names.TIME_INDEX))
        return Segment(
            self._disk,
            self._directory,
            base_offset,
            self._disk.open(f"{self._directory}/{names.file_name(base_offset, names.LOG)}"),
            self._settings,
            size=sizes[base_offset, names.LOG],
            index_entries=None if index is None else index // OffsetIndex.ENTRY_SIZE,
            time_entries=None if time_index is None else time_index // TimeIndex.ENTRY_SIZE,
            txn_size=sizes.get((base_offset, names.TXN_INDEX)),
            now_ms=self._now_ms,
        )

    def _facts(self) -> Facts:
        row = list(self._segments.values())
        wrong: set[int] = set()
        if self._clean:
            if row and not self._end_is_right(row[-1]):
                self._walk(row[-1])
                wrong.add(row[-1].base_offset)
        else:
            below = [number for number, one in enumerate(row) if one.base_offset < self._recovery_point]
            for segment in row[max(below, default=0) :]:
                self._walk(segment)
                if self._walks[segment.base_offset].fault is not None:
                    break
        return Facts(
            names=self._names,
            snapshots=tuple(self._offsets(names.SNAPSHOT)),
            segments=tuple(
                SegmentFacts(
                    base_offset=segment.base_offset,
                    log_size=segment.size,
                    index_size=self._sizes.get((segment.base_offset, names.INDEX)),
                    time_index_size=self._sizes.get((segment.base_offset, names.TIME_INDEX)),
                    walk=self._walks.get(segment.base_offset),
                    index_is_wrong=segment.base_offset in wrong,
                )
                for segment in row
            ),
            log_start_offset=self._log_start_offset,
            recovery_point=self._recovery_point,
            clean=self._clean,
            is_compacted=self._settings.compact,
            fsync_before_ack=self._settings.fsync_before_ack,
        )

    def _walk(self, segment: Segment) -> None:
        entries = Entries(segment.base_offset, self._settings.index_interval_bytes)
        self._walks[segment.base_offset] = walk(segment.log, segment.size, segment.base_offset, entries)
        self._entries[segment.base_offset] = entries

    def _end_is_right(self, segment: Segment) -> bool:
        """After a clean stop: find the log end from the last index entry on. Leaves a Walk, if all is as it should."""
        try:
            found = _look_at_end(segment)
        except (DamagedIndex, DamagedBatch) as damage:
            _LOG.warning("%s: %s", segment.log.path, damage)
            return False
        if found is None:
            return False
        next_offset, latest = found
        segment.note_latest(latest)
        self._walks[segment.base_offset] = Walk(segment.size, next_offset)
        return True

    # ---- repairing

    def _apply(self, steps: tuple[Step, ...]) -> None:
        for step in steps:
            level = logging.DEBUG if isinstance(step, Reindex) and not self._clean else logging.WARNING
            _LOG.log(level, "%s: %s", self._directory, step)
        recovery.apply(self._disk, self._directory, steps, self._reindex)

    def _reindex(self, base_offset: int) -> None:
        segment, entries = self._segments[base_offset], self._entries.get(base_offset)
        if entries is None:
            segment.rebuild_indexes()
        else:
            segment.replace_indexes(entries)

    # ---- what is not in the segments

    def _read_epochs(self, log_start_offset: int) -> tuple[EpochEntry, ...] | None:
        """As the checkpoint says; None when the log has to say it."""
        if checkpoint.LEADER_EPOCHS not in self._names:
            return None
        path = f"{self._directory}/{checkpoint.LEADER_EPOCHS}"
        try:
            entries = EpochCache(checkpoint.decode_epochs(self._disk.read(path))).entries
        except CorruptCheckpoint as fault:
            _LOG.warning("%s is of no use, %s: the epochs are read from the log", path, fault)
            return None
        if not self._clean and not (entries and entries[0].start_offset <= log_start_offset):
            return None  # the log begins earlier again than it did when they were written
        return entries

    def _loaded(
        self, segments: list[Segment], start: int, plan: Plan, epochs_in_file: tuple[EpochEntry, ...] | None
    ) -> Loaded:
        end = plan.log_end_offset
        walked = [] if self._clean else [one for one in segments if one.base_offset in self._walks]
        snapshots = self._snapshots(plan)
        ledger = self._ledger(segments, walked, snapshots, epochs_in_file, start, end)
        self._note_what_is_durable(segments[-1], walked, plan)
        for segment in segments:
            for file in segment.files:
                file.close()  # ten thousand partitions are opened one after the other, few are used soon
        durability = Durability(
            self._disk,
            self._directory,
            snapshots,
            recovery_point=end if self._clean else min(self._recovery_point, end),
            rolled=[segment for segment in walked if segment is not segments[-1]],
            epochs_in_file=epochs_in_file,
            is_durable=self._clean and not plan.starts_anew,
        )
        row, health = Row(self._disk, self._directory, segments), Health(self._directory)
        compaction = LogCompaction(self._disk, self._directory, row, durability, snapshots, health)
        return Loaded(row, start, end, ledger, snapshots, durability, compaction, health)

    def _snapshots(self, plan: Plan) -> Snapshots:
        removed = {step.name for step in plan.steps if isinstance(step, recovery.Remove)}
        left = [one for one in self._offsets(names.SNAPSHOT) if names.file_name(one, names.SNAPSHOT) not in removed]
        return Snapshots(self._disk, self._directory, left)

    def _ledger(
        self,
        segments: list[Segment],
        walked: list[Segment],
        snapshots: Snapshots,
        epochs_in_file: tuple[EpochEntry, ...] | None,
        start: int,
        end: int,
    ) -> Ledger:
        """From the newest snapshot and the epoch checkpoint, as far as they can be believed; the batches say the rest.
        What was walked, and a segment whose transaction index is corrupt, is read again for its aborted transactions
        too."""
        redo = {segment.base_offset for segment in (*walked, *_with_corrupt_transactions(segments))}
        epochs = EpochCache(epochs_in_file or ())
        if redo:
            epochs.truncate_from_end(min(redo))
        replayed_from, producers = -1, ProducerStates()
        if epochs_in_file is not None:
            replayed_from, producers = snapshots.restore(min(redo, default=end))
        walks = {segment.base_offset: self._walks[segment.base_offset] for segment in walked}
        told = {base_offset: walk.epochs for base_offset, walk in walks.items() if not walk.has_producers}
        aborted = replay(segments, replayed_from, end, producers, epochs, self._now_ms, told)
        for segment in segments:
            if segment.base_offset in redo:
                segment.replace_aborted(aborted.get(segment.base_offset, []))
        epochs.truncate_from_end(end)
        epochs.truncate_from_start(start)
        producers.truncate_before(start)
        return Ledger(producers, epochs, snapshots)

    def _note_what_is_durable(self, active: Segment, walked: list[Segment], plan: Plan) -> None:
        """After a clean stop everything is. After another what lies below the recovery point, and the log of a segment
        that was mended, which ended with a sync; the indexes are new."""
        if self._clean:
            active.synced_size = active.size
            reindexed = any(isinstance(step, Reindex) and step.base_offset == active.base_offset for step in plan.steps)
            active.indexed_size = -1 if reindexed else active.size
            return
        mended = {step.base_offset for step in plan.steps if isinstance(step, recovery.Cut | recovery.Rewrite)}
        for segment in walked:
            if segment.base_offset in mended or self._walks[segment.base_offset].next_offset <= self._recovery_point:
                segment.synced_size = segment.size


def _look_at_end(segment: Segment) -> tuple[int, Latest] | None:
    """The offset after the last batch, and the greatest timestamp; None when an index entry leads nowhere."""
    base = segment.base_offset
    ends_at, start = segment.index.entry(-1) if segment.index.count else (-1, 0)
    if start >= segment.size > 0 or start < 0 or (start == 0 and ends_at >= 0):
        return None
    timestamp, latest_at = segment.time_index.entry(-1) if segment.time_index.count else (NO_TIMESTAMP, -1)
    next_offset, latest, is_believed = base, Latest(NO_TIMESTAMP, base), start == 0
    for position, header in headers(segment.log, start, segment.size):
        if position == start > 0 and header.last_offset - base != ends_at:
            return None
        is_believed = is_believed or (header.last_offset - base, header.max_timestamp) == (latest_at, timestamp)
        next_offset = header.next_offset
        if header.max_timestamp > latest.timestamp:
            latest = Latest(header.max_timestamp, header.last_offset)
    if is_believed:
        return next_offset, latest
    earlier = segment.latest_from_index()  # before the last index entry, unless it is a lie
    if earlier is None:
        return None
    return next_offset, latest if latest.timestamp > earlier.timestamp else earlier


def _with_corrupt_transactions(segments: list[Segment]) -> list[Segment]:
    corrupt: list[Segment] = []
    for segment in segments:
        try:
            segment.aborted()
        except CorruptTransactionIndex as fault:
            _LOG.warning("%s: %s; the aborted transactions are read from the log", segment, fault)
            corrupt.append(segment)
    return corrupt
