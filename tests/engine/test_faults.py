"""What a broken or full disk does to a log: what passes, and what ends it until recovery."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from kq.engine import names
from kq.errors import Err
from tests.support import twins
from tests.support.batches import DIRECTORY, NOW, SMALL, append, bases, fails, fill, flush, make, open_log, read_all
from tests.support.memory_disk import MemoryDisk
from tests.support.missing import give_up, need_command

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


FULL_DISK = """
import os, sys
from kq.engine.disk import OsDisk
from kq.engine.log import Log
from kq.engine.settings import LogSettings
from kq.errors import KafkaError
from tests.support.batches import append, flush, make, read_all, retain
log = Log.open(OsDisk(), sys.argv[1], "t", 0, LogSettings(segment_bytes=100_000, index_interval_bytes=500), now_ms=0)
ballast = sys.argv[1] + "/ballast"
with open(ballast, "wb") as file:
    file.write(bytes(200_000))
stored, refused = [], 0
for number in range(3000):
    batch = make(size=700)
    try:
        append(log, batch)
        stored.append(bytes(batch))
    except KafkaError as error:
        assert "No space left" in str(error), error
        refused += 1
        if refused == 20:
            os.unlink(ballast)
    if refused == 40:
        break
assert refused == 40 and log.failed is None
assert [batch for _, batch in read_all(log)] == stored
log.discard()  # as if it had been killed
log = Log.open(OsDisk(), sys.argv[1], "t", 0, LogSettings(segment_bytes=100_000, index_interval_bytes=500), now_ms=0)
assert [batch for _, batch in read_all(log)] == stored
log.configure(LogSettings(segment_bytes=100_000, retention_bytes=300_000, file_delete_delay_ms=0))
assert retain(log, 1, log.log_end_offset) and log.collect_deleted(1)
append(log, make(size=700))
flush(log)
log.close()
print(len(stored))
"""


def test_a_file_system_that_is_really_full(tmp_path: Path) -> None:
    """A tmpfs of one MiB in a namespace of its own: refused while it is full, stored again when there is room."""
    inside = (
        f"mount -t tmpfs -o size=1m none {tmp_path} && PYTHONPATH=. exec {sys.executable} -c '{FULL_DISK}' {tmp_path}"
    )
    done = subprocess.run(
        [need_command("unshare", "util-linux"), "-Urm", "sh", "-c", inside],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        check=False,
    )
    if "unshare failed" in done.stderr or "mount:" in done.stderr:
        give_up("a mount namespace", f"allow unprivileged user namespaces ({done.stderr.strip()})")
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 900
