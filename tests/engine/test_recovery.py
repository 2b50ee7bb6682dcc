"""How a directory was hurt, and what must remain. A fix of recovery arrives here as one more named row."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import pytest

from kq.engine import names
from kq.engine.log import Log
from kq.engine.settings import LogSettings
from kq.errors import Err, KafkaError
from tests.support import twins
from tests.support.batches import DIRECTORY, NOW, append, make, open_log, read_all
from tests.support.hurts import (
    BATCHES,
    SETTINGS,
    add,
    both,
    copy,
    cut,
    edit,
    fill,
    flip,
    garbage,
    hollow_out,
    old_message,
    path,
    remove,
    rename,
    swap_batch_offset,
    take_out,
    written,
)
from tests.support.memory_disk import MemoryDisk, PowerLoss


@dataclass(frozen=True)
class Row:
    name: str
    hurt: Callable[[MemoryDisk], None]
    ends_at: int = BATCHES  # the log end afterwards
    missing: tuple[int, ...] = ()  # batches below that end that are gone
    clean: bool = False
    recovery_point: int = 0
    log_start: int = 0
    settings: LogSettings = SETTINGS
    aside: tuple[str, ...] = ()  # names of what was set aside
    gone: tuple[str, ...] = ()  # paths that must not be there
    starts_at: int = 0  # the first offset that may be read
    spoiled: tuple[int, ...] = ()  # numbers of batches that are there and not what they were
    idle_lies: bool = False  # an index says what is not so, in a place where nobody meets it


BATCH = 118
FSYNC = LogSettings(segment_bytes=1200, index_interval_bytes=200, fsync_before_ack=True)
COMPACT = LogSettings(segment_bytes=1200, index_interval_bytes=200, compact=True, delete=False)
ZEROS = bytes(4096)


ROWS = [
    Row("nothing wrong, unclean", lambda disk: None),
    Row("nothing wrong, clean", lambda disk: None, clean=True),
    Row("torn header", add(20, names.LOG, b"\0" * 8 + b"\1\2\3"), 24),
    Row("torn header of a batch that was there", cut(20, names.LOG, BATCH - 30), 23),
    Row("torn batch", cut(20, names.LOG, 1), 23),
    Row("torn batch, clean marker all the same", cut(20, names.LOG, 1), 23, clean=True),
    Row("torn between two batches", cut(20, names.LOG, BATCH), 23),
    Row("zero tail shorter than a header", add(20, names.LOG, bytes(7))),
    Row("zero tail", add(20, names.LOG, ZEROS)),
    Row("zero tail of a preallocated file, clean", add(20, names.LOG, ZEROS), clean=True),
    Row(
        "a hole of zeros inside",
        edit(20, names.LOG, lambda log: log.__setitem__(slice(BATCH, 2 * BATCH), bytes(BATCH))),
        21,
    ),
    Row("garbage behind the last batch", add(20, names.LOG, bytes(range(1, 200)))),
    Row("flipped byte in a value", flip(20, names.LOG, 2 * BATCH + 90), 22),
    Row("flipped byte in a length", flip(20, names.LOG, 2 * BATCH + 9), 22),
    Row("flipped byte in a magic", flip(20, names.LOG, 2 * BATCH + 16), 22),
    Row("flipped byte in a checksum", flip(20, names.LOG, 2 * BATCH + 18), 22),
    Row("a batch whose offset goes back", swap_batch_offset, 23),
    Row(
        "flipped byte, later segments go",
        flip(0, names.LOG, 3 * BATCH + 90),
        3,
        gone=(path(10), path(20), path(10, names.INDEX)),
    ),
    Row("torn middle segment, later ones go", cut(10, names.LOG, 5), 19, gone=(path(20), path(20, names.SNAPSHOT))),
    Row(
        "flipped byte in synced data: set aside, not deleted",
        flip(0, names.LOG, 3 * BATCH + 90),
        3,
        recovery_point=9,
        aside=(
            "00000000000000000000.log.354.corrupt",
            "00000000000000000010.log.corrupt",
            "00000000000000000020.log.corrupt",
        ),
        gone=(path(10), path(20), path(10, names.INDEX), path(20, names.TIME_INDEX)),
    ),
    Row(
        "flipped byte in synced data of the last segment",
        flip(20, names.LOG, 90),
        20,
        recovery_point=24,
        aside=("00000000000000000020.log.0.corrupt",),
    ),
    Row(
        "flipped byte below the recovery point's segment is not looked at",
        flip(0, names.LOG, 3 * BATCH + 90),
        24,
        recovery_point=15,
        spoiled=(3,),
    ),
    Row(
        "torn middle segment with fsync before ack: later ones are set aside",
        cut(10, names.LOG, 5),
        19,
        settings=FSYNC,
        aside=("00000000000000000020.log.corrupt",),
    ),
    Row(
        "what was set aside before is kept",
        both(cut(10, names.LOG, 5), lambda disk: disk.spoil(path(20) + names.CORRUPT, b"earlier")),
        19,
        settings=FSYNC,
        aside=("00000000000000000020.log.corrupt", "00000000000000000020.log.2.corrupt"),
    ),
    Row(
        "the end of a middle segment was lost between two batches",
        cut(10, names.LOG, 2 * BATCH),
        18,
        aside=("00000000000000000020.log.corrupt",),
    ),
    Row("a middle segment was lost", remove(path(10)), 10, aside=("00000000000000000020.log.corrupt",)),
    Row(
        "a gap between segments is legal where compaction was",
        cut(10, names.LOG, 2 * BATCH),
        missing=(18, 19),
        settings=COMPACT,
    ),
    Row(
        "a gap between segments is legal where compaction has been",
        both(take_out(0, 4), cut(10, names.LOG, 2 * BATCH)),
        missing=(4, 18, 19),
    ),
    Row("a producer's last batch without its records", hollow_out(20, 3), spoiled=(23,)),
    Row("a producer's last batch without its records, clean", hollow_out(20, 3), spoiled=(23,), clean=True),
    Row("gaps inside segments", both(take_out(0, 0), take_out(10, 5), take_out(20, 2)), missing=(0, 15, 22)),
    Row("a gap between segments that were synced", cut(0, names.LOG, 2 * BATCH), missing=(8, 9), recovery_point=20),
    Row(
        "a segment that begins inside the one before it",
        copy(path(20), path(15)),
        20,
        aside=("00000000000000000015.log.corrupt", "00000000000000000020.log.corrupt"),
    ),
    Row("index missing, unclean", remove(path(10, names.INDEX), path(20, names.INDEX))),
    Row("index missing, clean", remove(path(10, names.INDEX), path(20, names.INDEX)), clean=True),
    Row("time index missing, clean", remove(path(0, names.TIME_INDEX), path(20, names.TIME_INDEX)), clean=True),
    Row("index missing below the recovery point", remove(path(0, names.INDEX)), recovery_point=22),
    Row("index longer than the log, clean", add(20, names.INDEX, struct.pack(">ii", 9, 99999)), clean=True),
    Row("index longer than the log, unclean", add(20, names.INDEX, struct.pack(">ii", 9, 99999))),
    Row("index with Kafka's zeros up to 10 MiB, clean", add(20, names.INDEX, bytes(10 << 20)), clean=True),
    Row("index with Kafka's zeros up to 10 MiB, unclean", add(20, names.INDEX, bytes(10 << 20))),
    Row("time index of 10485756 zeros, clean", fill(20, names.TIME_INDEX, bytes(10485756)), clean=True),
    Row("time index of 10485756 zeros, unclean", fill(20, names.TIME_INDEX, bytes(10485756))),
    Row("index that ends inside an entry, clean", cut(20, names.INDEX, 3), clean=True),
    Row("index of garbage, clean", garbage(20), clean=True),
    Row("index of garbage in an old segment, clean", garbage(0), clean=True, idle_lies=True),
    Row("empty index, clean", fill(20, names.INDEX, b""), clean=True),
    Row("stale time index, clean", cut(20, names.TIME_INDEX, 12), clean=True),
    Row("stale time index, unclean", cut(20, names.TIME_INDEX, 12)),
    Row("empty last segment", fill(24, names.LOG, b"")),
    Row("empty last segment, clean", fill(24, names.LOG, b""), clean=True),
    Row(
        "empty last segment behind lost batches",
        both(fill(24, names.LOG, b""), cut(20, names.LOG, BATCH)),
        23,
        gone=(path(24),),
    ),
    Row("two empty last segments of a failed roll", both(fill(24, names.LOG, b""), fill(24, names.INDEX, b"\1" * 8))),
    Row("the last segment is empty after all", fill(20, names.LOG, b""), 20),
    Row("only zeros in the last segment", fill(20, names.LOG, ZEROS), 20),
    Row("snapshot missing", remove(path(10, names.SNAPSHOT), path(20, names.SNAPSHOT), path(24, names.SNAPSHOT))),
    Row("snapshot missing, clean", remove(path(24, names.SNAPSHOT)), clean=True),
    Row("snapshot corrupt", flip(20, names.SNAPSHOT, 8)),
    Row("snapshot corrupt, clean", flip(24, names.SNAPSHOT, 8), clean=True),
    Row("snapshot cut short, clean", cut(24, names.SNAPSHOT, 3), clean=True),
    Row(
        "snapshot beyond the end",
        both(copy(path(20, names.SNAPSHOT), path(99, names.SNAPSHOT))),
        gone=(path(99, names.SNAPSHOT),),
    ),
    Row("epoch checkpoint missing, clean", remove(f"{DIRECTORY}/leader-epoch-checkpoint"), clean=True),
    Row("epoch checkpoint corrupt", lambda disk: disk.spoil(f"{DIRECTORY}/leader-epoch-checkpoint", b"0\n1\n0")),
    Row("deleted files", copy(path(0), path(0) + names.DELETED), gone=(path(0) + names.DELETED,)),
    Row("cleaned files", copy(path(0), path(0) + names.CLEANED), gone=(path(0) + names.CLEANED,)),
    Row(
        "a replacement that was not finished",
        copy(path(0), f"{DIRECTORY}/leader-epoch-checkpoint.tmp"),
        gone=(f"{DIRECTORY}/leader-epoch-checkpoint.tmp",),
    ),
    Row(
        "swap files that had only to be renamed",
        both(rename(path(0), path(0) + names.SWAP), rename(path(0, names.INDEX), path(0, names.INDEX) + names.SWAP)),
    ),
    Row("swap files beside what they replace", copy(path(0), path(0) + names.SWAP), gone=(path(0) + names.SWAP,)),
    Row(
        "swap files of a split that was not finished",
        both(copy(path(10), path(10) + names.SWAP), copy(path(0), path(0) + names.CLEANED)),
        gone=(path(10) + names.SWAP, path(0) + names.CLEANED),
    ),
    Row("an index without its log", fill(99, names.INDEX, b"\0" * 8), gone=(path(99, names.INDEX),)),
    Row(
        "log start above the end",
        lambda disk: None,
        0,
        log_start=30,
        starts_at=30,
        gone=(path(0), path(20), path(20, names.SNAPSHOT)),
    ),
    Row(
        "log start above the end, clean", lambda disk: None, 0, clean=True, log_start=30, starts_at=30, gone=(path(0),)
    ),
    Row("log start at the end", lambda disk: None, log_start=24, starts_at=24),
    Row("log start inside", lambda disk: None, log_start=13, starts_at=13),
    Row(
        "first segment was deleted by retention",
        remove(path(0), path(0, names.INDEX), path(0, names.TIME_INDEX)),
        starts_at=10,
    ),
    Row("unknown files stay", lambda disk: disk.spoil(f"{DIRECTORY}/notes.txt", b"mine")),
]


def reopen(disk: MemoryDisk, row: Row) -> Log:
    return open_log(
        disk, row.settings, clean=row.clean, recovery_point=row.recovery_point, log_start_offset=row.log_start
    )


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_recovery(row: Row) -> None:
    disk, batches = written()
    row.hurt(disk)
    log = reopen(disk, row)

    expected = [batch for n, batch in enumerate(batches) if row.starts_at <= n < row.ends_at and n not in row.missing]
    found = [batch for _, batch in read_all(log)]
    for number in row.spoiled:
        assert found[number] != expected[number]
        found[number] = expected[number]
    assert found == expected
    assert log.log_end_offset == max(row.ends_at, row.starts_at)
    assert log.log_start_offset == row.starts_at
    assert log.recovery_point <= log.log_end_offset
    names_now = {entry.name for entry in disk.entries(DIRECTORY)}
    assert sorted(name for name in names_now if name.endswith(names.CORRUPT)) == sorted(row.aside)
    assert not [one for one in row.gone if disk.exists(one)]
    if row.clean:
        for offset in range(log.log_start_offset, log.log_end_offset):
            assert log.read(offset, 1, end_offset=log.log_end_offset) is not None
    assert row.idle_lies or twins.faults(disk) == []

    # It goes on: the same producer, the next offset, and after a clean stop all of it again.
    end = log.log_end_offset
    known = log.producers.entries.get(7)
    assert (known is None) == (row.ends_at == 0)
    sequence = known.last_sequence + 1 if known else 0
    assert known is None or known.last_offset == end - 1
    assert append(log, make(size=50, producer_id=7, epoch=0, sequence=sequence), leader_epoch=4).base_offset == end
    before = [batch for _, batch in read_all(log)]
    log.close()
    assert row.idle_lies or twins.faults(disk, sealed=twins.segments(disk)) == []
    again = open_log(disk, row.settings, clean=True, log_start_offset=row.log_start)
    assert [batch for _, batch in read_all(again)] == before
    assert again.end_of_epoch(4) == (4, end + 1)
    assert again.leader_epoch == 4
    if row.ends_at and not row.starts_at:
        assert again.end_of_epoch(3) == (3, end)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_recovery_can_be_repeated(row: Row) -> None:
    """A crash right after recovery: the second one finds what the first left, and nothing more goes."""
    disk, _ = written()
    row.hurt(disk)
    log = reopen(disk, row)
    first = [batch for _, batch in read_all(log)]
    again = reopen(disk, row)
    assert [batch for _, batch in read_all(again)] == first
    assert (again.log_start_offset, again.log_end_offset) == (log.log_start_offset, log.log_end_offset)


def test_set_aside_bytes_are_those_that_were_there() -> None:
    disk, _ = written()
    before = disk.contents(path(0)), disk.contents(path(10))
    flip(0, names.LOG, 3 * BATCH + 90)(disk)
    hurt = disk.contents(path(0))
    open_log(disk, SETTINGS, recovery_point=9)
    assert disk.contents(path(0)) == before[0][: 3 * BATCH]
    assert disk.contents(f"{path(0)}.354.corrupt") == hurt[3 * BATCH :]
    assert disk.contents(path(10) + names.CORRUPT) == before[1]


def test_messages_of_an_old_kafka_are_refused_and_left_alone() -> None:
    disk, _ = written()
    content = old_message() + bytes(40)
    disk.spoil(path(20), content)
    with pytest.raises(KafkaError) as refused:
        open_log(disk, SETTINGS)
    assert refused.value.code is Err.KAFKA_STORAGE_ERROR
    assert "00000000000000000020.log" in str(refused.value)
    assert disk.contents(path(20)) == content


def test_a_crash_during_recovery_costs_nothing() -> None:
    """At every step of a recovery that deletes, cuts and sets aside."""
    hurt = flip(0, names.LOG, 3 * BATCH + 90)
    for recovery_point, settings in ((0, SETTINGS), (9, SETTINGS), (0, COMPACT)):
        for steps in range(200):
            disk, batches = written()
            hurt(disk)
            disk.lose_power_after(steps)
            try:
                open_log(disk, settings, recovery_point=recovery_point)
                break
            except PowerLoss:
                for seed in range(12):
                    log = open_log(disk.crash(Random(seed)), settings, recovery_point=recovery_point)
                    assert [batch for _, batch in read_all(log)] == batches[:3]
        else:
            pytest.fail("recovery never ended")


def test_what_was_cut_off_does_not_come_back_behind_new_batches() -> None:
    """All batches have the same size: were the cut lost, the old ones would fit behind the new one."""
    for seed in range(40):
        disk, batches = written()
        flip(20, names.LOG, 90)(disk)
        log = open_log(disk, SETTINGS)
        assert log.log_end_offset == 20
        new = make(timestamp=NOW, size=50, producer_id=7, epoch=0, sequence=20)
        append(log, new, leader_epoch=4)
        after = open_log(disk.crash(Random(seed)), SETTINGS)
        assert [batch for _, batch in read_all(after)] in (batches[:20], [*batches[:20], bytes(new)])
