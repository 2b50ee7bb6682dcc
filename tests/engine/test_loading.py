"""What a start reads beside the segments, and what it does without: snapshots and the epoch checkpoint."""

from __future__ import annotations

from kq.engine import names
from tests.support.batches import DIRECTORY, append, make, open_log
from tests.support.hurts import BATCHES, SETTINGS, path, remove, written
from tests.support.memory_disk import MemoryDisk

EPOCHS = f"{DIRECTORY}/leader-epoch-checkpoint"


def test_a_stale_epoch_checkpoint_gives_way_to_the_batches() -> None:
    """A truncated log that grew again in the same epoch, killed before the checkpoint was written again."""
    disk = MemoryDisk()
    log = open_log(disk, SETTINGS)
    for number in range(8):
        append(log, make(size=50), leader_epoch=1 if number < 4 else 2)
    disk.spoil(EPOCHS, b"0\n2\n1 0\n2 6\n")
    log = open_log(disk, SETTINGS)
    assert [log.epoch_of(offset) for offset in range(8)] == [1] * 4 + [2] * 4


def test_an_epoch_that_begins_at_the_end_is_forgotten() -> None:
    """Kafka writes it down when it becomes leader, batch or not."""
    disk, _ = written()
    disk.spoil(EPOCHS, b"0\n2\n3 0\n9 24\n")
    log = open_log(disk, SETTINGS, clean=True)
    assert (log.leader_epoch, log.end_of_epoch(3)) == (3, (3, 24))


def test_producers_are_found_again_without_any_snapshot() -> None:
    disk, _ = written()
    remove(path(10, names.SNAPSHOT), path(20, names.SNAPSHOT), path(24, names.SNAPSHOT))(disk)
    log = open_log(disk, SETTINGS, clean=True)
    assert log.producers.entries[7].last_sequence == BATCHES - 1
    duplicate = append(log, make(size=50, producer_id=7, epoch=0, sequence=BATCHES - 3))
    assert (duplicate.duplicate, duplicate.base_offset) == (True, BATCHES - 3)


def test_a_snapshot_saves_the_reading_of_the_log() -> None:
    disk, _ = written()
    disk.operations.clear()
    open_log(disk, SETTINGS, clean=True)
    assert disk.operations["read"] <= 6  # epochs, snapshot, last index entry, its batch, last time entry, its batch
