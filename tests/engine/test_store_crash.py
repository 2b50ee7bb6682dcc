"""The store when the power goes or the disk breaks, at every operation of a broker's whole life."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

import pytest

from kq.engine import checkpoint
from kq.engine.directory import ForeignDirectory
from kq.engine.log import Log
from kq.engine.partition_names import Kind, suffixed_name
from kq.engine.settings import LogSettings
from kq.engine.store import LoadReport, LogStore
from kq.engine.survey import survey
from kq.errors import Err, KafkaError
from kq.record.batch import Record, decode_records, encode_batch, iter_batches, parse_header
from tests.support.memory_disk import MemoryDisk, PowerLoss

CLUSTER = "0gOTsVVCTvKp3NVsNyh_Gw"
DATA = "/data"
A, B, B2 = (bytes([n]) * 16 for n in (1, 2, 3))
SETTINGS = LogSettings()


def opened(disk: MemoryDisk) -> LogStore:
    return LogStore.open(disk, DATA, node_id=1, cluster_id=CLUSTER)


def started(disk: MemoryDisk, topic_ids: dict[str, bytes]) -> tuple[LogStore, LoadReport]:
    store = opened(disk)
    return store, store.load(lambda _: SETTINGS, topic_ids, now_ms=1)


def append(log: Log, value: bytes) -> None:
    batch = encode_batch([Record(0, 1000, None, value, ())])
    log.append(memoryview(batch), parse_header(batch), leader_epoch=0, now_ms=1)


def flush(log: Log) -> None:
    begun = log.begin_flush()
    assert begun is not None
    begun.run()
    log.finish_flush(begun)


def values(log: Log) -> Iterator[tuple[int, bytes]]:
    offset = log.log_start_offset
    while region := log.read(offset, 1 << 20, end_offset=log.log_end_offset):
        data = region.read()
        for position, header in iter_batches(data):
            for record in decode_records(data[position : position + header.size], limit=1 << 20):
                assert record.value is not None
                yield record.offset, record.value
            offset = header.next_offset


@dataclass
class Partition:
    written: list[bytes] = field(default_factory=list)
    synced: int = 0  # how many of them were flushed
    start: int = 0  # a log start offset that was checkpointed


@dataclass
class World:
    """What outlives a crash beside the disk: the metadata store, and the memory of who was promised what."""

    disk: MemoryDisk = field(default_factory=MemoryDisk)
    topics: dict[str, bytes] = field(default_factory=dict)
    pending_deletions: dict[str, bytes] = field(default_factory=dict)
    partitions: dict[tuple[str, int], Partition] = field(default_factory=dict)

    def create(self, store: LogStore, topic: str, topic_id: bytes, count: int) -> None:
        """As the broker does it: first the metadata, then the directories."""
        self.topics[topic] = topic_id
        for index in range(count):
            self.partitions[topic, index] = Partition()
        with store.one_sync():
            for index in range(count):
                store.create(topic, index, topic_id, SETTINGS)

    def delete(self, store: LogStore, topic: str) -> None:
        count = sum(name == topic for name, _ in self.partitions)
        self.pending_deletions[topic] = self.topics.pop(topic)
        for index in range(count):
            del self.partitions[topic, index]
        with store.one_sync():
            for index in range(count):
                store.delete(topic, index, now_ms=1)
        del self.pending_deletions[topic]

    def write(self, store: LogStore, topic: str, index: int, *texts: bytes, sync: bool) -> None:
        log = store.get(topic, index)
        assert log is not None
        partition = self.partitions[topic, index]
        for text in texts:
            partition.written.append(text)
            append(log, text)
        if sync:
            flush(log)
            partition.synced = len(partition.written)

    def close(self, store: LogStore) -> None:
        store.close()
        for partition in self.partitions.values():
            partition.synced = len(partition.written)

    def live(self) -> None:
        store, _ = started(self.disk, {})
        self.create(store, "a", A, 2)
        self.write(store, "a", 0, b"a0", b"a1", b"a2", sync=True)
        store.checkpoint()
        self.write(store, "a", 0, b"a3", sync=False)
        self.write(store, "a", 1, b"never synced", sync=False)
        self.create(store, "b", B, 1)
        self.write(store, "b", 0, *[b"old"] * 5, sync=True)
        for topic, index, start in (("a", 0, 2), ("b", 0, 4)):
            log = store.get(topic, index)
            assert log is not None
            log.advance_start(start)
        store.checkpoint()
        self.partitions["a", 0].start = 2
        self.delete(store, "b")
        self.create(store, "b", B2, 1)
        self.write(store, "b", 0, b"new", sync=True)
        store.collect(1 << 50)
        self.close(store)
        store, _ = started(self.disk, dict(self.topics))
        self.write(store, "a", 1, b"after the restart", sync=True)
        self.close(store)

    def restart(self) -> tuple[LogStore, LoadReport]:
        """As the broker does it: what was to be deleted is, before anything is loaded."""
        store = opened(self.disk)
        for found in survey(self.disk, DATA, self.topics).strays:
            assert found.topic_id is None or self.pending_deletions.get(found.topic) == found.topic_id, found
            name = suffixed_name(found.topic, found.partition, os.urandom(16), Kind.DELETED)
            self.disk.rename(found.path, f"{DATA}/{name}")
        self.disk.sync_directory(DATA)
        self.pending_deletions.clear()
        report = store.load(lambda _: SETTINGS, self.topics, now_ms=1)
        assert report.refused == ()
        for topic, index in self.partitions:
            if store.get(topic, index) is None:
                store.create(topic, index, self.topics[topic], SETTINGS)
        return store, report

    def crash(self, rng: Random) -> None:
        self.disk = self.disk.crash(rng)

    def accept_losses(self, store: LogStore) -> None:
        """What was not promised may be gone; from now on only what is there was ever written."""
        for (topic, index), partition in self.partitions.items():
            log = store.get(topic, index)
            assert log is not None
            del partition.written[log.log_end_offset :]

    def check(self, store: LogStore, report: LoadReport) -> None:
        for (topic, index), partition in self.partitions.items():
            log = store.get(topic, index)
            assert log is not None
            assert log.log_start_offset >= partition.start
            found = list(values(log))
            assert found == list(enumerate(partition.written))[log.log_start_offset : log.log_end_offset]
            assert log.log_end_offset >= partition.synced
            if report.was_clean:
                assert log.log_end_offset == len(partition.written)


def operations_of_a_life() -> int:
    world = World()
    world.disk.lose_power_after(1 << 40)
    world.live()
    operations = world.disk.operations
    return sum(operations.values()) - operations["read"]


def test_a_life_without_a_crash() -> None:
    world = World()
    world.live()
    store, report = world.restart()
    assert report.was_clean
    world.check(store, report)
    assert {key: [value for _, value in values(log)] for key in world.partitions if (log := store.get(*key))} == {
        ("a", 0): [b"a2", b"a3"],
        ("a", 1): [b"never synced", b"after the restart"],
        ("b", 0): [b"new"],
    }


@pytest.mark.parametrize("seed", range(3))
def test_power_is_lost_after_the_end(seed: int) -> None:
    world = World()
    world.live()
    world.crash(Random(seed))
    store, report = world.restart()
    assert report.was_clean
    world.check(store, report)


@pytest.mark.parametrize("seed", range(3))
def test_power_is_lost_at_every_operation(seed: int) -> None:
    outcomes: set[bool] = set()
    for survived in range(operations_of_a_life()):
        world = World(MemoryDisk(seed=seed))
        world.disk.lose_power_after(survived)
        with pytest.raises(PowerLoss):
            world.live()
        rng = Random(seed * 10_000 + survived)
        world.crash(rng)
        store, report = world.restart()
        world.check(store, report)
        outcomes.add(report.was_clean)
        world.accept_losses(store)
        world.crash(rng)  # while it is being put in order
        store, report = world.restart()
        assert not report.was_clean
        world.check(store, report)
        world.accept_losses(store)
        for topic, index in world.partitions:
            world.write(store, topic, index, b"life goes on", sync=True)
        world.close(store)
        store, report = world.restart()
        assert report.was_clean
        world.check(store, report)
    assert outcomes == {True, False}


# ---- a disk that refuses


def fresh(topics: dict[str, bytes]) -> tuple[MemoryDisk, LogStore]:
    disk = MemoryDisk()
    store, _ = started(disk, {})
    for topic, topic_id in topics.items():
        store.create(topic, 0, topic_id, SETTINGS)
    return disk, store


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
        log.apply_retention(1, log.log_end_offset)
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


# ---- the data directory itself


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
