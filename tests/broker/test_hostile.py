"""Slow, greedy, silent and lying clients (FAULTS.md): memory stays bounded, and everybody else is served."""

from __future__ import annotations

import random
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from kq.errors import Err
from kq.testing import Broker
from kq.wire.apis.fetch import FETCH
from kq.wire.apis.metadata import METADATA
from kq.wire.frame import request_parts
from tests.support import asking
from tests.support.footprint import resident_bytes
from tests.support.patience import until
from tests.support.status import status
from tests.support.wire import Closed, Wire

MB = 1 << 20


def is_served(broker: Broker) -> bool:
    with Wire(broker.bootstrap, timeout_s=5) as wire:
        return len(wire.call(METADATA, 12, METADATA.Request(topics=[])).brokers) == 1


@pytest.fixture(autouse=True)
def _everybody_else_is_served(broker: Broker) -> Iterator[None]:
    yield
    assert broker.running, broker.log_tail()
    assert is_served(broker)


def connect(broker: Broker) -> socket.socket:
    host, port = broker.bootstrap.rsplit(":", 1)
    return socket.create_connection((host, int(port)), 5)


def is_hung_up(connection: socket.socket) -> bool:
    """By the broker, on a client who has sent nothing."""
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def test_announced_sizes_cost_nothing(broker: Broker) -> None:
    """50 connections announce 90 MB each and send 1 KB of it; Apache Kafka with 1 GB of heap serves nobody then."""
    status(broker)  # the status server's imports are done
    before = resident_bytes(broker.pid)
    attackers = [connect(broker) for _ in range(50)]
    for attacker in attackers:
        attacker.sendall(struct.pack(">i", 90 * 1000 * 1000) + bytes(1024))
    until(lambda: status(broker)["request_bytes_in_flight"] >= 50 * 1000, "all that they sent has arrived")
    assert is_served(broker)
    assert resident_bytes(broker.pid) - before < 4 * MB
    for attacker in attackers:
        attacker.close()


@pytest.mark.parametrize("size", [-1, -(2**31), 2**31 - 1, 100 * MB + 1])
def test_a_size_that_cannot_be_closes_the_connection(wire: Wire, size: int) -> None:
    wire.send_bytes(struct.pack(">i", size) + b"xxxx")
    assert wire.is_closed()


@pytest.mark.parametrize(
    "greeting",
    [
        b"GET / HTTP/1.1\r\nHost: kafka\r\n\r\n",
        bytes.fromhex("1603010200010001fc0303") + bytes(512),  # a TLS ClientHello
        b"\0\0\0\0",
        b"\0\0\0\x04abcd",
        bytes(range(255, -1, -1)),
    ],
    ids=["http", "tls", "empty frame", "half a header", "counting down"],
)
def test_other_protocols_are_hung_up_on(wire: Wire, greeting: bytes) -> None:
    wire.send_bytes(greeting)
    assert wire.is_closed()


def test_garbage_in_every_api_closes_or_answers(broker: Broker) -> None:
    seed = 20261122
    chance = random.Random(seed)
    for key in range(93):
        for _ in range(6):
            with Wire(broker.bootstrap) as wire:
                head = struct.pack(">hhih", key, chance.randrange(14), 1, -1)
                wire.send_frame(head + chance.randbytes(chance.randrange(200)))
                wire.socket.settimeout(0.05)
                try:
                    wire.receive_frame()
                except (Closed, TimeoutError):
                    continue
    assert broker.running, f"seed {seed}"


def test_a_request_sent_byte_by_byte_is_answered(wire: Wire) -> None:
    frame = b"".join(request_parts(METADATA, 12, 1, "slow", METADATA.Request(topics=[])))
    for i in range(len(frame)):
        wire.send_bytes(frame[i : i + 1])
    assert wire.receive_frame()


def test_pipelined_requests_are_answered_in_order(wire: Wire) -> None:
    for version in (0, 12, 5, 9, 1):
        wire.send(METADATA, version, METADATA.Request(topics=[]))
    for _ in range(5):
        wire.receive()  # asserts the correlation id


def test_who_does_not_read_does_not_fill_the_broker(broker: Broker, make_topic: Callable[..., str]) -> None:
    """A client pipelines fetches of 8 MB and reads nothing: answers stay in files, requests in its own buffers."""
    topic = make_topic()
    with Wire(broker.bootstrap) as wire:
        for _ in range(8):
            assert asking.produce(wire, topic, asking.batch(bytes(1_000_000))).error_code == Err.NONE
    before = resident_bytes(broker.pid)
    lazy = [Wire(broker.bootstrap) for _ in range(20)]
    wanted = FETCH.Request.Partition(index=0, partition_max_bytes=50 * MB)
    request = FETCH.Request(max_wait_ms=0, topics=[FETCH.Request.Topic(name=topic, partitions=[wanted])])
    for wire in lazy:
        for _ in range(50):
            wire.send(FETCH, 12, request)
    until(lambda: status(broker)["requests"]["Fetch"]["count"] >= len(lazy), "each has been answered once")
    assert is_served(broker)
    assert resident_bytes(broker.pid) - before < 16 * MB
    for wire in lazy:
        wire.socket.close()


@pytest.mark.slow
def test_large_requests_share_a_budget_and_the_stalled_ones_go() -> None:
    """32 MB in flight are allowed; 40 clients send 2 MB each of 4 MB requests and stop. Small requests are served all
    the while, and a large one is as soon as the stalled ones are thrown out."""
    settings = {"kq.request.bytes.in.flight": str(32 * MB)}
    with Broker(settings) as broker:
        status(broker)
        before = resident_bytes(broker.pid)
        attackers = [connect(broker) for _ in range(40)]
        for attacker in attackers:
            attacker.setblocking(False)
        for number in range(9):
            for attacker in attackers:
                data = struct.pack(">i", 4 * MB) if number == 0 else bytes(MB // 4)
                with suppress(BlockingIOError, ConnectionError):
                    attacker.send(data)
            time.sleep(0.05)
        assert is_served(broker)
        assert resident_bytes(broker.pid) - before < 1.5 * 32 * MB
        with Wire(broker.bootstrap, timeout_s=40) as wire:
            answer = asking.produce(wire, "nowhere", asking.batch(bytes(3 * MB)))
            assert answer.error_code == Err.UNKNOWN_TOPIC_OR_PARTITION
        for attacker in attackers:
            attacker.close()


def test_connections_that_never_speak_give_way() -> None:
    with Broker({"max.connections": "20"}) as broker:
        silent = [connect(broker) for _ in range(40)]
        until(lambda: is_hung_up(silent[19]), "the first twenty have given way")
        with Wire(broker.bootstrap) as wire:
            assert wire.call(METADATA, 12, METADATA.Request(topics=[])).brokers
            more = [connect(broker) for _ in range(40)]
            until(lambda: is_hung_up(more[20]), "all but the last nineteen have given way")
            assert wire.call(METADATA, 12, METADATA.Request(topics=[])).brokers, "whoever speaks stays"
        for one in silent + more:
            one.close()


def test_idle_connections_are_closed() -> None:
    with Broker({"connections.max.idle.ms": "500"}) as broker, Wire(broker.bootstrap) as wire:
        assert wire.call(METADATA, 12, METADATA.Request(topics=[])).brokers
        assert wire.is_closed(within_s=5)


def test_a_client_that_hangs_up_in_mid_fetch_is_forgotten(broker: Broker, make_topic: Callable[..., str]) -> None:
    topic = make_topic()
    wanted = FETCH.Request.Partition(index=0, partition_max_bytes=MB)
    request = FETCH.Request(
        max_wait_ms=60_000, min_bytes=1, topics=[FETCH.Request.Topic(name=topic, partitions=[wanted])]
    )
    wires = [Wire(broker.bootstrap) for _ in range(20)]
    for wire in wires:
        wire.send(FETCH, 12, request)
    until(lambda: status(broker)["fetches_waiting"] == 20, "all of them wait")
    for wire in wires:
        wire.socket.close()
    until(lambda: status(broker)["fetches_waiting"] == 0, "fetches of clients that are gone are forgotten", 5)
