"""Fetch, versions 4 to 18.

- v4 isolation level and aborted transactions; v5 log start offset; v7 sessions (`machines.fetch_sessions`); v9 leader
  epochs (KIP-320); v12 last fetched epoch and diverging epoch (KIP-595); v13 topic ids instead of names; v15 the
  replica id moves into a tagged structure; v16 current leader beside NOT_LEADER_OR_FOLLOWER.
- Records are regions of the log's files, never decoded; one read serves one segment.
- The first partition that has records gives at least one batch, however large; the rest is bounded by the
  partition's, the request's and the broker's limit (`fetch.max.bytes`).
- Answered at once when `min_bytes` are there, an error or a divergence must be told, or nothing was asked for; else
  it waits for appends, at most `max_wait_ms`, and then answers what is there. Partitions that are not known do not end
  the wait, and are answered last.
- Only whole batches are sent, where Kafka cuts the last one at the limit. A negative limit is UNKNOWN_SERVER_ERROR
  where there is something to read; session faults from v7 stand at the top alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kq.broker.partition import READ_COMMITTED, Partition
from kq.broker.router import Answer, Call
from kq.broker.session import Operation, Resource
from kq.engine.region import Region
from kq.errors import Err, KafkaError
from kq.machines.fetch_sessions import FINAL_EPOCH, Context, Key, Position, TopicRef
from kq.wire.apis.fetch import FETCH

if TYPE_CHECKING:
    from kq.broker.broker import Broker

SESSIONS_FROM = 7
TOPIC_IDS_FROM = 13
REPLICA_STATE_FROM = 15
CURRENT_LEADER_FROM = 16
CONSUMER = -1  # and everything below: a client that plays a debugging replica is served as one
UNLIMITED = 2**31 - 1
UNKNOWN = (Err.UNKNOWN_TOPIC_OR_PARTITION, Err.UNKNOWN_TOPIC_ID)


@dataclass(slots=True)
class Read:
    """What one partition has for the client. Offsets are -1 where the partition cannot be read."""

    position: Position
    partition: Partition | None = None
    error: Err = Err.NONE
    region: Region | None = None
    high_watermark: int = -1
    last_stable_offset: int = -1
    log_start_offset: int = -1
    diverging: tuple[int, int] | None = None
    aborted: list[tuple[int, int]] | None = None

    @property
    def size_bytes(self) -> int:
        return 0 if self.region is None else len(self.region)


def fetch(broker: Broker, call: Call) -> Answer:
    body, version = call.body, call.version
    if body.isolation_level not in (0, READ_COMMITTED):
        return _refusal(body, version, Err.UNKNOWN_SERVER_ERROR)
    try:
        context = broker.fetch_sessions.begin(
            body.session_id,
            body.session_epoch if version >= SESSIONS_FROM else FINAL_EPOCH,
            {position.key: position for position in _positions(body, version)},
            _forgotten(body, version),
            by_id=version >= TOPIC_IDS_FROM,
            now_ms=broker.now_ms(),
        )
    except KafkaError as error:
        return FETCH.Response(error_code=error.code, topics=[])
    reader = _Reader(broker, call, context)
    reads = reader.read()
    missing_bytes = reader.missing_bytes(reads)
    if missing_bytes <= 0:
        return reader.answer(reads)
    return reader.wait(reads, missing_bytes)


def _ref(topic: Any, version: int) -> TopicRef:
    ref: TopicRef = topic.topic_id if version >= TOPIC_IDS_FROM else topic.name
    return ref


def _positions(body: Any, version: int) -> Iterable[Position]:
    for topic in body.topics:
        ref = _ref(topic, version)
        for p in topic.partitions:
            yield Position(
                ref,
                p.index,
                p.fetch_offset,
                p.partition_max_bytes,
                p.current_leader_epoch,
                p.last_fetched_epoch,
                p.log_start_offset,
            )


def _forgotten(body: Any, version: int) -> Iterable[Key]:
    for topic in body.forgotten_topics:
        ref = _ref(topic, version)
        for partition in topic.partitions:
            yield (ref, partition)


def _refusal(body: Any, version: int, code: Err) -> Any:
    """A fault of the whole request: told in every partition, the only place before v7, and at the top; ids: the top."""
    topics = []
    if version < TOPIC_IDS_FROM:
        for topic in body.topics:
            partitions = [
                _answer(Read(Position(topic.name, p.index, 0, 0), error=code), version) for p in topic.partitions
            ]
            topics.append(FETCH.Response.Topic(name=topic.name, partitions=partitions))
    return FETCH.Response(error_code=code, topics=topics)


class _Reader:
    """One request, from positions to the answer; it may read twice, when it had to wait in between."""

    def __init__(self, broker: Broker, call: Call, context: Context) -> None:
        self._broker = broker
        self._session = call.session
        self._body = call.body
        self._version = call.version
        self._context = context

    def read(self) -> list[Read]:
        left = self._max_bytes
        at_least_one = True
        reads: list[Read] = []
        unknown: list[Read] = []
        for position in self._context.positions:
            read = self._read_one(position, left, at_least_one)
            if read.size_bytes:
                at_least_one = False
                left = max(0, left - read.size_bytes)
            (unknown if read.error in UNKNOWN else reads).append(read)
        return reads + unknown

    @property
    def _max_bytes(self) -> int:
        return min(int(self._body.max_bytes), self._broker.settings.fetch_max_bytes)

    def _read_one(self, position: Position, left: int, at_least_one: bool) -> Read:
        read = Read(position)
        try:
            partition = read.partition = self._broker.partitions.resolve(position.topic, position.partition)
            if self._replica_id > CONSUMER:
                raise KafkaError(Err.NOT_LEADER_OR_FOLLOWER)
            if not self._session.authorize(Operation.READ, Resource.TOPIC, partition.topic):
                raise KafkaError(Err.TOPIC_AUTHORIZATION_FAILED)
            partition.check_epoch(max(position.current_leader_epoch, -1))
            self._read_log(read, partition, min(position.max_bytes, left), at_least_one)
        except KafkaError as error:
            read.error = error.code
            read.region = None
        return read

    @property
    def _replica_id(self) -> int:
        if self._version < REPLICA_STATE_FROM:
            return int(self._body.replica_id)
        state = self._body.replica_state
        return CONSUMER if state is None else int(state.replica_id)

    def _read_log(self, read: Read, partition: Partition, max_bytes: int, at_least_one: bool) -> None:
        log, position = partition.log, read.position
        isolation_level = self._body.isolation_level
        if position.last_fetched_epoch >= 0:
            epoch, end_offset = log.end_of_epoch(position.last_fetched_epoch)
            if epoch == -1 or end_offset == -1:
                raise KafkaError(Err.OFFSET_OUT_OF_RANGE)
            if epoch < position.last_fetched_epoch or end_offset < position.fetch_offset:
                read.diverging = (epoch, end_offset)
        if read.diverging is None:
            at_least_one = at_least_one or max_bytes < 0
            read.region = partition.read(
                position.fetch_offset, max(max_bytes, 0), isolation_level, at_least_one=at_least_one
            )
            if read.region is not None and max_bytes < 0:
                raise KafkaError(Err.UNKNOWN_SERVER_ERROR, f"a limit of {max_bytes} bytes")
        read.high_watermark = partition.high_watermark
        read.last_stable_offset = partition.last_stable_offset
        read.log_start_offset = log.log_start_offset
        if isolation_level == READ_COMMITTED:
            read.aborted = log.aborted_in(position.fetch_offset, read.region) if read.region else []

    def missing_bytes(self, reads: list[Read]) -> int:
        """How many bytes more it takes until the answer may go out; 0 or less: now."""
        known = [read for read in reads if read.error not in UNKNOWN]
        if self._body.max_wait_ms <= 0 or not known or any(read.error or read.diverging for read in known):
            return 0
        wanted = min(max(int(self._body.min_bytes), 0), self._max_bytes)
        have = sum(read.size_bytes for read in known)
        if 0 < have < wanted:
            have = sum(map(self._available, known))
        return wanted - have

    def _available(self, read: Read) -> int:
        """The bytes that count towards `min_bytes` (DelayedFetch): what is there for this partition up to its limit,
        although whole batches may come to less; what lies in an older segment is not waited on."""
        partition, position = read.partition, read.position
        assert partition is not None
        region = partition.read(position.fetch_offset, UNLIMITED, self._body.isolation_level, at_least_one=True)
        if region is None:
            return 0
        if partition.log.segments[-1].base_offset > position.fetch_offset:
            return UNLIMITED
        return min(len(region), position.max_bytes)

    def wait(self, reads: list[Read], missing_bytes: int) -> Awaitable[Any]:
        """Parked when it returns: an append before the event loop comes to the awaiting would be missed."""
        partitions = [read.partition for read in reads if read.partition is not None]
        reads.clear()  # regions hold files open; what is there is read again
        timeout_ms: int = self._body.max_wait_ms
        return self._answer_after(
            self._broker.parking.park(partitions, missing_bytes=missing_bytes, timeout_ms=timeout_ms)
        )

    async def _answer_after(self, waiting: Awaitable[None]) -> Any:
        await waiting
        return self.answer(self.read())

    def answer(self, reads: list[Read]) -> Any:
        context = self._context
        topics: dict[TopicRef, Any] = {}
        for read in reads:
            position = read.position
            told = context.holds(
                position,
                size_bytes=read.size_bytes,
                error=read.error or (read.diverging is not None),
                high_watermark=read.high_watermark,
                log_start_offset=read.log_start_offset,
            )
            if not told:
                continue
            if read.size_bytes:
                context.served(position)
                self._broker.metrics.bytes_out += read.size_bytes
            topic = topics.get(position.topic)
            if topic is None:
                topic = topics[position.topic] = self._topic(position.topic)
            topic.partitions.append(_answer(read, self._version))
        return FETCH.Response(session_id=context.session_id, topics=list(topics.values()))

    def _topic(self, ref: TopicRef) -> Any:
        if isinstance(ref, bytes):
            return FETCH.Response.Topic(topic_id=ref, partitions=[])
        return FETCH.Response.Topic(name=ref, partitions=[])


def _answer(read: Read, version: int) -> Any:
    aborted = [] if read.partition is None else read.aborted
    answer = FETCH.Response.Partition(
        index=read.position.partition,
        error_code=read.error,
        high_watermark=read.high_watermark,
        last_stable_offset=read.last_stable_offset,
        log_start_offset=read.log_start_offset,
        aborted_transactions=None
        if aborted is None
        else [FETCH.Response.AbortedTransaction(producer_id=p, first_offset=o) for p, o in aborted],
        records=b"" if read.region is None else read.region,
    )
    if read.diverging is not None:
        answer.diverging_epoch = FETCH.Response.DivergingEpoch(epoch=read.diverging[0], end_offset=read.diverging[1])
    if version >= CURRENT_LEADER_FROM and read.error == Err.NOT_LEADER_OR_FOLLOWER and read.partition is not None:
        image = read.partition.image
        answer.current_leader = FETCH.Response.CurrentLeader(leader_id=image.leader, leader_epoch=image.leader_epoch)
    return answer


HANDLERS = {FETCH: fetch}
