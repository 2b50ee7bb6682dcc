"""Sends what the accumulator holds: which batches, to whom, when, and what an answer changes.

One task walks over the partitions that have something to do and sleeps until the next thing can happen: a batch filled,
an answer, the end of linger.ms or of a pause. Each request on the way is a task of its own.

Rules
- A request holds at most one batch a partition, is at most max.request.size, and at most
  max.in.flight.requests.per.connection of them are on the way to one broker.
- A batch is ready when it is full, has waited linger.ms, has younger ones behind it, or somebody waits for it (flush,
  close, or records for which there is no memory left).
- delivery.timeout.ms counts from the moment a batch was begun, wherever it is then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from typing import Any

from kq.client.accumulator import Accumulator, PartitionQueue
from kq.client.batching import Batch
from kq.client.cluster import Cluster
from kq.client.connection import Connection
from kq.client.delivery import NO_OFFSET, Piece
from kq.client.errands import Errands
from kq.client.errors import RequestTimedOut, is_retriable
from kq.client.metadata import NO_ID
from kq.client.outcomes import MOVED, Outcome, PartitionNumbers, judge
from kq.client.posting import TOPIC_IDS_SINCE, Load, produce_request, read_verdicts
from kq.client.settings import ClientSettings
from kq.errors import Err, KafkaError
from kq.wire.apis.produce import PRODUCE
from kq.wire.apis.producers import INIT_PRODUCER_ID

__all__ = ["Sender"]

FOREVER = float("inf")


class Sender:
    def __init__(self, cluster: Cluster, settings: ClientSettings, accumulator: Accumulator) -> None:
        self._cluster = cluster
        self._settings = settings
        self._accumulator = accumulator
        self._lane = ("producer", id(self))
        self._linger_s = settings.linger_ms / 1000
        self._pipelined = settings.enable_idempotence or settings.acks == "0" or settings.retries == 0
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._errands = Errands(finished=self._wake.set, crashed=self._crashed)
        self.crash: KafkaError | None = None  # nothing can be sent any more
        self._in_flight: dict[int, int] = {}  # requests on the way, by node
        self._producer: tuple[int, int] | None = None  # id and epoch, once they were asked for
        self._turn = 0
        self._hurried = 0  # how many wait for everything to be sent
        self._errands.start(self._run())

    # -- what the producer asks -------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Something may be sent now that could not before."""
        self._wake.set()

    async def flush(self) -> None:
        """Returns when the outcome of all that was sent before is known."""
        waiting = [receipt.done for receipt in self._accumulator.unresolved]
        if waiting:
            self._hurried += 1
            self._wake.set()
            try:
                await asyncio.wait(waiting)
            finally:
                self._hurried -= 1

    def hurry(self, more: bool) -> None:
        """Ready or not, everything goes as long as somebody waits for memory."""
        self._hurried += 1 if more else -1
        self._wake.set()

    async def close(self) -> None:
        """What is unfinished fails."""
        await self._errands.close()
        gone = KafkaError(Err.REQUEST_TIMED_OUT, "the producer was closed before the records were acknowledged")
        for queue in list(self._accumulator.active.values()):
            for batch in (*queue.on_the_way, *queue.waiting):
                self._fail(queue, batch, gone)
        await self._cluster.close_lane(self._lane)

    # -- the walk ---------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            next_s = self._step(self._loop.time())
            try:
                async with asyncio.timeout(None if next_s == FOREVER else max(0.0, next_s - self._loop.time())):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _step(self, now_s: float) -> float:
        """Sends what can be sent; when to look again at the latest."""
        next_s = FOREVER
        ready: dict[int, list[PartitionQueue]] = {}
        for queue in list(self._accumulator.active.values()):
            next_s = min(next_s, self._expire(queue, now_s))
            if not queue.waiting:
                self._accumulator.settle(queue)
                continue
            ready_s = self._ready_s(queue)
            if ready_s > now_s:
                next_s = min(next_s, ready_s)
            elif queue.may_send(now_s, pipelined=self._pipelined):
                leader = self._cluster.known.leader(queue.topic, queue.partition)
                if leader < 0 or self._cluster.is_stale(queue.topic):
                    self._refresh(queue.topic)
                if leader >= 0:
                    ready.setdefault(leader, []).append(queue)
        if ready and self._settings.enable_idempotence and self._producer is None:
            self._errands.once("producer id", self._learn_producer_id)
            return next_s
        for node, queues in ready.items():
            self._send_to(node, queues)
        return next_s

    def _ready_s(self, queue: PartitionQueue) -> float:
        batch = queue.waiting[0]
        if batch.closed or self._hurried or len(queue.waiting) > 1:
            return queue.retry_at_s
        return max(queue.retry_at_s, batch.created_s + self._linger_s)

    def _expire(self, queue: PartitionQueue, now_s: float) -> float:
        """Gives up what has taken too long; when the next batch will have. Batches of a queue expire in their order."""
        for batch in (*queue.on_the_way, *queue.waiting):
            if batch.resolved:
                continue
            if batch.deadline_s > now_s:
                return batch.deadline_s
            self._fail(queue, batch, self._too_late(queue), keep=batch in queue.on_the_way)
        return FOREVER

    def _too_late(self, queue: PartitionQueue) -> KafkaError:
        waited = f"{queue.topic}:{queue.partition} took no records for {self._settings.delivery_timeout_ms / 1000:g} s"
        cause = f" ({queue.trouble})" if queue.trouble else ""
        return KafkaError(Err.REQUEST_TIMED_OUT, waited + cause)

    # -- requests ---------------------------------------------------------------------------------------------------

    def _send_to(self, node: int, queues: list[PartitionQueue]) -> None:
        connection = self._cluster.ready_connection(node, self._lane)
        if connection is None:
            self._errands.once(("dial", node), lambda: self._dial(node, queues))
            return
        most = self._settings.max_in_flight_requests_per_connection
        self._turn += 1
        first = self._turn % len(queues)  # where requests are too small for all, each partition is first at times
        queues = queues[first:] + queues[:first]
        while queues and self._in_flight.get(node, 0) < most:
            loads, queues = self._load(queues)
            self._in_flight[node] = self._in_flight.get(node, 0) + 1
            ids = {queue.topic: self._cluster.known.topics[queue.topic].id for queue, _ in loads}
            self._errands.start(self._produce(node, connection, loads, ids))

    def _load(self, queues: list[PartitionQueue]) -> tuple[list[Load], list[PartitionQueue]]:
        """The first batch of each queue, as many as a request holds; and the queues that have more to send."""
        loads: list[Load] = []
        more: list[PartitionQueue] = []
        size = 0
        now_s = self._loop.time()
        for queue in queues:
            batch = queue.waiting[0]
            if loads and size + batch.bytes > self._settings.max_request_size:
                more.append(queue)
                continue
            self._number(queue, batch)
            loads.append(Load(queue, queue.take()))
            size += batch.bytes
            if queue.waiting and self._ready_s(queue) <= now_s and queue.may_send(now_s, pipelined=self._pipelined):
                more.append(queue)
        return loads, more

    def _number(self, queue: PartitionQueue, batch: Batch) -> None:
        if self._producer is None:
            return
        if queue.numbers is None:
            queue.numbers = PartitionNumbers(*self._producer)
        if queue.renumber:
            queue.renumber = False
            queue.numbers.begin_epoch(self._producer)
            for waiting in queue.waiting:
                waiting.numbers = waiting.encoded = None
        if batch.numbers is None:
            batch.numbers = queue.numbers.take(batch.records)

    async def _produce(self, node: int, connection: Connection, loads: list[Load], ids: dict[str, bytes]) -> None:
        """`ids`: of the topics, as of now; when the answer comes they may be others."""
        try:
            await self._exchange(connection, loads, ids)
        except KafkaError as error:
            self._answered_all(loads, error)
        finally:
            self._in_flight[node] -= 1

    async def _exchange(self, connection: Connection, loads: list[Load], ids: dict[str, bytes]) -> None:
        version = connection.version(PRODUCE)
        if NO_ID in ids.values():
            version = min(version, TOPIC_IDS_SINCE - 1)
        body = produce_request(loads, ids, self._settings)
        if self._settings.acks == "0":
            await connection.send_unanswered(PRODUCE, body, version=version)
            for queue, batch in loads:
                self._done(queue, batch, NO_OFFSET, -1)
            return
        answer = await connection.request(PRODUCE, body, version=version)
        self._read(answer, version, loads, ids)

    # -- answers ----------------------------------------------------------------------------------------------------

    def _read(self, answer: Any, version: int, loads: list[Load], ids: dict[str, bytes]) -> None:
        verdicts, brokers = read_verdicts(answer, version)
        for load in loads:
            queue, batch = load
            named = ids[queue.topic] if version >= TOPIC_IDS_SINCE else queue.topic
            verdict = verdicts.get((named, queue.partition))
            if verdict is None:
                silent = KafkaError(Err.UNKNOWN_SERVER_ERROR, "the broker said nothing about these records")
                self._answered(load, silent)
            elif verdict.error is None:
                queue.landed(batch)
                self._done(queue, batch, verdict.offset, verdict.append_time_ms)
            else:
                if verdict.leader is not None:
                    self._cluster.moved(queue.topic, queue.partition, *verdict.leader, brokers)
                self._answered(load, verdict.error)

    def _answered_all(self, loads: Iterable[Load], error: KafkaError) -> None:
        for load in loads:
            self._answered(load, error)

    def _answered(self, load: Load, error: KafkaError) -> None:
        """One batch was not taken, or nobody knows."""
        queue, batch = load
        if batch not in queue.on_the_way:
            return
        queue.landed(batch)
        if batch.resolved:
            self._accumulator.settle(queue)
            return
        outcome = judge(
            error.code,
            retriable=is_retriable(error),
            records=batch.records,
            attempts_left=batch.attempts <= self._settings.retries,
            numbered=batch.numbers is not None,
            oldest=queue.is_oldest(batch),
        )
        if error.code in MOVED or isinstance(error, RequestTimedOut):
            self._refresh(queue.topic)
        match outcome:
            case Outcome.DONE:
                self._done(queue, batch, NO_OFFSET, -1)
            case Outcome.FAIL:
                self._fail(queue, batch, error)
            case Outcome.SPLIT:
                queue.again(*batch.split())
            case Outcome.RENUMBER:
                self._again(queue, batch, error)
                queue.renumber = True
                if queue.numbers is not None and queue.numbers.exhausted:
                    self._producer = None  # asked for anew
            case Outcome.RETRY:
                self._again(queue, batch, error)

    def _again(self, queue: PartitionQueue, batch: Batch, error: KafkaError) -> None:
        queue.suffers(error, self._loop.time())
        pause_s = self._cluster.retry.delay_ms(batch.attempts, self._cluster.rng) / 1000
        queue.retry_at_s = self._loop.time() + pause_s
        queue.again(batch)

    def _done(self, queue: PartitionQueue, batch: Batch, offset: int, append_time_ms: int) -> None:
        if batch in queue.on_the_way:
            queue.landed(batch)
        queue.trouble = None
        if batch.numbers is not None and queue.numbers is not None:
            queue.numbers.confirm(batch.numbers)
        self._accumulator.finish(batch, Piece(batch.first_row, batch.records, offset, append_time_ms, None))
        self._accumulator.settle(queue)

    def _fail(self, queue: PartitionQueue, batch: Batch, error: KafkaError, *, keep: bool = False) -> None:
        """`keep`: it is still on the way, and its answer will matter to the numbers of those behind it."""
        if not keep:
            if batch in queue.on_the_way:
                queue.landed(batch)
            if batch in queue.waiting:
                queue.waiting.remove(batch)
        self._accumulator.finish(batch, Piece(batch.first_row, batch.records, NO_OFFSET, -1, error))
        self._accumulator.settle(queue)

    # -- errands ----------------------------------------------------------------------------------------------------

    def _refresh(self, topic: str) -> None:
        self._errands.once(("metadata", topic), lambda: self._learn_leaders(topic))

    async def _learn_leaders(self, topic: str) -> None:
        try:
            await self._cluster.metadata([topic], max_age_ms=0)
        except KafkaError as error:
            self._note(self._queues_of(topic), error)
        await asyncio.sleep(self._settings.retry_backoff_ms / 1000)

    async def _dial(self, node: int, queues: list[PartitionQueue]) -> None:
        try:
            await self._cluster.connection(node, self._lane)
        except KafkaError as error:
            self._note(queues, error)
            if not is_retriable(error):
                self._give_up(queues, error)
                return
            for topic in {queue.topic for queue in queues}:
                self._refresh(topic)

    async def _learn_producer_id(self) -> None:
        async def ask() -> Any:
            body = INIT_PRODUCER_ID.Request(transactional_id=None, transaction_timeout_ms=0)
            answer = await self._cluster.request(INIT_PRODUCER_ID, body)
            if answer.error_code:
                raise KafkaError(Err.of(answer.error_code))
            return answer

        try:
            answer = await self._cluster.retrying(ask)
        except KafkaError as error:
            queues = list(self._accumulator.active.values())
            sentence = f"no producer id: {error}; enable.idempotence=false needs none"
            if not is_retriable(error):
                self._give_up(queues, KafkaError(error.code, sentence))
                return
            self._note(queues, KafkaError(error.code, sentence))  # until delivery.timeout.ms are over
            await asyncio.sleep(self._settings.retry_backoff_ms / 1000)
        else:
            self._producer = (answer.producer_id, answer.producer_epoch)

    def _crashed(self, error: KafkaError) -> None:
        self.crash = error
        for queue in list(self._accumulator.active.values()):
            for batch in (*queue.on_the_way, *queue.waiting):
                self._fail(queue, batch, error)

    def _queues_of(self, topic: str) -> Iterator[PartitionQueue]:
        return (queue for queue in self._accumulator.active.values() if queue.topic == topic)

    def _note(self, queues: Iterable[PartitionQueue], error: KafkaError) -> None:
        for queue in queues:
            if queue.waiting:
                queue.suffers(error, self._loop.time())

    def _give_up(self, queues: Iterable[PartitionQueue], error: KafkaError) -> None:
        for queue in list(queues):
            for batch in list(queue.waiting):
                self._fail(queue, batch, error)
