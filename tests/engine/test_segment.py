"""One segment against a plain list of batches: index rule, reads, cuts, and indexes that lie."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kq.engine import names
from kq.engine.scan import DamagedBatch, TornBatch, headers, seek
from kq.engine.segment import Segment
from kq.engine.settings import LogSettings
from kq.record.batch import BatchHeader, iter_batches, parse_header, set_offset_and_epoch
from tests.support import twins
from tests.support.batches import DIRECTORY, NOW, make
from tests.support.memory_disk import MemoryDisk

BASE = 1000
MAX_OFFSET = 2**31 - 1


def segment(disk: MemoryDisk, interval: int = 300, **more: int) -> Segment:
    disk.make_directory(DIRECTORY)
    return Segment.create(disk, DIRECTORY, BASE, LogSettings(index_interval_bytes=interval, **more), NOW)


def fill(one: Segment, count: int, rng: Random) -> list[bytes]:
    """Batches with gaps between their offsets, as compaction leaves them, and clocks that sometimes go back."""
    batches, offset = [], BASE
    for number in range(count):
        offset += rng.choice((0, 0, 0, 3, 40))
        batch = make(
            rng.randrange(1, 4), timestamp=NOW + number - rng.choice((0, 0, 9)), step=1, size=rng.randrange(200)
        )
        set_offset_and_epoch(batch, 0, offset, 0)
        header = parse_header(batch)
        one.append(batch, header.size, header.last_offset, header.max_timestamp)
        batches.append(bytes(batch))
        offset = header.next_offset
    return batches


def disk_entries(disk: MemoryDisk, one: Segment) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    one.seal()
    return (
        twins.entries(disk.contents(one.path(names.INDEX)), ">ii"),
        twins.entries(disk.contents(one.path(names.TIME_INDEX)), ">qi"),
    )


@given(st.integers(0, 60), st.sampled_from((0, 100, 300, 1500)), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_index_entries_are_those_of_the_rule(count: int, interval: int, rng: Random) -> None:
    disk = MemoryDisk()
    one = segment(disk, interval)
    log = b"".join(fill(one, count, rng))
    assert disk.contents(one.path(names.LOG)) == log
    wanted = twins.index_of(BASE, log, interval)
    assert disk_entries(disk, one) == wanted
    latest = one.latest()
    one.rebuild_indexes()
    assert one.latest() == latest
    assert disk_entries(disk, one) == wanted


@given(st.integers(1, 60), st.sampled_from((0, 100, 300, 1500)), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_finding_agrees_with_looking_at_every_batch(count: int, interval: int, rng: Random) -> None:
    disk = MemoryDisk()
    one = segment(disk, interval)
    batches = fill(one, count, rng)
    if rng.random() < 0.5:
        one.write_indexes()
    found: list[tuple[int, BatchHeader]] = list(iter_batches(b"".join(batches)))
    for offset in rng.sample(range(BASE - 2, found[-1][1].next_offset + 3), k=min(40, found[-1][1].next_offset - BASE)):
        first = next((each for each in found if each[1].last_offset >= offset), None)
        place = one.locate(offset)
        assert (place and (place.position, place.base_offset)) == (first and (first[0], first[1].base_offset))
        assert one.start_of_read(offset) == (first[0] if first else one.size)
        begins = next((position for position, header in found if header.base_offset >= offset), one.size)
        assert one.end_before(offset) == begins
    for _ in range(30):
        start, _header = rng.choice(found)
        end = rng.choice([position for position, _ in found if position > start] + [one.size])
        max_bytes, at_least_one = rng.choice((0, 1, rng.randrange(3000))), rng.random() < 0.5
        stops = [position for position, _ in found if start <= position <= end] + [end]
        fitting = max(position for position in stops if position - start <= max_bytes)
        wanted = stops[1] if at_least_one and fitting == start else fitting
        assert one.cut(start, end, max_bytes, at_least_one=at_least_one) == wanted


@given(st.integers(1, 40), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_cutting_leaves_what_a_shorter_life_would_have_left(count: int, rng: Random) -> None:
    disk = MemoryDisk()
    one = segment(disk, 200)
    batches = fill(one, count, rng)
    if rng.random() < 0.5:
        one.seal()
    offset = rng.randrange(BASE, parse_header(batches[-1]).next_offset + 2)
    kept = [batch for batch in batches if parse_header(batch).last_offset < offset]
    hit = next((parse_header(batch) for batch in batches if parse_header(batch).last_offset >= offset), None)
    assert one.truncate(offset) == min(offset, hit.base_offset if hit else offset)
    assert disk.contents(one.path(names.LOG)) == b"".join(kept)
    assert one.latest().timestamp == max((parse_header(batch).max_timestamp for batch in kept), default=-1)
    assert one.first_timestamp() == (parse_header(kept[0]).max_timestamp if kept else -1)
    one.seal()
    assert twins.faults(disk, sealed=[BASE]) == []


@pytest.mark.parametrize("kind", [names.INDEX, names.TIME_INDEX])
@pytest.mark.parametrize("seed", range(12))
def test_an_index_that_lies_costs_time_and_nothing_else(kind: str, seed: int) -> None:
    rng = Random(seed)
    disk = MemoryDisk()
    written = segment(disk, 150)
    batches = fill(written, 60, rng)
    written.seal()
    wanted = disk_entries(disk, written)
    content = bytearray(disk.contents(written.path(kind)))
    for _ in range(rng.randrange(1, 30)):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    if kind == names.INDEX and rng.random() < 0.3:
        del content[rng.randrange(len(content)) :]
    disk.spoil(written.path(kind), bytes(content))
    sizes = (
        len(disk.contents(written.path(names.INDEX))) // 8,
        len(disk.contents(written.path(names.TIME_INDEX))) // 12,
    )
    again = Segment(
        disk,
        DIRECTORY,
        BASE,
        disk.open(written.path(names.LOG)),
        LogSettings(index_interval_bytes=150),
        size=written.size,
        index_entries=sizes[0],
        time_entries=sizes[1],
        now_ms=NOW,
    )
    assert again.latest() == written.latest()
    for offset in range(BASE, parse_header(batches[-1]).next_offset):
        place = again.locate(offset)
        assert place is not None
        assert place == written.locate(offset)
    for timestamp in range(NOW - 12, NOW + 70, 3):
        first = next(
            (h.base_offset for _, h in again.headers_from_time(timestamp) if h.max_timestamp >= timestamp), None
        )
        assert first == next(
            (parse_header(one).base_offset for one in batches if parse_header(one).max_timestamp >= timestamp), None
        )
    again.rebuild_indexes()
    assert disk_entries(disk, again) == wanted


def test_a_read_that_goes_on_needs_no_index() -> None:
    disk = MemoryDisk()
    one = segment(disk)
    fill(one, 50, Random(3))
    start = 0
    stops = [start := one.cut(start, one.size, 700, at_least_one=True) for _ in range(5)]
    disk.operations.clear()
    places = [seek(one.log, stop, one.size, limit=stop) for stop in stops]
    assert disk.operations["read"] == 5
    for stop, place in zip(stops, places, strict=True):
        assert place is not None
        assert one.start_of_read(place.base_offset) == stop
    assert disk.operations["read"] == 5


# ---- when a segment is full


def full(
    one: Segment, *, size: int = 100, last_offset: int = BASE + 9, timestamp: int = NOW, now_ms: int = NOW
) -> bool:
    return one.is_full_for(size, last_offset, timestamp, now_ms)


def test_full_by_size_only_when_the_batch_does_not_fit() -> None:
    one = segment(MemoryDisk(), segment_bytes=1000)
    assert not full(one, size=1000)
    assert full(one, size=1001)
    fill(one, 1, Random(1))
    assert not full(one, size=1000 - one.size)
    assert full(one, size=1001 - one.size)


def test_full_when_the_offset_no_longer_fits_the_index() -> None:
    one = segment(MemoryDisk())
    assert not full(one, last_offset=BASE + MAX_OFFSET)
    assert full(one, last_offset=BASE + MAX_OFFSET + 1)


def test_full_by_the_clock_of_the_records() -> None:
    one = segment(MemoryDisk(), segment_ms=1000)
    assert not full(one, timestamp=NOW + 10**9, now_ms=NOW + 10**9)  # empty: as old as it may be
    fill(one, 1, Random(1))
    first = one.first_timestamp()
    assert not full(one, timestamp=first + 1000, now_ms=NOW + 10**9)
    assert full(one, timestamp=first + 1001)


def test_full_by_our_clock_when_records_have_none() -> None:
    one = segment(MemoryDisk(), segment_ms=1000)
    batch = make(timestamp=-1)
    one.append(batch, len(batch), BASE, -1)
    assert not full(one, timestamp=-1, now_ms=NOW + 1000)
    assert full(one, timestamp=-1, now_ms=NOW + 1001)


def test_full_by_either_index() -> None:
    one = segment(
        MemoryDisk(), interval=0, index_max_bytes=36
    )  # four offsets, or three times of which one is for the end
    for number in range(10):
        assert not full(one) or number > 2
        batch = make(timestamp=NOW + number)
        one.append(batch, len(batch), BASE + number, NOW + number)
        if full(one):
            break
    assert (one.index.count, one.time_index.count) == (2, 2)
    late = segment(MemoryDisk(), interval=0, index_max_bytes=36)
    for number in range(5):
        assert not full(late)
        batch = make(timestamp=NOW)
        late.append(batch, len(batch), BASE + number, NOW)
    assert full(late)
    assert (late.index.count, late.time_index.count) == (4, 1)


# ---- scanning


def test_scanning_small_batches_reads_them_by_the_hundred() -> None:
    disk = MemoryDisk()
    one = segment(disk)
    batches = fill(one, 2000, Random(8))
    disk.operations.clear()
    assert [header.base_offset for _, header in headers(one.log, 0, one.size)] == [
        parse_header(batch).base_offset for batch in batches
    ]
    assert disk.operations["read"] < 30


@pytest.mark.parametrize("size", [10, 3000, 4000, 4096, 5000, 70_000])
def test_scanning_batches_of_any_size(size: int) -> None:
    disk = MemoryDisk()
    one = segment(disk)
    for number in range(30):
        batch = make(size=size)
        set_offset_and_epoch(batch, 0, BASE + number, 0)
        one.append(batch, len(batch), BASE + number, NOW)
    assert [header.base_offset for _, header in headers(one.log, 0, one.size)] == list(range(BASE, BASE + 30))
    for number in (0, 7, 29):
        place = seek(one.log, 0, one.size, offset=BASE + number)
        assert place is not None
        assert place.base_offset == BASE + number
    assert seek(one.log, 0, one.size, offset=BASE + 30) is None


@pytest.mark.parametrize("cut", range(1, 130))
def test_a_scan_ends_at_a_torn_batch(cut: int) -> None:
    disk = MemoryDisk()
    one = segment(disk)
    batches = [make(size=60), make(size=60)]
    for number, batch in enumerate(batches):
        set_offset_and_epoch(batch, 0, BASE + number, 0)
        one.append(batch, len(batch), BASE + number, NOW)
    end = one.size - min(cut, len(batches[1]) - 1)
    with pytest.raises(TornBatch) as torn:
        list(headers(one.log, 0, end))
    assert torn.value.position == len(batches[0])
    with pytest.raises(TornBatch):
        seek(one.log, 0, end, offset=BASE + 1)


def test_a_scan_ends_at_what_is_no_batch() -> None:
    disk = MemoryDisk()
    one = segment(disk)
    fill(one, 3, Random(1))
    one.log.write(one.size, bytes(300))
    with pytest.raises(DamagedBatch, match=f"at byte {one.size}"):
        list(headers(one.log, 0, one.size + 300))
