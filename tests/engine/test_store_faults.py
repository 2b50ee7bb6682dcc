"""The store on a disk that refuses: what fails is told, leaves nothing half done, and holds up nothing else."""

from __future__ import annotations

import errno
from random import Random

import pytest

from kq.engine import checkpoint
from kq.engine.directory import ForeignDirectory
from kq.engine.settings import LogSettings
from kq.engine.store import LogStore
from kq.errors import Err, KafkaError
from tests.support.batches import retain
from tests.support.memory_disk import MemoryDisk, PowerLoss
from tests.support.memory_stores import CLUSTER, DATA, SETTINGS, A, B, append, flush, fresh, opened, started


@pytest.mark.parametrize("operation", ["create", "write", "rename", "replace", "sync_directory"])
def test_a_partition_that_cannot_be_made_leaves_nothing(operation: str) -> None:
    disk, store = fresh({"a": A})
    disk.fail(operation, error=errno.ENOSPC)
    with pytest.raises(KafkaError, match="Could not make /data/b-0: No space left on device") as caught:
        store.create("b", 0, B, SETTINGS)
    assert caught.value.code is Err.KAFKA_STORAGE_ERROR
    assert store.get("b", 0) is None
    assert not disk.exists("/data/b-0")
    disk.heal()
    append(store.create("b", 0, B, SETTINGS), b"there is room again")
    assert [entry.name for entry in disk.entries(DATA) if entry.is_directory] == ["a-0", "b-0"]


def test_a_partition_that_cannot_be_renamed_is_not_served_any_more() -> None:
    disk, store = fresh({"a": A})
    disk.fail("rename")
    with pytest.raises(KafkaError, match="Could not delete /data/a-0: Input/output error"):
        store.delete("a", 0, now_ms=1)
    assert store.get("a", 0) is None


def test_the_end_of_one_sync_tells_that_it_failed() -> None:
    disk, store = fresh({})
    disk.fail("sync_directory")
    with pytest.raises(KafkaError, match="Could not sync /data: Input/output error"), store.one_sync():
        store.create("a", 0, A, SETTINGS)
    store.create("a", 1, A, SETTINGS)  # each syncs for itself again
    assert disk.operations["sync_directory"] > 1


def test_one_sync_is_one_sync() -> None:
    disk, store = fresh({})
    before = disk.operations["sync_directory"]
    with store.one_sync():
        for index in range(20):
            store.create("a", index, A, SETTINGS)
        for index in range(10):
            store.delete("a", index, now_ms=1)
    assert disk.operations["sync_directory"] == before + 1


@pytest.mark.parametrize("operation", ["replace", "create", "write", "sync", "rename", "sync_directory"])
def test_a_checkpoint_that_fails_leaves_the_old_one_or_the_new_one(operation: str) -> None:
    disk, store = fresh({"a": A})
    log = store.get("a", 0)
    assert log is not None
    store.checkpoint()
    append(log, b"x")
    flush(log)
    disk.fail(operation)
    with pytest.raises(OSError, match="Input/output error"):
        store.checkpoint()
    recovered = disk.crash(Random(1))
    (offset,) = checkpoint.decode_offsets(recovered.read(f"{DATA}/{checkpoint.RECOVERY_POINTS}")).values()
    assert offset in (0, 1)
    disk.heal()
    store.checkpoint()
    recovered = disk.crash(Random(1))
    assert checkpoint.decode_offsets(recovered.read(f"{DATA}/{checkpoint.RECOVERY_POINTS}")) == {("a", 0): 1}


@pytest.mark.parametrize("operation", ["sync", "replace"])
def test_without_a_sync_there_is_no_marker(operation: str) -> None:
    disk, store = fresh({"a": A, "b": B})
    for topic in "ab":
        log = store.get(topic, 0)
        assert log is not None
        append(log, b"x")
    disk.fail(operation)
    with pytest.raises(KafkaError, match="1 could not be closed"):
        store.close()
    assert not disk.exists(f"{DATA}/{checkpoint.CLEAN_SHUTDOWN}")
    disk.heal()
    store, report = started(disk, {"a": A, "b": B})  # the lock is free
    assert (report.was_clean, report.loaded, report.scanned) == (False, 2, 2)


def test_a_clean_start_reads_no_more_of_a_long_log_than_of_a_short_one() -> None:
    reads = []
    for count in (40, 400):
        disk, store = fresh({"a": A})
        log = store.get("a", 0)
        assert log is not None
        for _ in range(count):
            append(log, bytes(3000))
        store.close()
        before = disk.operations["read"]
        store, report = started(disk, {"a": A})
        assert (report.was_clean, report.scanned, store.logs()[0].log_end_offset) == (True, 0, count)
        reads.append(disk.operations["read"] - before)
    assert reads[1] <= reads[0] + 2, reads  # the index of the last segment, and what it does not cover


def test_a_log_that_cannot_be_read_is_refused_alone() -> None:
    disk, store = fresh({"a": A, "b": B})
    for topic in "ab":
        log = store.get(topic, 0)
        assert log is not None
        append(log, b"x")
    store.close()
    disk.fail("read", "a-0/00000000000000000000.log", times=100)
    store, report = started(disk, {"a": A, "b": B})
    (refused,) = report.refused
    assert refused.topic == "a"
    assert refused.reason.startswith("it cannot be read: [Errno 5] Input/output error")
    assert [log.topic for log in store.logs()] == ["b"]


def test_a_segment_that_cannot_be_unlinked_holds_up_nothing() -> None:
    disk, store = fresh({"a": A, "b": B})
    for topic in "ab":
        log = store.get(topic, 0)
        assert log is not None
        log.configure(LogSettings(segment_bytes=200, retention_bytes=0))
        append(log, bytes(100))
        append(log, bytes(100))
        retain(log, 1, log.log_end_offset)
    disk.fail("unlink")
    store.collect(SETTINGS.file_delete_delay_ms + 1)
    left = [topic for topic in "ab" if any(e.name.endswith(".deleted") for e in disk.entries(f"{DATA}/{topic}-0"))]
    assert left == ["a"]
    store.collect(SETTINGS.file_delete_delay_ms + 1)
    assert not any(e.name.endswith(".deleted") for e in disk.entries(f"{DATA}/a-0"))


def test_what_cannot_be_unlinked_is_tried_again_and_holds_up_nothing() -> None:
    disk, store = fresh({"a": A, "b": B})
    for topic in "ab":
        store.delete(topic, 0, now_ms=0)
    disk.fail("unlink", skip=0, times=1)
    due_ms = SETTINGS.file_delete_delay_ms
    store.collect(due_ms)
    assert len([entry for entry in disk.entries(DATA) if entry.is_directory]) == 1
    store.collect(due_ms)
    assert not [entry for entry in disk.entries(DATA) if entry.is_directory]


@pytest.mark.parametrize("operation", ["replace", "create", "write", "sync", "rename", "sync_directory"])
def test_a_directory_that_cannot_be_claimed_is_not_kept_locked(operation: str) -> None:
    disk = MemoryDisk()
    disk.fail(operation, error=errno.ENOSPC)
    with pytest.raises(OSError, match="No space left"):
        opened(disk)
    disk.heal()
    opened(disk)


@pytest.mark.parametrize("seed", range(20))
def test_power_is_lost_while_the_directory_is_claimed(seed: int) -> None:
    for survived in range(30):
        disk = MemoryDisk(seed=seed)
        disk.lose_power_after(survived)
        try:
            opened(disk)
            claimed = True
        except PowerLoss:
            claimed = False
        disk = disk.crash(Random(seed * 100 + survived))
        if claimed:
            with pytest.raises(ForeignDirectory):
                LogStore.open(disk, DATA, node_id=2, cluster_id=CLUSTER)
            return
        opened(disk).close()
    pytest.fail("claiming a directory takes more than 30 operations")
