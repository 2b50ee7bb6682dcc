"""Flushes: what they cover, in which order, when they are due, and what happens beside them."""

from __future__ import annotations

import errno
import tempfile
from dataclasses import replace
from threading import Event, Thread

from kq.engine import names
from kq.engine.disk import OsDisk
from kq.engine.log import Log
from kq.errors import Err
from tests.support.batches import DIRECTORY, NOW, SMALL, bases, fails, fill, flush, open_log, retain
from tests.support.memory_disk import MemoryDisk


def test_a_flush_covers_what_was_appended_before_it_began() -> None:
    disk = MemoryDisk()
    log = open_log(disk, SMALL)
    fill(log, 5)
    under_way = log.begin_flush()
    assert under_way is not None
    fill(log, 8)
    assert log.begin_flush() is None
    assert log.recovery_point == 0
    under_way.run()
    assert log.recovery_point == 0
    log.finish_flush(under_way)
    assert log.recovery_point == 5
    flush(log)
    assert log.recovery_point == 13
    assert log.begin_flush() is None


def test_what_a_flush_writes_and_in_which_order() -> None:
    """Rule 11: earlier segments and the directory before the segment whose acks wait."""
    disk = MemoryDisk()
    log = open_log(disk, SMALL)
    log.start_epoch(2)
    fill(log, 12)
    done: list[str] = []
    operate = disk.operate

    def watch(operation: str, path: str) -> int | None:
        done.append(f"{operation} {path.removeprefix(DIRECTORY).lstrip('/0')}")
        return operate(operation, path)

    disk.operate = watch  # type: ignore[method-assign]
    flush(log)
    syncs = [one for one in done if one.startswith("sync")]
    assert syncs[:3] == ["sync .log", "sync .index", "sync .timeindex"]
    assert syncs[-2:] == ["sync_directory ", "sync 10.log"]
    assert done.index("rename 10.snapshot.tmp") < done.index("rename leader-epoch-checkpoint.tmp") < len(done) - 2
    done.clear()
    fill(log, 1)
    flush(log)
    assert done == ["write 10.log", "sync 10.log"]


def test_when_a_flush_is_due() -> None:
    log = open_log(MemoryDisk(), replace(SMALL, flush_messages=3, flush_ms=1000))
    assert not log.flush_due(NOW + 10**9)
    fill(log, 2)
    assert not log.flush_due(NOW + 999)
    assert log.flush_due(NOW + 1000)
    fill(log, 1)
    assert log.flush_due(NOW)
    flush(log)
    assert not log.flush_due(NOW + 10**9)
    never = open_log(MemoryDisk(), SMALL)
    fill(never, 10)
    assert not never.flush_due(NOW + 10**9)
    fill(never, 1)
    assert never.flush_due(NOW)  # a segment was rolled


def test_a_truncation_waits_for_the_flush_that_runs_and_ignores_it() -> None:
    disk = MemoryDisk()
    log = open_log(disk, SMALL)
    fill(log, 8)
    under_way = log.begin_flush()
    assert under_way is not None
    entered, go_on = Event(), Event()
    original = disk.operate

    def slow(operation: str, path: str) -> int | None:
        if operation == "sync" and not entered.is_set():
            entered.set()
            go_on.wait(10)
        return original(operation, path)

    disk.operate = slow  # type: ignore[method-assign]
    runner = Thread(target=under_way.run)
    runner.start()
    assert entered.wait(10)
    cutter = Thread(target=log.truncate_to, args=(3,), kwargs={"now_ms": NOW})
    cutter.start()
    cutter.join(0.05)
    assert cutter.is_alive()
    go_on.set()
    runner.join(10)
    cutter.join(10)
    fill(log, 2)
    log.finish_flush(under_way)
    assert (log.log_end_offset, log.recovery_point) == (5, 0)
    flush(log)
    assert log.recovery_point == 5


def test_a_flush_of_what_retention_took_meanwhile() -> None:
    """On a real disk: the files have no name any more when they should be synced."""
    with tempfile.TemporaryDirectory() as directory:
        disk = OsDisk(open_files=2)
        settings = replace(SMALL, retention_bytes=0, file_delete_delay_ms=0)
        log = Log.open(disk, directory, "t", 0, settings, now_ms=NOW)
        fill(log, 35)
        under_way = log.begin_flush()
        assert under_way is not None
        retain(log, NOW, 30)
        assert log.collect_deleted(NOW) > 0
        assert bases(log) == [30]
        under_way.run()
        log.finish_flush(under_way)
        assert (log.failed, log.recovery_point) == (None, 35)
        flush(log)
        log.close()


def test_a_flush_that_failed_and_was_never_finished_is_not_forgotten() -> None:
    for deed in (Log.close, lambda log: log.truncate_to(2, now_ms=NOW), lambda log: log.restart_at(9, now_ms=NOW)):
        disk = MemoryDisk()
        log = open_log(disk, SMALL)
        fill(log, 5)
        under_way = log.begin_flush()
        assert under_way is not None
        disk.fail("sync", names.LOG)
        under_way.run()
        assert "could not be synced" in fails(Err.KAFKA_STORAGE_ERROR, deed, log)
        assert disk.exists(f"{DIRECTORY}/{names.SYNC_FAILED}")


def test_a_log_that_is_deleted_during_a_flush() -> None:
    log = open_log(MemoryDisk(), SMALL)
    fill(log, 5)
    under_way = log.begin_flush()
    assert under_way is not None
    log.discard()
    under_way.run()
    log.finish_flush(under_way)
    assert log.recovery_point == 0
    assert "deleted" in fails(Err.KAFKA_STORAGE_ERROR, log.begin_flush)


def test_a_flush_that_found_no_room_is_due_again() -> None:
    disk = MemoryDisk()
    log = open_log(disk, replace(SMALL, flush_ms=1000))
    log.start_epoch(1)
    fill(log, 3)
    disk.fail("replace", error=errno.ENOSPC)
    fails(Err.KAFKA_STORAGE_ERROR, flush, log)
    assert log.flush_due(NOW + 1000)
    flush(log)
    assert log.recovery_point == 3
    assert not log.flush_due(NOW + 10**9)
