"""Ways to hurt the directory of a partition on the disk in memory. Each makes a function that does it to a disk."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

from kq.engine import names
from kq.record.batch import iter_batches
from tests.support.batches import DIRECTORY, NOW
from tests.support.memory_disk import MemoryDisk

Hurt = Callable[[MemoryDisk], None]


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
