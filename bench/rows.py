"""The rows of the table: what is put on both brokers, what is read off, and what must hold.

A measurement is taken on one subject and gives figures by metric. The bars are of issue 3, section 9: against Apache
Kafka in the same run, throughput at least equal, CPU seconds a GB and the latency of a synchronous send at most equal.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from bench import drivers, processes
from bench.drivers import Figures
from bench.stats import CEILING, FLOOR, Bar
from bench.subjects import Subject
from bench.topics import topic

Load = Callable[[str, str], Figures]  # (bootstrap, topic) -> what the client saw
RECORDS = {100: 2_000_000, 1024: 400_000}  # by record size: of one measurement at scale 1
CLIENT_RECORDS = {100: 1_000_000, 1024: 200_000}  # the same for the slower clients
SENDS = 5_000
# What is to be read is written in full batches: with a shorter linger a quick broker would get smaller ones, and its
# readers more work.
FILL = {"linger_ms": "200"}


@dataclass(frozen=True)
class Row:
    name: str
    client: str
    bars: dict[str, Bar]  # metric -> what its ratio to Apache Kafka must be
    # Makes what the row needs on one subject, and gives what measures once.
    open: Callable[[Subject], AbstractContextManager[Callable[[], Figures]]]


THROUGHPUT = {"records_s": FLOOR, "cpu_s_per_gb": CEILING}
LATENCY = {"p50_ms": CEILING, "p99_ms": CEILING}


def all_rows(kload: Path, scale: float) -> list[Row]:
    """Every row, in the order in which they are run."""

    def scaled(count: int) -> int:
        return max(1000, int(count * scale))

    rows = []
    for size, partitions, acks, codec in product((100, 1024), (1, 12), ("1", "all"), ("none", "lz4")):
        load = _kload(kload, "produce", scaled(RECORDS[size]), size, acks=acks, compression_type=codec)
        name = f"produce-{_text(size)}-{partitions}p-acks={acks}-{codec}"
        rows.append(Row(name, "kload", THROUGHPUT, _on_fresh_topics(partitions, size, load)))
    for size, partitions, codec in product((100, 1024), (1, 12), ("none", "lz4")):
        count = scaled(RECORDS[size])
        fill = _kload(kload, "produce", count, size, compression_type=codec, **FILL)
        load = _kload(kload, "consume", count, partitions)
        name = f"consume-{_text(size)}-{partitions}p-{codec}"
        rows.append(Row(name, "kload", THROUGHPUT, _on_one_topic(partitions, size, load, fill)))
    for acks in ("1", "all"):
        load = _kload(kload, "latency", scaled(SENDS), 100, acks=acks)
        rows.append(Row(f"sync-send-100B-acks={acks}", "kload", LATENCY, _on_one_topic(1, 100, load)))
    for size in (100, 1024):
        count = scaled(CLIENT_RECORDS[size])
        fill = _kload(kload, "produce", count, size, **FILL)
        produce, consume = _confluent("produce", count, size), _confluent("consume", count, 1)
        name = f"confluent-produce-{_text(size)}-1p"
        rows.append(Row(name, "confluent-kafka", THROUGHPUT, _on_fresh_topics(1, size, produce)))
        name = f"confluent-consume-{_text(size)}-1p"
        rows.append(Row(name, "confluent-kafka", THROUGHPUT, _on_one_topic(1, size, consume, fill)))
    for size, acks in product((100, 1024), ("1", "all")):
        load = _java(scaled(CLIENT_RECORDS[size]), size, acks)
        name = f"java-produce-{_text(size)}-1p-acks={acks}"
        rows.append(Row(name, "Java perf tool", THROUGHPUT, _on_fresh_topics(1, size, load)))
    return rows


def _text(size: int) -> str:
    return "1KB" if size == 1024 else f"{size}B"


def _kload(binary: Path, mode: str, count: int, third: int, **settings: str) -> Load:
    return lambda bootstrap, name: drivers.kload(binary, mode, bootstrap, name, count, third, **settings)


def _confluent(mode: str, count: int, third: int) -> Load:
    return lambda bootstrap, name: drivers.confluent(mode, bootstrap, name, count, third)


def _java(count: int, size: int, acks: str) -> Load:
    return lambda bootstrap, name: drivers.java_produce(bootstrap, name, count, size, acks=acks)


def _on_fresh_topics(
    partitions: int, size: int, load: Load
) -> Callable[[Subject], AbstractContextManager[Callable[[], Figures]]]:
    """Every measurement has a topic of its own."""

    @contextlib.contextmanager
    def opened(subject: Subject) -> Iterator[Callable[[], Figures]]:
        def measure() -> Figures:
            with topic(subject.bootstrap, partitions) as name:
                return _measured(subject, name, size, load)

        yield measure

    return opened


def _on_one_topic(
    partitions: int, size: int, load: Load, fill: Load | None = None
) -> Callable[[Subject], AbstractContextManager[Callable[[], Figures]]]:
    """All measurements use one topic, which is filled before the first."""

    @contextlib.contextmanager
    def opened(subject: Subject) -> Iterator[Callable[[], Figures]]:
        with topic(subject.bootstrap, partitions) as name:
            if fill is not None:
                fill(subject.bootstrap, name)
            yield lambda: _measured(subject, name, size, load)

    return opened


def _measured(subject: Subject, name: str, size: int, load: Load) -> Figures:
    """Runs the load and adds what it cost the broker. What was written before is on disk by then."""
    os.sync()
    before = processes.cpu_seconds(subject.pid)
    figures = load(subject.bootstrap, name)
    spent = processes.cpu_seconds(subject.pid) - before
    return {**figures, "cpu_s_per_gb": spent / (figures["records"] * size / 1e9)}
