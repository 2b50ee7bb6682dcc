"""kq's answers about settings beside those of a running Apache Kafka: the same changes to both, then all compared.

Seeded random walks of changes; the error code of each change and every described value, source and synonym must agree.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from kq.config import BROKER, parse_properties
from kq.config.alter import Change, Op, alter_broker, alter_topic
from kq.config.honoured import DEFAULTS, MODES
from kq.config.resolve import BrokerLayers, Described, describe_broker, describe_default, describe_topic
from kq.errors import Err, KafkaError
from kq.wire.api import Api
from kq.wire.apis.configs import DESCRIBE_CONFIGS, INCREMENTAL_ALTER_CONFIGS
from kq.wire.apis.topics import CREATE_TOPICS
from kq.wire.frame import parse_response, request_parts
from tests.support import peers

pytestmark = [pytest.mark.java, pytest.mark.slow]

TOPIC_TYPE, BROKER_TYPE = 2, 4
# No blanks: when Kafka appends or subtracts, " delete" is another item than "delete"; for kq they are one.
POLICIES = ["compact", "delete", "compact,delete", "", "bad", "compact,"]
TOPIC_VALUES = {
    "cleanup.policy": POLICIES,
    "retention.ms": ["5", " 6 ", "-1", "-2", "x", "", "+7"],
    "segment.bytes": ["1000", "1048576", "2000000"],
    "internal.segment.bytes": ["100"],
    "flush.ms": ["0", "8"],
    "min.compaction.lag.ms": ["5", "50"],
    "max.compaction.lag.ms": ["6", "60"],
    "leader.replication.throttled.replicas": ["*", "1:1", "1:1,2:2", "x"],
    "compression.type": ["gzip", "GZIP", " zstd "],
    "preallocate": ["TRUE", "yes"],
    "min.cleanable.dirty.ratio": ["0.3", "2", "1e-4"],
    "remote.storage.enable": ["true", "false"],
    "bogus": ["1"],
}
BROKER_VALUES = {
    "log.retention.ms": ["5000", "-1", "x"],
    "log.cleanup.policy": POLICIES,
    "log.flush.interval.ms": ["99"],
    "log.segment.bytes": ["1048576", "5"],
    "log.roll.ms": ["777", "1"],
    "log.retention.hours": ["1"],
    "log.message.timestamp.type": ["LogAppendTime", "logappendtime"],
    "compression.type": [" gzip ", "none"],
    "message.max.bytes": ["1000000", "-1"],
    "leader.replication.throttled.rate": ["5", "x"],
    "log.dirs": ["/x"],
    "bogus.x": ["hunter2"],
}


class Wire:
    """One blocking connection that speaks kq's own codec."""

    def __init__(self, bootstrap: str) -> None:
        host, port = bootstrap.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), 30)

    def ask(self, api: Api, version: int, body: Any) -> Any:
        for part in request_parts(api, version, 1, "test", body):
            self.socket.sendall(part)
        (size,) = struct.unpack(">i", self.exactly(4))
        return parse_response(api, version, memoryview(bytearray(self.exactly(size))))[1]

    def exactly(self, size: int) -> bytes:
        got = b""
        while len(got) < size:
            chunk = self.socket.recv(size - len(got))
            assert chunk, "Kafka closed the connection"
            got += chunk
        return got

    def create(self, topic: str) -> None:
        make = CREATE_TOPICS.Request
        answer = self.ask(
            CREATE_TOPICS, 5, make(topics=[make.Topic(name=topic, num_partitions=1, replication_factor=1)])
        )
        assert answer.topics[0].error_code == 0

    def alter(self, kind: int, name: str, change: Change) -> int:
        make = INCREMENTAL_ALTER_CONFIGS.Request
        config = make.Config(name=change.name, config_operation=change.op, value=change.value)
        resource = make.Resource(resource_type=kind, resource_name=name, configs=[config])
        code: int = self.ask(INCREMENTAL_ALTER_CONFIGS, 1, make(resources=[resource])).results[0].error_code
        return code

    def describe(self, kind: int, name: str) -> dict[str, tuple[Any, ...]]:
        make = DESCRIBE_CONFIGS.Request
        resource = make.Resource(resource_type=kind, resource_name=name, configuration_keys=None)
        give_up = time.monotonic() + 30
        while True:
            answer = self.ask(DESCRIBE_CONFIGS, 4, make(resources=[resource], include_synonyms=True)).results[0]
            if answer.error_code == 0:
                break
            # A topic is created some moments before the broker knows it.
            assert (answer.error_code, time.monotonic() < give_up) == (Err.UNKNOWN_TOPIC_OR_PARTITION, True)
            time.sleep(0.01)
        return {
            one.name: (
                one.value, one.config_source, one.read_only, one.is_sensitive, one.config_type,
                [(s.name, s.value, s.source) for s in one.synonyms],
            )
            for one in answer.configs
        }  # fmt: skip


class Ours:
    """The same cluster by kq's functions."""

    def __init__(self, static: dict[str, str]) -> None:
        # Kafka's controller sets this one by itself.
        self.layers = BrokerLayers(dynamic_default={"min.insync.replicas": "1"}, static=static)
        self.topics: dict[str, dict[str, str]] = {}

    def alter(self, kind: int, name: str, change: Change) -> int:
        try:
            if kind == TOPIC_TYPE:
                self.topics[name] = alter_topic(self.topics[name], [change], self.layers)
            elif name:
                self.layers = BrokerLayers(
                    alter_broker([change], self.layers, for_all=False), self.layers.dynamic_default, self.layers.static
                )
            else:
                self.layers = BrokerLayers(
                    self.layers.dynamic, alter_broker([change], self.layers, for_all=True), self.layers.static
                )
        except KafkaError as error:
            return int(error.code)
        return 0

    def inherits_other_than_the_default(self, kind: int, name: str, key: str) -> bool:
        """Where Kafka appends to the default (turning deletion on for a topic that is compacted), kq to what holds."""
        if kind == TOPIC_TYPE:
            return key not in self.topics[name] and "log.cleanup.policy" in self.layers.merged()
        own = self.layers.dynamic if name else self.layers.dynamic_default
        return key not in own and key in self.layers.merged()

    def describe(self, kind: int, name: str) -> dict[str, tuple[Any, ...]]:
        if kind == TOPIC_TYPE:
            found = describe_topic(self.topics[name], self.layers)
        else:
            found = describe_broker(self.layers) if name else describe_default(self.layers.dynamic_default)
        return {one.name: _row(one) for one in found}


def _row(one: Described) -> tuple[Any, ...]:
    synonyms = [(s.name, s.value, int(s.source)) for s in one.synonyms]
    return one.value, int(one.source), one.read_only, one.sensitive, int(one.type or 0), synonyms


# kq differs by intent in these, and numbers the one broker it is by itself.
OURS_ALONE = {
    *DEFAULTS,
    *MODES,
    "broker.id",
    "log.flush.interval.ms",
    "flush.ms",
    *(n for n in BROKER if n[:3] == "kq."),
}


def differences(theirs: dict[str, tuple[Any, ...]], ours: dict[str, tuple[Any, ...]]) -> dict[str, Any]:
    names = (theirs.keys() | ours.keys()) - OURS_ALONE
    return {name: (theirs.get(name), ours.get(name)) for name in names if theirs.get(name) != ours.get(name)}


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Wire, dict[str, str]]]:
    directory: Path = tmp_path_factory.mktemp("kafka")
    with peers.running(directory, "log.segment.bytes= 3000000", "bogus.static=1") as kafka:
        static = parse_properties((directory / "node-1.properties").read_text())
        yield Wire(kafka.bootstrap), static


def test_a_fresh_broker_and_topic(kafka: tuple[Wire, dict[str, str]]):
    wire, static = kafka
    wire.create("fresh")
    ours = Ours(static)
    ours.topics["fresh"] = {}
    assert differences(wire.describe(TOPIC_TYPE, "fresh"), ours.describe(TOPIC_TYPE, "fresh")) == {}
    assert differences(wire.describe(BROKER_TYPE, "1"), ours.describe(BROKER_TYPE, "1")) == {}
    assert differences(wire.describe(BROKER_TYPE, ""), ours.describe(BROKER_TYPE, "")) == {}


@pytest.mark.parametrize("seed", range(3))
def test_a_walk_of_changes(kafka: tuple[Wire, dict[str, str]], seed: int):
    wire, static = kafka
    random, topic = Random(seed), f"walk-{seed}"
    wire.create(topic)
    ours = Ours(static)
    ours.topics[topic] = {}
    try:
        for step in range(120):
            kind, name = random.choice([(TOPIC_TYPE, topic), (BROKER_TYPE, "1"), (BROKER_TYPE, "")])
            pool = TOPIC_VALUES if kind == TOPIC_TYPE else BROKER_VALUES
            key = random.choice(sorted(pool))
            op = random.choice([0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 9])
            change = Change(key, op, None if random.random() < 0.05 else random.choice(pool[key]))
            if op in (Op.APPEND, Op.SUBTRACT) and ours.inherits_other_than_the_default(kind, name, key):
                continue
            assert wire.alter(kind, name, change) == ours.alter(kind, name, change), (step, kind, name, change)
            _agree(wire, ours, topic)
    finally:
        for name, layer in (("1", ours.layers.dynamic), ("", ours.layers.dynamic_default)):
            for key in layer.keys() - {"min.insync.replicas"}:
                wire.alter(BROKER_TYPE, name, Change(key, 1, None))


def _agree(wire: Wire, ours: Ours, topic: str) -> None:
    """Kafka takes a moment to go by a change that it has accepted."""
    for kind, name in ((TOPIC_TYPE, topic), (BROKER_TYPE, "1"), (BROKER_TYPE, "")):
        give_up = time.monotonic() + 5
        while found := differences(wire.describe(kind, name), ours.describe(kind, name)):
            assert time.monotonic() < give_up, found
            time.sleep(0.01)
