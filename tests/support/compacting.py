"""Compaction for tests: a pass from its beginning to its end, a consumer of what is left, and the slow obvious twin."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from kq.engine.compaction import Cleanable
from kq.engine.compaction_pass import Compaction
from kq.engine.log import Log
from kq.record.batch import BatchHeader, Record, decode_records, iter_batches, parse_header
from kq.record.control import Marker, read_marker
from tests.support.batches import NOW, read_all

LIMIT = 1 << 26


def nothing(_: int) -> None:
    """A pace without pauses."""


def stable(log: Log) -> int:
    """The last stable offset where there is one replica."""
    log.producers.acknowledge(log.log_end_offset)
    unstable = log.first_unstable_offset
    return log.log_end_offset if unstable is None else unstable


def find(log: Log, *, now_ms: int = NOW) -> Cleanable | None:
    return log.compaction.cleanable(
        log.settings, log_start_offset=log.log_start_offset, last_stable_offset=stable(log), now_ms=now_ms
    )


def compact(
    log: Log,
    *,
    now_ms: int = NOW,
    dedupe_bytes: int = 1 << 20,
    between: Callable[[], object] = lambda: None,
) -> Compaction | None:
    """One pass, whether it is due or not; None when nothing is dirty. `between`: before each swap."""
    found = find(log, now_ms=now_ms)
    if found is None or found.end <= found.start:
        return None
    compaction = log.compaction.begin(
        found,
        log.settings,
        log.producers,
        now_ms=now_ms,
        dedupe_bytes=dedupe_bytes,
        unpacked_limit=LIMIT,
        breathe=nothing,
    )
    compaction.map_dirty()
    while (cleaned := compaction.clean_next()) is not None:
        between()
        swap = log.compaction.begin_swap(cleaned, log.settings, now_ms=now_ms)
        assert swap is not None
        swap.run()
        log.compaction.finish_swap(swap, log.settings, now_ms=now_ms)
    log.compaction.finish(compaction)
    return compaction


def records(log: Log) -> list[Record]:
    """All that can be read, markers left out."""
    return [
        record
        for header, batch in read_all(log)
        if not header.is_control
        for record in decode_records(batch, limit=LIMIT)
    ]


def committed(log: Log, *, max_bytes: int = 700) -> list[Record]:
    """What a consumer with read_committed gets, which fetches a little at a time."""
    found: list[Record] = []
    offset = log.log_start_offset
    while (region := log.read(offset, max_bytes, end_offset=stable(log))) is not None:
        begun = sorted(log.aborted_in(offset, region), key=lambda one: one[1])
        aborted: set[int] = set()
        data = region.read()
        for position, header in iter_batches(data):
            batch = data[position : position + header.size]
            while begun and begun[0][1] <= header.last_offset:
                aborted.add(begun.pop(0)[0])
            if header.is_control:
                end = read_marker(batch)
                if end is not None and end.marker is Marker.ABORT:
                    aborted.discard(header.producer_id)
            elif not (header.is_transactional and header.producer_id in aborted):
                found += [one for one in decode_records(batch, limit=LIMIT) if one.offset >= offset]
            offset = header.next_offset
    return found


def folded(found: Iterable[Record]) -> dict[bytes, bytes]:
    """The table that a log of changes stands for."""
    table: dict[bytes, bytes] = {}
    for record in found:
        if record.key is not None:
            table.pop(record.key, None)
            if record.value is not None:
                table[record.key] = record.value
    return table


@dataclass
class Expected:
    """A batch after a pass."""

    header: BatchHeader
    records: list[Record]
    horizon_ms: int | None
    is_untouched: bool


def twin(
    before: list[bytes],
    *,
    start: int,
    end: int,
    segments_end: int,
    round_end: int,
    last_batches: dict[int, tuple[int, int]],
    now_ms: int,
    delete_retention_ms: int,
) -> list[Expected]:
    """What a pass must leave of these batches, rule by rule, each by looking through all of them. `segments_end`: where
    the last segment ends that was written anew, `round_end`: what the pass might have done at the most."""
    headers = [parse_header(batch) for batch in before]
    contents = [decode_records(batch, limit=LIMIT) for batch in before]
    ends = [read_marker(batch) if header.is_control else None for batch, header in zip(before, headers, strict=True)]

    def closing_marker(number: int) -> Marker | None:
        """How the transaction of this data batch ends."""
        if headers[number].is_transactional:
            for later in range(number + 1, len(before)):
                marks = ends[later]
                if headers[later].producer_id == headers[number].producer_id and marks is not None:
                    return marks.marker
        return None

    def has_batches(number: int) -> bool:
        """Whether anything is there of the transaction that ends with this marker."""
        for earlier in range(number - 1, -1, -1):
            if headers[earlier].producer_id == headers[number].producer_id:
                if headers[earlier].is_control and ends[earlier] is not None:
                    return False
                if headers[earlier].is_transactional and not headers[earlier].is_control:
                    return True
        return False

    aborted = [
        not header.is_control and closing_marker(number) is Marker.ABORT for number, header in enumerate(headers)
    ]
    newest = [
        record
        for number, content in enumerate(contents)
        if not aborted[number] and not headers[number].is_control
        for record in content
        if start <= record.offset < end
    ]
    after: list[Expected] = []
    for number, (header, content) in enumerate(zip(headers, contents, strict=True)):
        horizon = header.base_timestamp if header.has_delete_horizon else None
        is_past = horizon is not None and horizon <= now_ms
        if header.base_offset >= segments_end:
            after.append(Expected(header, content, horizon, True))
            continue
        if header.is_control:
            has_no_use = not content or (ends[number] is not None and not has_batches(number))
            left = [] if has_no_use and is_past else content
            sets_horizon = has_no_use and horizon is None and bool(left)
        elif aborted[number]:
            left, sets_horizon = [], False
        else:
            left = [
                record
                for record in content
                if record.offset >= end
                or (
                    record.key is not None
                    and not any(one.key == record.key and one.offset > record.offset for one in newest)
                    and not (record.value is None and is_past)
                )
            ]
            sets_horizon = horizon is None and any(record.value is None for record in left)
        if sets_horizon:
            horizon = now_ms + delete_retention_ms
        last_offset, epoch = last_batches.get(header.producer_id, (None, None))
        is_needed = (
            header.last_offset == last_offset
            or (last_offset == -1 and header.is_control and header.producer_epoch == epoch)
            or header.next_offset == round_end
        )
        if left or is_needed:
            is_untouched = left == content and not sets_horizon
            after.append(Expected(header, left, horizon if left else None, is_untouched))
    return after
