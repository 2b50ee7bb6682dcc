"""The sparse indexes against a plain sorted list, across the border between file and memory."""

from __future__ import annotations

import errno
import struct
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kq.engine.index import PAGE_ENTRIES, DamagedIndex, OffsetIndex, TimeIndex
from tests.support.memory_disk import MemoryDisk

PATH = "/d/00000000000000000000.index"


def empty() -> tuple[MemoryDisk, OffsetIndex]:
    disk = MemoryDisk()
    disk.make_directory("/d")
    return disk, OffsetIndex(disk, PATH, None)


def filled(count: int, rng: Random) -> tuple[MemoryDisk, OffsetIndex, list[tuple[int, int]]]:
    disk, index = empty()
    entries, key, value = [], 0, 0
    for _ in range(count):
        key, value = key + rng.randrange(1, 9), value + rng.randrange(1, 5000)
        index.add(key, value)
        entries.append((key, value))
    return disk, index, entries


def floor(entries: list[tuple[int, int]], wanted: int, column: int) -> tuple[int, int] | None:
    """The twin."""
    return next((entry for entry in reversed(entries) if entry[column] <= wanted), None)


def agree(index: OffsetIndex, entries: list[tuple[int, int]], rng: Random) -> None:
    assert index.count == len(entries)
    last_key, last_value = entries[-1] if entries else (0, 0)
    keys = [-1, 0, last_key, last_key + 1, *(rng.randrange(last_key + 2) for _ in range(30))]
    values = [-1, 0, last_value, last_value + 1, *(rng.randrange(last_value + 2) for _ in range(30))]
    assert [index.floor(key) for key in keys] == [floor(entries, key, 0) for key in keys]
    assert [index.floor_by_value(value) for value in values] == [floor(entries, value, 1) for value in values]
    for number in {0, len(entries) // 2, len(entries) - 1} if entries else ():
        assert index.entry(number) == index.entry(number - len(entries)) == entries[number]


@given(st.integers(0, 2 * PAGE_ENTRIES + 3), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_agrees_with_a_plain_list(count: int, rng: Random) -> None:
    disk, index, entries = filled(count, rng)
    agree(index, entries, rng)
    index.write_out()
    agree(index, entries, rng)
    assert disk.contents(PATH) == b"".join(struct.pack(">ii", *entry) for entry in entries)
    agree(OffsetIndex(disk, PATH, count), entries, rng)
    kept = rng.randrange(count + 1)
    index.truncate(kept)
    agree(index, entries[:kept], rng)
    index.add(100_000, 100_000_000)
    agree(index, [*entries[:kept], (100_000, 100_000_000)], rng)
    index.write_out()
    assert len(disk.contents(PATH)) == index.size == 8 * (kept + 1)


@pytest.mark.parametrize("count", [PAGE_ENTRIES * 3 + delta for delta in (-1, 0, 1)])
def test_borders_of_pages(count: int) -> None:
    rng = Random(count)
    disk, index, entries = filled(count, rng)
    assert len(disk.contents(PATH)) == count // PAGE_ENTRIES * PAGE_ENTRIES * 8
    agree(index, entries, rng)
    for number in range(0, count, PAGE_ENTRIES):
        for beside in (-1, 0, 1):
            wanted = entries[number][0] + beside
            assert index.floor(wanted) == floor(entries, wanted, 0)


def test_memory_holds_a_page_at_most_and_the_end_needs_no_file() -> None:
    disk, index, entries = filled(5 * PAGE_ENTRIES + 7, Random(1))
    disk.operations.clear()
    assert index.floor(entries[-3][0]) == entries[-3]
    assert disk.operations["read"] == 0
    assert index.floor(entries[3][0]) == entries[3]
    assert disk.operations["read"] <= 4  # log2 of 5 pages, and the page


def test_no_file_before_the_first_page() -> None:
    disk, index, _ = filled(PAGE_ENTRIES - 1, Random(1))
    assert not disk.exists(PATH)
    assert index.file is None
    index.write_out()
    assert disk.exists(PATH)


def test_an_empty_index_is_an_empty_file() -> None:
    disk, index = empty()
    assert (index.floor(5), index.floor_by_value(5)) == (None, None)
    index.write_out()
    assert disk.contents(PATH) == b""


def test_what_a_failed_roll_left_is_not_believed() -> None:
    disk, index = empty()
    disk.spoil(PATH, b"\7" * 80)
    index.add(1, 2)
    index.write_out()
    assert disk.contents(PATH) == struct.pack(">ii", 1, 2)


def test_a_full_disk_costs_memory_until_there_is_room() -> None:
    disk, index, entries = filled(PAGE_ENTRIES - 1, Random(2))
    disk.fail("write", times=3, error=errno.ENOSPC)
    for number in range(3):
        index.add(100_000 + number, 100_000_000 + number)
        entries.append((100_000 + number, 100_000_000 + number))
    agree(index, entries, Random(2))
    with pytest.raises(DamagedIndex):
        OffsetIndex(disk, PATH, len(entries)).entry(-1)
    index.add(200_000, 200_000_000)
    entries.append((200_000, 200_000_000))
    assert disk.contents(PATH) == b"".join(struct.pack(">ii", *entry) for entry in entries)
    agree(index, entries, Random(3))


def test_rewriting_leaves_nothing_of_what_was_there() -> None:
    disk, index, _ = filled(PAGE_ENTRIES * 2, Random(4))
    index.rewrite([(1, 10), (2, 20)])
    agree(index, [(1, 10), (2, 20)], Random(5))
    assert disk.contents(PATH) == struct.pack(">iiii", 1, 10, 2, 20)
    disk.fail("write", error=errno.ENOSPC)
    with pytest.raises(OSError, match="No space"):
        index.rewrite([(3, 30)])
    agree(index, [(3, 30)], Random(6))
    index.write_out()
    assert disk.contents(PATH)[:8] == struct.pack(">ii", 3, 30)


def test_a_file_shorter_than_it_should_be_is_damaged() -> None:
    disk, index, _ = filled(PAGE_ENTRIES * 3, Random(7))
    disk.spoil(PATH, disk.contents(PATH)[: 8 * PAGE_ENTRIES + 4])
    again = OffsetIndex(disk, PATH, index.count)
    with pytest.raises(DamagedIndex):
        again.floor(1 << 30)
    with pytest.raises(DamagedIndex):
        again.entry(-1)


def test_times_must_rise_to_get_an_entry() -> None:
    disk = MemoryDisk()
    disk.make_directory("/d")
    index = TimeIndex(disk, PATH, None)
    for timestamp, offset in ((-1, 0), (5, 1), (5, 2), (4, 3), (6, 4), (0, 5)):
        index.add_if_later(timestamp, offset)
    index.write_out()
    index.add_if_later(6, 6)
    index.add_if_later(7, 7)
    assert [index.entry(number) for number in range(index.count)] == [(5, 1), (6, 4), (7, 7)]
    index.write_out()
    assert disk.contents(PATH) == struct.pack(">qiqiqi", 5, 1, 6, 4, 7, 7)


def test_a_time_of_zero_is_a_time() -> None:
    disk = MemoryDisk()
    disk.make_directory("/d")
    index = TimeIndex(disk, PATH, None)
    index.add_if_later(0, 3)
    assert index.floor(0) == (0, 3)
    assert index.floor(-1) is None
