"""What takes away from a log: retention, deleted records, truncation, a new beginning."""

from __future__ import annotations

import errno
from dataclasses import replace
from random import Random

from kq.engine import names
from kq.errors import Err
from kq.record.batch import BatchHeader, parse_header, set_offset_and_epoch
from tests.support import twins
from tests.support.batches import (
    DIRECTORY,
    NOW,
    SMALL,
    append,
    bases,
    fails,
    fill,
    flush,
    make,
    open_log,
    read_all,
    retain,
)
from tests.support.memory_disk import MemoryDisk

BATCH = len(make(size=50))


# ---- retention


def test_retention_by_size_keeps_at_least_that_much() -> None:
    log = open_log(MemoryDisk(), replace(SMALL, retention_bytes=25 * BATCH))
    fill(log, 52)
    gone = retain(log, NOW, 52)
    assert [one.base_offset for one in gone] == [0, 10]
    assert "retention.bytes" in gone[0].reason
    assert (log.log_start_offset, bases(log)) == (20, [20, 30, 40, 50])
    fails(Err.OFFSET_OUT_OF_RANGE, log.read, 19, 1, end_offset=52)
    assert retain(log, NOW, 52) == []


def test_retention_by_time_goes_by_the_newest_record() -> None:
    log = open_log(MemoryDisk(), replace(SMALL, retention_ms=1000))
    for number in range(31):
        append(log, make(size=50, timestamp=NOW + number * 100))
    assert retain(log, NOW + 1900, 31) == []
    assert [one.base_offset for one in retain(log, NOW + 1901, 31)] == [0]
    assert [one.base_offset for one in retain(log, NOW + 2901, 31)] == [10]


def test_the_active_segment_expires_like_any_other() -> None:
    disk = MemoryDisk()
    log = open_log(disk, replace(SMALL, retention_ms=1000))
    fill(log, 15)
    assert [one.base_offset for one in retain(log, NOW + 1001, 15)] == [0, 10]
    assert (log.log_start_offset, log.log_end_offset, bases(log)) == (15, 15, [15])
    assert retain(log, NOW + 10**9, 15) == []
    fill(log, 1)
    assert [header.base_offset for header, _ in read_all(log)] == [15]
    flush(log)
    log = open_log(disk, SMALL, recovery_point=16)
    assert (log.log_start_offset, log.log_end_offset) == (15, 16)


def test_nothing_above_the_high_watermark_goes() -> None:
    log = open_log(MemoryDisk(), replace(SMALL, retention_bytes=0))
    fill(log, 35)
    assert [one.base_offset for one in retain(log, NOW, 19)] == [0]
    assert [one.base_offset for one in retain(log, NOW, 20)] == [10]


def test_a_compacted_log_loses_only_what_was_deleted_by_request() -> None:
    log = open_log(MemoryDisk(), replace(SMALL, retention_bytes=0, retention_ms=0, delete=False, compact=True))
    fill(log, 35)
    assert retain(log, NOW + 10**9, 35) == []
    log.advance_start(21)
    assert [one.base_offset for one in retain(log, NOW, 35)] == [0, 10]
    assert bases(log) == [20, 30]


def test_deleted_files_wait_for_their_time() -> None:
    disk = MemoryDisk()
    log = open_log(disk, replace(SMALL, retention_bytes=0, file_delete_delay_ms=60_000))
    fill(log, 21)
    flush(log)
    retain(log, NOW, 20)
    deleted = [entry.name for entry in disk.entries(DIRECTORY) if entry.name.endswith(names.DELETED)]
    assert len(deleted) == 6
    assert log.collect_deleted(NOW + 59_999) == 0
    assert log.collect_deleted(NOW + 60_000) == 6
    assert not [entry for entry in disk.entries(DIRECTORY) if entry.name.endswith(names.DELETED)]
    assert sorted(entry.name for entry in disk.entries(DIRECTORY) if entry.name.endswith(names.SNAPSHOT)) == [
        names.file_name(20, names.SNAPSHOT)
    ]


def test_a_full_disk_does_not_stop_retention() -> None:
    disk = MemoryDisk()
    log = open_log(disk, replace(SMALL, retention_bytes=0))
    fill(log, 21)
    flush(log)
    disk.fail("rename", times=99, error=errno.ENOSPC)
    assert [one.base_offset for one in retain(log, NOW, 20)] == [0, 10]
    assert (log.failed, list(twins.segments(disk))) == (None, [20])
    assert log.collect_deleted(NOW + 10**9) == 0


def test_files_that_cannot_be_unlinked_are_tried_again() -> None:
    disk = MemoryDisk()
    log = open_log(disk, replace(SMALL, retention_bytes=0))
    fill(log, 21)
    retain(log, NOW, 20)
    disk.fail("unlink", times=2)
    assert log.collect_deleted(NOW + 60_000) == 4
    assert log.collect_deleted(NOW + 60_000) == 2


def test_the_start_moves_forward_only() -> None:
    log = open_log(MemoryDisk(), SMALL)
    log.start_epoch(1)
    fill(log, 5)
    log.start_epoch(2)
    fill(log, 5)
    log.advance_start(7)
    log.advance_start(3)
    assert (log.log_start_offset, log.end_of_epoch(2), log.epoch_of(6)) == (7, (2, 10), -1)
    fails(Err.OFFSET_OUT_OF_RANGE, log.advance_start, 11)
    log.advance_start(10)
    assert log.read(10, 1, end_offset=10) is None


# ---- truncation


def test_truncation_at_every_offset_and_in_every_segment() -> None:
    for offset in range(31):
        disk = MemoryDisk()
        log = open_log(disk, SMALL)
        log.start_epoch(1)
        batches: list[tuple[BatchHeader, bytes]] = []
        for number in range(15):
            if number == 8:
                log.start_epoch(2)
            epoch = 2 if number >= 8 else 1
            append(log, make(2, size=50, producer_id=4, epoch=0, sequence=2 * number), leader_epoch=epoch)
        flush(log)
        batches = list(read_all(log))
        log.truncate_to(offset, now_ms=NOW)
        kept = [one for one in batches if one[0].last_offset < offset]
        end = kept[-1][0].next_offset if kept else 0
        assert list(read_all(log)) == kept
        assert (log.log_end_offset, log.recovery_point) == (end, end)
        assert log.leader_epoch == max((one[0].leader_epoch for one in kept), default=-1)
        assert (4 in log.producers.entries) == bool(kept)
        if kept:
            assert log.producers.entries[4].last_sequence == kept[-1][0].last_sequence
        assert twins.faults(disk) == []
        again = append(log, make(2, size=50, producer_id=4, epoch=0, sequence=end), leader_epoch=3)
        assert (again.base_offset, again.duplicate) == (end, False)
        after = open_log(disk.crash(Random(offset)), SMALL, recovery_point=end)
        assert list(read_all(after))[: len(kept)] == kept
        assert after.log_end_offset in (end, end + 2)


def test_readers_do_not_go_on_where_the_log_was_before() -> None:
    log = open_log(MemoryDisk(), replace(SMALL, segment_bytes=10_000))
    fill(log, 8)
    for offset in range(8):
        log.read(offset, 1, end_offset=8)
    log.truncate_to(3, now_ms=NOW)
    for size in (5, 90, 10, 70, 30):
        append(log, make(size=size))
    for offset in range(8):
        region = log.read(offset, 1, end_offset=8)
        assert region is not None
        assert parse_header(region.read()).base_offset == offset


def test_a_truncation_in_a_gap_forgets_where_readers_were() -> None:
    """Compaction left no batch between 5 and 20, where a segment begins; then the offsets between are used again."""
    log = open_log(MemoryDisk(), replace(SMALL, segment_bytes=5 * BATCH))
    fill(log, 5)
    behind = make(size=50)
    set_offset_and_epoch(behind, 0, 20, 0)
    log.append_batches(behind, now_ms=NOW)
    assert bases(log) == [0, 20]
    assert log.read(0, 1 << 20, end_offset=21) is not None
    log.configure(replace(SMALL, segment_bytes=10_000))
    log.truncate_to(15, now_ms=NOW)
    assert log.log_end_offset == 15
    fill(log, 8)
    assert bases(log) == [0]
    for offset, end_offset, count in ((15, 20, 5), (20, 23, 3)):
        region = log.read(offset, 1 << 20, end_offset=end_offset)
        assert region is not None
        assert parse_header(region.read()).base_offset == offset
        assert len(region) == count * BATCH


def test_a_flush_that_was_overtaken_does_nothing() -> None:
    disk = MemoryDisk()
    log = open_log(disk, SMALL)
    fill(log, 12)
    under_way = log.begin_flush()
    assert under_way is not None
    log.truncate_to(3, now_ms=NOW)
    disk.operations.clear()
    under_way.run()
    assert not disk.operations
    log.finish_flush(under_way)
    assert log.recovery_point == 0


def test_truncation_to_the_end_drops_an_epoch_that_has_nothing() -> None:
    log = open_log(MemoryDisk(), SMALL)
    log.start_epoch(1)
    fill(log, 3)
    log.start_epoch(5)
    log.truncate_to(3, now_ms=NOW)
    assert (log.leader_epoch, log.log_end_offset, log.end_of_epoch(1)) == (1, 3, (1, 3))


def test_a_log_begins_anew_elsewhere() -> None:
    disk = MemoryDisk()
    log = open_log(disk, SMALL)
    log.start_epoch(1)
    for number in range(25):
        append(log, make(size=50, producer_id=4, epoch=0, sequence=number), leader_epoch=1)
    flush(log)
    log.restart_at(100, now_ms=NOW)
    assert (log.log_start_offset, log.log_end_offset, log.recovery_point, bases(log)) == (100, 100, 100, [100])
    assert (log.leader_epoch, dict(log.producers.entries)) == (-1, {})
    assert list(twins.segments(disk)) == [100]
    assert append(log, make(), leader_epoch=2).base_offset == 100
    flush(log)
    after = open_log(disk.crash(Random(0)), SMALL, recovery_point=101)
    assert [header.base_offset for header, _ in read_all(after)] == [100]
