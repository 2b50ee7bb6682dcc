"""Pumps records into a producer, keeps the rate, follows what became of them and names what was not sent.

Whatever fails is named by its line (or record, or file); lines in a row that failed alike share one message. Nothing is
called per record here: a chunk of input is one call to the producer.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from kq.cli.output.progress import Progress, summary_text
from kq.cli.produce.intake import read_chunks, total_bytes
from kq.client import Producer
from kq.client.delivery import Accepted, NoPartition, RecordTooLarge
from kq.errors import Err, KafkaError

if TYPE_CHECKING:
    from kq.cli.produce.report import Report
    from kq.cli.produce.shapes import Refuse, Shape, Shipment
    from kq.cli.run.call import Call
    from kq.client import ClientSettings, Cluster
    from kq.client.accumulator import Trouble

MOST_PROBLEMS_SHOWN = 20
RATE_STEP_S = 0.05  # with --rate, records leave in steps of this
INTERRUPTED_FLUSH_S = 5.0
LOOK_S = 1.0
PATIENCE_S = 3.0  # retries that last longer are told,
REMIND_S = 30.0  # and told again


class _UnderWay(NamedTuple):
    shipment: Shipment
    accepted: Accepted


class Pump:
    def __init__(self, cluster: Cluster, call: Call, settings: ClientSettings, limit: int, *, label: str) -> None:
        self._call = call
        self._producer = Producer(cluster, settings)
        self._limit = limit
        self._label = label
        self._under_way: deque[_UnderWay] = deque()
        self._refused = 0
        self.misplaced = False  # records named a partition that the topic has not
        self._problems = 0
        self._read_bytes = 0
        self._cut_records = 0  # in what was read
        self._sent_records = 0
        self._sent_bytes = 0
        self._unit = "line"
        self._report: Report | None = None
        self._progress = Progress(label, total_bytes=None, enabled=False)
        self._due_s = 0.0  # with --rate: when the next step may leave

    @property
    def failed(self) -> int:
        return self._refused + self._producer.records_failed

    async def run(
        self,
        sources: list[str],
        make_shape: Callable[[Refuse], Shape],
        *,
        count: int | None,
        rate: float | None,
        report: Report | None,
    ) -> None:
        shape = make_shape(self._refuse)
        self._unit = shape.unit
        self._report = report
        shown = sys.stderr.isatty() and not self._call.quiet
        self._progress = Progress(self._label, total_bytes=total_bytes(sources), enabled=shown)
        watching = asyncio.create_task(self._tell_of_retries())
        try:
            await self._read(sources, shape, count, rate)
            await self._producer.flush()
        except asyncio.CancelledError:  # Ctrl-C: what was read is still sent, if that is quick
            await self._producer.close(INTERRUPTED_FLUSH_S)
            await self._settle(everything=True)
            self._summarise(shown)
            raise
        except BaseException:
            self._progress.clear()
            await self._producer.close(0)
            raise
        finally:
            watching.cancel()
        await self._producer.close()
        await self._settle(everything=True)
        self._summarise(shown)

    async def _read(self, sources: list[str], shape: Shape, count: int | None, rate: float | None) -> None:
        left = count
        for source in sources:
            async for chunk in read_chunks(source):
                self._read_bytes += len(chunk.data)
                shipments = shape.finish() if chunk.ends else shape.feed(chunk.data)
                self._cut_records += sum(len(shipment.values) for shipment in shipments)
                for shipment in shipments:
                    if left is not None:
                        shipment = shipment.part(0, left)
                        left -= len(shipment.values)
                    await self._ship(shipment, rate)
                self._update()
                if left == 0:
                    return

    async def _ship(self, shipment: Shipment, rate: float | None) -> None:
        if rate is None:
            await self._send(shipment)
            return
        step = max(int(rate * RATE_STEP_S), 1)
        loop = asyncio.get_running_loop()
        for start in range(0, len(shipment.values), step):
            pause_s = self._due_s - loop.time()
            if pause_s > 0:
                await asyncio.sleep(pause_s)
            part = shipment.part(start, start + step)
            self._due_s = max(self._due_s, loop.time() - RATE_STEP_S) + len(part.values) / rate
            await self._send(part)
            self._update()

    async def _send(self, shipment: Shipment) -> None:
        if not shipment.values:
            return
        try:
            accepted = await self._producer.send_columns(
                shipment.topic,
                shipment.values,
                shipment.keys,
                shipment.headers,
                shipment.timestamps_ms,
                shipment.partition,
            )
        except KafkaError as error:
            if error.code not in (Err.UNKNOWN_TOPIC_OR_PARTITION, Err.INVALID_TOPIC_EXCEPTION):
                raise
            self.misplaced |= isinstance(error, NoPartition)
            self._name([(number, error) for number in shipment.numbers])  # one topic of several, named by the records
            self._refused += len(shipment.values)
            return
        if accepted.rejected:
            self._refused += len(accepted.rejected)
            self._name([(shipment.numbers[row], error) for row, error in accepted.rejected])
        self._sent_records += len(shipment.values) - len(accepted.rejected)
        self._sent_bytes += shipment.size_bytes
        self._under_way.append(_UnderWay(shipment, accepted))
        await self._settle(everything=False)

    async def _settle(self, *, everything: bool) -> None:
        """Reads what became of the records that are answered by now, oldest first."""
        while self._under_way and (everything or all(part.done for part in self._under_way[0].accepted.slices)):
            shipment, accepted = self._under_way.popleft()
            failures: list[tuple[int, KafkaError]] = []
            for part in accepted.slices:
                try:
                    await part
                except KafkaError:
                    outcomes = zip(part.rows, await part.each(), strict=True)
                    failures += [(shipment.numbers[row], end) for row, end in outcomes if isinstance(end, KafkaError)]
            if failures:
                self._name(sorted(failures, key=lambda failure: failure[0]))
            if self._report is not None:
                self._call.write(await self._report(shipment, accepted))

    async def _tell_of_retries(self) -> None:
        """What is sent again and again looks like a command that hangs."""
        loop = asyncio.get_running_loop()
        next_s = 0.0
        while True:
            await asyncio.sleep(LOOK_S)
            now_s = loop.time()
            stuck = [one for one in self._producer.troubles if now_s - one[2].since_s >= PATIENCE_S]
            if not stuck:
                next_s = 0.0
            elif now_s >= next_s:
                next_s = now_s + REMIND_S
                self._progress.clear()
                self._call.warn(_retrying(stuck, now_s))

    # -- words -------------------------------------------------------------------------------------------------------

    def _refuse(self, number: int, why: str) -> None:
        self._refused += 1
        self._say(f"{self._unit} {number:,}: {why}; not sent")

    def _name(self, failures: list[tuple[int, KafkaError]]) -> None:
        start = 0
        for place in range(1, len(failures) + 1):
            alike = (
                place < len(failures)
                and failures[place][0] == failures[place - 1][0] + 1
                and str(failures[place][1]) == str(failures[start][1])
            )
            if not alike:
                first, last = failures[start][0], failures[place - 1][0]
                which = f"{self._unit} {first:,}" if first == last else f"{self._unit}s {first:,} to {last:,}"
                self._say(f"{which}: {self._why(failures[start][1])}; not sent")
                start = place

    def _why(self, error: KafkaError) -> str:
        if isinstance(error, RecordTooLarge) and error.limit_bytes == self._limit:
            return f"{error.size_bytes:,} bytes, over max.message.bytes {error.limit_bytes:,}"
        return str(error).rstrip(".")

    def _say(self, problem: str) -> None:
        self._problems += 1
        self._progress.clear()
        if self._problems <= MOST_PROBLEMS_SHOWN:
            self._call.warn(problem)
        elif self._problems == MOST_PROBLEMS_SHOWN + 1:
            self._call.warn("more of the same; the last line has their number")

    @property
    def _acked_bytes(self) -> int:
        """Of keys and values: what was handed over, by the share that is acknowledged."""
        return self._sent_bytes * self._producer.records_acked // max(self._sent_records, 1)

    def _update(self) -> None:
        self._progress.update(
            records=self._producer.records_acked,
            size_bytes=self._acked_bytes,
            done_bytes=self._read_bytes * self._producer.records_acked // max(self._cut_records, 1),
            failed=self.failed,
        )

    def _summarise(self, shown: bool) -> None:
        self._progress.clear()
        if shown or self._call.verbose:
            self._call.warn_raw(
                summary_text(
                    self._label,
                    records=self._producer.records_acked,
                    size_bytes=self._acked_bytes,
                    elapsed_s=self._progress.elapsed_s,
                    failed=self.failed,
                )
            )


def _retrying(stuck: list[tuple[str, int, Trouble]], now_s: float) -> str:
    topic, partition, trouble = stuck[0]
    more = f" and {len(stuck) - 1} more" if len(stuck) > 1 else ""
    return f"{topic}:{partition}{more}: still retrying after {now_s - trouble.since_s:.0f}s: {trouble}"
