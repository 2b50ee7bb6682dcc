"""Members of other makes, each in a thread or process of its own until it is told to leave."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import confluent_kafka
from aiokafka import AIOKafkaConsumer
from aiokafka.coordinator.assignors.range import RangePartitionAssignor as AioRange
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor as AioRoundRobin
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor as AioSticky
from kafka import KafkaConsumer
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from kafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor

from tests.support import peers

POLL_S = 0.1


class Stranger(ABC):
    """Reads `topic` from its beginning as a member of `group`; `values` are those it has been given."""

    strategies: ClassVar[tuple[str, ...]]

    def __init__(self, bootstrap: str, group: str, topic: str, strategy: str) -> None:
        self.bootstrap, self.group, self.topic, self.strategy = bootstrap, group, topic, strategy
        self.values: list[bytes | None] = []
        self.leaving = threading.Event()
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._guarded, daemon=True)
        self._thread.start()

    def leave(self) -> None:
        self.leaving.set()
        self._thread.join(30)
        assert not self._thread.is_alive(), "it does not leave"
        assert self.failure is None, self.failure

    def _guarded(self) -> None:
        try:
            self.run()
        except BaseException as error:
            self.failure = error

    @abstractmethod
    def run(self) -> None:
        """Until `leaving` is set."""


class Confluent(Stranger):
    strategies = ("range", "roundrobin", "cooperative-sticky")

    def run(self) -> None:
        consumer = confluent_kafka.Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": self.group,
                "auto.offset.reset": "earliest",
                "partition.assignment.strategy": self.strategy,
                "heartbeat.interval.ms": 200,
                "session.timeout.ms": 6000,
            }
        )
        consumer.subscribe([self.topic])
        while not self.leaving.is_set():
            message = consumer.poll(POLL_S)
            if message is not None and message.error() is None:
                self.values.append(message.value())
        consumer.close()


class KafkaPython(Stranger):
    strategies = ("range", "roundrobin", "sticky", "cooperative-sticky")
    CLASSES: ClassVar[dict[str, Any]] = {
        "range": RangePartitionAssignor,
        "roundrobin": RoundRobinPartitionAssignor,
        "sticky": StickyPartitionAssignor,
        "cooperative-sticky": CooperativeStickyAssignor,
    }

    def run(self) -> None:
        consumer = KafkaConsumer(
            self.topic,
            bootstrap_servers=self.bootstrap,
            group_id=self.group,
            auto_offset_reset="earliest",
            partition_assignment_strategy=[self.CLASSES[self.strategy]],
            heartbeat_interval_ms=200,
            session_timeout_ms=6000,
        )
        while not self.leaving.is_set():
            for records in consumer.poll(timeout_ms=int(POLL_S * 1000)).values():
                self.values += [record.value for record in records]
        consumer.close()


class Aiokafka(Stranger):
    strategies = ("range", "roundrobin", "sticky")
    CLASSES: ClassVar[dict[str, Any]] = {"range": AioRange, "roundrobin": AioRoundRobin, "sticky": AioSticky}

    def run(self) -> None:
        asyncio.run(self._read())

    async def _read(self) -> None:
        async with AIOKafkaConsumer(
            self.topic,
            bootstrap_servers=self.bootstrap,
            group_id=self.group,
            auto_offset_reset="earliest",
            partition_assignment_strategy=(self.CLASSES[self.strategy],),
            heartbeat_interval_ms=200,
            session_timeout_ms=6000,
        ) as consumer:
            while not self.leaving.is_set():
                for records in (await consumer.getmany(timeout_ms=int(POLL_S * 1000))).values():
                    self.values += [record.value for record in records]


class Java(Stranger):
    """kafka-console-consumer."""

    strategies = ("range", "roundrobin", "sticky", "cooperative-sticky")
    CLASSES: ClassVar[dict[str, str]] = {
        "range": "RangeAssignor",
        "roundrobin": "RoundRobinAssignor",
        "sticky": "StickyAssignor",
        "cooperative-sticky": "CooperativeStickyAssignor",
    }

    def run(self) -> None:
        assignor = f"org.apache.kafka.clients.consumer.{self.CLASSES[self.strategy]}"
        settings = {
            "partition.assignment.strategy": assignor,
            "heartbeat.interval.ms": "200",
            "session.timeout.ms": "6000",
            "auto.offset.reset": "earliest",
        }
        where = ["--bootstrap-server", self.bootstrap, "--topic", self.topic, "--group", self.group]
        given = [word for name, value in settings.items() for word in ("--command-property", f"{name}={value}")]
        process = subprocess.Popen(
            [peers.tool(), "kafka-console-consumer", *where, *given],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # the tool and its JVM are ended together
            env={**os.environ, **peers.SHORT_LIVED},
        )
        assert process.stdout is not None
        reader = threading.Thread(target=self._read, args=(process.stdout.readline,), daemon=True)
        reader.start()
        self.leaving.wait()
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)
        reader.join(10)

    def _read(self, readline: Callable[[], bytes]) -> None:
        while line := readline():
            self.values.append(line.removesuffix(b"\n"))


STRANGERS: dict[str, type[Stranger]] = {
    "confluent": Confluent,
    "kafka-python": KafkaPython,
    "aiokafka": Aiokafka,
    "java": Java,
}
