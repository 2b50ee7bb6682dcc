"""Members of other makes, each in a thread or process of its own until it is told to leave."""

from __future__ import annotations

import asyncio
import json
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
from tests.support.missing import need_command

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

    def protocol(self) -> dict[str, Any]:
        return {
            "partition.assignment.strategy": self.strategy,
            "heartbeat.interval.ms": 200,
            "session.timeout.ms": 6000,
        }

    def run(self) -> None:
        given = {"bootstrap.servers": self.bootstrap, "group.id": self.group, "auto.offset.reset": "earliest"}
        consumer = confluent_kafka.Consumer({**given, **self.protocol()})
        consumer.subscribe([self.topic])
        while not self.leaving.is_set():
            message = consumer.poll(POLL_S)
            if message is not None and message.error() is None:
                self.values.append(message.value())
        consumer.close()


class ConfluentOfTheNewProtocol(Confluent):
    """KIP-848: the broker assigns; the strategy is that of the classic members beside it."""

    strategies = ("cooperative-sticky",)

    def protocol(self) -> dict[str, Any]:
        return {"group.protocol": "consumer"}


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


class Program(Stranger):
    """A process that prints what it reads and leaves when it is told to end."""

    @abstractmethod
    def command(self) -> list[str]: ...

    def value(self, line: bytes) -> bytes | None:
        """What a line is; None if it is no record."""
        return line

    def run(self) -> None:
        process = subprocess.Popen(
            self.command(),
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
            if (value := self.value(line.removesuffix(b"\n"))) is not None:
                self.values.append(value)


class Kcat(Program):
    strategies = ("cooperative-sticky",)

    def command(self) -> list[str]:
        given = {
            "partition.assignment.strategy": self.strategy,
            "heartbeat.interval.ms": "200",
            "session.timeout.ms": "6000",
            "auto.offset.reset": "earliest",
        }
        settings = [word for name, value in given.items() for word in ("-X", f"{name}={value}")]
        return [need_command("kcat", "kcat"), "-b", self.bootstrap, "-q", "-u", *settings, "-G", self.group, self.topic]


class Java(Program):
    """kafka-console-consumer."""

    strategies = ("range", "roundrobin", "sticky", "cooperative-sticky")
    CLASSES: ClassVar[dict[str, str]] = {
        "range": "RangeAssignor",
        "roundrobin": "RoundRobinAssignor",
        "sticky": "StickyAssignor",
        "cooperative-sticky": "CooperativeStickyAssignor",
    }

    def command(self) -> list[str]:
        assignor = f"org.apache.kafka.clients.consumer.{self.CLASSES[self.strategy]}"
        settings = {
            "partition.assignment.strategy": assignor,
            "heartbeat.interval.ms": "200",
            "session.timeout.ms": "6000",
            "auto.offset.reset": "earliest",
        }
        where = ["--bootstrap-server", self.bootstrap, "--topic", self.topic, "--group", self.group]
        given = [word for name, value in settings.items() for word in ("--command-property", f"{name}={value}")]
        return [peers.tool(), "kafka-console-consumer", *where, *given]


class JavaOfTheNewProtocol(Program):
    """kafka-verifiable-consumer, which prints events."""

    strategies = ("range",)

    def command(self) -> list[str]:
        where = ["--bootstrap-server", self.bootstrap, "--topic", self.topic, "--group-id", self.group]
        return [peers.tool(), "kafka-verifiable-consumer", *where, "--verbose", "--group-protocol", "consumer"]

    def value(self, line: bytes) -> bytes | None:
        event = json.loads(line) if line.startswith(b"{") else {"name": ""}
        return event["value"].encode() if event["name"] == "record_data" else None


STRANGERS: dict[str, type[Stranger]] = {
    "confluent": Confluent,
    "confluent-848": ConfluentOfTheNewProtocol,
    "kcat": Kcat,
    "kafka-python": KafkaPython,
    "aiokafka": Aiokafka,
    "java": Java,
    "java-848": JavaOfTheNewProtocol,
}
