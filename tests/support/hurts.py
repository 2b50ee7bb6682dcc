"""A partition on the disk in memory, and ways to hurt its directory: each makes a function that does it to a disk."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

from kq.engine import names
from kq.engine.settings import LogSettings
from kq.record.batch import assemble, iter_batches, parse_header
from tests.support import twins
from tests.support.batches import DIRECTORY, NOW, append, make, open_log
from tests.support.memory_disk import MemoryDisk

SETTINGS = LogSettings(segment_bytes=1200, index_interval_bytes=200)
BATCHES = 24
"""Of one record and 118 bytes each, ten to a segment: segments begin at 0, 10 and 20, and the log ends at 24."""

Hurt = Callable[[MemoryDisk], None]


def written() -> tuple[MemoryDisk, list[bytes]]:
    """A log of three segments, closed cleanly, and its batches."""
    disk = MemoryDisk()
    log = open_log(disk, SETTINGS)
    log.start_epoch(3)
    batches = []
    for number in range(BATCHES):
        batch = make(timestamp=NOW + number, size=50, producer_id=7, epoch=0, sequence=number)
        append(log, batch, leader_epoch=3)
        batches.append(bytes(batch))
    log.close()
    assert list(twins.segments(disk)) == [0, 10, 20]
    return disk, batches


def path(base: int, kind: str = names.LOG) -> str:
    return f"{DIRECTORY}/{base:020d}{kind}"


def edit(base: int, kind: str, change: Callable[[bytearray], object]) -> Hurt:
    def hurt(disk: MemoryDisk) -> None:
        content = bytearray(disk.contents(path(base, kind)))
        change(content)
        disk.spoil(path(base, kind), bytes(content))

    return hurt


def cut(base: int, kind: str, by: int) -> Hurt:
    return edit(base, kind, lambda content: content.__delitem__(slice(len(content) - by, None)))


def add(base: int, kind: str, what: bytes) -> Hurt:
    return edit(base, kind, lambda content: content.extend(what))


def flip(base: int, kind: str, at: int) -> Hurt:
    def change(content: bytearray) -> None:
        content[at] ^= 0x10

    return edit(base, kind, change)


def remove(*paths: str) -> Hurt:
    def hurt(disk: MemoryDisk) -> None:
        for one in paths:
            disk.unlink(one)

    return hurt


def rename(old: str, new: str) -> Hurt:
    return lambda disk: disk.rename(old, new)


def both(*hurts: Hurt) -> Hurt:
    def hurt(disk: MemoryDisk) -> None:
        for one in hurts:
            one(disk)

    return hurt


def batch_at(disk: MemoryDisk, base: int, number: int) -> tuple[int, bytes]:
    """Position and bytes of a batch of a segment."""
    log = disk.contents(path(base))
    position, header = list(iter_batches(log))[number]
    return position, log[position : position + header.size]


def take_out(base: int, number: int) -> Hurt:
    """Compaction took this batch."""

    def hurt(disk: MemoryDisk) -> None:
        position, batch = batch_at(disk, base, number)
        edit(base, names.LOG, lambda log: log.__delitem__(slice(position, position + len(batch))))(disk)

    return hurt


def hollow_out(base: int, number: int) -> Hurt:
    """Compaction took the records of this batch, and left its header for the producer's sequence number."""

    def hurt(disk: MemoryDisk) -> None:
        position, batch = batch_at(disk, base, number)
        left = assemble(parse_header(batch)._replace(record_count=0), [])
        edit(base, names.LOG, lambda log: log.__setitem__(slice(position, position + len(batch)), left))(disk)

    return hurt


def swap_batch_offset(disk: MemoryDisk) -> None:
    """The last batch says it has an offset that was there already: a stale block, with a checksum that is right."""
    log = bytearray(disk.contents(path(20)))
    position, _ = batch_at(disk, 20, 3)
    struct.pack_into(">q", log, position, 21)
    disk.spoil(path(20), bytes(log))


def fill(base: int, kind: str, what: bytes) -> Hurt:
    """The file holds this instead of what it held, or beside the others."""
    return lambda disk: disk.spoil(path(base, kind), what)


def garbage(base: int) -> Hurt:
    return edit(base, names.INDEX, lambda index: index.__setitem__(slice(None), b"\7" * len(index)))


def copy(old: str, new: str) -> Hurt:
    return lambda disk: disk.spoil(new, disk.contents(old))


def old_message(value: bytes = b"old") -> bytes:
    """A message of format 1, as a Kafka of 2016 wrote it."""
    body = struct.pack(">bbqii", 1, 0, NOW, -1, len(value)) + value
    message = struct.pack(">I", zlib.crc32(body)) + body
    return struct.pack(">qi", 0, len(message)) + message
