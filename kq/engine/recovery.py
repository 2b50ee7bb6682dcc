"""What must be done to the directory of a partition before it can be opened: planned purely, then applied.

The steps, in order (Kafka's LogLoader, with SEMANTICS rule 11):

1. `plan_leftovers`, by names alone. `.deleted`, `.cleaned` and `.tmp` go. `.swap` files come from a compaction that had
   only to be renamed: it is finished, and what they replace goes; but those at or above a `.cleaned` file belong to a
   split that was not complete, and go. Indexes without a log go. `.corrupt` and unknown names are never touched.
2. The segments are read: after a clean stop only the end of the last one, by its headers; otherwise every segment from
   the last batch below the recovery point on, checksums and all (`walk`). What is below that point was synced.
3. `plan_segments`. The first segment that is not right is cut where it stops being right, and nothing after it can be
   kept: offsets would be missing.
   - Below the recovery point that is no crash, for those bytes were synced: the medium has failed. Then nothing is
     destroyed: the bytes that are cut off, and the segments after them, are set aside as `.corrupt`, for people.
   - Above it the later segments are deleted. No ack that waited for a sync covers them: a flush syncs every earlier
     segment first. With fsync before ack they are set aside all the same, if there are any: so much doubt is cheap.
   - A segment that does not begin where the one before it ends: when offsets are missing the end of the one before was
     lost between two batches, unless the log is or was compacted (then gaps are normal). It is set aside.
   - A log that ends below its log start offset holds nothing that may be read: it starts anew there.
   - After a sync that failed (`sync-failed`) what was read may be in the page cache only, and the kernel believes it is
     written: every segment that was walked is written once more.
4. Indexes are written anew for every segment that was walked, and for any whose files are missing or cannot be right.
   Snapshots above the end go, and those that belong to no segment, but for the newest.

What is assumed: a synced byte stays as it is; a batch with the right checksum at the right offset is a batch that was
appended here; directory entries are whole.

Every step can be repeated: a crash during recovery leaves what the next one understands. So the fault itself is cut off
last, when what comes after it is durably gone; and all of it is durable before the log takes the first batch, or a dead
segment could come back behind new ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from kq.engine import names
from kq.engine.disk import Disk, File
from kq.engine.walk import READ, Fault, Walk
from kq.errors import Err, KafkaError

INDEX_FILES = (names.INDEX, names.TIME_INDEX, names.TXN_INDEX)
NO_OFFSET = 2**63  # above all

# ---- steps


@dataclass(frozen=True, slots=True)
class Remove:
    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Rename:
    name: str
    new_name: str
    why: str


@dataclass(frozen=True, slots=True)
class Cut:
    """End the log of a segment at `size`; what comes after it is copied to `keep_as` first, if that is given."""

    base_offset: int
    size: int
    why: str
    keep_as: str | None = None


@dataclass(frozen=True, slots=True)
class Reindex:
    """Write both indexes of a segment anew from its batches."""

    base_offset: int
    why: str


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Write the whole log of a segment once more, as it is, and sync it."""

    base_offset: int
    why: str


Step = Remove | Rename | Cut | Reindex | Rewrite


@dataclass(frozen=True, slots=True)
class Plan:
    steps: tuple[Step, ...]
    segments: tuple[int, ...]  # base offsets of those that stay
    log_end_offset: int
    starts_anew: bool = False  # nothing stays: an empty segment begins at the log start offset


# ---- what is known before planning


@dataclass(frozen=True, slots=True)
class SegmentFacts:
    """One segment on the disk; a size is None when there is no such file."""

    base_offset: int
    log_size: int
    index_size: int | None = None
    time_index_size: int | None = None
    walk: Walk | None = None  # None: not read, because it lies below the recovery point or the stop was clean
    index_is_wrong: bool = False  # its last entry leads nowhere


@dataclass(frozen=True, slots=True)
class Facts:
    names: frozenset[str]
    snapshots: tuple[int, ...]  # their offsets
    segments: tuple[SegmentFacts, ...]  # ascending; after one with a fault or behind a hole they may be without a walk
    log_start_offset: int = 0
    recovery_point: int = 0
    clean: bool = False
    is_compacted: bool = False  # by its settings
    fsync_before_ack: bool = False


# ---- planning


def plan_leftovers(found: Iterable[str], swap_ends: Mapping[int, int]) -> tuple[Step, ...]:
    """`swap_ends`: for each `.log.swap` file its base offset and the offset after its last batch."""
    parsed = {name: parts for name in sorted(found) if (parts := names.parse(name))}
    cleaned = min((base for base, _, suffix in parsed.values() if suffix == names.CLEANED), default=NO_OFFSET)
    replaced = [(base, max(end, base + 1)) for base, end in swap_ends.items() if base < cleaned]
    gone = {name: "a replacement that was not finished" for name in sorted(found) if name.endswith(names.TEMPORARY)}
    renamed: dict[str, str] = {}
    for name, (base, kind, suffix) in parsed.items():
        if suffix == names.DELETED:
            gone[name] = "it was deleted"
        elif suffix == names.CLEANED:
            gone[name] = "compaction was not finished"
        elif suffix == names.SWAP and base >= cleaned:
            gone[name] = "a split was not finished"
        elif suffix == names.SWAP:
            renamed[name] = name.removesuffix(names.SWAP)
        elif not suffix and kind in names.SEGMENT_FILES and any(low <= base < high for low, high in replaced):
            gone[name] = "compaction replaces it"
    stay = [name for name, parts in parsed.items() if not parts[2] and name not in gone]
    live = {name: parts for name in sorted({*stay, *renamed.values()}) if (parts := names.parse(name))}
    logs = {base for base, kind, _ in live.values() if kind == names.LOG}
    orphans = [name for name, (base, kind, _) in live.items() if kind in INDEX_FILES and base not in logs]
    return (
        *(Remove(name, why) for name, why in gone.items()),
        *(Rename(name, new, "compaction was finished but for this") for name, new in renamed.items()),
        *(Remove(name, "its log is not there") for name in orphans),
    )


class _Planner:
    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._steps: list[Step] = []
        self._names = set(facts.names)

    def plan(self) -> Plan:
        facts = self._facts
        kept: list[SegmentFacts] = []
        has_gaps = facts.is_compacted or any(one.walk is not None and one.walk.has_gaps for one in facts.segments)
        end = facts.log_start_offset
        for number, segment in enumerate(facts.segments):
            hole = self._hole(kept, segment, end, has_gaps)
            if hole:
                self._set_aside(facts.segments[number:], hole)
                break
            kept.append(segment)
            fault = None
            if segment.walk is not None:
                end, fault = segment.walk.next_offset, segment.walk.fault
                if fault is not None:
                    self._cut(segment, segment.walk, fault, facts.segments[number + 1 :])
            self._reindex(segment)
            if segment.walk is not None and names.SYNC_FAILED in facts.names:
                self._steps.append(Rewrite(segment.base_offset, "a sync failed here"))
            if fault is not None:
                break
        starts_anew = bool(kept) and end < facts.log_start_offset
        if starts_anew:
            self._steps = [step for step in self._steps if not isinstance(step, Reindex | Rewrite)]
            for segment in kept:
                self._remove(segment, f"the log ends at {end}, below its start {facts.log_start_offset}")
            end, kept = facts.log_start_offset, []
        bases = tuple(segment.base_offset for segment in kept)
        self._drop_snapshots(bases, end, keep_none=starts_anew)
        if names.SYNC_FAILED in facts.names:
            self._steps.append(Remove(names.SYNC_FAILED, "all that is kept was written once more"))
        return Plan(tuple(self._steps), bases, end, starts_anew or not kept)

    def _hole(self, kept: list[SegmentFacts], segment: SegmentFacts, end: int, has_gaps: bool) -> str:
        """Why this segment cannot follow those before it; empty if it can."""
        if not kept or kept[-1].walk is None:
            return ""
        if segment.base_offset < end:
            return f"it begins at {segment.base_offset}, but the segment before it ends at {end}"
        is_lost_tail = segment.base_offset > end >= self._facts.recovery_point and not has_gaps
        return f"offsets {end} to {segment.base_offset - 1} before it were lost" if is_lost_tail else ""

    def _cut(self, segment: SegmentFacts, walk: Walk, fault: Fault, later: Sequence[SegmentFacts]) -> None:
        facts = self._facts
        if fault is Fault.OLD_FORMAT:
            name = names.file_name(segment.base_offset, names.LOG)
            raise KafkaError(Err.KAFKA_STORAGE_ERROR, f"{name} holds {fault.value}, which kq does not read.")
        keep_as: str | None = None
        where = f"{fault.value}, at offset {walk.next_offset}"
        if walk.next_offset < facts.recovery_point:
            where += f", though everything below {facts.recovery_point} was synced: the medium has failed"
            keep_as = self._unused(f"{names.file_name(segment.base_offset, names.LOG)}.{walk.good_size}")
            self._set_aside(later, where)
        elif facts.fsync_before_ack and any(one.log_size for one in later):
            self._set_aside(later, where)
        else:
            for one in later:
                self._remove(one, f"it comes after {where}")
        self._steps.append(Cut(segment.base_offset, walk.good_size, where, keep_as))

    def _reindex(self, segment: SegmentFacts) -> None:
        why = ""
        if segment.walk is not None and not self._facts.clean:
            why = "after a crash the indexes prove nothing"
        elif segment.index_size is None or segment.time_index_size is None:
            why = "an index is missing"
        elif segment.index_size % 8 or segment.time_index_size % 12:
            why = "an index ends inside an entry"
        elif segment.index_is_wrong or segment.index_size // 8 > segment.log_size // 61:
            why = "the index does not fit the log"
        if why and (segment.log_size or segment.index_size or segment.time_index_size):
            self._steps.append(Reindex(segment.base_offset, why))

    def _set_aside(self, segments: Iterable[SegmentFacts], why: str) -> None:
        for segment in segments:
            if segment.log_size:
                name = names.file_name(segment.base_offset, names.LOG)
                self._steps.append(Rename(name, self._unused(name), why))
            self._remove(segment, why, kinds=INDEX_FILES if segment.log_size else names.SEGMENT_FILES)

    def _remove(self, segment: SegmentFacts, why: str, *, kinds: tuple[str, ...] = names.SEGMENT_FILES) -> None:
        for kind in kinds:
            name = names.file_name(segment.base_offset, kind)
            if name in self._names:
                self._steps.append(Remove(name, why))

    def _drop_snapshots(self, bases: tuple[int, ...], end: int, *, keep_none: bool) -> None:
        newest = max((offset for offset in self._facts.snapshots if offset <= end), default=-1)
        for offset in self._facts.snapshots:
            name = names.file_name(offset, names.SNAPSHOT)
            if offset > end or keep_none:
                self._steps.append(Remove(name, f"it is of offset {offset}, the log ends at {end}"))
            elif offset != newest and offset not in bases:
                self._steps.append(Remove(name, "it belongs to no segment, and is not the newest"))

    def _unused(self, name: str) -> str:
        """A name for what is set aside that hides nothing set aside earlier."""
        number, candidate = 1, name + names.CORRUPT
        while candidate in self._names:
            number += 1
            candidate = f"{name}.{number}{names.CORRUPT}"
        self._names.add(candidate)
        return candidate


def plan_segments(facts: Facts) -> Plan:
    """KafkaError(KAFKA_STORAGE_ERROR) for a log that kq must not touch."""
    return _Planner(facts).plan()


# ---- applying


def apply(disk: Disk, directory: str, steps: Iterable[Step], reindex: Callable[[int], None]) -> None:
    """Carry the steps out. `reindex` writes the indexes of the segment of that base offset."""
    changed = is_something_gone = False
    for step in steps:
        match step:
            case Remove(name):
                disk.unlink(f"{directory}/{name}")
                changed = is_something_gone = True
            case Rename(name, new_name):
                if is_something_gone and name.endswith(names.SWAP):  # or it could be back beside what replaces it
                    disk.sync_directory(directory)
                    is_something_gone = False
                disk.rename(f"{directory}/{name}", f"{directory}/{new_name}")
                changed = True
            case Cut(base_offset, size, _, keep_as):
                disk.sync_directory(directory)
                _cut(disk, directory, base_offset, size, keep_as)
            case Reindex(base_offset):
                reindex(base_offset)
            case Rewrite(base_offset):
                _rewrite(disk.open(f"{directory}/{names.file_name(base_offset, names.LOG)}"))
            case _:
                raise TypeError(f"no such step: {step}")
    if changed:
        disk.sync_directory(directory)


def _cut(disk: Disk, directory: str, base_offset: int, size: int, keep_as: str | None) -> None:
    log = disk.open(f"{directory}/{names.file_name(base_offset, names.LOG)}")
    if keep_as is not None:
        tail = disk.create(f"{directory}/{keep_as}")
        position = size
        while piece := log.read(position, READ):
            tail.write(position - size, piece)
            position += len(piece)
        tail.sync()
        tail.close()
        disk.sync_directory(directory)
    log.truncate(size)
    log.sync()
    log.close()


def _rewrite(log: File) -> None:
    position = 0
    while piece := log.read(position, READ):
        log.write(position, piece)
        position += len(piece)
    log.sync()
    log.close()
