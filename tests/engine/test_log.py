"""What a log promises to those who append to it, read it and close it."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from kq.engine import names
from kq.engine.disk import OsDisk
from kq.engine.log import Log
from kq.engine.settings import LogSettings
from kq.errors import Err
from kq.record.batch import parse_header, set_offset_and_epoch
from kq.record.compression import ZSTD
from tests.support.batches import (
    DIRECTORY,
    NOW,
    SMALL,
    append,
    bases,
    fails,
    fill,
    flush,
    make,
    open_log,
    read_all,
    retain,
)
from tests.support.memory_disk import MemoryDisk

BATCH = len(make(size=50))


# ---- appending


def test_a_batch_gets_its_place_and_is_stored_as_it_is() -> None:
    disk = MemoryDisk()
    log = open_log(disk)
    fill(log, 3)
    batch = make(4, codec=ZSTD, timestamp=NOW, step=5)
    before = bytes(batch)
    appended = append(log, batch, leader_epoch=9)
    assert appended == (3, 6, False, NOW + 15, 0)
    stored = [one for _, one in read_all(log)][-1]
    assert stored == bytes(batch)
    assert stored[16:] == before[16:]
    assert (parse_header(stored).base_offset, parse_header(stored).leader_epoch) == (3, 9)
    assert (log.log_end_offset, log.leader_epoch, log.size_bytes) == (7, 9, 3 * BATCH + len(batch))


def test_a_batch_costs_one_write() -> None:
    disk = MemoryDisk()
    log = open_log(disk)
    append(log, make())
    disk.operations.clear()
    fill(log, 100)
    assert disk.operations == {"write": 100}


def test_a_duplicate_is_answered_and_not_written() -> None:
    disk = MemoryDisk()
    log = open_log(disk)
    for sequence in range(0, 12, 2):
        append(log, make(2, timestamp=NOW + sequence, producer_id=5, epoch=0, sequence=sequence))
    again = append(log, make(2, producer_id=5, epoch=0, sequence=4))
    assert again == (4, 5, True, NOW + 4, 0)
    assert log.log_end_offset == 12
    fails(Err.OUT_OF_ORDER_SEQUENCE_NUMBER, append, log, make(producer_id=5, epoch=0, sequence=13))
    fails(Err.OUT_OF_ORDER_SEQUENCE_NUMBER, append, log, make(2, producer_id=5, epoch=0, sequence=0))  # out of window
    append(log, make(producer_id=5, epoch=1, sequence=0))
    fails(Err.INVALID_PRODUCER_EPOCH, append, log, make(producer_id=5, epoch=0, sequence=12))
    assert log.log_end_offset == 13


def test_idle_producers_are_forgotten() -> None:
    log = open_log(MemoryDisk(), replace(SMALL, producer_expiry_ms=1000))
    append(log, make(producer_id=5, epoch=0, sequence=0))
    assert log.expire(NOW + 999) == 0
    assert log.expire(NOW + 1000) == 1
    assert append(log, make(producer_id=5, epoch=0, sequence=77)).base_offset == 1


def test_a_batch_larger_than_a_segment_is_refused() -> None:
    log = open_log(MemoryDisk(), SMALL)
    fails(Err.RECORD_LIST_TOO_LARGE, append, log, make(size=1200))
    fill(log, 1)
    fails(Err.RECORD_LIST_TOO_LARGE, append, log, make(size=1200))
    assert (log.log_end_offset, bases(log)) == (1, [0])


def test_segments_roll_by_size_age_and_index() -> None:
    by_size = open_log(MemoryDisk(), SMALL)
    fill(by_size, 25)
    assert bases(by_size) == [0, 10, 20]
    by_age = open_log(MemoryDisk(), LogSettings(segment_ms=1000))
    for number in range(6):
        append(by_age, make(timestamp=NOW + 400 * number))
    assert bases(by_age) == [0, 3]
    by_index = open_log(MemoryDisk(), LogSettings(index_interval_bytes=0, index_max_bytes=40))
    fill(by_index, 14)
    assert bases(by_index) == [0, 6, 12]


def test_settings_change_while_it_runs() -> None:
    log = open_log(MemoryDisk(), SMALL)
    fill(log, 5)
    log.configure(replace(SMALL, segment_bytes=6 * BATCH))
    fill(log, 3)
    assert bases(log) == [0, 6]


def test_a_follower_takes_batches_as_they_are() -> None:
    leader, follower = open_log(MemoryDisk(), SMALL), open_log(MemoryDisk(), SMALL)
    leader.start_epoch(4)
    for number in range(25):
        append(leader, make(2, timestamp=NOW + number, producer_id=3, epoch=0, sequence=2 * number), leader_epoch=4)
    data = b"".join(batch for _, batch in read_all(leader))
    torn = memoryview(data + data[:70])
    assert follower.append_batches(torn, now_ms=NOW) == 50
    assert [batch for _, batch in read_all(follower)] == [batch for _, batch in read_all(leader)]
    assert follower.end_of_epoch(4) == (4, 50)
    assert follower.producers.entries[3].last_sequence == 49
    assert bases(follower) == bases(leader)


def test_a_follower_refuses_what_cannot_follow() -> None:
    log = open_log(MemoryDisk(), SMALL)
    fill(log, 3)
    for offset, expected in ((2, 3), (0, 3)):
        batch = make()
        set_offset_and_epoch(batch, 0, offset, 0)
        assert "ends at 3" in fails(Err.CORRUPT_MESSAGE, log.append_batches, batch, now_ms=NOW)
        assert log.log_end_offset == expected
    good, bad = make(), make()
    set_offset_and_epoch(good, 0, 5, 0)
    set_offset_and_epoch(bad, 0, 6, 0)
    bad[-1] ^= 1
    assert "offset 6" in fails(
        Err.CORRUPT_MESSAGE, log.append_batches, memoryview(bytes(good) + bytes(bad)), now_ms=NOW
    )
    assert log.log_end_offset == 6  # with a gap, as the leader's compacted log has it
    region = log.read(3, 1000, end_offset=6)
    assert region is not None
    assert region.read() == bytes(good)


def test_a_segment_for_each_two_thousand_million_offsets() -> None:
    log = open_log(MemoryDisk())
    for offset in (0, 2**31 - 1, 2**31, 2**33):
        batch = make()
        set_offset_and_epoch(batch, 0, offset, 0)
        log.append_batches(batch, now_ms=NOW)
    assert bases(log) == [0, 2**31, 2**33]
    assert [header.base_offset for header, _ in read_all(log)] == [0, 2**31 - 1, 2**31, 2**33]


# ---- reading


def test_the_borders_of_a_read() -> None:
    log = open_log(MemoryDisk(), SMALL)
    fill(log, 25)
    log.advance_start(4)
    for offset in (3, -1, 26):
        fails(Err.OFFSET_OUT_OF_RANGE, log.read, offset, 100, end_offset=25)
    assert log.read(25, 100, end_offset=25) is None
    assert log.read(9, 100, end_offset=9) is None
    assert log.read(9, 0, end_offset=25, at_least_one=False) is None
    assert len(log.read(9, 0, end_offset=25) or b"") == BATCH
    assert len(log.read(4, 10_000, end_offset=25) or b"") == 6 * BATCH  # to the end of the segment
    assert len(log.read(4, 3 * BATCH - 1, end_offset=25) or b"") == 2 * BATCH
    assert len(log.read(4, 10_000, end_offset=6) or b"") == 2 * BATCH


def test_an_offset_inside_a_batch_gives_the_whole_batch() -> None:
    log = open_log(MemoryDisk(), SMALL)
    append(log, make(7))
    append(log, make(3))
    for offset in (0, 3, 6):
        assert parse_header((log.read(offset, 1, end_offset=10)).read()).base_offset == 0  # type: ignore[union-attr]
    region = log.read(2, 10_000, end_offset=3)  # a batch that begins before the end is not cut
    assert region is not None
    assert parse_header(region.read()).last_offset == 6
    assert len(region) == len(make(7))


def test_the_next_fetch_at_the_tail_touches_nothing() -> None:
    disk = MemoryDisk()
    log = open_log(disk)
    fill(log, 50)
    offset = log.log_end_offset
    assert log.read(offset - 1, 1 << 20, end_offset=offset) is not None
    for _ in range(20):
        end = append(log, make()).last_offset + 1
        disk.operations.clear()
        assert log.read(offset, 1 << 20, end_offset=end) is not None
        assert disk.operations["read"] == 0
        offset = end


def test_a_region_is_read_whatever_happens_to_its_segment() -> None:
    disk = MemoryDisk()
    log = open_log(disk, replace(SMALL, retention_bytes=0, file_delete_delay_ms=0))
    batches = fill(log, 5)
    region = log.read(0, 1 << 20, end_offset=5)
    assert region is not None
    fill(log, 30)
    retain(log, NOW, log.log_end_offset)
    assert region.read() == b"".join(batches)
    assert log.collect_deleted(NOW) > 0
    assert region.read() == b"".join(batches)


def test_damage_that_is_met_by_a_reader_is_told() -> None:
    disk = MemoryDisk()
    log = open_log(disk, SMALL)
    fill(log, 8)
    log.close()
    path = f"{DIRECTORY}/{names.file_name(0, names.LOG)}"
    content = bytearray(disk.contents(path))
    content[3 * BATCH + 8 : 3 * BATCH + 20] = bytes(12)
    disk.spoil(path, bytes(content))
    log = open_log(disk, SMALL, clean=True)
    assert log.log_end_offset == 8
    assert "byte 354" in fails(Err.CORRUPT_MESSAGE, log.read, 3, 100, end_offset=8)
    assert len(log.read(0, 2 * BATCH, end_offset=8) or b"") == 2 * BATCH


# ---- ending


def test_an_idle_log_costs_nothing_to_close() -> None:
    disk = MemoryDisk()
    log = open_log(disk, SMALL)
    log.start_epoch(0)
    fill(log, 15)
    log.close()
    for epoch in (1, 2):
        log = open_log(disk, SMALL, clean=True)
        log.start_epoch(epoch)
        disk.operations.clear()
        log.close()
        assert disk.operations == {}
    fails(Err.KAFKA_STORAGE_ERROR, append, log, make())


def synced(disk: MemoryDisk) -> list[str]:
    """The files that are synced from now on; the list grows."""
    found: list[str] = []
    operate = disk.operate

    def watch(operation: str, path: str) -> int | None:
        if operation == "sync":
            found.append(path.removeprefix(f"{DIRECTORY}/").lstrip("0"))
        return operate(operation, path)

    disk.operate = watch  # type: ignore[method-assign]
    return found


def test_a_close_syncs_only_what_has_changed_since_the_last_sync() -> None:
    disk = MemoryDisk()
    log = open_log(disk, SMALL)
    log.start_epoch(0)
    fill(log, 5)
    flush(log)
    found = synced(disk)
    log.close()
    assert found == [".index", ".timeindex", "5.snapshot.tmp"]
    log = open_log(disk, SMALL, clean=True)
    log.advance_start(2)  # the epoch begins there now
    found.clear()
    log.close()
    assert found == ["leader-epoch-checkpoint.tmp"]


def test_after_a_kill_what_lies_below_the_recovery_point_is_not_synced_again() -> None:
    disk = MemoryDisk()
    log = open_log(disk, SMALL)
    fill(log, 15)
    flush(log)
    log = open_log(disk, SMALL, recovery_point=15)
    found = synced(disk)
    log.close()
    assert ".log" not in found
    assert "10.log" not in found
    assert {"10.index", "10.timeindex"} < set(found)
    log = open_log(disk, SMALL, recovery_point=14)
    found.clear()
    log.close()
    assert "10.log" in found


def test_a_torn_write_that_was_taken_back_is_synced() -> None:
    disk = MemoryDisk()
    log = open_log(disk, SMALL)
    fill(log, 5)
    log.close()
    log = open_log(disk, SMALL, clean=True)
    disk.fail("write", names.LOG)
    fails(Err.KAFKA_STORAGE_ERROR, append, log, make())
    found = synced(disk)
    log.close()
    assert ".log" in found


def test_a_clean_close_survives_the_power() -> None:
    for seed in range(30):
        disk = MemoryDisk()
        log = open_log(disk, SMALL)
        log.start_epoch(3)
        for number in range(15):
            append(log, make(size=50, producer_id=4, epoch=0, sequence=number), leader_epoch=3)
        before = list(read_all(log))
        log.close()
        log = open_log(disk.crash(Random(seed)), SMALL, clean=True)
        assert list(read_all(log)) == before
        assert (log.recovery_point, log.end_of_epoch(3)) == (15, (3, 15))
        assert log.producers.entries[4].last_sequence == 14


def test_a_deleted_log_is_read_by_those_who_have_begun(tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("engine") / "t-0"
    directory.mkdir()
    disk = OsDisk(open_files=4)
    log = Log.open(disk, str(directory), "t", 0, SMALL, now_ms=NOW)
    batches = fill(log, 8)
    region = log.read(0, 1 << 20, end_offset=8)
    assert region is not None
    log.discard()
    disk.rename(str(directory), f"{directory}.x-delete")
    disk.remove_tree(f"{directory}.x-delete")
    assert region.read() == b"".join(batches)
    fails(Err.KAFKA_STORAGE_ERROR, append, log, make())
    del region
    assert disk.open_files == 0


def test_what_status_tells_of_the_segments() -> None:
    log = open_log(MemoryDisk(), SMALL)
    for number in range(12):
        append(log, make(size=50, timestamp=NOW + number))
    old, active = log.segments
    assert (old.base_offset, old.next_offset, old.size_bytes, old.is_active) == (0, 10, 10 * BATCH, False)
    assert (old.first_timestamp, old.max_timestamp, old.index_entries, old.time_entries) == (NOW, NOW + 9, 4, 5)
    assert (active.base_offset, active.next_offset, active.is_active) == (10, 12, True)
