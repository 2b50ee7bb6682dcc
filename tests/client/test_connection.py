"""Connections against a broker that misbehaves: what is said, and that nothing hangs."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from kq.client.connection import Connection
from kq.client.errors import (
    CLOSED,
    NOT_KAFKA,
    NOT_TLS,
    REFUSED,
    TIMEOUT,
    UNRESOLVED,
    WANTS_TLS,
    ConnectionLost,
    RequestTimedOut,
    Unreachable,
    UnsupportedRequest,
)
from kq.client.handshake import open_connection
from kq.client.tls import tls_context
from kq.testing.ports import free_port
from kq.wire.apis.metadata import METADATA
from kq.wire.apis.topics import CREATE_TOPICS
from kq.wire.apis.versions import API_VERSIONS
from tests.client.model import Cut, ModelBroker, Silence
from tests.client.support import asynchronous, settings, until


async def connected(broker: ModelBroker, **named: object) -> Connection:
    return await open_connection("127.0.0.1", broker.port, settings(broker.bootstrap, **named), None)


def everything() -> Any:
    return METADATA.Request(topics=None)


@asynchronous
async def test_it_learns_what_is_served_and_asks_in_the_highest_version_of_both() -> None:
    async with ModelBroker() as broker:
        broker.ranges[METADATA.key] = (2, 7)
        connection = await connected(broker)
        assert (await connection.request(METADATA, everything())).cluster_id == "model"
        assert broker.requests == [("ApiVersions", 4), ("Metadata", 7)]
        connection.close()


@asynchronous
async def test_a_broker_that_does_not_know_our_api_versions_is_asked_in_a_version_it_does() -> None:
    async with ModelBroker() as broker:
        broker.ranges[API_VERSIONS.key] = (0, 2)
        connection = await connected(broker)
        assert [version for _, version in broker.requests] == [4, 2]
        assert connection.version(METADATA) == METADATA.max_version


@asynchronous
async def test_what_the_broker_does_not_serve_is_refused_here() -> None:
    async with ModelBroker() as broker:
        broker.ranges[METADATA.key] = (90, 99)
        connection = await connected(broker)
        with pytest.raises(UnsupportedRequest, match="serves CreateTopics not at all"):
            await connection.request(CREATE_TOPICS, CREATE_TOPICS.Request())
        with pytest.raises(UnsupportedRequest, match="only versions 90 to 99"):
            await connection.request(METADATA, everything())


@asynchronous
async def test_answers_find_their_requests() -> None:
    async with ModelBroker(partitions=3) as broker:
        connection = await connected(broker)
        names = [f"no-{number}" for number in range(50)]
        asked = [connection.request(METADATA, METADATA.Request(topics=[METADATA.Request.Topic(name=n)])) for n in names]
        answers = await asyncio.gather(*asked)
        assert [answer.topics[0].name for answer in answers] == names


@asynchronous
async def test_a_cancelled_request_leaves_the_connection_usable() -> None:
    async with ModelBroker() as broker:
        go = asyncio.Event()
        original = broker.handlers[METADATA.key]

        async def slow(version: int, body: Any) -> Any:
            await go.wait()
            return original(version, body)

        broker.handlers[METADATA.key] = slow
        connection = await connected(broker)
        task = asyncio.ensure_future(connection.request(METADATA, everything()))
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        go.set()
        assert (await connection.request(METADATA, everything())).cluster_id == "model"


@asynchronous
async def test_no_answer_in_time_ends_the_connection_and_all_that_waits_on_it() -> None:
    async with ModelBroker() as broker:
        broker.handlers[METADATA.key] = _silent
        connection = await connected(broker, request_timeout_ms=50)
        first = connection.request(METADATA, everything())
        second = connection.request(METADATA, everything(), timeout_ms=60_000)
        said = await asyncio.gather(first, second, return_exceptions=True)
        assert all(isinstance(error, RequestTimedOut) for error in said), said
        assert "did not answer Metadata within 0.05 s" in str(said[0])
        assert not connection.usable
        with pytest.raises(RequestTimedOut):
            await connection.request(METADATA, everything())


@asynchronous
async def test_a_lost_connection_fails_what_waits() -> None:
    async with ModelBroker() as broker:
        broker.handlers[METADATA.key] = _cutting
        connection = await connected(broker)
        with pytest.raises(ConnectionLost, match=f"127.0.0.1:{broker.port}"):
            await connection.request(METADATA, everything())
        await connection.closed


@asynchronous
async def test_a_request_while_the_connection_is_being_lost() -> None:
    """Between the end of the stream and `connection_lost`, where asyncio's own writelines stumbles (Python 3.12+)."""
    async with ModelBroker() as broker:
        connection = await connected(broker)
        assert connection._transport is not None
        connection._transport.close()
        with pytest.raises(ConnectionLost):
            await connection.request(METADATA, everything())


@asynchronous
async def test_an_answer_to_nothing_ends_the_connection() -> None:
    async with ModelBroker() as broker:
        connection = await connected(broker)
        broker.greeting = b"\0\0\0\x08\0\0\x77\x77abcd"
        with pytest.raises(Exception, match="an answer that belongs to no request"):
            await connection.request(METADATA, everything())


@asynchronous
async def test_an_answer_that_cannot_be_read_ends_the_connection() -> None:
    async with ModelBroker() as broker:
        connection = await connected(broker)
        broker.greeting = b"\0\0\0\x05\0\0\0\x01\0"
        with pytest.raises(Exception, match="an answer to Metadata v13 that cannot be read"):
            await connection.request(METADATA, everything())
        assert not connection.usable


@asynchronous
async def test_an_idle_connection_is_closed() -> None:
    async with ModelBroker() as broker:
        connection = await connected(broker, connections_max_idle_ms=30)
        await connection.closed
        assert not connection.usable


@asynchronous
async def test_a_request_is_no_idleness() -> None:
    async with ModelBroker() as broker:
        original = broker.handlers[METADATA.key]

        async def slow(version: int, body: Any) -> Any:
            await asyncio.sleep(0.2)
            return original(version, body)

        broker.handlers[METADATA.key] = slow
        connection = await connected(broker, connections_max_idle_ms=20)
        assert (await connection.request(METADATA, everything())).cluster_id == "model"


@asynchronous
async def test_each_request_is_logged_for_those_who_want_it(caplog: pytest.LogCaptureFixture) -> None:
    async with ModelBroker() as broker:
        connection = await connected(broker)
        with caplog.at_level(logging.DEBUG, "kq.client"):
            await connection.request(METADATA, everything())
    assert any("Metadata v13" in message for message in caplog.messages)


async def unreachable(port: int, **named: object) -> Unreachable:
    given = settings(f"127.0.0.1:{port}", **named)
    with pytest.raises(Unreachable) as caught:
        await open_connection("127.0.0.1", port, given, tls_context(given) if given.wants_tls else None)
    assert f"127.0.0.1:{port}" in str(caught.value)
    return caught.value


@asynchronous
async def test_nobody_there() -> None:
    error = await unreachable(free_port("127.0.0.1"))
    assert error.reason == REFUSED
    assert "connection refused" in str(error)


@asynchronous
async def test_a_name_without_an_address() -> None:
    with pytest.raises(Unreachable, match=r"no-such-host\.invalid") as caught:
        await open_connection("no-such-host.invalid", 9092, settings("x:1"), None)
    assert caught.value.reason == UNRESOLVED


@asynchronous
async def test_closed_at_once() -> None:
    async with ModelBroker() as broker:
        broker.hang_up_on_connect = True
        error = await unreachable(broker.port)
        assert error.reason == CLOSED
        assert "it may want TLS" in str(error)


@asynchronous
async def test_silence_after_the_connection() -> None:
    async with ModelBroker() as broker:
        broker.handlers[API_VERSIONS.key] = _silent
        assert (await unreachable(broker.port, request_timeout_ms=50)).reason == TIMEOUT


@asynchronous
async def test_tls_alert_in_answer_to_plaintext() -> None:
    async with ModelBroker() as broker:
        broker.greeting = b"\x15\x03\x03\x00\x02\x02\x46"
        error = await unreachable(broker.port)
        assert error.reason == WANTS_TLS
        assert "security.protocol=SSL" in str(error)


@asynchronous
async def test_a_web_server() -> None:
    async with ModelBroker() as broker:
        broker.greeting = b"HTTP/1.1 400 Bad Request\r\n\r\n"
        error = await unreachable(broker.port)
        assert error.reason == NOT_KAFKA
        assert "web server" in str(error)


@asynchronous
async def test_tls_to_a_port_that_speaks_none() -> None:
    async with ModelBroker() as broker:
        error = await unreachable(broker.port, security_protocol="SSL")
        assert error.reason == NOT_TLS
        assert "security.protocol=PLAINTEXT" in str(error)


@asynchronous
async def test_closing_wakes_everybody() -> None:
    async with ModelBroker() as broker:
        broker.handlers[METADATA.key] = _silent
        connection = await connected(broker)
        task = asyncio.ensure_future(connection.request(METADATA, everything()))
        await asyncio.sleep(0.01)
        connection.close()
        with pytest.raises(ConnectionLost, match="was closed"):
            await task

        async def gone() -> bool:
            return not broker._writers

        await until(gone, "the broker sees the connection end")


def _silent(version: int, body: Any) -> Any:
    raise Silence


def _cutting(version: int, body: Any) -> Any:
    raise Cut
