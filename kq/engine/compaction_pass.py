"""One pass of compaction over a log: what is dirty is mapped, then everything is copied without what has no use.

The pass reads segments that no longer grow and writes `.cleaned` files beside them; the log knows nothing of it until a
group of segments is swapped for what was left of it (compaction_swap.py), one group after the other from the oldest on,
so that a tombstone or a marker never goes before what it speaks of. It may be given up at any moment: `breathe`, called
for each batch, may wait, and may raise.

Nothing is believed: a batch whose checksum is wrong ends the pass (`DamagedBatch`), and is left for people to find.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from kq.engine import names, txnindex
from kq.engine.compaction import Cleanable, groups
from kq.engine.compaction_filter import BatchFilter, LastBatch
from kq.engine.compaction_map import LatestOffsets
from kq.engine.compaction_transactions import Transactions
from kq.engine.disk import Disk, File, create_anew
from kq.engine.entries import NO_TIMESTAMP, Entries
from kq.engine.index import OffsetIndex, TimeIndex
from kq.engine.producers import ProducerStates
from kq.engine.replay import end_in
from kq.engine.scan import DamagedBatch
from kq.engine.segment import Segment
from kq.engine.settings import LogSettings
from kq.engine.txnindex import AbortedTransaction
from kq.record.batch import HEADER_SIZE, MAGIC, BatchHeader, crc_ok, parse_header, records_section
from kq.record.crc import Readable
from kq.record.outline import outline

CHUNK: Final = 1 << 20  # read and written at once, but for a larger batch
MOST_BYTES: Final = 2**31 - 1  # of a segment: positions in an index are int32

Breathe = Callable[[int], None]
"""Called with the bytes that were moved since the last time."""


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What is left of a group of segments, synced, in files ending in `.cleaned`."""

    group: tuple[Segment, ...]
    sizes: tuple[int, ...]  # of the segments of the group, as they were read
    log: File
    files: tuple[File, ...]  # the log and its indexes
    entries: Entries
    size: int
    txn_size: int | None
    end_offset: int  # after the last batch that is left; the base offset, if none is

    @property
    def base_offset(self) -> int:
        return self.group[0].base_offset


class Compaction:
    """Made by `LogCompaction.begin`; `map_dirty` once, then `clean_next` until it gives None, in any thread."""

    def __init__(
        self,
        disk: Disk,
        directory: str,
        segments: Sequence[Segment],
        settings: LogSettings,
        found: Cleanable,
        producers: ProducerStates,
        *,
        now_ms: int,
        dedupe_bytes: int,
        unpacked_limit: int,
        breathe: Breathe,
    ) -> None:
        self._disk = disk
        self._directory = directory
        self._segments = segments
        self._settings = settings
        self._found = found
        self._producers = producers
        self._now_ms = now_ms
        self._dedupe_bytes = dedupe_bytes
        self._unpacked_limit = unpacked_limit  # bytes that the records of one batch may unfold to
        self._breathe = breathe
        self._groups: list[tuple[Segment, ...]] = []
        self._filter: BatchFilter
        self.end = found.start  # everything below is compacted when all groups are swapped
        self.read_bytes = 0
        self.kept_bytes = 0  # of `copied_bytes`
        self.copied_bytes = 0
        self.map_bytes = 0

    def map_dirty(self) -> None:
        """Find the last offset of each key, as far as there is room for them."""
        self.discard()
        found = self._found
        map_ = LatestOffsets(self._dedupe_bytes)
        aborted = self._aborted(found.start, found.end)
        transactions = Transactions(aborted)
        self.end = self._map(map_, transactions)
        self.map_bytes = map_.held_bytes
        self._groups = groups(self._segments, self._settings, self.end)
        first = self._segments[0].base_offset
        end = found.end if self._groups else first
        self._filter = BatchFilter(
            map_.latest,
            self.end,
            Transactions(self._aborted(first, end)),
            _last_batches(self._producers),
            round_end=found.end,
            now_ms=self._now_ms,
            delete_retention_ms=self._settings.delete_retention_ms,
            unpacked_limit=self._unpacked_limit,
        )

    def _map(self, map_: LatestOffsets, transactions: Transactions) -> int:
        """Returns the offset up to which every key is in the map."""
        start, end = self._found.start, self._found.start
        for segment, after in pairwise(self._segments):
            if segment.base_offset >= self._found.end:
                break
            if after.base_offset <= start:
                continue
            for batch, header in self._batches(segment):
                if header.last_offset < start:
                    continue
                if map_.is_full:
                    return end
                if header.is_control:
                    marks = end_in(batch, header)
                    transactions.end(header, None if marks is None else marks.marker)
                elif not transactions.is_aborted(header) and header.record_count:
                    section = records_section(batch, header, limit=self._unpacked_limit)
                    outlined = outline(section, header.record_count)
                    map_.add(header.base_offset, start, outlined.keys, outlined.deltas)
                end = header.next_offset
            end = after.base_offset
        return end

    def clean_next(self) -> Cleaned | None:
        """The next group of segments, copied; None when there is no more."""
        if not self._groups:
            return None
        group = self._groups.pop(0)
        writer = _Writer(self._disk, self._directory, group, self._settings)
        try:
            for segment in group:
                for batch, header in self._batches(segment):
                    left = self._filter.left_of(batch, header)
                    if left is not None:
                        writer.add(left)
                        self.kept_bytes += len(left)
                    self.copied_bytes += header.size
            aborted, self._filter.aborted = self._filter.aborted, []
            return writer.finish(aborted)
        except BaseException:
            writer.discard()
            raise

    def _batches(self, segment: Segment) -> Iterator[tuple[Readable, BatchHeader]]:
        """Each with its checksum looked at."""
        file, end, position = segment.log, segment.size, 0
        length = CHUNK
        while position < end:
            chunk = memoryview(file.read(position, min(length, end - position)))
            inside, size = 0, HEADER_SIZE
            while len(chunk) - inside >= HEADER_SIZE:
                header = parse_header(chunk, inside)
                size = header.size
                at = position + inside
                if header.magic != MAGIC or size < HEADER_SIZE or header.last_offset_delta < 0 or at + size > end:
                    raise DamagedBatch(at, f"{file.path} has no batch")
                if size > len(chunk) - inside:
                    break
                if not crc_ok(chunk, inside, size):
                    raise DamagedBatch(at, f"{file.path} has a batch with a wrong checksum")
                yield chunk[inside : inside + size], header
                inside += size
                self._breathe(size)
            if not inside and len(chunk) >= size:
                raise DamagedBatch(position, f"{file.path} ends")
            if size > self._unpacked_limit:
                raise DamagedBatch(position + inside, f"{file.path} has a batch of {size} bytes")
            length = max(CHUNK, size)
            position += inside
            self.read_bytes += inside

    def _aborted(self, start: int, end: int) -> list[AbortedTransaction]:
        """Those that touch [start, end): the marker may lie in a later segment."""
        return [
            entry
            for segment in self._segments
            for entry in segment.aborted()
            if entry.last_offset >= start and entry.first_offset < end
        ]

    def discard(self) -> None:
        """Take away what earlier passes have left. A `.cleaned` file below a `.swap` file would tell recovery that the
        latter is not complete (recovery.py, step 1): nothing is swapped while there is an old one."""
        for entry in self._disk.entries(self._directory):
            parts = names.parse(entry.name)
            if parts is not None and parts[2] == names.CLEANED:
                self._disk.unlink(f"{self._directory}/{entry.name}")


def _last_batches(producers: ProducerStates) -> dict[int, LastBatch]:
    """Of all that are known now. Who comes later, or writes more, does so above all that is cleaned."""
    return {pid: LastBatch(entry.last_offset, entry.epoch) for pid, entry in list(producers.entries.items())}


class _Writer:
    """The files of what becomes one segment."""

    def __init__(self, disk: Disk, directory: str, group: tuple[Segment, ...], settings: LogSettings) -> None:
        self._disk = disk
        self._directory = directory
        self._group = group
        self._base = group[0].base_offset
        self._entries = Entries(self._base, settings.index_interval_bytes)
        self._buffer = bytearray()
        self._written = 0
        self._end_offset = self._base
        self._log = create_anew(disk, self._path(names.LOG))
        self._files = [self._log]

    def _path(self, kind: str) -> str:
        return f"{self._directory}/{names.file_name(self._base, kind)}{names.CLEANED}"

    def add(self, batch: Readable) -> None:
        header = parse_header(batch)
        position = self._written + len(self._buffer)
        if position + len(batch) > MOST_BYTES:
            raise DamagedBatch(position, f"recompressed, segment {self._base} becomes too large, with a batch")
        # The time of a batch without records leads nowhere (and kafka-dump-log would call the entry a mismatch).
        timestamp = header.max_timestamp if header.record_count else NO_TIMESTAMP
        self._entries.add(position, header.last_offset, timestamp)
        self._end_offset = header.next_offset
        self._buffer += batch
        if len(self._buffer) >= CHUNK:
            self._write()

    def _write(self) -> None:
        self._log.write(self._written, self._buffer)
        self._written += len(self._buffer)
        self._buffer = bytearray()

    def finish(self, aborted: list[AbortedTransaction]) -> Cleaned:
        self._write()
        self._entries.finish()
        for index, entries in (
            (OffsetIndex(self._disk, self._path(names.INDEX), None), self._entries.offsets),
            (TimeIndex(self._disk, self._path(names.TIME_INDEX), None), self._entries.times),
        ):
            index.rewrite(entries)
            if index.file is not None:
                self._files.append(index.file)
        txn_size = None
        if aborted:
            content = b"".join(map(txnindex.encode, aborted))
            txn_size = len(content)
            file = create_anew(self._disk, self._path(names.TXN_INDEX))
            self._files.append(file)
            file.write(0, content)
        for file in self._files:
            file.sync()
        return Cleaned(
            group=self._group,
            sizes=tuple(segment.size for segment in self._group),
            log=self._log,
            files=tuple(self._files),
            entries=self._entries,
            size=self._written,
            txn_size=txn_size,
            end_offset=self._end_offset,
        )

    def discard(self) -> None:
        """As far as that is possible; `Compaction.discard` does it again."""
        for file in self._files:
            try:
                file.unlink()
            except OSError:
                file.close()
