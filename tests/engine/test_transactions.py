"""Aborted transactions against a plain list, through rolls, kills and clean stops."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from kq.engine import names
from kq.engine.log import Log
from kq.record.batch import iter_batches
from tests.support.batches import DIRECTORY, SMALL, append, fill, flush, make, marker, open_log
from tests.support.memory_disk import MemoryDisk


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
        stable = min(open_since.values(), default=log.log_end_offset)
        for _ in range(60):
            offset = rng.randrange(stable)
            region = log.read(offset, rng.choice((1, 300, 900, 1 << 20)), end_offset=rng.randrange(offset, stable) + 1)
            assert region is not None
            *_, (_, last_read) = iter_batches(region.read())
            wanted = {(pid, first) for pid, first, last in aborted if last >= offset and first < last_read.next_offset}
            assert set(log.aborted_in(offset, region)) == wanted


def test_of_a_log_without_transactions_nothing_is_looked_up() -> None:
    disk = MemoryDisk()
    log = open_log(disk, SMALL)
    fill(log, 25)
    region = log.read(3, 300, end_offset=25)
    assert region is not None
    disk.operations.clear()
    assert log.aborted_in(3, region) == []
    assert not disk.operations


def aborted_in(log: Log) -> set[tuple[int, int]]:
    """Those of the whole log, segment by segment."""
    found: set[tuple[int, int]] = set()
    for segment in log.segments:
        region = log.read(segment.base_offset, 1 << 20, end_offset=log.log_end_offset)
        assert region is not None
        found.update(log.aborted_in(segment.base_offset, region))
    return found


def test_a_damaged_transaction_index_is_made_again() -> None:
    disk = MemoryDisk()
    log = open_log(disk, SMALL)
    for number in range(12):
        append(log, make(producer_id=1, epoch=0, sequence=number, transactional=True))
        append(log, marker(commit=number % 2 == 0, producer_id=1))
    wanted = aborted_in(log)
    assert len(wanted) == 6
    log.close()
    hurt = [entry.name for entry in disk.entries(DIRECTORY) if entry.name.endswith(names.TXN_INDEX)]
    for name in hurt:
        disk.spoil(f"{DIRECTORY}/{name}", b"\1" * 34)
    again = open_log(disk, SMALL, clean=True)
    assert aborted_in(again) == wanted
