"""What a broken or full disk does to a log: what passes, and what ends it until recovery."""

from __future__ import annotations

import errno
from random import Random

import pytest

from kq.engine import names
from kq.errors import Err
from tests.support import twins
from tests.support.batches import DIRECTORY, NOW, SMALL, append, bases, fails, fill, flush, make, open_log, read_all
from tests.support.memory_disk import MemoryDisk

BATCH = len(make(size=50))


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
def test_a_failed_append_leaves_nothing_and_the_next_one_succeeds(error: int) -> None:
    disk = MemoryDisk(seed=3)
    log = open_log(disk, SMALL)
    batches = fill(log, 3)
    for _ in range(5):
        disk.fail("write", names.LOG, error=error)
        failure = fails(Err.KAFKA_STORAGE_ERROR, append, log, make(size=50, producer_id=8, epoch=0, sequence=0))
        assert "write" in failure
        assert (log.log_end_offset, log.failed) == (3, None)
        assert len(disk.contents(f"{DIRECTORY}/{names.file_name(0, names.LOG)}")) == 3 * BATCH
        assert 8 not in log.producers.entries
    batches += fill(log, 20)
    assert [batch for _, batch in read_all(log)] == batches
    assert twins.faults(disk) == []


def test_a_torn_write_that_cannot_be_taken_back_ends_the_log() -> None:
    disk = MemoryDisk(seed=1)
    log = open_log(disk, SMALL)
    batches = fill(log, 3)
    disk.fail("write", names.LOG)
    disk.fail("truncate", names.LOG)
    fails(Err.KAFKA_STORAGE_ERROR, append, log, make(size=50))
    assert log.failed
    for deed in (lambda: append(log, make()), log.begin_flush, log.close):
        fails(Err.KAFKA_STORAGE_ERROR, deed)
    assert not log.flush_due(NOW + 10**12)
    assert [batch for _, batch in read_all(log)] == batches
    assert [batch for _, batch in read_all(open_log(disk, SMALL))] == batches


def test_a_roll_that_fails_leaves_the_log_as_it_was() -> None:
    disk = MemoryDisk()
    log = open_log(disk, SMALL)
    batches = fill(log, 10)
    disk.fail("create", names.LOG, times=2, error=errno.ENOSPC)
    for _ in range(2):
        fails(Err.KAFKA_STORAGE_ERROR, append, log, make(size=50))
        assert (log.log_end_offset, bases(log), log.failed) == (10, [0], None)
    batches += fill(log, 1)
    assert bases(log) == [0, 10]
    disk.fail("write", names.LOG, error=errno.ENOSPC)
    fails(Err.KAFKA_STORAGE_ERROR, append, log, make(size=50))
    assert [batch for _, batch in read_all(log)] == batches


def test_indexes_that_find_no_room_are_written_later() -> None:
    disk = MemoryDisk()
    log = open_log(disk, SMALL)
    fill(log, 10)
    disk.fail("create", names.INDEX, times=1, error=errno.ENOSPC)
    fill(log, 5)
    assert bases(log) == [0, 10]
    disk.fail("create", names.INDEX, times=1, error=errno.ENOSPC)
    assert "No space" in fails(Err.KAFKA_STORAGE_ERROR, log.begin_flush)
    assert not log.failed
    flush(log)
    assert log.recovery_point == 15
    assert twins.faults(disk, sealed=[0]) == []


def test_a_failed_sync_is_never_tried_again() -> None:
    disk = MemoryDisk()
    log = open_log(disk, SMALL)
    fill(log, 3)
    flush(log)
    batches = fill(log, 3)
    disk.fail("sync", names.LOG)
    assert "Input/output error" in fails(Err.KAFKA_STORAGE_ERROR, flush, log)
    assert log.recovery_point == 3
    for deed in (lambda: append(log, make()), log.begin_flush, log.close):
        fails(Err.KAFKA_STORAGE_ERROR, deed)
    # A new life finds the bytes in the cache, writes them once more, and then they are there.
    log = open_log(disk, SMALL, clean=True, recovery_point=3)
    assert [batch for _, batch in read_all(log)][3:] == batches
    flush(log)
    for seed in range(20):
        after = open_log(disk.crash(Random(seed)), SMALL, recovery_point=6)
        assert [batch for _, batch in read_all(after)][3:] == batches


def test_a_small_file_without_room_only_delays_the_flush() -> None:
    disk = MemoryDisk()
    log = open_log(disk, SMALL)
    fill(log, 12)
    disk.fail("replace", names.SNAPSHOT, error=errno.ENOSPC)
    fails(Err.KAFKA_STORAGE_ERROR, flush, log)
    assert (log.failed, log.recovery_point) == (None, 0)
    flush(log)
    assert log.recovery_point == 12
    assert disk.exists(f"{DIRECTORY}/{names.file_name(10, names.SNAPSHOT)}")
