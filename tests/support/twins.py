"""Slow, obvious twins of what the engine does cleverly: a log as a plain list of batches."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field

from kq.engine import names
from kq.record.batch import BatchHeader, decode_records, iter_batches, parse_header
from tests.support.batches import DIRECTORY
from tests.support.memory_disk import MemoryDisk


@dataclass
class Twin:
    """What the log should hold: whole batches in order, as they lie on the disk."""

    batches: list[bytes] = field(default_factory=list)
    start_offset: int = 0

    @property
    def headers(self) -> list[BatchHeader]:
        return [parse_header(batch) for batch in self.batches]

    @property
    def end_offset(self) -> int:
        return parse_header(self.batches[-1]).next_offset if self.batches else self.start_offset

    def from_offset(self, offset: int) -> list[bytes]:
        """What a reader gets who reads from `offset` to the end."""
        return [batch for batch in self.batches if parse_header(batch).last_offset >= offset]

    def first_at_or_after(self, timestamp: int) -> tuple[int, int] | None:
        """Timestamp and offset of the first record that is late enough."""
        for batch in self.batches:
            for record in decode_records(batch, limit=1 << 20):
                if record.timestamp >= timestamp and record.offset >= self.start_offset:
                    return record.timestamp, record.offset
        return None

    def greatest_timestamp(self) -> tuple[int, int] | None:
        records = [record for batch in self.batches for record in decode_records(batch, limit=1 << 20)]
        if not records:
            return None
        latest = max(record.timestamp for record in records)
        return latest, next(record.offset for record in records if record.timestamp == latest)


def segments(disk: MemoryDisk) -> dict[int, bytes]:
    """Base offset and bytes of each .log."""
    found = {}
    for entry in disk.entries(DIRECTORY):
        parts = names.parse(entry.name)
        if parts and parts[1:] == (names.LOG, ""):
            found[parts[0]] = disk.contents(f"{DIRECTORY}/{entry.name}")
    return dict(sorted(found.items()))


def index_of(base_offset: int, log: bytes, interval: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Both indexes of a segment by Kafka 4.3.1's rule, word by word."""
    index: list[tuple[int, int]] = []
    times: list[tuple[int, int]] = []
    since, latest, latest_offset = 0, -1, base_offset
    for position, header in iter_batches(log):
        if header.max_timestamp > latest:
            latest, latest_offset = header.max_timestamp, header.last_offset
        if since > interval:
            index.append((header.last_offset - base_offset, position))
            if latest > (times[-1][0] if times else -1):
                times.append((latest, latest_offset - base_offset))
            since = 0
        since += header.size
    if latest > (times[-1][0] if times else -1):
        times.append((latest, latest_offset - base_offset))
    return index, times


def entries(data: bytes, layout: str) -> list[tuple[int, int]]:
    return [(key, value) for key, value in struct.iter_unpack(layout, data)]


def faults(disk: MemoryDisk, *, sealed: Iterable[int] = ()) -> list[str]:
    """What is wrong with the files of a partition. Of an index only lies count; those `sealed` must be complete."""
    wrong: list[str] = []
    end = 0
    for base, log in segments(disk).items():
        ends: dict[int, tuple[int, int]] = {}
        size = 0
        for position, header in iter_batches(log):
            if header.base_offset < max(end, base):
                wrong.append(f"{base}: offset {header.base_offset} after {end}")
            end, size = header.next_offset, position + header.size
            ends[header.last_offset - base] = (position, header.max_timestamp)
        if size != len(log):
            wrong.append(f"{base}: {len(log) - size} bytes after the last batch")
        path = f"{DIRECTORY}/{base:020d}"
        index = entries(disk.contents(path + names.INDEX), ">ii") if disk.exists(path + names.INDEX) else []
        times = entries(disk.contents(path + names.TIME_INDEX), ">qi") if disk.exists(path + names.TIME_INDEX) else []
        wrong += [f"{base}: index entry {one}" for one in index if ends.get(one[0], (-1, 0))[0] != one[1]]
        wrong += [f"{base}: time entry {one}" for one in times if ends.get(one[1], (0, -2))[1] != one[0]]
        if index != sorted(set(index)) or times != sorted(set(times)):
            wrong.append(f"{base}: entries do not rise")
        latest = max((timestamp for _, timestamp in ends.values()), default=-1)
        if base in sealed and latest >= 0 and (not times or times[-1][0] != latest):
            wrong.append(f"{base}: the last time entry is not the greatest timestamp {latest}")
    return wrong
