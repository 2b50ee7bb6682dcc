"""A log against a plain list, on a disk that loses all it may: what was synced is there, what is there is right.

Each seed is a life of a few hundred random deeds, among them power losses, kills and failing disks. Held at all times:

- A batch below the recovery point is never lost. What survives a power loss is a prefix of what was appended.
- A kill without power loss loses nothing at all.
- Every read, at any offset, up to any end, gives exactly the batches it should; every time lookup the right record.
- A failed append leaves nothing. A log that failed to sync refuses every change until it is opened again.
- No index entry lies, epochs and producers are those of the batches that are there.
"""

from __future__ import annotations

import errno
import os
from random import Random

import pytest

from kq.engine.log import Log
from kq.engine.settings import LogSettings
from kq.errors import Err, KafkaError
from kq.record.batch import BatchHeader, parse_header
from tests.support import twins
from tests.support.batches import NOW, append, make, open_log, read_all, retain
from tests.support.memory_disk import MemoryDisk
from tests.support.twins import Twin

SEEDS = range(int(os.environ.get("KQ_CRASH_SEEDS", "40")))
DEEDS = 150


class Life:
    """One log, its twin, and what the outside world knows of it."""

    def __init__(self, seed: int, *, fsync: bool) -> None:
        self.rng = Random(seed)
        self.settings = LogSettings(
            segment_bytes=self.rng.choice((800, 1500, 4000)),
            index_interval_bytes=self.rng.choice((0, 150, 700)),
            index_max_bytes=self.rng.choice((24, 96, 10 << 20)),
            retention_bytes=3000,
            retention_ms=-1,
            fsync_before_ack=fsync,
        )
        self.disk = MemoryDisk(seed=seed)
        self.twin = Twin()  # every batch ever appended and not truncated, also those retention took
        self.promised = 0  # everything below was synced
        self.checkpoint = (0, 0)  # recovery point and log start, as some checkpoint has them
        self.clock = NOW
        self.epoch = 0
        self.sequences: dict[int, int] = {}
        self.log = self.open(clean=False)

    def open(self, *, clean: bool) -> Log:
        recovery_point, start = self.checkpoint
        log = open_log(self.disk, self.settings, clean=clean, recovery_point=recovery_point, log_start_offset=start)
        self.epoch = max(self.epoch, log.leader_epoch) + 1
        log.start_epoch(self.epoch)
        return log

    # ---- deeds

    def append(self) -> None:
        batch = self.batch()
        end = self.log.log_end_offset
        try:
            appended = append(self.log, batch, leader_epoch=self.epoch, now_ms=self.clock)
        except KafkaError as failure:
            self.refused(failure)
            assert self.log.log_end_offset == end
            return
        header = parse_header(batch)
        assert not appended.duplicate
        assert (appended.base_offset, appended.last_offset) == (header.base_offset, header.last_offset)
        assert header.base_offset == end
        self.twin.batches.append(bytes(batch))
        if header.producer_id >= 0:
            self.sequences[header.producer_id] = header.last_sequence

    def batch(self) -> memoryview:
        self.clock += self.rng.randrange(50)
        producer_id = self.rng.choice((-1, -1, 5, 6))
        known = self.log.producers.entries.get(producer_id)
        return make(
            self.rng.randrange(1, 5),
            timestamp=self.clock - self.rng.choice((0, 0, 0, 200)),
            step=self.rng.randrange(20),
            size=self.rng.randrange(150),
            producer_id=producer_id,
            epoch=0 if producer_id >= 0 else -1,
            sequence=-1 if producer_id < 0 else (known.last_sequence + 1 if known else 0),
        )

    def duplicate(self) -> None:
        headers = [h for h in self.twin.headers if h.producer_id >= 0]
        if headers and headers[-1].producer_id in self.log.producers.entries:
            header, end = headers[-1], self.log.log_end_offset
            again = make(
                header.record_count, size=9, producer_id=header.producer_id, epoch=0, sequence=header.base_sequence
            )
            appended = append(self.log, again)
            assert appended.duplicate
            assert (appended.base_offset, appended.last_offset) == (header.base_offset, header.last_offset)
            assert self.log.log_end_offset == end

    def flush(self) -> None:
        flush = self.log.begin_flush()
        if flush is None:
            assert self.log.recovery_point == self.log.log_end_offset
            return
        end = self.log.log_end_offset
        for _ in range(self.rng.randrange(3)):
            self.append()
        flush.run()
        self.log.finish_flush(flush)
        assert self.log.recovery_point == end
        self.promised = max(self.promised, end)

    def read(self) -> None:
        log, rng = self.log, self.rng
        offset = rng.randrange(log.log_start_offset, log.log_end_offset + 1)
        end = rng.choice((log.log_end_offset, rng.randrange(log.log_start_offset, log.log_end_offset + 2)))
        max_bytes = rng.choice((0, 1, rng.randrange(1000), 1 << 20))
        at_least_one = rng.random() < 0.7
        region = log.read(offset, max_bytes, end_offset=end, at_least_one=at_least_one)
        wanted = [one for one in self.twin.from_offset(offset) if parse_header(one).base_offset < end]
        if offset >= min(end, log.log_end_offset):
            wanted = []
        if region is None:
            assert not wanted or (len(wanted[0]) > max_bytes and not at_least_one)
            return
        data = region.read()
        assert len(data) == len(region) > 0
        count = 0
        for one in wanted:
            if not data.startswith(one):
                break
            data, count = data[len(one) :], count + 1
        assert data == b""
        size = sum(map(len, wanted[:count]))
        assert size <= max_bytes or (count == 1 and at_least_one)
        is_last_of_segment = count < len(wanted) and parse_header(wanted[count]).base_offset in self.bases()
        assert count == len(wanted) or is_last_of_segment or size + len(wanted[count]) > max_bytes

    def bases(self) -> set[int]:
        return {segment.base_offset for segment in self.log.segments}

    def look_up(self) -> None:
        self.twin.start_offset = self.log.log_start_offset
        timestamp = self.clock - self.rng.randrange(3000)
        found = self.log.find_by_time(timestamp)
        assert (found and (found.timestamp, found.offset)) == self.twin.first_at_or_after(timestamp)
        latest = self.log.find_max_timestamp()
        kept = Twin(self.twin.from_offset(self.log.segments[0].base_offset))
        assert (latest and (latest.timestamp, latest.offset)) == kept.greatest_timestamp()

    def delete_records(self) -> None:
        start = self.rng.randrange(self.log.log_start_offset, self.log.log_end_offset + 1)
        self.log.advance_start(start)
        assert self.log.log_start_offset == start

    def retain(self) -> None:
        before = self.log.segments
        high_watermark = self.rng.choice((self.log.log_end_offset, self.log.log_start_offset))
        gone = retain(self.log, self.clock, high_watermark)
        assert [one.base_offset for one in gone] == [one.base_offset for one in before[: len(gone)]]
        assert all(one.next_offset <= high_watermark for one in before[: len(gone)])
        if high_watermark == self.log.log_end_offset:
            assert self.log.size_bytes < self.settings.retention_bytes + self.log.segments[0].size_bytes
            assert len(self.log.segments) == 1 or self.log.segments[1].base_offset > self.log.log_start_offset
        if self.rng.random() < 0.5:
            self.log.collect_deleted(self.clock + self.settings.file_delete_delay_ms)

    def truncate(self) -> None:
        if self.rng.random() < 0.7:
            return
        offset = self.rng.randrange(self.log.log_start_offset, self.log.log_end_offset + 1)
        self.log.truncate_to(offset, now_ms=self.clock)
        self.twin.batches = [one for one in self.twin.batches if parse_header(one).last_offset < offset]
        self.promised = min(self.promised, self.log.log_end_offset)
        self.checkpoint = tuple(min(one, self.log.log_end_offset) for one in self.checkpoint)
        assert self.log.log_end_offset == (self.twin.end_offset if self.twin.batches else self.log.log_end_offset)
        self.twin.start_offset = self.log.log_end_offset

    def write_checkpoint(self) -> None:
        self.checkpoint = self.log.recovery_point, self.log.log_start_offset

    def close(self) -> None:
        self.log.close()
        self.promised = self.log.log_end_offset
        self.write_checkpoint()
        if self.rng.random() < 0.5:
            self.disk = self.disk.crash(self.rng)  # the power goes after a clean stop
        self.log = self.open(clean=True)
        self.check_all(at_least=self.promised)

    def kill(self) -> None:
        end, start = self.log.log_end_offset, self.log.log_start_offset
        self.log = self.open(clean=False)
        self.check_all(at_least=end)
        assert self.log.log_end_offset == end or start == end
        self.log.advance_start(start)

    def lose_power(self) -> None:
        start = self.log.log_start_offset
        self.disk = self.disk.crash(self.rng)
        self.log = self.open(clean=False)
        self.check_all(at_least=self.promised)
        self.promised = min(self.promised, self.log.log_end_offset)
        self.log.advance_start(min(start, self.log.log_end_offset))

    def break_disk(self) -> None:
        operation = self.rng.choice(("write", "write", "sync", "sync_directory", "create", "replace", "truncate"))
        skip = self.rng.randrange(3)
        self.disk.fail(operation, skip=skip, times=1, error=self.rng.choice((errno.EIO, errno.ENOSPC)))
        self.try_things()

    def fill_disk(self) -> None:
        total, free = self.disk.usage("/")
        self.disk.capacity = total - free + self.rng.randrange(300)
        self.try_things()

    def try_things(self) -> None:
        try:
            for _ in range(4):
                self.append()
            self.flush()
        except KafkaError as failure:
            self.refused(failure)
        self.disk.heal()
        if self.log.failed:
            with pytest.raises(KafkaError):
                append(self.log, make())
            with pytest.raises(KafkaError):
                self.log.begin_flush()
            self.rng.choice((self.kill, self.lose_power))()
        else:
            while (flush := self.log.begin_flush()) is not None:
                flush.run()
                self.log.finish_flush(flush)
            self.promised = self.log.log_end_offset

    # ---- what must hold

    def refused(self, failure: KafkaError) -> None:
        assert failure.code is Err.KAFKA_STORAGE_ERROR, failure

    def check_all(self, *, at_least: int) -> None:
        log = self.log
        found = [batch for _, batch in read_all(log)]
        assert log.log_end_offset >= at_least
        survivors = [one for one in self.twin.batches if parse_header(one).last_offset < log.log_end_offset]
        assert found == [one for one in survivors if parse_header(one).last_offset >= log.log_start_offset]
        self.twin.batches = survivors
        self.twin.start_offset = log.log_end_offset
        assert twins.faults(self.disk) == []
        kept = [h for h in self.twin.headers if h.base_offset >= log.segments[0].base_offset]
        self.check_producers(kept)
        for header in kept:
            if header.base_offset >= log.log_start_offset:
                assert log.epoch_of(header.base_offset) == header.leader_epoch

    def check_producers(self, kept: list[BatchHeader]) -> None:
        last = {header.producer_id: header for header in kept if header.producer_id >= 0}
        for producer_id, header in last.items():
            entry = self.log.producers.entries[producer_id]
            assert (entry.last_sequence, entry.last_offset) == (header.last_sequence, header.last_offset)

    def live(self) -> None:
        often = [self.append] * 30 + [self.flush] * 6 + [self.read] * 12
        seldom = [
            self.duplicate,
            self.look_up,
            self.delete_records,
            self.retain,
            self.truncate,
            self.write_checkpoint,
            self.close,
            self.kill,
            self.lose_power,
            self.lose_power,
            self.break_disk,
            self.fill_disk,
        ]
        for _ in range(DEEDS):
            self.rng.choice(often + seldom)()
        self.lose_power()
        self.close()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("fsync", [False, True], ids=["async", "fsync before ack"])
def test_a_life(seed: int, fsync: bool) -> None:
    Life(seed, fsync=fsync).live()
