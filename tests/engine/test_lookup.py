"""From a time to an offset: the answer is a record's, wherever its batch lies."""

from __future__ import annotations

import sys
from dataclasses import replace
from random import Random
from threading import Event, Thread

from kq.record.batch import Record, encode_batch
from kq.record.compression import ZSTD
from tests.support.batches import NOW, SMALL, append, hollow, make, open_log
from tests.support.memory_disk import MemoryDisk


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


def test_a_batch_whose_records_compaction_took_is_passed_over() -> None:
    log = open_log(MemoryDisk(), SMALL)
    append(log, make(2, timestamp=NOW))
    log.append_batches(hollow(2, 9, timestamp=NOW + 5), now_ms=NOW)
    append(log, make(timestamp=NOW + 5))
    assert log.find_by_time(NOW + 1) == (NOW + 5, 10, 0)
    assert log.find_max_timestamp() == (NOW + 5, 10, 0)


def test_only_the_batch_of_the_answer_is_read() -> None:
    disk = MemoryDisk()
    settings = replace(SMALL, segment_bytes=1 << 20, index_interval_bytes=4096)  # ten batches between two entries
    log = open_log(disk, settings)
    for number in range(500):
        append(log, make(timestamp=NOW + number, size=300))
    log.close()
    log = open_log(disk, settings, clean=True)
    for number in (0, 7, 250, 499):
        disk.operations.clear()
        found = log.find_by_time(NOW + number)
        assert found is not None
        assert found.offset == number
        assert disk.operations["read"] <= 8  # two searches of two reads, the headers each leads to, the batch


def test_looking_up_beside_appends() -> None:
    """In another thread, while pages of index entries move from memory to the file and segments roll."""
    log = open_log(MemoryDisk(), replace(SMALL, index_interval_bytes=0, segment_bytes=120_000))
    append(log, make(timestamp=NOW))
    wrong: list[object] = []
    done = Event()

    def look() -> None:
        rng = Random(1)
        while not done.is_set():
            number = rng.randrange(log.log_end_offset)
            try:
                found = log.find_by_time(NOW + number)
            except Exception as error:
                wrong.append(error)
                return
            if found is None or found.offset != number:
                wrong.append((number, found))

    thread = Thread(target=look)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # as if there were many more threads
    try:
        thread.start()
        for number in range(1, 5000):
            append(log, make(timestamp=NOW + number))
    finally:
        done.set()
        thread.join()
        sys.setswitchinterval(interval)
    assert wrong == []
    assert len(log.segments) > 3
