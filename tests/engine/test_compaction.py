"""When a log may be compacted and when it is time, which segments become one, and what stays readable meanwhile."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from kq.engine import names
from kq.engine.compaction import Cleanable, groups
from kq.engine.compaction_map import ENTRY_BYTES, LatestOffsets, shortened
from kq.engine.disk import OsDisk
from kq.engine.log import Log
from kq.engine.settings import LogSettings
from kq.record.batch import Record, encode_batch
from kq.record.compression import NAMES
from tests.support.batches import NOW, append, bases, flush, open_log, retain
from tests.support.compacting import committed, compact, find, folded, records
from tests.support.memory_disk import MemoryDisk

SETTINGS = LogSettings(segment_bytes=1000, index_interval_bytes=100, retention_ms=-1, compact=True, delete=False)
HOUR_MS = 3_600_000


def put(log: Log, number: int, *, timestamp: int = NOW, keys: int = 5, codec: int = 0) -> None:
    record = Record(0, timestamp, b"key-%d" % (number % keys), b"value %d" % number * 9)
    append(log, memoryview(encode_batch([record], codec=codec)))


def filled(count: int = 40, settings: LogSettings = SETTINGS) -> Log:
    log = open_log(MemoryDisk(), settings)
    for number in range(count):
        put(log, number, timestamp=NOW + number * 1000)
    flush(log)
    return log


def looked_at(log: Log, now_ms: int = NOW) -> Cleanable:
    found = find(log, now_ms=now_ms)
    assert found is not None
    return found


def test_all_but_the_active_segment_is_dirty_at_first() -> None:
    log = filled()
    found = looked_at(log)
    assert (found.start, found.end) == (0, bases(log)[-1])
    assert (found.clean_bytes, found.ratio) == (0, 1.0)
    assert found.is_due(log.settings)


def test_what_is_not_on_stable_storage_is_left_alone() -> None:
    log = filled(0)
    for number in range(40):
        put(log, number)
    assert looked_at(log).end == 0
    assert not looked_at(log).is_due(log.settings)
    flush(log)
    assert looked_at(log).end == bases(log)[-1]


def test_an_open_transaction_stops_it() -> None:
    log = filled()
    before = bases(log)[-1]
    batch = encode_batch(
        [Record(0, NOW, b"k", b"v")], producer_id=3, producer_epoch=0, base_sequence=0, transactional=True
    )
    append(log, memoryview(batch))
    for number in range(40):
        put(log, number)
    flush(log)
    assert looked_at(log).end == before  # the segment that holds the transaction is not touched
    assert bases(log)[-1] > before


def test_young_records_are_left_alone() -> None:
    settings = replace(SETTINGS, min_compaction_lag_ms=10_000)
    log = filled(40, settings)  # a second apart
    second = bases(log)[1]
    assert looked_at(log, NOW + 39_000).end < bases(log)[-1]
    assert looked_at(log, NOW + 1000).end == 0
    assert looked_at(log, NOW + (second - 1) * 1000 + 10_000).end == second
    assert looked_at(log, NOW + HOUR_MS).end == bases(log)[-1]


def test_it_is_time_when_enough_is_dirty() -> None:
    log = filled()
    compact(log)
    assert looked_at(log).dirty_bytes == 0
    assert not looked_at(log).is_due(log.settings)
    while looked_at(log).ratio <= 0.5:
        assert not looked_at(log).is_due(log.settings)
        put(log, 1)
        flush(log)
    found = looked_at(log)
    assert found.is_due(log.settings)
    assert not found.is_due(replace(SETTINGS, min_cleanable_dirty_ratio=found.ratio))
    assert found.ratio == pytest.approx(found.dirty_bytes / (found.dirty_bytes + found.clean_bytes))


def test_it_is_time_when_the_oldest_waits_for_too_long() -> None:
    settings = replace(SETTINGS, min_cleanable_dirty_ratio=1.0, max_compaction_lag_ms=HOUR_MS)
    log = filled(40, settings)
    assert not looked_at(log, NOW + HOUR_MS).is_due(settings)
    found = looked_at(log, NOW + HOUR_MS + 1)
    assert (found.oldest_ms, found.is_overdue) == (NOW, True)
    assert found.is_due(settings)
    compact(log)
    assert not looked_at(log, NOW + 9 * HOUR_MS).is_due(settings)  # the active segment does not count


@pytest.mark.parametrize("clean_offset", [39, 1000])
def test_a_clean_offset_that_cannot_be_makes_all_of_it_dirty(clean_offset: int) -> None:
    log = filled()
    log.compaction.note_clean(clean_offset, log.log_end_offset)
    assert looked_at(log).start == 0
    log.advance_start(3)
    assert looked_at(log).start == 3


def test_a_log_that_was_cut_is_dirty_again_from_there() -> None:
    log = filled()
    compact(log)
    assert log.compaction.clean_offset == bases(log)[-1] > 20
    log.truncate_to(20, now_ms=NOW)
    assert log.compaction.clean_offset <= 20
    log.restart_at(5, now_ms=NOW)
    assert log.compaction.clean_offset == 0


def test_without_the_policy_or_after_a_failure_nothing_is_done() -> None:
    log = filled()
    found = looked_at(log)
    log.configure(replace(SETTINGS, compact=False))
    assert find(log) is None
    log.configure(SETTINGS)
    assert looked_at(log) == found
    log.discard()
    assert find(log) is None


def test_segments_become_one_as_long_as_they_have_room() -> None:
    log = filled(60)
    segments = log._row.segments
    end = segments[-1].base_offset
    assert [len(group) for group in groups(segments, SETTINGS, end)] == [1] * (len(segments) - 1)
    assert groups(segments, replace(SETTINGS, segment_bytes=1 << 20), end) == [segments[:-1]]
    two = max(a.size + b.size for a, b in pairwise(segments))
    assert max(len(group) for group in groups(segments, replace(SETTINGS, segment_bytes=two), end)) == 2
    by_index = replace(SETTINGS, segment_bytes=1 << 20, index_max_bytes=segments[0].index.size * 2)
    assert max(len(group) for group in groups(segments, by_index, end)) < len(segments) - 1
    assert groups(segments, replace(SETTINGS, segment_bytes=1 << 20), segments[2].base_offset) == [segments[:2]]
    assert groups(segments, SETTINGS, 0) == []


def test_offsets_of_one_segment_lie_within_31_bits() -> None:
    settings = replace(SETTINGS, segment_bytes=1 << 20)
    log = open_log(MemoryDisk(), settings)
    for base in (0, 2**31 - 2, 2**31, 2**32):
        batch = encode_batch([Record(base, NOW, b"k", b"v")], base_offset=base, leader_epoch=0)
        log.append_batches(memoryview(batch), now_ms=NOW)
        log._roll(log.log_end_offset, NOW)
    flush(log)
    assert bases(log) == [0, 1, 2**31 - 1, 2**31 + 1, 2**32 + 1]
    found = groups(log._row.segments, settings, looked_at(log).end)
    assert [[one.base_offset for one in group] for group in found] == [[0, 1], [2**31 - 1], [2**31 + 1]]
    compact(log)
    assert records(log)[-1].offset == 2**32


def test_segments_shrink_into_one_over_the_passes() -> None:
    log = filled(400)
    before = len(bases(log))
    for _ in range(3):
        compact(log)
        put(log, 0)
        while looked_at(log).end <= looked_at(log).start:
            put(log, 0)
            flush(log)
    assert len(bases(log)) < before / 5
    assert folded(records(log)).keys() == {b"key-%d" % n for n in range(5)}


@pytest.mark.parametrize("codec", range(5), ids=NAMES)
def test_a_batch_keeps_its_codec(codec: int) -> None:
    log = open_log(MemoryDisk(), SETTINGS)
    for turn in range(8):
        rows = [Record(n, NOW, b"key-%d" % (n + turn), b"value" * 9) for n in range(8)]
        append(log, memoryview(encode_batch(rows, codec=codec)))
        log._roll(log.log_end_offset, NOW)
    flush(log)
    table = folded(records(log))
    compact(log)
    assert folded(records(log)) == table
    assert len(records(log)) == len(table) == 15


def test_what_is_being_read_stays_through_any_number_of_passes(tmp_path: Path) -> None:
    """Segments of one name are replaced again before the first of them was unlinked."""
    log = Log.open(OsDisk(), str(tmp_path), "t", 0, SETTINGS, now_ms=NOW)
    held = []
    for turn in range(4):
        for number in range(40):
            put(log, number, timestamp=NOW + turn)
        flush(log)
        region = log.read(0, 900, end_offset=log.log_end_offset)
        assert region is not None
        held.append((region, region.read()))
        region.file.close()  # as when the pool needs its descriptor
        compact(log)
    for region, data in held:
        assert region.read() == data
    log.collect_deleted(NOW + HOUR_MS)
    assert [region.read() for region, _ in held] == [data for _, data in held]
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(names.DELETED)]


def test_retention_takes_what_compaction_has_left() -> None:
    log = filled(60, replace(SETTINGS, delete=True, retention_ms=5_000))
    compact(log)
    before = len(bases(log))
    retain(log, NOW + 50_000, log.log_end_offset)
    assert 1 < len(bases(log)) < before
    assert log.log_start_offset == bases(log)[0]
    assert looked_at(log).start == max(log.log_start_offset, log.compaction.clean_offset)


def test_a_restart_finds_the_log_as_it_was_left() -> None:
    disk = MemoryDisk()
    log = open_log(disk, SETTINGS)
    for number in range(60):
        put(log, number, timestamp=NOW + number)
    flush(log)
    compact(log)
    before, found = committed(log), log.find_by_time(NOW + 57)
    log.close()
    again = open_log(disk, SETTINGS, clean=True)
    assert committed(again) == before
    assert again.find_by_time(NOW + 57) == found
    assert bases(again) == bases(log)


# the map


def test_a_long_key_is_stood_in_for_and_no_short_one_is_taken_for_it() -> None:
    long = b"l" * 65
    found = LatestOffsets(1 << 20)
    found.add(10, 0, [long, shortened(long)[:64], b"l" * 64, None], [0, 1, 2, 3])
    assert found.latest == {shortened(long): 10, shortened(long)[:64]: 11, b"l" * 64: 12}
    assert len(shortened(long)) == 65


def test_the_map_is_full_by_what_its_entries_take() -> None:
    found = LatestOffsets(4 * (ENTRY_BYTES + 5))
    found.add(0, 0, [b"12345", b"1", b"12345"], [0, 1, 2])
    assert not found.is_full
    assert found.latest == {b"12345": 2, b"1": 1}
    found.add(3, 4, [b"below", b"2", b"3"], [0, 1, 2])
    assert found.is_full is (found.held_bytes >= 4 * (ENTRY_BYTES + 5))
    assert b"below" not in found.latest
