"""A group handed on: each client in turn reads just what the one before has left, and commits for the next one.

So every client's commits are understood by every other, and nobody reads twice or misses a record."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable

import pytest
from aiokafka import AIOKafkaConsumer
from kafka import KafkaConsumer

from tests.interop.test_consumer_protocol import Member, polled
from tests.interop.test_kcat import kcat
from tests.support.peers import run
from tests.support.rdkafka import produce

MakeTopic = Callable[..., str]
Read = Callable[[str, str, str, int], list[bytes]]
"""(bootstrap, group, topic, how many): values read as a member of the group, and committed."""

PARTITIONS, EACH = 3, 30


def confluent(protocol: str) -> Read:
    def read(bootstrap: str, group: str, topic: str, count: int) -> list[bytes]:
        member = Member(bootstrap, group, protocol)
        member.consumer.subscribe([topic])
        polled([member], lambda: len(member.read) >= count, f"{count} are read")
        member.consumer.close()
        return [value for _, value in member.read]

    return read


def kafka_python(bootstrap: str, group: str, topic: str, count: int) -> list[bytes]:
    got: list[bytes] = []
    consumer = KafkaConsumer(topic, bootstrap_servers=bootstrap, group_id=group, auto_offset_reset="earliest")
    while len(got) < count:
        got += [record.value for records in consumer.poll(timeout_ms=500).values() for record in records]
    consumer.close()
    return got


def aiokafka(bootstrap: str, group: str, topic: str, count: int) -> list[bytes]:
    async def read() -> list[bytes]:
        got: list[bytes] = []
        async with AIOKafkaConsumer(
            topic, bootstrap_servers=bootstrap, group_id=group, auto_offset_reset="earliest"
        ) as consumer:
            while len(got) < count:
                got += [record.value for one in (await consumer.getmany(timeout_ms=500)).values() for record in one]
        return got

    return asyncio.run(read())


def kcats(bootstrap: str, group: str, topic: str, count: int) -> list[bytes]:
    return kcat(bootstrap, "-G", group, "-X", "auto.offset.reset=earliest", "-c", str(count), topic).splitlines()


def kqs(bootstrap: str, group: str, topic: str, count: int) -> list[bytes]:
    command = [sys.executable, "-m", "kq.cli.app", "-b", bootstrap, "consume", topic, "-g", group, "-e"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KQ_")}
    return subprocess.run(command, env=environment, check=True, capture_output=True, timeout=60).stdout.splitlines()


def java_console(protocol: str) -> Read:
    def read(bootstrap: str, group: str, topic: str, count: int) -> list[bytes]:
        where = ["--bootstrap-server", bootstrap, "--topic", topic, "--group", group, "--from-beginning"]
        ends = ["--max-messages", str(count), "--timeout-ms", "60000"]
        told = run("kafka-console-consumer", *where, *ends, "--command-property", f"group.protocol={protocol}")
        return told.stdout.encode().splitlines()

    return read


def java_verifiable(protocol: str) -> Read:
    def read(bootstrap: str, group: str, topic: str, count: int) -> list[bytes]:
        where = ["--bootstrap-server", bootstrap, "--topic", topic, "--group-id", group, "--verbose"]
        told = run("kafka-verifiable-consumer", *where, "--max-messages", str(count), "--group-protocol", protocol)
        events = [json.loads(line) for line in told.stdout.splitlines() if line.startswith("{")]
        assert all(event["success"] for event in events if event["name"] == "offsets_committed")
        return [event["value"].encode() for event in events if event["name"] == "record_data"]

    return read


RUNNERS: dict[str, Read] = {
    "confluent, classic": confluent("classic"),
    "kq": kqs,
    "confluent, consumer": confluent("consumer"),
    "kafka-python": kafka_python,
    "kcat": kcats,
    "aiokafka": aiokafka,
    "kq again": kqs,
}
JAVAS: dict[str, Read] = {
    "console, classic": java_console("classic"),
    "kq": kqs,
    "console, consumer": java_console("consumer"),
    "verifiable, consumer": java_verifiable("consumer"),
    "kq again": kqs,
    "verifiable, classic": java_verifiable("classic"),
    "kq at last": kqs,
}


def relay(bootstrap: str, topic: str, runners: dict[str, Read]) -> None:
    for number, (name, read) in enumerate(runners.items()):
        values = [b"%d/%d" % (number, i) for i in range(EACH)]
        produce(bootstrap, topic, [{"value": v, "partition": i % PARTITIONS} for i, v in enumerate(values)])
        assert Counter(read(bootstrap, f"g-{topic}", topic, EACH)) == Counter(values), name


def test_each_goes_on_where_the_last_one_stopped(bootstrap: str, make_topic: MakeTopic) -> None:
    relay(bootstrap, make_topic(PARTITIONS), RUNNERS)


@pytest.mark.java
def test_javas_consumers_too(bootstrap: str, make_topic: MakeTopic) -> None:
    relay(bootstrap, make_topic(PARTITIONS), JAVAS)
