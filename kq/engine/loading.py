"""Opening the directory of a partition."""

from __future__ import annotations

from dataclasses import dataclass

from kq.engine import checkpoint, names
from kq.engine.disk import Disk
from kq.engine.epochs import EpochCache
from kq.engine.index import OffsetIndex, TimeIndex
from kq.engine.producers import ProducerStates
from kq.engine.scan import headers
from kq.engine.segment import Latest, Segment
from kq.engine.settings import LogSettings
from kq.engine.snapshots import Snapshots


@dataclass(slots=True)
class Loaded:
    segments: list[Segment]
    log_start_offset: int
    log_end_offset: int
    recovery_point: int
    epochs: EpochCache
    producers: ProducerStates
    snapshots: Snapshots
    unsynced: list[Segment]


def load(
    disk: Disk,
    directory: str,
    settings: LogSettings,
    *,
    now_ms: int,
    clean: bool,
    recovery_point: int,
    log_start_offset: int,
) -> Loaded:
    sizes = {entry.name: entry.size for entry in disk.entries(directory) if not entry.is_directory}
    bases = sorted(found[0] for name in sizes if (found := names.parse(name)) and found[1:] == (names.LOG, ""))
    segments: list[Segment] = []
    for base in bases:
        index_size = sizes.get(names.file_name(base, names.INDEX))
        time_size = sizes.get(names.file_name(base, names.TIME_INDEX))
        segments.append(
            Segment(
                disk,
                directory,
                base,
                disk.open(f"{directory}/{names.file_name(base, names.LOG)}"),
                settings,
                size=sizes[names.file_name(base, names.LOG)],
                index_entries=None if index_size is None else index_size // OffsetIndex.ENTRY_SIZE,
                time_entries=None if time_size is None else time_size // TimeIndex.ENTRY_SIZE,
                txn_size=sizes.get(names.file_name(base, names.TXN_INDEX)),
                now_ms=now_ms,
            )
        )
    if not segments:
        segments.append(Segment.create(disk, directory, log_start_offset, settings, now_ms))
    active = segments[-1]
    end = active.base_offset
    latest = Latest(-1, end)
    for _, header in headers(active.log, 0, active.size):
        end = header.next_offset
        if header.max_timestamp > latest.timestamp:
            latest = Latest(header.max_timestamp, header.last_offset)
    active.note_latest(latest)
    epochs = EpochCache()
    if checkpoint.LEADER_EPOCHS in sizes:
        epochs = EpochCache(checkpoint.decode_epochs(disk.read(f"{directory}/{checkpoint.LEADER_EPOCHS}")))
    snapshots = Snapshots(
        disk,
        directory,
        [found[0] for name in sizes if (found := names.parse(name)) and found[1:] == (names.SNAPSHOT, "")],
    )
    _, producers = snapshots.restore(end)
    return Loaded(
        segments,
        max(log_start_offset, segments[0].base_offset),
        end,
        end if clean else min(recovery_point, end),
        epochs,
        producers,
        snapshots,
        [],
    )
