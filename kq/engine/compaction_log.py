"""The compaction of one log: how far it is clean, what may be done, and the swap of segments for what is left of them.

    found = cleanable(...)                      log's thread
    compaction = begin(found, ...)              log's thread
    compaction.map_dirty()                      any thread; the log goes on meanwhile, whatever becomes of it
    cleaned = compaction.clean_next()           any thread, until it gives None:
        swap = begin_swap(cleaned, ...)         log's thread; None: the log has changed, the pass is given up
        swap.run()                              any thread, never beside a Retirement.run or collect_deleted
        finish_swap(swap)                       log's thread
    finish(compaction)                          log's thread

From `begin_swap` to `finish_swap` the log only grows: nobody truncates, closes or discards it, and no retention runs.
What was being read stays readable, as with retention: a region outlives the name of its file.
"""

from __future__ import annotations

from kq.engine.compaction import Cleanable, cleanable
from kq.engine.compaction_pass import Breathe, Cleaned, Compaction
from kq.engine.compaction_swap import Swap
from kq.engine.disk import Disk
from kq.engine.durability import Durability
from kq.engine.health import Health
from kq.engine.producers import ProducerStates
from kq.engine.row import Row
from kq.engine.segment import Segment
from kq.engine.settings import LogSettings
from kq.engine.snapshots import Snapshots


class LogCompaction:
    __slots__ = ("_directory", "_disk", "_durability", "_health", "_row", "_snapshots", "clean_offset")

    def __init__(
        self,
        disk: Disk,
        directory: str,
        row: Row,
        durability: Durability,
        snapshots: Snapshots,
        health: Health,
    ) -> None:
        self._disk = disk
        self._directory = directory
        self._row = row
        self._durability = durability
        self._snapshots = snapshots
        self._health = health
        self.clean_offset = 0  # below it no key is there twice; a hint, checkpointed

    def cleanable(
        self, settings: LogSettings, *, log_start_offset: int, last_stable_offset: int, now_ms: int
    ) -> Cleanable | None:
        """None when nothing may be done here: the log is not compacted, or has failed."""
        if not settings.compact or self._health.failed:
            return None
        with self._health.refusing("read from"):
            return cleanable(
                self._row.segments,
                settings,
                clean_offset=self.clean_offset,
                log_start_offset=log_start_offset,
                end_offset=min(last_stable_offset, self._durability.recovery_point),
                now_ms=now_ms,
            )

    def begin(
        self,
        found: Cleanable,
        settings: LogSettings,
        producers: ProducerStates,
        *,
        now_ms: int,
        dedupe_bytes: int,
        unpacked_limit: int,
        breathe: Breathe,
    ) -> Compaction:
        return Compaction(
            self._disk,
            self._directory,
            self._row.segments,
            settings,
            found,
            producers,
            now_ms=now_ms,
            dedupe_bytes=dedupe_bytes,
            unpacked_limit=unpacked_limit,
            breathe=breathe,
        )

    def begin_swap(self, cleaned: Cleaned, settings: LogSettings, *, now_ms: int) -> Swap | None:
        """None when what was read is not what is there now, or the topic is no longer compacted."""
        row = self._row.segments
        if not settings.compact or self._health.failed or not set(cleaned.group) <= set(row[:-1]):
            return None
        if cleaned.sizes != tuple(segment.size for segment in cleaned.group):
            return None
        with self._health.refusing("write the indexes in"):
            for segment in cleaned.group:
                segment.write_indexes()  # or one that is missing would be made later, under a name that is another's
        due_ms = now_ms + settings.file_delete_delay_ms
        return Swap(self._disk, self._directory, cleaned, lambda segment: self._row.bury(segment, due_ms))

    def finish_swap(self, swap: Swap, settings: LogSettings, *, now_ms: int) -> None:
        """The group is gone and what is left of it is read. KafkaError(KAFKA_STORAGE_ERROR) if `run` has failed, and so
        has the log if that had begun: recovery knows what to make of it."""
        cleaned = swap.cleaned
        if swap.error is not None:
            with self._health.refusing("swap segments in", is_fatal=swap.has_begun):
                raise swap.error
        for file in cleaned.files:
            file.close()
        segment = Segment(
            self._disk,
            self._directory,
            cleaned.base_offset,
            cleaned.log,
            settings,
            size=cleaned.size,
            index_entries=len(cleaned.entries.offsets),
            time_entries=len(cleaned.entries.times),
            txn_size=cleaned.txn_size,
            now_ms=now_ms,
        )
        segment.synced_size = segment.indexed_size = segment.size
        segment.note_latest(cleaned.entries.latest)
        self._row.replace(cleaned.group, segment)
        self._durability.forget(cleaned.group)
        self._snapshots.drop_at(one.base_offset for one in cleaned.group[1:])

    def finish(self, compaction: Compaction) -> None:
        """Every group was swapped."""
        self.clean_offset = compaction.end

    def note_clean(self, clean_offset: int, log_end_offset: int) -> None:
        """What the checkpoint says of it, if it can be true: a log that was cut may have grown again since."""
        self.clean_offset = clean_offset if clean_offset <= log_end_offset else 0

    def note_cut(self, end_offset: int) -> None:
        """The log was truncated: what comes here now was never compacted."""
        self.clean_offset = min(self.clean_offset, end_offset)
