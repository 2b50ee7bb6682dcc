"""Compaction against a plain list of records, on a disk that loses all it may.

Each seed is a life of random deeds with a compacted topic: batches of every kind, transactions, passes with much memory
and with little, retention, kills and power losses. Held at all times:

- Whoever reads all of it, committed records only, ends with the same table as if nothing had ever been taken out.
- A record that is there is the one that was written at this offset.
- A pass leaves just what the slow twin says, and every batch that keeps its records keeps its bytes.
- Producers, index entries and transaction indexes are those of the batches that are there.
"""

from __future__ import annotations

import os
from random import Random

import pytest

from kq.engine.log import Log
from kq.engine.settings import LogSettings
from kq.record import compression
from kq.record.batch import Record, decode_records, encode_batch, iter_batches, parse_header
from tests.support import twins
from tests.support.batches import NOW, append, flush, marker, open_log, read_all, retain
from tests.support.compacting import LIMIT, Expected, committed, compact, find, folded, records, stable, twin
from tests.support.memory_disk import MemoryDisk

SEEDS = range(int(os.environ.get("KQ_CRASH_SEEDS", "40")))
DEEDS = 120
RETENTION_MS = 5_000
KEYS = [*(b"key-%d" % n for n in range(9)), b"long-" * 40, b""]


class Life:
    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.settings = LogSettings(
            segment_bytes=self.rng.choice((2000, 3500, 7000)),
            index_interval_bytes=self.rng.choice((0, 150, 700)),
            retention_ms=-1,
            retention_bytes=self.rng.choice((-1, -1, 12_000)),
            compact=True,
            delete=True,
            delete_retention_ms=RETENTION_MS,
            min_compaction_lag_ms=self.rng.choice((0, 0, 400)),
        )
        self.disk = MemoryDisk(seed=seed)
        self.written: dict[int, Record] = {}  # every record of a data batch, by offset
        self.aborted: set[int] = set()  # offsets of those
        self.open_offsets: dict[int, list[int]] = {}  # of open transactions, by producer
        self.clock = NOW
        self.known = {"recovery_point": 0, "log_start_offset": 0}
        self.log = open_log(self.disk, self.settings)
        self.passes = 0

    # ---- deeds

    def append(self) -> None:
        rng = self.rng
        self.clock += rng.randrange(60)
        rows = [
            Record(
                number,
                self.clock - rng.choice((0, 0, 30)) + number,
                None if rng.random() < 0.02 else rng.choice(KEYS),
                None if rng.random() < 0.2 else bytes([rng.randrange(256)]) * rng.randrange(80),
                (("h", b"x"),) if rng.random() < 0.1 else (),
            )
            for number in range(rng.randrange(1, 7))
        ]
        producer_id = rng.choice((-1, -1, 5, 6, 7))
        known = self.log.producers.entries.get(producer_id)
        batch = memoryview(
            encode_batch(
                rows,
                codec=rng.choice((compression.NONE, compression.NONE, compression.GZIP, compression.ZSTD)),
                producer_id=producer_id,
                producer_epoch=0 if producer_id >= 0 else -1,
                base_sequence=-1 if producer_id < 0 else known.last_sequence + 1 if known else 0,
                transactional=producer_id in (6, 7),
                log_append_time=self.clock if rng.random() < 0.1 else None,
            )
        )
        append(self.log, batch, now_ms=self.clock)
        for record in decode_records(batch, limit=LIMIT):
            self.written[record.offset] = record
            if producer_id in (6, 7):
                self.open_offsets.setdefault(producer_id, []).append(record.offset)

    def end_transaction(self) -> None:
        if self.open_offsets:
            producer_id = self.rng.choice(sorted(self.open_offsets))
            commit = self.rng.random() < 0.5
            append(self.log, marker(commit=commit, producer_id=producer_id, timestamp=self.clock), now_ms=self.clock)
            offsets = self.open_offsets.pop(producer_id)
            self.aborted.update(() if commit else offsets)

    def flush(self) -> None:
        flush(self.log)
        self.known = {"recovery_point": self.log.recovery_point, "log_start_offset": self.log.log_start_offset}

    def wait(self) -> None:
        self.clock += self.rng.choice((100, RETENTION_MS, 2 * RETENTION_MS))

    def compact(self) -> None:
        self.flush()
        log = self.log
        found = find(log, now_ms=self.clock)
        assert found is not None
        before, bases = self.stored(), [segment.base_offset for segment in log.segments]
        last = {pid: (entry.last_offset, entry.epoch) for pid, entry in log.producers.entries.items()}
        done = compact(log, now_ms=self.clock, dedupe_bytes=self.rng.choice((1, 900, 1 << 20)), between=self.meanwhile)
        if done is None:
            return
        self.passes += 1
        assert found.start < done.end <= found.end <= stable(log)
        assert log.compaction.clean_offset == done.end
        expected = twin(
            before,
            start=found.start,
            end=done.end,
            segments_end=min(base for base in bases if base >= done.end),
            round_end=found.end,
            last_batches=last,
            now_ms=self.clock,
            delete_retention_ms=RETENTION_MS,
        )
        self.compare(expected, dict(zip((parse_header(one).base_offset for one in before), before, strict=True)))

    def meanwhile(self) -> None:
        if self.rng.random() < 0.3:
            region = self.log.read(self.log.log_start_offset, 400, end_offset=self.log.log_end_offset)
            if region is not None:
                self.kept_region = region, region.read()

    def compare(self, expected: list[Expected], before: dict[int, bytes]) -> None:
        found = dict(zip((parse_header(one).base_offset for one in self.stored()), self.stored(), strict=True))
        for one in expected:
            batch = found.pop(one.header.base_offset)
            header = parse_header(batch)
            want = one.header
            if one.is_untouched:
                assert batch == before[header.base_offset]
                continue
            assert decode_records(batch, limit=LIMIT) == one.records
            assert (header.last_offset, header.leader_epoch, header.base_sequence) == (
                want.last_offset,
                want.leader_epoch,
                want.base_sequence,
            )
            assert (header.producer_id, header.producer_epoch) == (want.producer_id, want.producer_epoch)
            assert (header.is_control, header.is_transactional) == (want.is_control, want.is_transactional)
            horizon = header.base_timestamp if header.has_delete_horizon else None
            assert horizon == one.horizon_ms
            if one.records:
                latest = max(record.timestamp for record in one.records)
                assert (header.max_timestamp, header.codec) == (latest, want.codec)
        assert not found

    def retain(self) -> None:
        if self.rng.random() < 0.3:
            self.log.advance_start(self.rng.randrange(self.log.log_start_offset, stable(self.log) + 1))
        retain(self.log, self.clock, self.log.log_end_offset)
        self.log.collect_deleted(self.clock)

    def close(self) -> None:
        self.log.close()
        self.known = {"recovery_point": self.log.recovery_point, "log_start_offset": self.log.log_start_offset}
        self.reopen(clean=True)

    def kill(self) -> None:
        self.reopen(clean=False)

    def lose_power(self) -> None:
        self.flush()
        self.disk = self.disk.crash(self.rng)
        self.reopen(clean=False)

    def reopen(self, *, clean: bool) -> None:
        clean_offset, start = self.log.compaction.clean_offset, self.log.log_start_offset
        self.log = open_log(self.disk, self.settings, clean=clean, **self.known)
        self.log.advance_start(start)
        if self.rng.random() < 0.7:
            self.log.compaction.note_clean(clean_offset, self.log.log_end_offset)

    # ---- what must hold

    def stored(self) -> list[bytes]:
        """Every batch of every segment, also those below the log start."""
        logs = twins.segments(self.disk)
        return [log[at : at + header.size] for log in logs.values() for at, header in iter_batches(log)]

    def check(self) -> None:
        log = self.log
        assert all(self.written[record.offset] == record for record in records(log) if record.offset in self.written)
        end = stable(log)
        history = [
            record for offset, record in sorted(self.written.items()) if offset not in self.aborted and offset < end
        ]
        if log.log_start_offset == 0:
            assert folded(committed(log)) == folded(history)
        else:
            late = [one for one in history if one.offset >= log.log_start_offset]
            assert folded(committed(log)) == folded(late)
        assert twins.faults(self.disk) == []
        for header, _ in read_all(log):
            known = log.producers.entries.get(header.producer_id)
            if known is not None and not header.is_control:
                assert known.last_offset >= header.last_offset


@pytest.mark.parametrize("seed", SEEDS)
def test_a_life(seed: int) -> None:
    life = Life(seed)
    deeds = [life.append] * 14 + [life.end_transaction] * 4 + [life.compact] * 3
    deeds += [life.wait, life.retain, life.close, life.kill, life.lose_power]
    for number in range(DEEDS):
        life.rng.choice(deeds)()
        if number % 10 == 9:
            life.check()
    while life.open_offsets:
        life.end_transaction()
    while len(life.log.segments) < 3:
        life.append()
    life.clock += 1000
    life.compact()
    life.check()
    assert life.passes or life.log.log_start_offset
    sequences = {pid: entry.last_sequence for pid, entry in life.log.producers.entries.items()}
    life.log.close()
    for name in [one.name for one in life.disk.entries("/data/t-0") if one.name.endswith(".snapshot")]:
        life.disk.unlink(f"/data/t-0/{name}")
    replayed = Log.open(life.disk, "/data/t-0", "t", 0, life.settings, now_ms=life.clock)
    if life.log.log_start_offset == 0:
        assert {pid: entry.last_sequence for pid, entry in replayed.producers.entries.items()} == sequences
