"""One story with all that changes files, and the power lost before each of its operations in turn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest

from kq.engine.log import Log
from kq.engine.settings import LogSettings
from kq.record.batch import BatchHeader, parse_header, set_offset_and_epoch
from tests.support import twins
from tests.support.batches import NOW, SMALL, append, flush, make, marker, open_log, read_all, retain
from tests.support.memory_disk import MemoryDisk, PowerLoss

Batches = list[tuple[BatchHeader, bytes]]


class Story:
    """What happens, and what was promised so far: batches that must be there, and those that may be."""

    def __init__(self, settings: LogSettings) -> None:
        self.settings = settings
        self.disk = MemoryDisk()
        self.promised: Batches = []
        self.possible: Batches = []
        self.known = {"recovery_point": 0, "log_start_offset": 0}  # as the broker would have it checkpointed
        self.log = open_log(self.disk, settings)

    def append(self, count: int) -> None:
        for _ in range(count):
            batch = make(size=50, producer_id=4, epoch=0, sequence=self.next_sequence())
            set_offset_and_epoch(batch, 0, self.log.log_end_offset, 0)
            self.possible.append((parse_header(batch), bytes(batch)))
            append(self.log, batch)

    def next_sequence(self) -> int:
        known = self.log.producers.entries.get(4)
        return known.last_sequence + 1 if known else 0

    def abort(self) -> None:
        batch = make(size=50, producer_id=9, epoch=0, sequence=0, transactional=True)
        for one in (batch, marker(commit=False, producer_id=9)):
            set_offset_and_epoch(one, 0, self.log.log_end_offset, 0)
            self.possible.append((parse_header(one), bytes(one)))
            append(self.log, one)

    def flush(self) -> None:
        flush(self.log)
        self.promise()

    def promise(self) -> None:
        self.promised = list(self.possible)

    def checkpoint(self) -> None:
        self.known = {"recovery_point": self.log.recovery_point, "log_start_offset": self.log.log_start_offset}

    def retain(self) -> None:
        retain(self.log, NOW, self.log.log_end_offset)
        self.log.collect_deleted(NOW + 60_000)

    def truncate(self, offset: int) -> None:
        kept = [one for one in self.possible if one[0].last_offset < offset]
        self.promised = [one for one in self.promised if one[0].last_offset < offset]
        self.known = {name: min(one, offset) for name, one in self.known.items()}
        self.log.truncate_to(offset, now_ms=NOW)
        self.possible = kept

    def close(self) -> None:
        self.log.close()
        self.promise()

    def reopen(self, *, clean: bool) -> None:
        self.log = open_log(self.disk, self.settings, clean=clean, **self.known)

    def tell(self) -> None:
        self.append(13)
        self.flush()
        self.append(4)
        self.checkpoint()
        self.append(12)
        self.abort()
        self.flush()
        self.append(3)
        self.retain()
        self.append(12)
        self.flush()
        self.truncate(37)
        self.append(9)
        self.flush()
        self.checkpoint()
        self.append(5)
        self.close()
        self.reopen(clean=True)
        self.append(11)
        self.reopen(clean=False)
        self.flush()
        self.close()


def survives(story: Story, log: Log) -> None:
    found = list(read_all(log))
    start, end = log.log_start_offset, log.log_end_offset
    assert found == [one for one in story.possible if start <= one[0].base_offset < end]
    assert {header.base_offset for header, _ in story.promised if header.base_offset >= start} <= {
        header.base_offset for header, _ in found
    }
    assert twins.faults(story.disk) == []


@pytest.mark.parametrize("fsync", [False, True], ids=["async", "fsync before ack"])
def test_power_lost_before_every_operation(fsync: bool) -> None:
    settings = replace(SMALL, retention_bytes=2000, fsync_before_ack=fsync)
    for operations in range(2000):
        story = Story(settings)
        story.disk.lose_power_after(operations)
        try:
            story.tell()
            break
        except PowerLoss:
            story.disk = story.disk.crash(Random(operations))
        log = open_log(story.disk, settings, **story.known)
        survives(story, log)
        # What recovery found is now the log: it takes batches, is closed, and is found again.
        for _ in range(12):
            append(log, make(size=50))
        before = list(read_all(log))
        log.close()
        again = open_log(story.disk.crash(Random(operations)), settings, clean=True, **story.known)
        assert list(read_all(again)) == before
    else:
        pytest.fail("the story has no end")
    assert operations > 200


def test_a_new_beginning_is_all_or_nothing() -> None:
    def begin(log: Log) -> None:
        log.restart_at(500, now_ms=NOW)

    def begin_lower(log: Log) -> None:
        log.restart_at(7, now_ms=NOW)

    def cut(log: Log) -> None:
        log.truncate_to(14, now_ms=NOW)

    deeds: list[tuple[Callable[[Log], None], int]] = [(begin, 500), (begin_lower, 7), (cut, 14)]
    for deed, end in deeds:
        for operations in range(200):
            disk = MemoryDisk()
            log = open_log(disk, SMALL)
            for _ in range(32):
                append(log, make(size=50))
            flush(log)
            before = list(read_all(log))
            disk.lose_power_after(operations)
            try:
                deed(log)
                break
            except PowerLoss:
                after = open_log(disk.crash(Random(operations)), SMALL, recovery_point=min(32, end))
            found = list(read_all(after))
            assert found == before[: len(found)]
            assert after.log_end_offset in (*range(33), end)
        else:
            pytest.fail("it has no end")
