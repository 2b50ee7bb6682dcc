"""The store when the power goes, at every operation of a broker's whole life."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from random import Random

import pytest

from kq.engine.partition_names import Kind, suffixed_name
from kq.engine.store import LoadReport, LogStore
from kq.engine.survey import survey
from tests.support.memory_disk import MemoryDisk, PowerLoss
from tests.support.memory_stores import B2, DATA, SETTINGS, A, B, append, flush, opened, started, values


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
