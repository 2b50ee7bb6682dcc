"""A broker in the test's own event loop that lies on demand: small, obvious, and strict about what clients must keep.

It checks the sequence numbers of idempotent producers as Kafka's leader does (window of five, next or nothing, a new
epoch begins at 0), keeps the values it took in plain lists, and asks `fate` about every batch before and after it is
written. The tests compare its lists with what they sent.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from kq.client.outcomes import advanced
from kq.errors import Err
from kq.record.batch import BatchHeader, decode_records, parse_header
from kq.wire.api import Api
from kq.wire.apis import API
from kq.wire.apis.metadata import METADATA
from kq.wire.apis.produce import PRODUCE
from kq.wire.apis.producers import INIT_PRODUCER_ID
from kq.wire.apis.versions import API_VERSIONS
from kq.wire.frame import FrameBuffer, parse_request, response_parts

Handler = Callable[[int, Any], Awaitable[Any] | Any]


class Fate(Enum):
    """What becomes of a request about one batch."""

    WELL = auto()
    REFUSED = auto()  # NOT_LEADER_OR_FOLLOWER, nothing written
    WRITTEN_BUT_LATE = auto()  # written, then REQUEST_TIMED_OUT
    CUT_BEFORE = auto()  # the connection ends, nothing written
    CUT_AFTER = auto()  # written, then the connection ends
    CUT_BACK = auto()  # the leader has lost the batch it took last (an unclean election), then goes on
    POISON = auto()  # INVALID_RECORD: nobody can write this batch
    TOO_LARGE = auto()


class Silence(Exception):
    """No answer, ever."""


class Cut(Exception):
    """The connection ends."""


@dataclass
class _Producer:
    epoch: int
    last: int  # sequence of the last record taken
    recent: deque[tuple[int, int, int]] = field(default_factory=lambda: deque(maxlen=5))  # first, last, base offset


@dataclass
class Log:
    """One partition: the values in order, and what is remembered of producers."""

    values: list[bytes | None] = field(default_factory=list)
    producers: dict[int, _Producer] = field(default_factory=dict)

    def append(self, header: BatchHeader, values: list[bytes | None]) -> tuple[Err, int]:
        """As Kafka's leader: the code and the base offset."""
        if header.producer_id >= 0:
            known = self.producers.get(header.producer_id)
            if known is not None:
                for first, last, base in known.recent:
                    if (header.base_sequence, header.last_sequence) == (
                        first,
                        last,
                    ) and header.producer_epoch == known.epoch:
                        return Err.NONE, base
                if header.producer_epoch < known.epoch:
                    return Err.INVALID_PRODUCER_EPOCH, -1
                expected = 0 if header.producer_epoch > known.epoch else advanced(known.last, 1)
                if header.base_sequence != expected:
                    return Err.OUT_OF_ORDER_SEQUENCE_NUMBER, -1
            if known is None or header.producer_epoch > known.epoch:
                known = self.producers[header.producer_id] = _Producer(header.producer_epoch, -1)
            known.last = header.last_sequence
            known.recent.append((header.base_sequence, header.last_sequence, len(self.values)))
        base = len(self.values)
        self.values += values
        return Err.NONE, base

    def cut_back(self) -> None:
        """Loses the youngest batch and what it taught about its producer."""
        known = max(self.producers.values(), key=lambda producer: producer.recent[-1][2])
        first, _, base = known.recent.pop()
        known.last = first - 1
        del self.values[base:]


class ModelBroker:
    """`async with ModelBroker() as broker`; `broker.bootstrap`. Topic "t" has `partitions` partitions."""

    def __init__(
        self, partitions: int = 1, fate: Callable[[BatchHeader, list[bytes | None]], Fate] | None = None
    ) -> None:
        self.partitions = partitions
        self.fate = fate or (lambda header, values: Fate.WELL)
        self.logs = [Log() for _ in range(partitions)]
        self.topic_id = b"t" * 16
        self.most_records = 10**9  # a batch of more is MESSAGE_TOO_LARGE
        self.requests: list[tuple[str, int]] = []  # names and versions, as they came
        self.connections = 0
        self.next_producer_id = 1000
        self.handlers: dict[int, Handler] = {
            API_VERSIONS.key: self._api_versions,
            METADATA.key: self._metadata,
            PRODUCE.key: self._produce,
            INIT_PRODUCER_ID.key: self._init_producer_id,
        }
        self.ranges: dict[int, tuple[int, int]] = {}  # by API key, where another one is to be served
        self.greeting: bytes | None = None  # sent instead of any answer
        self.hang_up_on_connect = False
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def __aenter__(self) -> ModelBroker:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut_all()
        await asyncio.sleep(0)

    def cut_all(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    def count(self, name: str) -> int:
        return sum(api == name for api, _ in self.requests)

    # -- the wire --

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        frames = FrameBuffer(1 << 26)
        try:
            while not self.hang_up_on_connect:
                buffer = frames.get_buffer()
                data = await reader.read(len(buffer))
                if not data:
                    return
                if self.greeting is not None:
                    writer.write(self.greeting)
                    continue
                buffer[: len(data)] = data
                for frame in frames.received(len(data)):
                    await self._answer(frame, writer)
        except (Cut, ConnectionError, asyncio.CancelledError):
            return
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _answer(self, frame: memoryview, writer: asyncio.StreamWriter) -> None:
        head = parse_request(frame)
        assert head.api is not None
        self.requests.append((head.api.name, head.api_version))
        lowest, highest = self.ranges.get(head.api_key, (0, head.api.versions.last))
        if not lowest <= head.api_version <= highest:
            assert head.api_key == API_VERSIONS.key, "a client asks only in versions that were offered"
            refusal = API_VERSIONS.Response(error_code=35, api_keys=self._keys(only=API_VERSIONS.key))
            writer.write(b"".join(response_parts(API_VERSIONS, 0, head.correlation_id, refusal)))
            return
        body = head.api.decode_request(head.api_version, frame, head.body_pos)
        try:
            said = self.handlers[head.api_key](head.api_version, body)
            answer = await said if isinstance(said, Awaitable) else said
        except Silence:
            return
        if answer is not None:
            writer.write(b"".join(response_parts(head.api, head.api_version, head.correlation_id, answer)))

    # -- the answers --

    def _keys(self, only: int | None = None) -> list[Any]:
        keys = [key for key in self.handlers if only is None or key == only]
        ranges = {key: self.ranges.get(key, _served(API[key])) for key in keys}
        return [
            API_VERSIONS.Response.ApiKey(api_key=key, min_version=low, max_version=high)
            for key, (low, high) in ranges.items()
        ]

    def _api_versions(self, version: int, body: Any) -> Any:
        return API_VERSIONS.Response(api_keys=self._keys())

    def _metadata(self, version: int, body: Any) -> Any:
        response = METADATA.Response
        names = ["t"] if body.topics is None else [topic.name for topic in body.topics]
        return response(
            brokers=[response.Broker(node_id=1, host="127.0.0.1", port=self.port)],
            cluster_id="model",
            controller_id=1,
            topics=[self._topic(name) for name in names],
        )

    def _topic(self, name: str) -> Any:
        response = METADATA.Response
        if name != "t":
            return response.Topic(error_code=Err.UNKNOWN_TOPIC_OR_PARTITION, name=name)
        partitions = [
            response.Partition(index=index, leader_id=1, leader_epoch=0, replicas=[1], isr=[1])
            for index in range(self.partitions)
        ]
        return response.Topic(name=name, topic_id=self.topic_id, partitions=partitions)

    def _init_producer_id(self, version: int, body: Any) -> Any:
        self.next_producer_id += 1
        return INIT_PRODUCER_ID.Response(producer_id=self.next_producer_id, producer_epoch=0)

    def _produce(self, version: int, body: Any) -> Any:
        response = PRODUCE.Response
        cut = False
        topics = []
        for topic in body.topics:
            said = response.Topic(name=topic.name, topic_id=topic.topic_id)
            for partition in topic.partitions:
                header = parse_header(partition.records)
                code, base, cuts = self._take(self.logs[partition.index], header, partition.records)
                cut = cut or cuts
                said.partitions.append(
                    response.Partition(index=partition.index, error_code=code, base_offset=base, log_start_offset=0)
                )
            topics.append(said)
        if cut:
            raise Cut
        return response(topics=topics) if body.acks else None

    def _take(self, log: Log, header: BatchHeader, data: memoryview) -> tuple[Err, int, bool]:
        values = [record.value for record in decode_records(data, limit=1 << 26)]
        fate = self.fate(header, values)
        if fate is Fate.POISON:
            return Err.INVALID_RECORD, -1, False
        if fate is Fate.TOO_LARGE or len(values) > self.most_records:
            return Err.MESSAGE_TOO_LARGE, -1, False
        if fate is Fate.CUT_BACK:
            log.cut_back()
        if fate is Fate.REFUSED:
            return Err.NOT_LEADER_OR_FOLLOWER, -1, False
        if fate is Fate.CUT_BEFORE:
            return Err.NONE, -1, True
        code, base = log.append(header, values)
        if fate is Fate.WRITTEN_BUT_LATE and code is Err.NONE:
            return Err.REQUEST_TIMED_OUT, -1, False
        return code, base, fate is Fate.CUT_AFTER


def _served(api: Api) -> tuple[int, int]:
    return api.min_version, api.max_version
