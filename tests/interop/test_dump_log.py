"""The engine's files before Kafka's own judge, and the engine's index rule against what Kafka itself wrote."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from kq.engine.disk import OsDisk
from kq.engine.log import Log
from kq.engine.settings import LogSettings
from kq.record import compression
from kq.record.batch import parse_header
from tests.support import peers, topics, twins
from tests.support.batches import NOW, append, flush, make, marker, read_all
from tests.support.dumplog import dump
from tests.support.peers import Kafka

pytestmark = pytest.mark.java

SETTINGS = LogSettings(segment_bytes=50_000, index_interval_bytes=300)
CODECS = (compression.NONE, compression.GZIP, compression.SNAPPY, compression.LZ4, compression.ZSTD)


def open_log(directory: Path, *, clean: bool = False) -> Log:
    directory.mkdir(exist_ok=True)
    return Log.open(OsDisk(), str(directory), "judged", 0, SETTINGS, now_ms=NOW, clean=clean)


def fill(log: Log, count: int, rng: Random) -> int:
    """Batches of every codec and size, clocks that go back, idempotent producers, transactions; how many records."""
    records = 0
    for number in range(count):
        size, codec = rng.randrange(1, 12), rng.choice(CODECS)
        clock = NOW + number * 10 - rng.choice((0, 0, 0, 5000))
        pid = rng.choice((-1, 1, 2))
        known = log.producers.entries.get(pid)
        append(
            log,
            make(
                size,
                timestamp=clock,
                step=rng.randrange(5),
                size=rng.randrange(120),
                codec=codec,
                producer_id=pid,
                epoch=0 if pid >= 0 else -1,
                sequence=-1 if pid < 0 else known.last_sequence + 1 if known else 0,
                transactional=pid == 2,
            ),
            leader_epoch=number // 500,
        )
        records += size
        if number % 37 == 0 and 2 in log.producers.entries:
            append(log, marker(commit=rng.random() < 0.5, producer_id=2, timestamp=clock), leader_epoch=number // 500)
            records += 1
    return records


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, list[bytes]]:
    """A directory with three lives behind it: closed, killed, closed; its records and batches."""
    directory, rng = tmp_path_factory.mktemp("engine") / "judged-0", Random(5)
    log = open_log(directory)
    records = fill(log, 1200, rng)
    log.close()
    log = open_log(directory, clean=True)
    records += fill(log, 600, rng)
    flush(log)
    records += fill(log, 300, rng)
    log = open_log(directory)  # the log before it was killed
    records += fill(log, 600, rng)
    batches = [batch for _, batch in read_all(log)]
    log.close()
    assert len(log.segments) > 10
    return directory, records, batches


def test_the_judge_finds_no_fault(judged: tuple[Path, int, list[bytes]]) -> None:
    directory, records, batches = judged
    seen = dump(directory)
    assert seen.faults == []
    assert seen.records == records
    assert [(one.base_offset, one.size, one.leader_epoch) for one in seen.all_batches] == [
        (header.base_offset, header.size, header.leader_epoch) for header in map(parse_header, batches)
    ]
    assert all(seen.index.values())
    assert all(seen.timeindex.values())
    assert list(directory.glob("*.txnindex"))
    assert list(directory.glob("*.snapshot"))


def flip(at: int) -> Callable[[bytearray], None]:
    def damage(content: bytearray) -> None:
        content[at] ^= 0x40

    return damage


def lie(layout: str, entry: int, add: tuple[int, int]) -> Callable[[bytearray], None]:
    """The entry of that number points a little beside the truth."""

    def damage(content: bytearray) -> None:
        at = entry * struct.calcsize(layout)
        key, value = struct.unpack_from(layout, content, at)
        struct.pack_into(layout, content, at, key + add[0], value + add[1])

    return damage


@pytest.mark.parametrize(
    ("suffix", "damage"),
    [
        (".log", flip(200)),
        (".log", lambda content: content.__delitem__(slice(-5, None))),
        (".index", lie(">ii", 3, (1, 0))),
        (".index", lie(">ii", 3, (0, 1))),
        (".timeindex", lie(">qi", 0, (-1, 0))),
        (".timeindex", lie(">qi", 0, (0, 1))),
    ],
    ids=["value", "torn", "index offset", "index position", "time", "time index offset"],
)
def test_the_judge_sees_what_is_damaged(
    judged: tuple[Path, int, list[bytes]], tmp_path: Path, suffix: str, damage: Callable[[bytearray], None]
) -> None:
    original = min(path for path in judged[0].iterdir() if path.suffix == ".log")
    for path in judged[0].glob(f"{original.stem}.*"):
        shutil.copy(path, tmp_path)
    assert dump(tmp_path).faults == []
    hurt = tmp_path / f"{original.stem}{suffix}"
    content = bytearray(hurt.read_bytes())
    damage(content)
    hurt.write_bytes(content)
    assert dump(tmp_path).faults


@pytest.fixture(scope="module")
def kafkas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """Apache Kafka, stopped, with one topic whose segments it has written in one go."""
    with peers.running(tmp_path_factory.mktemp("kafka")) as kafka:
        config = {"internal.segment.bytes": "200000", "index.interval.bytes": "700"}
        topics.create(kafka.bootstrap, "indexed", 1, config)
        run = ("--topic", "indexed", "--num-records", "6000", "--record-size", "150", "--throughput", "-1")
        properties = (f"bootstrap.servers={kafka.bootstrap}", "batch.size=900", "acks=1")
        peers.run("kafka-producer-perf-test", *run, "--producer-props", *properties)
        kafka.stop()
        yield kafka


def test_kq_writes_the_index_entries_that_kafka_writes(kafkas: Kafka, tmp_path: Path) -> None:
    ours = tmp_path / "indexed-0"
    ours.mkdir()
    theirs = kafkas.data_dir / "indexed-0"
    for path in theirs.glob("*.log"):
        shutil.copy(path, ours)
    settings = LogSettings(segment_bytes=200_000, index_interval_bytes=700)
    log = Log.open(OsDisk(), str(ours), "indexed", 0, settings, now_ms=NOW)
    assert len(log.segments) > 3
    log.close()
    for path in sorted(theirs.glob("*.log")):
        index, times = twins.index_of(int(path.stem), path.read_bytes(), 700)
        for suffix, layout, twin in ((".index", ">ii", index), (".timeindex", ">qi", times)):
            entries = twins.entries(path.with_suffix(suffix).read_bytes(), layout)
            assert len(entries) > (2 if suffix == ".index" else 0)
            assert twin == entries
            assert (ours / f"{path.stem}{suffix}").read_bytes() == path.with_suffix(suffix).read_bytes()


def test_an_append_writes_the_index_entries_that_kafka_writes(kafkas: Kafka, tmp_path: Path) -> None:
    """The same batches again, one append each: the same segments, byte by byte."""
    theirs = kafkas.data_dir / "indexed-0"
    ours = tmp_path / "indexed-0"
    ours.mkdir()
    settings = LogSettings(segment_bytes=200_000, index_interval_bytes=700)
    log = Log.open(OsDisk(), str(ours), "indexed", 0, settings, now_ms=NOW)
    for path in sorted(theirs.glob("*.log")):
        log.append_batches(memoryview(path.read_bytes()), now_ms=NOW)
    log.close()
    written = {path.name for path in ours.iterdir() if path.suffix in (".log", ".index", ".timeindex")}
    assert written == {path.name for path in theirs.iterdir() if path.suffix in (".log", ".index", ".timeindex")}
    for name in written:
        assert (ours / name).read_bytes() == (theirs / name).read_bytes(), name
