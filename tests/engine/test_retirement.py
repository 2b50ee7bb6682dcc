"""Between the beginning of a retention and its end the log goes on: appends, rolls, flushes, reads."""

from __future__ import annotations

import errno
from dataclasses import replace
from random import Random

import pytest

from kq.engine import names
from kq.errors import Err
from tests.support.batches import DIRECTORY, NOW, SMALL, bases, fails, fill, flush, open_log, read_all
from tests.support.memory_disk import MemoryDisk

SETTINGS = replace(SMALL, retention_bytes=0)


def test_the_log_goes_on_while_segments_go() -> None:
    disk = MemoryDisk()
    log = open_log(disk, SETTINGS)
    fill(log, 35)
    under_way = log.begin_retention(NOW, 35, most=100)
    assert under_way is not None
    assert [one.base_offset for one in under_way.retired] == [0, 10, 20, 30]
    assert (log.log_start_offset, log.log_end_offset) == (35, 35)
    assert log.begin_flush() is not None or log.recovery_point == 35
    more = fill(log, 15)
    under_way.run()
    assert [stored for _, stored in read_all(log)] == more
    log.finish_retention(under_way)
    assert bases(log) == [35, 45]
    log.discard()
    log = open_log(disk, SETTINGS, recovery_point=35, log_start_offset=35)
    assert [stored for _, stored in read_all(log)] == more


def test_at_most_so_many_go_the_oldest_first() -> None:
    log = open_log(MemoryDisk(), SETTINGS)
    fill(log, 35)
    under_way = log.begin_retention(NOW, 35, most=2)
    assert under_way is not None
    under_way.run()
    log.finish_retention(under_way)
    assert bases(log) == [20, 30]
    assert log.log_start_offset == 20


@pytest.mark.parametrize("seed", range(20))
def test_a_crash_at_any_step_leaves_no_gap(seed: int) -> None:
    """What is left is the end of the log, whichever names the crash forgets."""
    disk, rng = MemoryDisk(), Random(seed)
    log = open_log(disk, SETTINGS)
    fill(log, 35)
    flush(log)
    under_way = log.begin_retention(NOW, 35, most=rng.randint(1, 4))
    assert under_way is not None
    disk.fail("sync_directory", skip=rng.randint(0, 4), times=100)
    under_way.run()
    found = disk.crash(rng)
    log = open_log(found, SMALL, recovery_point=35)
    offsets = [header.base_offset for header, _ in read_all(log)]
    assert offsets == list(range(log.log_start_offset, 35))
    assert not [entry.name for entry in found.entries(DIRECTORY) if "corrupt" in entry.name]


def test_a_directory_that_cannot_be_synced_ends_the_log() -> None:
    disk = MemoryDisk()
    log = open_log(disk, SETTINGS)
    fill(log, 35)
    flush(log)
    under_way = log.begin_retention(NOW, 35, most=3)
    assert under_way is not None
    disk.fail("sync_directory", skip=1, error=errno.EIO)
    under_way.run()
    assert "Could not delete from" in fails(Err.KAFKA_STORAGE_ERROR, log.finish_retention, under_way)
    assert log.failed is not None
    assert bases(log) == [20, 30], "two have gone, the second perhaps not for good"
    assert log.retirable(NOW, 35) == []
    deleted = {entry.name for entry in disk.entries(DIRECTORY) if entry.name.endswith(names.DELETED)}
    assert {name.split(".")[0] for name in deleted} == {f"{base:020d}" for base in (0, 10)}
