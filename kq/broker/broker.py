"""One broker: where concrete classes meet, in the order in which they are started and stopped.

Start: settings, sockets bound, directory locked, metadata read and this broker registered, logs loaded (and
recovered), partitions opened, sockets open. Stop: the same backwards, every log synced and closed, the clean-shutdown
marker last.

Threads: the loop owns partitions and logs (appends, reads); one metadata thread changes the store and the data
directory; flushes and slow codecs have pools of their own.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import random
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import ParamSpec, TypeVar

from kq.broker import adoption, maintenance
from kq.broker.catalog import Catalog
from kq.broker.flusher import Flusher
from kq.broker.handlers import (
    configs,
    coordinators,
    fetch,
    logdirs,
    metadata,
    offsets,
    produce,
    producers,
    topics,
    versions,
)
from kq.broker.injection import FaultyRouter
from kq.broker.metrics import Metrics
from kq.broker.parking import Parking
from kq.broker.partition import Partition
from kq.broker.partitions import Partitions
from kq.broker.router import Router
from kq.broker.server import Limits, Server
from kq.broker.topics import Topics
from kq.broker.upkeep import Upkeep
from kq.config import TopicSettings, broker_settings, topic_settings
from kq.config.resolve import BrokerLayers
from kq.coordination.layout import BrokerRegistration, Endpoint
from kq.coordination.producer_ids import ProducerIds
from kq.coordination.sqlite import SqliteStore
from kq.engine.disk import OsDisk
from kq.engine.settings import LogSettings
from kq.engine.store import LogStore
from kq.errors import KafkaError
from kq.machines.fetch_sessions import FetchSessions
from kq.machines.image import ClusterImage, TopicImage

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

METADATA_FILE = "kq-metadata.db"
MACOS_OPEN_MAX = 10_240
HANDLERS = (
    produce.HANDLERS
    | fetch.HANDLERS
    | offsets.HANDLERS
    | metadata.HANDLERS
    | versions.HANDLERS
    | coordinators.HANDLERS
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
        self.flusher = Flusher(lambda partition: self.parking.complete(partition.synced()))
        self.fetch_sessions = FetchSessions(
            self.settings.max_incremental_fetch_session_cache_slots, random.Random(os.urandom(16))
        )
        self.topics = Topics(self)
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
        self._store: SqliteStore
        self._producer_ids: ProducerIds
        self._metadata_thread = ThreadPoolExecutor(1, thread_name_prefix="metadata")

    @staticmethod
    def now_ms() -> int:
        return time.time_ns() // 1_000_000

    @property
    def max_unpacked_bytes(self) -> int:
        """What the records of one batch may unfold to: a hundred times what a client may send, at least 64 MiB."""
        return max(64 << 20, self.settings.socket_request_max_bytes)

    @property
    def bootstrap(self) -> str:
        here = self.image.brokers[self.node_id]
        return f"[{here.host}]:{here.port}" if ":" in here.host else f"{here.host}:{here.port}"

    async def in_metadata_thread(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._metadata_thread, lambda: call(*args, **kwargs))

    # start

    async def start(self) -> None:
        """Returns when clients are served; raises OSError, DirectoryInUse, ForeignDirectory or KafkaError."""
        _raise_file_limit()
        self.server = Server(
            self.router.dispatch,
            Limits(
                max_request_bytes=self.settings.socket_request_max_bytes,
                request_bytes_in_flight=self.settings.kq_request_bytes_in_flight,
                max_connections=min(self.settings.max_connections, _file_limit() // 2),
                max_connections_per_ip=self.settings.max_connections_per_ip,
                idle_s=self.settings.connections_max_idle_ms / 1000,
                receive_buffer_bytes=self.settings.socket_receive_buffer_bytes,
                send_buffer_bytes=self.settings.socket_send_buffer_bytes,
            ),
        )
        try:
            self.ports = [self.server.bind(one.host, one.port) for one in self.settings.listeners]
            await self.in_metadata_thread(self._open_storage)
        except BaseException:
            self.server.close()
            raise
        if isinstance(self.router, FaultyRouter) and self._testing is not None:
            await self.router.listen(self._testing)
        maintenance.schedule(self)
        self.metrics.loop.start()
        gc.collect()
        gc.freeze()  # what was built so far stays for good: later collections need not look at it
        gc.set_threshold(50_000, 20, 50)
        self.server.listen(self.settings.socket_listen_backlog_size)

    def _open_storage(self) -> None:
        self.disk = OsDisk(self.settings.kq_max_open_files)
        self.disk.make_directory(self.data_dir)
        self._store = SqliteStore(os.path.join(self.data_dir, METADATA_FILE))
        self.catalog = Catalog(self._store)
        self._producer_ids = ProducerIds(self._store, self.node_id, random.Random(os.urandom(16)))
        cluster_id = self.catalog.cluster_id(adoption.cluster_id_of(self.disk, self.data_dir))
        self.logs = LogStore.open(self.disk, self.data_dir, node_id=self.node_id, cluster_id=cluster_id)
        adoption.settle(self.disk, self.data_dir, self.catalog, self.catalog.topic_ids(), self.node_id)
        self.image = self.catalog.read(self.node_id)
        self._set_layers()
        self._load()

    def _registration(self) -> BrokerRegistration:
        endpoints = tuple(
            Endpoint(a.name, a.protocol, a.host or adoption.own_host(listener.host), a.port or port)
            for listener, a, port in zip(
                self.settings.listeners, self.settings.advertised_listeners, self.ports, strict=True
            )
        )
        return BrokerRegistration(endpoints, self.settings.broker_rack, self.started_ms)

    def _load(self) -> None:
        report = self.logs.load(
            lambda name: self.log_settings(self.image.topics[name]),
            {topic.name: topic.id for topic in self.image.topics.values()},
            now_ms=self.now_ms(),
            workers=self.settings.num_recovery_threads_per_data_dir,
            progress=_report_progress(),
        )
        self.started_clean = report.was_clean or report.scanned == 0
        log_epochs = {(one.topic, one.partition): one.leader_epoch for one in self.logs.logs()}
        self.image = self.catalog.start(self.image, self.node_id, self._registration(), log_epochs)
        for topic in self.image.topics.values():
            self.partitions.put(topic.name, topic.id, self.open_partitions(topic, 0))
        self._producer_ids.raise_above(self.logs.highest_producer_id())

    # logs

    def topic_settings(self, topic: TopicImage) -> TopicSettings:
        return topic_settings(topic.settings, self.layers.merged())

    def log_settings(self, topic: TopicImage) -> LogSettings:
        settings = self.topic_settings(topic)
        return LogSettings(
            segment_bytes=settings.segment_bytes,
            segment_ms=settings.segment_ms,
            index_interval_bytes=settings.index_interval_bytes,
            index_max_bytes=settings.segment_index_bytes,
            retention_ms=settings.retention_ms,
            retention_bytes=settings.retention_bytes,
            flush_messages=settings.flush_messages,
            flush_ms=settings.flush_ms,
            file_delete_delay_ms=settings.file_delete_delay_ms,
            compact="compact" in settings.cleanup_policy,
            delete="delete" in settings.cleanup_policy,
            producer_expiry_ms=self.settings.producer_id_expiration_ms,
            fsync_before_ack=settings.fsync_before_ack,
        )

    def open_partitions(self, topic: TopicImage, first: int) -> list[Partition | None]:
        """Those from `first` on, their logs made where there are none; None for one whose log cannot be used."""
        settings, log_settings = self.topic_settings(topic), self.log_settings(topic)
        wanted = [(topic.name, index) for index in range(first, len(topic.partitions))]
        slots: list[Partition | None] = []
        self._make_missing(wanted, topic.id, log_settings)
        for name, index in wanted:
            found = self.logs.get(name, index)
            if found is None:
                slots.append(None)
                continue
            found.start_epoch(topic.partitions[index].leader_epoch)
            found.configure(_jittered(log_settings, settings))
            slots.append(Partition(topic, index, found, settings, self.parking.waits))
        return slots

    def _make_missing(self, wanted: Sequence[tuple[str, int]], topic_id: bytes, settings: LogSettings) -> None:
        with self.logs.one_sync():
            for name, index in wanted:
                if self.logs.get(name, index) is None and self.logs.refusal(name, index) is None:
                    try:
                        self.logs.create(name, index, topic_id, settings, now_ms=self.now_ms())
                    except KafkaError as error:
                        log.error("%s:%d has no log: %s", name, index, error)

    def remove_logs(self, topic: str, count: int) -> None:
        with self.logs.one_sync():
            for index in range(count):
                self.logs.delete(topic, index, self.now_ms())

    # settings

    def configure_topic(self, topic: TopicImage) -> None:
        """Lets the partitions of a topic go by what is set now."""
        settings, log_settings = self.topic_settings(topic), self.log_settings(topic)
        for partition in self.partitions.of_topic(topic.name):
            if partition is not None:
                partition.configure(settings)
                partition.log.configure(_jittered(log_settings, settings))

    async def set_dynamic_settings(self, node_id: int | None, settings: Mapping[str, str]) -> None:
        """Of this broker, or (None) of all."""
        await self.in_metadata_thread(self.catalog.set_broker_settings, node_id, settings)
        self.image = self.image.with_broker_settings(node_id, settings)
        self._set_layers()
        for topic in self.image.topics.values():
            self.configure_topic(topic)

    def _set_layers(self) -> None:
        dynamic = self.image.broker_settings
        self.layers = BrokerLayers(dynamic.get(self.node_id, {}), dynamic.get(None, {}), self.layers.static)
        self.settings = broker_settings(self.layers.merged())

    async def next_producer_id(self) -> int:
        return await self.in_metadata_thread(self._producer_ids.next_id)

    # stop

    async def stop(self) -> None:
        """Syncs and closes everything; afterwards the directory counts as cleanly stopped."""
        self.server.close()
        await self.upkeep.stop()
        self.metrics.loop.stop()
        await self.flusher.close()
        await self.in_metadata_thread(self._close_storage)
        self._metadata_thread.shutdown()

    def _close_storage(self) -> None:
        self.logs.close(clean=True)
        self._store.close()


def _jittered(log_settings: LogSettings, settings: TopicSettings) -> LogSettings:
    """segment.jitter.ms: each partition's segments end a little earlier, by a time of its own."""
    jitter_ms = min(settings.segment_jitter_ms, settings.segment_ms)
    if not jitter_ms:
        return log_settings
    return replace(log_settings, segment_ms=settings.segment_ms - random.randrange(jitter_ms))


def _report_progress() -> Callable[[int, int], None]:
    """Says how far recovery is, once a second from the first second on."""
    last = time.monotonic()

    def progress(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= 1:
            last = time.monotonic()
            log.info("recovering: %d of %d partitions", done, total)

    return progress


def _file_limit() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft if soft != resource.RLIM_INFINITY else 1 << 20


def _raise_file_limit() -> None:
    """To the hard limit. macOS calls that unlimited and refuses it, but takes its OPEN_MAX (`man setrlimit`)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in () if soft == hard else (hard, max(soft, MACOS_OPEN_MAX)):
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            return
