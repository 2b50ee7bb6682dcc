"""Groups of the consumer protocol (KIP-848) with real clients, on kq and on Apache Kafka alike: librdkafka and Java,
alone, together, and with members of the classic protocol in the same group."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaException

from kq.testing import Broker
from tests.support import topics
from tests.support.patience import until
from tests.support.peers import run
from tests.support.rdkafka import client, produce

MakeTopic = Callable[..., str]
PATIENCE_S = 60


class Member:
    """A consumer of librdkafka that is polled, and what it has read by partition."""

    def __init__(self, bootstrap: str, group: str, protocol: str, **settings: Any) -> None:
        more = {"partition.assignment.strategy": "cooperative-sticky"} if protocol == "classic" else {}
        config = client(bootstrap, group_id=group, group_protocol=protocol, auto_offset_reset="earliest", **settings)
        self.consumer = Consumer(config | more)
        self.read: list[tuple[int, bytes]] = []

    def poll(self) -> None:
        message = self.consumer.poll(0.05)
        if message is None:
            return
        if message.error() is not None:
            raise KafkaException(message.error())
        self.read.append((message.partition(), message.value()))

    def has(self) -> set[int]:
        return {assigned.partition for assigned in self.consumer.assignment()}


@pytest.fixture
def join(bootstrap: str, name: str) -> Iterator[Callable[..., Member]]:
    """join(topics, protocol="consumer", **settings): a member of the test's group."""
    with contextlib.ExitStack() as stack:

        def start(topics: list[str], protocol: str = "consumer", **settings: Any) -> Member:
            member = Member(bootstrap, f"g-{name}", protocol, **settings)
            stack.callback(member.consumer.close)
            member.consumer.subscribe(topics)
            return member

        yield start


def polled(members: list[Member], condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"{what}: {[(sorted(m.has()), len(m.read)) for m in members]}"
        for member in members:
            member.poll()


def share_all(members: list[Member], partitions: int) -> Callable[[], bool]:
    """Each partition has one owner, and everybody has its share."""

    def condition() -> bool:
        shares = [member.has() for member in members]
        alone = sum(map(len, shares)) == partitions == len(set().union(*shares))
        return alone and max(map(len, shares)) - min(map(len, shares)) <= 1

    return condition


def fill(bootstrap: str, topic: str, partitions: int, count: int = 300) -> set[tuple[int, bytes]]:
    records = [{"value": b"%d" % i, "partition": i % partitions} for i in range(count)]
    produce(bootstrap, topic, records)
    return {(record["partition"], record["value"]) for record in records}


def test_members_come_and_go(bootstrap: str, make_topic: MakeTopic, join: Callable[..., Member]) -> None:
    topic = make_topic(6)
    wanted = fill(bootstrap, topic, 6)
    first = join([topic])
    polled([first], lambda: set(first.read) >= wanted, "all is read")
    second, third = join([topic]), join([topic])
    members = [first, second, third]
    polled(members, share_all(members, 6), "three share six partitions")
    wanted |= fill(bootstrap, topic, 6)
    second.consumer.close()
    stayed = [first, third]
    polled(stayed, share_all(stayed, 6), "two share what three had")
    more = fill(bootstrap, topic, 6)
    before = [len(member.read) for member in stayed]
    polled(
        stayed,
        lambda: {r for m, n in zip(stayed, before, strict=True) for r in m.read[n:]} >= more,
        "they read on",
    )
    assert len(first.read) + len(second.read) + len(third.read) >= len(wanted)


def test_a_pattern_finds_topics_that_come_later(
    bootstrap: str, make_topic: MakeTopic, join: Callable[..., Member]
) -> None:
    topic = make_topic(2)
    wanted = fill(bootstrap, topic, 2)
    member = join([f"^{topic[:-3]}.*"])
    polled([member], lambda: set(member.read) >= wanted, "the topics that match are read")


def test_both_protocols_in_one_group(bootstrap: str, make_topic: MakeTopic, join: Callable[..., Member]) -> None:
    """Up, while the classic member goes on; and down again when the new protocol's last member has left."""
    topic = make_topic(4)
    wanted = fill(bootstrap, topic, 4)
    classic = join([topic], "classic")
    polled([classic], lambda: set(classic.read) >= wanted, "all is read")
    new = join([topic])
    polled([classic, new], share_all([classic, new], 4), "both have their share")
    wanted = fill(bootstrap, topic, 4)
    polled([classic, new], lambda: set(classic.read) | set(new.read) >= wanted, "both read on")
    new.consumer.close()
    polled([classic], lambda: classic.has() == {0, 1, 2, 3}, "the classic member has all again")
    again = join([topic], "classic")
    polled([classic, again], share_all([classic, again], 4), "and shares with another")


def test_a_static_member_keeps_its_partitions(
    bootstrap: str, make_topic: MakeTopic, join: Callable[..., Member]
) -> None:
    topic = make_topic(4)
    first, second = join([topic], group_instance_id="i1"), join([topic], group_instance_id="i2")
    polled([first, second], share_all([first, second], 4), "both have their share")
    had, others = first.has(), second.has()
    first.consumer.close()
    back = join([topic], group_instance_id="i1")
    polled([back, second], lambda: back.has() == had, "it has what it had")
    assert second.has() == others


@pytest.mark.java
def test_java_and_librdkafka_share_a_group(
    bootstrap: str, make_topic: MakeTopic, join: Callable[..., Member], name: str
) -> None:
    topic = make_topic(4)
    member = join([topic])
    polled([member], lambda: member.has() == {0, 1, 2, 3}, "all is assigned")
    arguments = ["--bootstrap-server", bootstrap, "--topic", topic, "--group", f"g-{name}", "--max-messages", "2"]
    java = ["--timeout-ms", "40000", "--command-property", "group.protocol=consumer"]
    with ThreadPoolExecutor(1) as beside:
        reading = beside.submit(run, "kafka-console-consumer", *arguments, *java)
        polled([member], lambda: len(member.has()) == 2, "half is Java's")
        until_read = time.monotonic() + PATIENCE_S
        while not reading.done():
            assert time.monotonic() < until_read
            fill(bootstrap, topic, 4, count=8)
            member.poll()
        assert "Processed a total of 2 messages" in reading.result().stderr
    polled([member], lambda: member.has() == {0, 1, 2, 3}, "Java has left")


@pytest.mark.java
def test_what_kafkas_tool_says_of_it(
    bootstrap: str, make_topic: MakeTopic, join: Callable[..., Member], name: str
) -> None:
    topic = make_topic(2)
    wanted = fill(bootstrap, topic, 2)
    member = join([topic], client_id="reader")
    polled([member], lambda: set(member.read) >= wanted, "all is read")
    member.consumer.commit(asynchronous=False)

    def described(*how: str) -> str:
        return run(
            "kafka-consumer-groups", "--bootstrap-server", bootstrap, "--describe", "--group", f"g-{name}", *how
        ).stdout

    assert described("--state").split()[-3:] == ["uniform", "Stable", "1"]
    lines = [line.split() for line in described().splitlines() if topic in line]
    assert sorted((line[2], line[3], line[4], line[5]) for line in lines) == [
        ("0", "150", "150", "0"),
        ("1", "150", "150", "0"),
    ]
    until(lambda: f"{topic}:0,1" in described("--members", "--verbose"), "its assignment is told")


def test_the_broker_is_killed(name: str) -> None:
    """It comes back with the group as it was: nobody moves, and they read on."""
    with Broker({"group.initial.rebalance.delay.ms": "0"}) as broker:
        topics.create(broker.bootstrap, name, 4, {})
        members = [Member(broker.bootstrap, f"g-{name}", "consumer", group_instance_id=i) for i in ("i1", "i2")]
        for member in members:
            member.consumer.subscribe([name])
        polled(members, share_all(members, 4), "both have their share")
        shares = [member.has() for member in members]
        broker.kill()
        broker.start()
        wanted = fill(broker.bootstrap, name, 4)
        polled(members, lambda: {record for m in members for record in m.read} >= wanted, "they read on")
        assert [member.has() for member in members] == shares
        for member, share in zip(members, shares, strict=True):
            assert {partition for partition, _ in member.read} == share
            member.consumer.close()
