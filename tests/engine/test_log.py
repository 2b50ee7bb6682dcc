"""What a log promises to those who call it: appends, reads, faults of the disk, flushes, retention, truncation."""

from __future__ import annotations

import errno
from dataclasses import replace
from random import Random
from threading import Event, Thread

import pytest

from kq.engine import names
from kq.engine.disk import OsDisk
from kq.engine.log import Log
from kq.engine.settings import LogSettings
from kq.errors import Err, KafkaError
from kq.record.batch import BatchHeader, Record, encode_batch, parse_header, set_offset_and_epoch
from kq.record.compression import ZSTD
from tests.support import twins
from tests.support.batches import DIRECTORY, NOW, append, flush, make, marker, open_log, read_all
from tests.support.memory_disk import MemoryDisk

SMALL = LogSettings(segment_bytes=1200, index_interval_bytes=200, retention_ms=-1)
BATCH = len(make(size=50))


def fill(log: Log, count: int, **more: int) -> list[bytes]:
    return [bytes(batch) for batch in (make(size=50, **more) for _ in range(count)) if append(log, batch)]


def bases(log: Log) -> list[int]:
    return [segment.base_offset for segment in log.segments]


def fails(code: Err, deed: object, *arguments: object, **more: object) -> str:
    with pytest.raises(KafkaError) as failure:
        deed(*arguments, **more)  # type: ignore[operator]
    assert failure.value.code is code
    return str(failure.value)


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
    log.apply_retention(NOW, log.log_end_offset)
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


# ---- transactions


def test_aborted_transactions_agree_with_a_plain_list() -> None:
    for seed in range(15):
        rng = Random(seed)
        disk = MemoryDisk()
        log = open_log(disk, replace(SMALL, segment_bytes=rng.choice((800, 3000))))
        open_since: dict[int, int] = {}
        sequences: dict[int, int] = {}
        aborted: list[tuple[int, int, int]] = []
        for _ in range(150):
            pid = rng.randrange(4)
            if rng.random() < 0.6:
                batch = make(2, producer_id=pid, epoch=0, sequence=sequences.get(pid, 0), transactional=True)
                open_since.setdefault(pid, append(log, batch).base_offset)
                sequences[pid] = sequences.get(pid, 0) + 2
            else:
                commit = rng.random() < 0.5
                at = append(log, marker(commit=commit, producer_id=pid)).base_offset
                if pid in open_since and not commit:
                    aborted.append((pid, open_since[pid], at))
                open_since.pop(pid, None)
            if rng.random() < 0.03:
                flush(log)
                log = open_log(disk, log.settings, recovery_point=rng.choice((0, log.recovery_point)))
            elif rng.random() < 0.02:
                log.close()
                log = open_log(disk, log.settings, clean=True)
            log.producers.acknowledge(log.log_end_offset)
            assert log.first_unstable_offset == min(open_since.values(), default=None)
        for _ in range(60):
            stable = min(open_since.values(), default=log.log_end_offset)
            offset = rng.randrange(stable)
            end = rng.randrange(offset, stable + 1)
            wanted = {(pid, first) for pid, first, last in aborted if last >= offset and first < end}
            assert set(log.aborted_in(offset, end)) == wanted


def test_a_damaged_transaction_index_is_made_again() -> None:
    disk = MemoryDisk()
    log = open_log(disk, SMALL)
    for number in range(12):
        append(log, make(producer_id=1, epoch=0, sequence=number, transactional=True))
        append(log, marker(commit=number % 2 == 0, producer_id=1))
    wanted = log.aborted_in(0, log.log_end_offset)
    assert len(wanted) == 6
    log.close()
    hurt = [entry.name for entry in disk.entries(DIRECTORY) if entry.name.endswith(names.TXN_INDEX)]
    for name in hurt:
        disk.spoil(f"{DIRECTORY}/{name}", b"\1" * 34)
    again = open_log(disk, SMALL, clean=True)
    assert again.aborted_in(0, again.log_end_offset) == wanted


# ---- time


def test_times_are_those_of_records() -> None:
    log = open_log(MemoryDisk(), SMALL)
    append(log, make(5, timestamp=NOW, step=10, codec=ZSTD))
    append(log, make(5, timestamp=NOW + 100, step=-20, codec=ZSTD))  # 100, 80, 60, 40, 20
    assert log.find_by_time(NOW - 5) == (NOW, 0, 0)
    assert log.find_by_time(NOW + 31) == (NOW + 40, 4, 0)
    assert log.find_by_time(NOW + 41) == (NOW + 100, 5, 0)
    assert log.find_by_time(NOW + 101) is None
    assert log.find_max_timestamp() == (NOW + 100, 5, 0)
    log.advance_start(6)
    assert log.find_by_time(NOW) == (NOW + 80, 6, 0)
    assert log.find_max_timestamp() == (NOW + 100, 5, 0)


def test_times_of_an_empty_log_and_of_records_without() -> None:
    log = open_log(MemoryDisk(), SMALL)
    assert (log.find_by_time(0), log.find_max_timestamp()) == (None, None)
    append(log, make(3, timestamp=-1))
    assert log.find_by_time(0) is None
    assert log.find_max_timestamp() == (-1, 0, 0)


def test_log_append_time_counts_for_every_record() -> None:
    log = open_log(MemoryDisk(), SMALL)
    records = [Record(n, NOW + n, None, b"x") for n in range(3)]
    append(log, memoryview(encode_batch(records, log_append_time=NOW + 50)))
    assert log.find_by_time(NOW + 2) == (NOW + 50, 0, 0)


# ---- faults of the disk


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


# ---- flushing


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


# ---- retention


def test_retention_by_size_keeps_at_least_that_much() -> None:
    log = open_log(MemoryDisk(), replace(SMALL, retention_bytes=25 * BATCH))
    fill(log, 52)
    gone = log.apply_retention(NOW, 52)
    assert [one.base_offset for one in gone] == [0, 10]
    assert "retention.bytes" in gone[0].reason
    assert (log.log_start_offset, bases(log)) == (20, [20, 30, 40, 50])
    fails(Err.OFFSET_OUT_OF_RANGE, log.read, 19, 1, end_offset=52)
    assert log.apply_retention(NOW, 52) == []


def test_retention_by_time_goes_by_the_newest_record() -> None:
    log = open_log(MemoryDisk(), replace(SMALL, retention_ms=1000))
    for number in range(31):
        append(log, make(size=50, timestamp=NOW + number * 100))
    assert log.apply_retention(NOW + 1900, 31) == []
    assert [one.base_offset for one in log.apply_retention(NOW + 1901, 31)] == [0]
    assert [one.base_offset for one in log.apply_retention(NOW + 2901, 31)] == [10]


def test_the_active_segment_expires_like_any_other() -> None:
    disk = MemoryDisk()
    log = open_log(disk, replace(SMALL, retention_ms=1000))
    fill(log, 15)
    assert [one.base_offset for one in log.apply_retention(NOW + 1001, 15)] == [0, 10]
    assert (log.log_start_offset, log.log_end_offset, bases(log)) == (15, 15, [15])
    assert log.apply_retention(NOW + 10**9, 15) == []
    fill(log, 1)
    assert [header.base_offset for header, _ in read_all(log)] == [15]
    flush(log)
    log = open_log(disk, SMALL, recovery_point=16)
    assert (log.log_start_offset, log.log_end_offset) == (15, 16)


def test_nothing_above_the_high_watermark_goes() -> None:
    log = open_log(MemoryDisk(), replace(SMALL, retention_bytes=0))
    fill(log, 35)
    assert [one.base_offset for one in log.apply_retention(NOW, 19)] == [0]
    assert [one.base_offset for one in log.apply_retention(NOW, 20)] == [10]


def test_a_compacted_log_loses_only_what_was_deleted_by_request() -> None:
    log = open_log(MemoryDisk(), replace(SMALL, retention_bytes=0, retention_ms=0, delete=False, compact=True))
    fill(log, 35)
    assert log.apply_retention(NOW + 10**9, 35) == []
    log.advance_start(21)
    assert [one.base_offset for one in log.apply_retention(NOW, 35)] == [0, 10]
    assert bases(log) == [20, 30]


def test_deleted_files_wait_for_their_time() -> None:
    disk = MemoryDisk()
    log = open_log(disk, replace(SMALL, retention_bytes=0, file_delete_delay_ms=60_000))
    fill(log, 21)
    flush(log)
    log.apply_retention(NOW, 20)
    deleted = [entry.name for entry in disk.entries(DIRECTORY) if entry.name.endswith(names.DELETED)]
    assert len(deleted) == 6
    assert log.collect_deleted(NOW + 59_999) == 0
    assert log.collect_deleted(NOW + 60_000) == 6
    assert not [entry for entry in disk.entries(DIRECTORY) if entry.name.endswith(names.DELETED)]
    assert sorted(entry.name for entry in disk.entries(DIRECTORY) if entry.name.endswith(names.SNAPSHOT)) == [
        names.file_name(20, names.SNAPSHOT)
    ]


def test_the_start_moves_forward_only() -> None:
    log = open_log(MemoryDisk(), SMALL)
    log.start_epoch(1)
    fill(log, 5)
    log.start_epoch(2)
    fill(log, 5)
    log.advance_start(7)
    log.advance_start(3)
    assert (log.log_start_offset, log.end_of_epoch(2), log.epoch_of(6)) == (7, (2, 10), -1)
    fails(Err.OFFSET_OUT_OF_RANGE, log.advance_start, 11)
    log.advance_start(10)
    assert log.read(10, 1, end_offset=10) is None


# ---- truncation


def test_truncation_at_every_offset_and_in_every_segment() -> None:
    for offset in range(31):
        disk = MemoryDisk()
        log = open_log(disk, SMALL)
        log.start_epoch(1)
        batches: list[tuple[BatchHeader, bytes]] = []
        for number in range(15):
            if number == 8:
                log.start_epoch(2)
            epoch = 2 if number >= 8 else 1
            append(log, make(2, size=50, producer_id=4, epoch=0, sequence=2 * number), leader_epoch=epoch)
        flush(log)
        batches = list(read_all(log))
        log.truncate_to(offset, now_ms=NOW)
        kept = [one for one in batches if one[0].last_offset < offset]
        end = kept[-1][0].next_offset if kept else 0
        assert list(read_all(log)) == kept
        assert (log.log_end_offset, log.recovery_point) == (end, end)
        assert log.leader_epoch == max((one[0].leader_epoch for one in kept), default=-1)
        assert (4 in log.producers.entries) == bool(kept)
        if kept:
            assert log.producers.entries[4].last_sequence == kept[-1][0].last_sequence
        assert twins.faults(disk) == []
        again = append(log, make(2, size=50, producer_id=4, epoch=0, sequence=end), leader_epoch=3)
        assert (again.base_offset, again.duplicate) == (end, False)
        after = open_log(disk.crash(Random(offset)), SMALL, recovery_point=end)
        assert list(read_all(after))[: len(kept)] == kept
        assert after.log_end_offset in (end, end + 2)


def test_truncation_to_the_end_drops_an_epoch_that_has_nothing() -> None:
    log = open_log(MemoryDisk(), SMALL)
    log.start_epoch(1)
    fill(log, 3)
    log.start_epoch(5)
    log.truncate_to(3, now_ms=NOW)
    assert (log.leader_epoch, log.log_end_offset, log.end_of_epoch(1)) == (1, 3, (1, 3))


def test_a_log_begins_anew_elsewhere() -> None:
    disk = MemoryDisk()
    log = open_log(disk, SMALL)
    log.start_epoch(1)
    for number in range(25):
        append(log, make(size=50, producer_id=4, epoch=0, sequence=number), leader_epoch=1)
    flush(log)
    log.restart_at(100, now_ms=NOW)
    assert (log.log_start_offset, log.log_end_offset, log.recovery_point, bases(log)) == (100, 100, 100, [100])
    assert (log.leader_epoch, dict(log.producers.entries)) == (-1, {})
    assert list(twins.segments(disk)) == [100]
    assert append(log, make(), leader_epoch=2).base_offset == 100
    flush(log)
    after = open_log(disk.crash(Random(0)), SMALL, recovery_point=101)
    assert [header.base_offset for header, _ in read_all(after)] == [100]


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
