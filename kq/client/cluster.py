"""A cluster as a client sees it: where its brokers and leaders are, and requests that find their way.

Rules
- Metadata is kept for metadata.max.age.ms and asked for again at once when an answer shows that it is out of date
  (`forget`). One question is under way at a time; whoever asks the same meanwhile shares its answer.
- No topic is created by asking: auto-creation is switched off in every Metadata request, and where the broker is too
  old for that switch (before version 4) all topics are asked for instead, since naming one would create it.
- A request that any broker can answer goes to the least busy connection and moves on to other brokers, the bootstrap
  addresses included (KIP-899), with growing pauses until default.api.timeout.ms. A request for one certain broker is
  sent once more when an old connection turns out to be dead, and fails otherwise: its caller knows what that means.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from kq.client import errors
from kq.client.address import Address
from kq.client.backoff import Backoff
from kq.client.connection import Connection
from kq.client.coordinators import Coordinators
from kq.client.errors import ConnectionLost, Unreachable, is_retriable
from kq.client.metadata import Broker, ClusterMetadata, MetadataCache, read_metadata
from kq.client.pool import COMMON, Lane, Pool
from kq.client.settings import ClientSettings, parse_settings
from kq.errors import Err, KafkaError
from kq.wire.apis.metadata import METADATA

if TYPE_CHECKING:
    from kq.wire.api import Api

__all__ = ["Cluster", "Connecting", "connect"]

NO_AUTO_CREATION_SINCE = 4  # Metadata version that can say "do not create"

Got = TypeVar("Got")


def connect(settings: Mapping[str, object] | ClientSettings) -> Connecting:
    """Connects to a cluster: `async with connect({...}) as cluster`, or `cluster = await connect({...})`.

    Each bootstrap server is tried once; Unreachable says why none can be used.
    """
    return Connecting(settings if isinstance(settings, ClientSettings) else parse_settings(settings))


class Connecting:
    """What `connect` returns: to be awaited, or entered with `async with`."""

    def __init__(self, settings: ClientSettings) -> None:
        self._settings = settings
        self._cluster: Cluster | None = None

    def __await__(self) -> Generator[Any, None, Cluster]:
        return self._open().__await__()

    async def __aenter__(self) -> Cluster:
        self._cluster = await self._open()
        return self._cluster

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._cluster is not None:
            await self._cluster.close()

    async def _open(self) -> Cluster:
        cluster = Cluster(self._settings)
        try:
            await cluster.bootstrap()
        except BaseException:
            await cluster.close()
            raise
        return cluster


class Cluster:
    def __init__(self, settings: ClientSettings, rng: random.Random | None = None) -> None:
        self.settings = settings
        self.rng = rng or random.Random()
        self.retry = Backoff(settings.retry_backoff_ms, settings.retry_backoff_max_ms)
        self._bootstrap = [Address.parse(text) for text in settings.bootstrap_servers]
        self._pool = Pool(settings, self.rng)
        self._cache = MetadataCache()
        self._asking = asyncio.Lock()
        self.coordinators = Coordinators(self)

    # -- life -------------------------------------------------------------------------------------------------------

    async def bootstrap(self) -> None:
        """Learns the brokers from any bootstrap server, or raises why that cannot be done.

        A port that wants SASL answers ApiVersions and hangs up on all else (KIP-43). So does a broker that is being
        stopped just now, but not twice.
        """
        try:
            await self._ask([], await self._any_bootstrap())
        except ConnectionLost:
            try:
                await self._ask([], await self._any_bootstrap())
            except ConnectionLost as lost:
                if self.settings.wants_sasl:
                    raise
                sentence = f"{lost.address} closes the connection on the first request"
                hint = "it may want security.protocol=SASL_..."
                raise Unreachable(lost.address, errors.WANTS_SASL, f"{sentence}; {hint}") from lost

    async def _any_bootstrap(self) -> Connection:
        return await self._pool.first(self.rng.sample(self._bootstrap, len(self._bootstrap)))

    async def close(self) -> None:
        await self._pool.close()

    # -- metadata ---------------------------------------------------------------------------------------------------

    @property
    def known(self) -> ClusterMetadata:
        """What has been learned so far, without asking."""
        return self._cache.current

    async def metadata(
        self, topics: Iterable[str] | None = None, *, max_age_ms: float | None = None
    ) -> ClusterMetadata:
        """These topics (None: all, []: only the brokers). A topic that does not exist comes with its error.

        `max_age_ms=0` asks a broker; the default is metadata.max.age.ms.
        """
        wanted = None if topics is None else list(dict.fromkeys(topics))
        limit_ms = self.settings.metadata_max_age_ms if max_age_ms is None else max_age_ms
        asked_ms = self._now_ms()
        if self._cache.age_ms(wanted, asked_ms) > limit_ms or limit_ms <= 0:
            async with self._asking:
                # Somebody else's answer is good enough when it came after we asked.
                if self._cache.age_ms(wanted, asked_ms) > 0:
                    await self._ask_any(wanted)
        snapshot = self._cache.current
        if wanted is None:
            return snapshot
        chosen = {name: snapshot.topics[name] for name in wanted if name in snapshot.topics}
        return ClusterMetadata(snapshot.cluster_id, snapshot.controller_id, snapshot.brokers, chosen)

    def forget(self, topic: str) -> None:
        """What is known about this topic proved wrong: the next question goes to a broker."""
        self._cache.forget(topic)

    def moved(self, topic: str, partition: int, leader: int, leader_epoch: int, endpoints: Iterable[Broker]) -> None:
        """A broker told with its refusal who the leader is now (KIP-951)."""
        self._cache.moved(topic, partition, leader, leader_epoch, endpoints)

    def is_stale(self, topic: str) -> bool:
        """Whether metadata.max.age.ms are over for this topic."""
        return self._cache.age_ms((topic,), self._now_ms()) > self.settings.metadata_max_age_ms

    async def _ask_any(self, topics: list[str] | None) -> None:
        async def ask() -> None:
            await self._ask(topics, await self.any_connection())

        await self.retrying(ask)

    async def _ask(self, topics: list[str] | None, connection: Connection) -> None:
        create = self.settings.allow_auto_create_topics
        version = connection.version(METADATA)
        all_topics = topics is None or (version < NO_AUTO_CREATION_SINCE and not create and topics != [])
        wanted = None if all_topics else [METADATA.Request.Topic(name=name) for name in topics or ()]
        if version == 0:
            wanted = wanted or []  # which means all there
        body = METADATA.Request(
            topics=wanted, allow_auto_topic_creation=create if version >= NO_AUTO_CREATION_SINCE else True
        )
        answer = await connection.request(METADATA, body, version=version)
        if answer.error_code:
            raise KafkaError(Err.of(answer.error_code))
        learned = read_metadata(answer, topics if topics and all_topics else ())
        self._cache.merge(learned, all_topics=all_topics, now_ms=self._now_ms())

    # -- connections ------------------------------------------------------------------------------------------------

    async def connection(self, node: int, lane: Lane = COMMON) -> Connection:
        """To this broker; Unreachable when it cannot be reached, or the cluster has no such broker."""
        broker = self.known.brokers.get(node)
        if broker is None:
            await self.metadata([], max_age_ms=0)
            broker = self.known.brokers.get(node)
            if broker is None:
                raise Unreachable(f"broker {node}", errors.UNKNOWN, f"broker {node} is not in the cluster now")
        try:
            return await self._pool.get(Address(broker.host, broker.port), lane, node)
        except Unreachable as error:
            raise Unreachable(error.address, error.reason, f"broker {node}: {error}") from error

    async def any_connection(self) -> Connection:
        """The least busy open connection, or a new one to whichever broker answers first."""
        ready = self._pool.all_ready()
        if ready:
            return min(ready, key=lambda connection: connection.in_flight)
        known = [Address(broker.host, broker.port) for broker in self.known.brokers.values()]
        self.rng.shuffle(known)
        return await self._pool.first(known + self._bootstrap)

    def ready_connection(self, node: int, lane: Lane = COMMON) -> Connection | None:
        """To this broker, if it is open already."""
        broker = self.known.brokers.get(node)
        return None if broker is None else self._pool.ready(Address(broker.host, broker.port), lane)

    async def close_lane(self, lane: Lane) -> None:
        await self._pool.close_lane(lane)

    # -- requests ---------------------------------------------------------------------------------------------------

    async def request(
        self,
        api: Api,
        body: Any,
        *,
        node: int | None = None,
        version: int | None = None,
        timeout_ms: float | None = None,
    ) -> Any:
        """The answer of broker `node`, or of any. Error codes inside it are the caller's to read.

        `body` may be a function of the version. `timeout_ms` is how long to wait for the answer itself (default:
        request.timeout.ms).
        """

        async def attempt() -> Any:
            connection = await (self.any_connection() if node is None else self.connection(node))
            return await connection.request(api, body, version=version, timeout_ms=timeout_ms)

        if node is None:
            return await self.retrying(attempt)
        try:
            return await attempt()
        except ConnectionLost:
            return await attempt()

    async def retrying(self, attempt: Callable[[], Awaitable[Got]]) -> Got:
        """Calls `attempt` until it does not fail; raises its error when that is for good, or default.api.timeout.ms are
        over."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + self.settings.default_api_timeout_ms / 1000
        failures = 0
        while True:
            try:
                return await attempt()
            except KafkaError as error:
                failures += 1
                pause_s = self.retry.delay_ms(failures, self.rng) / 1000
                if not is_retriable(error) or loop.time() + pause_s > deadline_s:
                    raise
            await asyncio.sleep(pause_s)

    def _now_ms(self) -> float:
        return asyncio.get_running_loop().time() * 1000
