"""The measuring of `kq bench`, and its one-row table."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kq.cli.output.render import Column, Row
from kq.cli.partitions.measures import measure
from kq.cli.partitions.selection import choose, select, whole_topics
from kq.cli.topic.making import make_topic
from kq.client import Admin, Consumer, KafkaError, Producer

if TYPE_CHECKING:
    from kq.cli.run.call import Call
    from kq.client import Cluster
    from kq.client.delivery import Slice

BATCH_BYTES = 256 * 1024
CHUNK_RECORDS = 2000


@dataclass(frozen=True, slots=True)
class Result:
    records: int
    size_bytes: int
    elapsed_s: float
    latencies_ms: list[float]  # ascending

    def percentile(self, share: float) -> float | None:
        if not self.latencies_ms:
            return None
        return self.latencies_ms[min(int(len(self.latencies_ms) * share), len(self.latencies_ms) - 1)]


COLUMNS = [
    Column("RECORDS", "count"),
    Column("SIZE", "size"),
    Column("TIME", "duration"),
    Column("RECORDS/S", "count"),
    Column("BYTES/S", "size"),
    Column("P50", "latency"),
    Column("P95", "latency", drop=1),
    Column("P99", "latency"),
    Column("MAX", "latency", drop=2),
]
SHARES = {"p50": 0.50, "p95": 0.95, "p99": 0.99, "max": 1.0}


def show(call: Call, result: Result) -> None:
    elapsed_ms = round(result.elapsed_s * 1000)
    rates = [round(amount / result.elapsed_s) for amount in (result.records, result.size_bytes)]
    latencies = {name: result.percentile(share) for name, share in SHARES.items()}
    if call.json:
        call.envelope(
            records=result.records,
            size_bytes=result.size_bytes,
            elapsed_ms=elapsed_ms,
            records_per_s=rates[0],
            bytes_per_s=rates[1],
            latency_ms={name: None if ms is None else round(ms, 3) for name, ms in latencies.items()},
        )
    else:
        call.table(COLUMNS, [Row([result.records, result.size_bytes, elapsed_ms, *rates, *latencies.values()])])


async def require(cluster: Cluster, call: Call, name: str) -> None:
    await select(cluster, call, whole_topics(choose([name]), call.command), internal=True)


@contextlib.asynccontextmanager
async def temporary_topic(cluster: Cluster, name: str, partitions: int) -> AsyncIterator[None]:
    await make_topic(cluster, name, partitions)
    try:
        yield
    finally:
        await Admin(cluster).delete_topics([name])


async def produce(cluster: Cluster, topic: str, records: int, size: int, *, sync: bool) -> Result:
    latencies: list[float] = []
    value = (b"0123456789abcdefghijklmnopqrstuvwxyz" * (size // 36 + 1))[:size]
    began_s = time.perf_counter()
    async with Producer(cluster) as producer:
        if sync:
            for _ in range(records):
                sent_s = time.perf_counter()
                await producer.send(topic, value)
                latencies.append((time.perf_counter() - sent_s) * 1000)
        else:
            await _in_chunks(producer, topic, [value] * min(records, CHUNK_RECORDS), records, latencies)
    elapsed_s = time.perf_counter() - began_s
    return Result(records, records * size, elapsed_s, sorted(latencies))


async def _in_chunks(producer: Producer, topic: str, chunk: list[bytes], records: int, latencies: list[float]) -> None:
    waiting: set[asyncio.Task[None]] = set()
    failed: list[KafkaError] = []

    async def acknowledged(part: Slice, sent_s: float) -> None:
        try:
            await part
            latencies.append((time.perf_counter() - sent_s) * 1000)
        except KafkaError as error:
            failed.append(error)

    left = records
    while left and not failed:
        values = chunk[:left]
        sent_s = time.perf_counter()
        accepted = await producer.send_values(topic, values)
        if accepted.rejected:
            raise accepted.rejected[0][1]
        for part in accepted.slices:
            task = asyncio.ensure_future(acknowledged(part, sent_s))
            waiting.add(task)
            task.add_done_callback(waiting.discard)
        left -= len(values)
        await asyncio.sleep(0)
    await producer.flush()
    await asyncio.gather(*waiting)
    if failed:
        raise failed[0]


async def consume(cluster: Cluster, call: Call, name: str, partition: str | None, count: int | None) -> Result:
    topics = await select(cluster, call, choose([name], partition=partition), internal=True)
    measures = await measure(cluster, [pair for topic in topics for pair in topic.pairs], sizes=False)
    bounds = {
        pair: (part.start, part.end)
        for pair, part in measures.partitions.items()
        if part.start is not None and part.end is not None and part.start < part.end
    }
    latencies: list[float] = []
    records = size_bytes = 0
    began_s = time.perf_counter()
    async with Consumer(cluster) as consumer:
        consumer.assign(
            {pair: start for pair, (start, _) in bounds.items()}, {pair: end for pair, (_, end) in bounds.items()}
        )
        while bounds and not consumer.finished and (count is None or records < count):
            asked_s = time.perf_counter()
            fetches = await consumer.fetch(timeout_ms=1000)
            latencies.append((time.perf_counter() - asked_s) * 1000)
            for fetched in fetches:
                if fetched.error is not None:
                    raise fetched.error
                values = fetched.values()
                if count is not None:  # fetches do not end where -n does
                    del values[max(count - records, 0) :]
                records += len(values)
                size_bytes += sum(len(value) for value in values if value is not None)
    return Result(records, size_bytes, max(time.perf_counter() - began_s, 1e-9), sorted(latencies))
