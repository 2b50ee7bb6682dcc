"""One broker: where concrete classes meet, in the order in which they are started and stopped.

Start: settings, sockets bound, directory locked, metadata read and this broker registered, logs loaded (and
recovered), partitions opened, sockets open. Stop: the same backwards, every log synced and closed, the clean-shutdown
marker last.

Threads: the loop owns partitions and logs (appends, reads); one metadata thread changes the store and the data
directory; flushes and slow codecs have pools of their own.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

from kq.broker import adoption, file_limit, maintenance
from kq.broker.auto_creation import AutoCreation
from kq.broker.catalog import Catalog
from kq.broker.cleaning import Cleaning
from kq.broker.flusher import Flusher
from kq.broker.groups.groups import Groups
from kq.broker.handlers import (
    commits,
    configs,
    consumer_groups,
    coordinators,
    fetch,
    groups,
    logdirs,
    memberships,
    metadata,
    offsets,
    produce,
    producers,
    topics,
    versions,
)
from kq.broker.hosting import Hosting
from kq.broker.injection import FaultyRouter
from kq.broker.metrics import Metrics
from kq.broker.names import new_topic_id
from kq.broker.own_host import own_host
from kq.broker.parking import Parking
from kq.broker.partitions import Partitions
from kq.broker.router import Router
from kq.broker.server import Limits, Server, spelled
from kq.broker.topics import Topics
from kq.broker.turn import Turn
from kq.broker.upkeep import Upkeep
from kq.config import broker_settings
from kq.config.resolve import BrokerLayers
from kq.coordination.layout import BrokerRegistration, Endpoint
from kq.coordination.producer_ids import ProducerIds
from kq.coordination.sqlite import SqliteStore
from kq.coordination.store import Unavailable
from kq.engine.disk import OsDisk
from kq.engine.store import LogStore
from kq.errors import Err, KafkaError
from kq.machines.fetch_sessions import FetchSessions
from kq.machines.image import ClusterImage
from kq.wire.primitives import uuid_text

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")
Alteration = Callable[[BrokerLayers], dict[str, str]]
"""From the settings that hold to those that one layer of them shall have."""

METADATA_FILE = "kq-metadata.db"
HANDLERS = (
    produce.HANDLERS
    | fetch.HANDLERS
    | offsets.HANDLERS
    | metadata.HANDLERS
    | versions.HANDLERS
    | coordinators.HANDLERS
    | memberships.HANDLERS
    | commits.HANDLERS
    | groups.HANDLERS
    | consumer_groups.HANDLERS
    | producers.HANDLERS
    | topics.HANDLERS
    | configs.HANDLERS
    | logdirs.HANDLERS
)


@dataclass(frozen=True, slots=True)
class Options:
    """`properties` are the static settings under Kafka's names; `testing` is the path of a socket for fault orders."""

    data_dir: str
    properties: Mapping[str, str] = field(default_factory=dict)
    testing: str | None = None


class Broker:
    def __init__(self, options: Options) -> None:
        self.data_dir = os.path.abspath(options.data_dir)
        self.layers = BrokerLayers(static=options.properties)
        self.settings = broker_settings(options.properties)
        self.node_id = self.settings.node_id
        self.metrics = Metrics()
        self.partitions = Partitions()
        self.parking = Parking()
        self.flusher = Flusher()
        self.turn = Turn()
        self.cleaning = Cleaning(self)
        self.hosting = Hosting(self)
        self.fetch_sessions = FetchSessions(
            self.settings.max_incremental_fetch_session_cache_slots, random.Random(os.urandom(16))
        )
        self.topics = Topics(self)
        self.auto_creation = AutoCreation(self)
        self.groups = Groups(self)
        self.upkeep = Upkeep()
        self.router = (FaultyRouter if options.testing else Router)(self, HANDLERS, self.metrics)
        self.started_ms = self.now_ms()
        self.image: ClusterImage
        self.disk: OsDisk
        self.logs: LogStore
        self.catalog: Catalog
        self.server: Server
        self.ports: list[int] = []
        self.started_clean = True
        self._testing = options.testing
        self._storage = ExitStack()  # what is open of store and logs, closed in reverse in the metadata thread
        self._stops_cleanly = False
        self._producer_ids: ProducerIds
        self._metadata_thread = ThreadPoolExecutor(1, thread_name_prefix="metadata")

    @staticmethod
    def now_ms() -> int:
        return time.time_ns() // 1_000_000

    @property
    def max_unpacked_bytes(self) -> int:
        """What the records of one batch may unfold to: as much as a whole request, at least 64 MiB."""
        return max(64 << 20, self.settings.socket_request_max_bytes)

    @property
    def bootstrap(self) -> str:
        """What clients are told."""
        here = self.image.brokers[self.node_id]
        return spelled(here.host, here.port)

    # start

    async def start(self) -> None:
        """Returns when clients are served; raises OSError, DirectoryInUse, ForeignDirectory or KafkaError, and leaves
        nothing open then."""
        file_limit.make_the_most()
        self.server = Server(self.router.dispatch, self._limits())
        try:
            self.ports = [self.server.bind(one.name, one.host, one.port) for one in self.settings.listeners]
            await self.in_metadata_thread(self._open_storage)
            await self._sync_what_was_recovered()
            self.groups.start()
            if isinstance(self.router, FaultyRouter) and self._testing is not None:
                await self.router.listen(self._testing)
            self.server.listen(self.settings.socket_listen_backlog_size)
        except BaseException:
            await self._end()
            raise
        maintenance.schedule(self)
        self.metrics.loop.start()

    def _limits(self) -> Limits:
        settings = self.settings
        return Limits(
            max_request_bytes=settings.socket_request_max_bytes,
            request_bytes_in_flight=settings.kq_request_bytes_in_flight,
            max_connections=min(settings.max_connections, file_limit.now() // 2),
            max_connections_per_ip=settings.max_connections_per_ip,
            idle_s=settings.connections_max_idle_ms / 1000,
            receive_buffer_bytes=settings.socket_receive_buffer_bytes,
            send_buffer_bytes=settings.socket_send_buffer_bytes,
        )

    def _open_storage(self) -> None:
        self.disk = OsDisk(self.settings.kq_max_open_files)
        self.logs = LogStore.open(self.disk, self.data_dir, node_id=self.node_id, cluster_id=self._open_metadata)
        self._storage.callback(lambda: self.logs.close(clean=self._stops_cleanly))
        adoption.settle(self.disk, self.data_dir, self.catalog, self.node_id)
        self.image = self.catalog.read(self.node_id)
        self._set_layers()
        self._load()

    def _open_metadata(self, known_cluster_id: str | None) -> str:
        """The cluster's id; called when the data directory is locked, and told what it says itself."""
        store = SqliteStore(os.path.join(self.data_dir, METADATA_FILE))
        self._storage.callback(store.close)
        self.catalog = Catalog(store)
        self._producer_ids = ProducerIds(store, self.node_id, random.Random(os.urandom(16)))
        return self.catalog.cluster_id(known_cluster_id or uuid_text(new_topic_id()))

    def _registration(self) -> BrokerRegistration:
        endpoints = tuple(
            Endpoint(a.name, a.protocol, a.host or own_host(listener.host), a.port or port)
            for listener, a, port in zip(
                self.settings.listeners, self.settings.advertised_listeners, self.ports, strict=True
            )
        )
        return BrokerRegistration(endpoints, self.settings.broker_rack, self.started_ms)

    def _load(self) -> None:
        report = self.logs.load(
            lambda name: self.hosting.log_settings(self.hosting.topic_settings(self.image.topics[name])),
            {topic.name: topic.id for topic in self.image.topics.values()},
            now_ms=self.now_ms(),
            workers=self.settings.num_recovery_threads_per_data_dir,
            progress=_report_progress(),
        )
        self.started_clean = report.was_clean or report.scanned == 0
        log_epochs = {(one.topic, one.partition): one.leader_epoch for one in self.logs.logs()}
        self.image = self.catalog.start(self.image, self.node_id, self._registration(), log_epochs)
        topics = list(self.image.topics.values())
        opened = self.hosting.open((topic, range(len(topic.partitions))) for topic in topics)
        for topic, slots in zip(topics, opened, strict=True):
            self.partitions.put(topic.name, topic.id, slots)
        self._producer_ids.raise_above(self.logs.highest_producer_id())

    async def _sync_what_was_recovered(self) -> None:
        """Before clients are served: with fsync before ack a killed broker's last writes are readable once they are on
        stable storage, and what was readable before the kill is so again at once. A failure is logged; the partition
        shows what is known to be safe."""
        behind = [p for p in self.partitions if p.high_watermark < p.log.log_end_offset]
        await asyncio.gather(*(self.flusher.sync(p, p.log.log_end_offset) for p in behind), return_exceptions=True)

    # settings

    async def alter_settings(self, node_id: int | None, alteration: Alteration) -> None:
        """The dynamic settings of this broker, or (None) of all. As with those of topics (`Topics.alter_settings`)."""
        await self.turn.take(self._alter_settings, node_id, alteration)

    async def _alter_settings(self, node_id: int | None, alteration: Alteration) -> None:
        settings = alteration(self.layers)
        await self.commit(
            lambda image: image.broker_settings.get(node_id, {}) == settings,
            self.catalog.set_broker_settings,
            node_id,
            settings,
        )
        self.image = self.image.with_broker_settings(node_id, settings)
        self._set_layers()
        self.groups.configure()
        for topic in self.image.topics.values():
            self.hosting.configure(topic)

    def _set_layers(self) -> None:
        dynamic = self.image.broker_settings
        self.layers = BrokerLayers(dynamic.get(self.node_id, {}), dynamic.get(None, {}), self.layers.static)
        self.settings = broker_settings(self.layers.merged())

    # for handlers and for changes

    async def in_metadata_thread(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._metadata_thread, lambda: call(*args, **kwargs))

    async def commit(
        self, has_happened: Callable[[ClusterImage], bool], change: Callable[P, None], *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """One transaction of the catalog. Where only its confirmation was lost the store is asked what it holds."""
        try:
            await self.in_metadata_thread(change, *args, **kwargs)
        except Unavailable:
            if not has_happened(await self.in_metadata_thread(self.catalog.read, self.node_id)):
                raise

    async def next_producer_id(self) -> int:
        return await self.in_metadata_thread(self._producer_ids.next_id)

    async def checkpoint(self) -> None:
        """Log starts and recovery points are safe when this returns; KafkaError(KAFKA_STORAGE_ERROR) if not."""
        try:
            await self.in_metadata_thread(self.logs.checkpoint)
        except OSError as error:
            raise KafkaError(
                Err.KAFKA_STORAGE_ERROR, f"Could not write the checkpoints in {self.data_dir}: {error.strerror}."
            ) from error

    # stop

    async def stop(self) -> None:
        """Lets changes end, syncs and closes everything; afterwards the directory counts as cleanly stopped.
        KafkaError(KAFKA_STORAGE_ERROR) if it does not, because a log could not be closed: all is let go of even so."""
        self._stops_cleanly = True
        await self._end()

    async def _end(self) -> None:
        self.server.close()
        if isinstance(self.router, FaultyRouter):
            self.router.close()
        await self.upkeep.stop()
        await self.cleaning.close()
        await self.auto_creation.close()
        await self.turn.close()
        self.groups.close()
        self.metrics.loop.stop()
        await self.flusher.close()
        try:
            await self.in_metadata_thread(self._storage.close)
        finally:
            self._metadata_thread.shutdown()


def _report_progress() -> Callable[[int, int], None]:
    """Says how far recovery is, once a second from the first second on."""
    last = time.monotonic()

    def progress(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= 1:
            last = time.monotonic()
            log.info("recovering: %d of %d partitions", done, total)

    return progress
