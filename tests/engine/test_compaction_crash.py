"""One compaction, with the power lost before each of its operations in turn, and again while recovery puts it right."""

from __future__ import annotations

import errno
from dataclasses import replace
from random import Random

import pytest

from kq.engine import names
from kq.engine.log import Log
from kq.engine.recovery import Remove, plan_leftovers
from kq.engine.settings import LogSettings
from kq.errors import Err
from kq.record.batch import Record, encode_batch
from tests.support import twins
from tests.support.batches import DIRECTORY, NOW, append, fails, flush, marker, open_log
from tests.support.compacting import committed, compact, folded, records
from tests.support.memory_disk import MemoryDisk, PowerLoss

SETTINGS = LogSettings(segment_bytes=1100, index_interval_bytes=100, retention_ms=-1, compact=True, delete=False)
LATER = NOW + SETTINGS.delete_retention_ms + 1


def put(log: Log, key: bytes, value: bytes | None, *, producer_id: int = -1, transactional: bool = False) -> None:
    known = log.producers.entries.get(producer_id)
    batch = encode_batch(
        [Record(0, NOW, key, value)],
        producer_id=producer_id,
        producer_epoch=0 if producer_id >= 0 else -1,
        base_sequence=-1 if producer_id < 0 else known.last_sequence + 1 if known else 0,
        transactional=transactional,
    )
    append(log, memoryview(batch))


def fill(log: Log, turn: int) -> None:
    """Values, tombstones, an aborted and a committed transaction, over some segments."""
    for number in range(18):
        put(log, b"k%d" % (number % 7), b"%d of turn %d" % (number, turn) * 3, producer_id=4)
        if number % 5 == 0:
            put(log, b"k%d" % (number % 3), None)
        if number % 6 == 0:
            put(log, b"aborted", b"never to be seen", producer_id=8, transactional=True)
            put(log, b"k5", b"never either", producer_id=8, transactional=True)
            append(log, marker(commit=False, producer_id=8))
            put(log, b"kept", b"turn %d" % turn, producer_id=9, transactional=True)
            append(log, marker(commit=True, producer_id=9))


def prepared() -> tuple[MemoryDisk, Log]:
    """A log that was compacted once, with more behind it: its tombstones and markers are due at the second pass."""
    disk = MemoryDisk()
    log = open_log(disk, SETTINGS)
    for turn in range(2):
        fill(log, turn)
        flush(log)
        if turn == 0:
            assert compact(log) is not None
    log.collect_deleted(LATER)
    disk.sync_directory(DIRECTORY)
    return disk, log


def operations() -> int:
    disk, log = prepared()
    before = disk.operations.total() - disk.operations["read"]
    assert compact(log, now_ms=LATER) is not None
    return disk.operations.total() - disk.operations["read"] - before


@pytest.fixture(scope="module")
def table() -> dict[bytes, bytes]:
    _, log = prepared()
    return folded(committed(log))


def reopened(disk: MemoryDisk, recovery_point: int) -> Log:
    return open_log(disk, SETTINGS, recovery_point=recovery_point)


def lost(log: Log, disk: MemoryDisk, operation: int) -> None:
    disk.lose_power_after(operation)
    with pytest.raises(PowerLoss):
        compact(log, now_ms=LATER)


def check(disk: MemoryDisk, log: Log, before: list[Record], table: dict[bytes, bytes]) -> None:
    assert twins.faults(disk) == []
    found = records(log)
    assert set(found) <= set(before)
    assert folded(committed(log)) == table
    left = [one.name for one in disk.entries(DIRECTORY) if names.parse(one.name) and names.parse(one.name)[2]]  # type: ignore[index]
    assert left == []
    assert log.log_end_offset == before[-1].offset + 1


def test_no_crash_shows_half_of_a_compaction(table: dict[bytes, bytes]) -> None:
    before = records(prepared()[1])
    _, done = prepared()
    compact(done, now_ms=LATER)
    after = records(done)
    assert len(after) < len(before) / 2
    for operation in range(operations()):
        for seed in range(2):
            disk, log = prepared()
            known = log.recovery_point
            lost(log, disk, operation)
            found = disk.crash(Random(seed * 1000 + operation))
            opened = reopened(found, known)
            check(found, opened, before, table)
            assert set(after) <= set(records(opened))
            compact(opened, now_ms=LATER)
            assert records(opened) == after, operation


def test_nor_does_a_crash_of_the_recovery_from_it(table: dict[bytes, bytes]) -> None:
    rng = Random(3)
    before = records(prepared()[1])
    for operation in rng.sample(range(operations()), 25):
        disk, log = prepared()
        known = log.recovery_point
        lost(log, disk, operation)
        found = disk.crash(rng)
        for step in range(200):
            again = found.crash(Random(0))  # nothing is pending on it: a copy
            again.lose_power_after(step)
            try:
                reopened(again, known)
            except PowerLoss:
                twice = again.crash(rng)
                check(twice, reopened(twice, known), before, table)
            else:
                break
        else:
            pytest.fail("recovery does not end")


@pytest.mark.parametrize(
    ("operation", "path_end"),
    [("write", ".log.cleaned"), ("write", ".index.cleaned"), ("sync", ".cleaned"), ("create", ".cleaned")],
)
def test_trouble_before_the_swap_leaves_the_log_as_it_was(
    operation: str, path_end: str, table: dict[bytes, bytes]
) -> None:
    disk, log = prepared()
    before = records(log)
    disk.fail(operation, path_end, error=errno.ENOSPC)
    with pytest.raises(OSError, match="No space"):
        compact(log, now_ms=LATER)
    assert records(log) == before
    assert not log.failed
    disk.heal()
    assert compact(log, now_ms=LATER) is not None
    assert folded(committed(log)) == table
    assert not [one.name for one in disk.entries(DIRECTORY) if one.name.endswith(names.CLEANED)]


@pytest.mark.parametrize(
    ("operation", "path_end", "skip"),
    [
        ("rename", names.CLEANED, 0),
        ("rename", names.CLEANED, 2),
        ("rename", names.SWAP, 0),
        ("rename", names.SWAP, 2),
        *(("sync_directory", DIRECTORY, skip) for skip in (1, 2, 3)),
    ],
)
def test_trouble_in_the_swap_ends_the_log_until_recovery(
    operation: str, path_end: str, skip: int, table: dict[bytes, bytes]
) -> None:
    disk, log = prepared()
    before, known = records(log), log.recovery_point
    disk.fail(operation, path_end, skip=skip)
    message = fails(Err.KAFKA_STORAGE_ERROR, compact, log, now_ms=LATER)
    assert message.startswith("Could not swap segments in /data/t-0")
    assert log.failed
    assert records(log) == before  # what was there can be read
    disk.heal()
    check(disk, reopened(disk, known), before, table)


def two_halves() -> tuple[MemoryDisk, Log, int]:
    """A value in one segment and its tombstone, which is due, in the next; both go in one pass, from one group, of
    which they are the end. So it comes when the pass that set the horizon ran out of memory before the tombstone."""
    disk = MemoryDisk()
    log = open_log(disk, replace(SETTINGS, segment_bytes=300))
    put(log, b"first", b"stays" * 30)
    put(log, b"zombie", b"dead" * 40)
    put(log, b"y", b"y")
    put(log, b"zombie", None)
    put(log, b"y", b"later" * 30)
    put(log, b"end", b"active" * 20)
    flush(log)
    assert [segment.base_offset for segment in log.segments] == [0, 1, 2, 4, 5]
    compact(log, dedupe_bytes=500)  # three keys
    log.configure(replace(SETTINGS, segment_bytes=700))
    log.collect_deleted(LATER)
    disk.sync_directory(DIRECTORY)
    return disk, log, disk.operations.total() - disk.operations["read"]


def test_nothing_comes_back_without_its_tombstone() -> None:
    disk, log, before = two_halves()
    assert log.compaction.clean_offset == 3, "the tombstone was not mapped"
    assert [segment.base_offset for segment in log.segments] == [0, 1, 2, 4, 5]
    table = folded(committed(log))
    assert b"zombie" not in table
    compact(log, now_ms=LATER)
    count = disk.operations.total() - disk.operations["read"] - before
    assert [one.key for one in records(log)] == [b"first", b"y", b"end"]
    assert [segment.base_offset for segment in log.segments] == [0, 4, 5]
    for operation in range(count):
        for seed in range(12):
            disk, log, _ = two_halves()
            known = log.recovery_point
            lost(log, disk, operation)
            found = disk.crash(Random(seed))
            assert folded(committed(reopened(found, known))) == table, (operation, seed)


def test_an_empty_segment_takes_the_place_of_its_own_files() -> None:
    files = {names.file_name(7, kind) for kind in names.SEGMENT_FILES}
    swap = {names.file_name(7, names.LOG) + names.SWAP}
    steps = plan_leftovers(files | swap, {7: 7})
    assert {step.name for step in steps if isinstance(step, Remove)} == files


def test_without_a_name_that_is_durable_nothing_begins() -> None:
    disk, log = prepared()
    disk.fail("sync_directory", DIRECTORY)
    fails(Err.KAFKA_STORAGE_ERROR, compact, log, now_ms=LATER)
    assert not log.failed
    assert compact(log, now_ms=LATER) is not None


def test_an_old_cleaned_file_is_taken_away_before_anything_is_swapped() -> None:
    """Recovery would take the `.swap` files at and above it for half of a split, when what they replace is gone."""
    disk, log = prepared()
    disk.spoil(f"{DIRECTORY}/{names.file_name(0, names.LOG)}{names.CLEANED}", b"left over")
    disk.spoil(f"{DIRECTORY}/{names.file_name(3, names.INDEX)}{names.CLEANED}", b"left over")
    assert compact(log, now_ms=LATER) is not None
    assert not [one.name for one in disk.entries(DIRECTORY) if one.name.endswith(names.CLEANED)]
