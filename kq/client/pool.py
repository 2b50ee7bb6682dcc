"""The connections of one cluster: opened when first needed, one an address and lane, opened again after a pause.

A *lane* keeps requests that may be held back from those that may not wait: answers come in order, so a long-polling
Fetch would delay everything behind it. Each consumer and each producer has a lane of its own, all else shares
COMMON.

Rules: an address is dialled by one task at a time, whoever else asks waits for the same outcome; after failures in a
row the pause before the next attempt doubles (reconnect.backoff.ms to reconnect.backoff.max.ms, KIP-144), and so does
the time that the attempt may take (socket.connection.setup.timeout.ms and .max.ms, KIP-601).
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Hashable, Iterable
from typing import NamedTuple

from kq.client.address import Address
from kq.client.backoff import Backoff
from kq.client.connection import Connection
from kq.client.errors import REFUSED, AuthenticationFailed, Unreachable
from kq.client.handshake import open_connection
from kq.client.settings import ClientSettings
from kq.client.tls import tls_context
from kq.errors import KafkaError

__all__ = ["COMMON", "Lane", "Pool"]

Lane = Hashable
COMMON: Lane = "common"

HEAD_START_S = 0.25  # before the next of several addresses is tried too (RFC 8305 gives addresses of a name the same)
SETTLE_S = 5.0  # how long a close waits for a broker to read what it does not answer (acks=0)
GOODBYE_S = 1.0  # and for the sockets to be gone after that


class _Failures(NamedTuple):
    in_a_row: int
    retry_at_s: float


class Pool:
    def __init__(self, settings: ClientSettings, rng: random.Random) -> None:
        self._settings = settings
        self._rng = rng
        self._tls: ssl.SSLContext | None = tls_context(settings) if settings.wants_tls else None
        self._open: dict[tuple[Address, Lane], Connection] = {}
        self._dialling: dict[tuple[Address, Lane], asyncio.Task[Connection]] = {}
        self._failures: dict[Address, _Failures] = {}
        self._backoff = Backoff(settings.reconnect_backoff_ms, settings.reconnect_backoff_max_ms)
        self._setup = Backoff(
            settings.socket_connection_setup_timeout_ms, settings.socket_connection_setup_timeout_max_ms
        )
        self._closed = False

    def ready(self, address: Address, lane: Lane = COMMON) -> Connection | None:
        """The open connection, if there is one that can be used."""
        connection = self._open.get((address, lane))
        return connection if connection is not None and connection.usable else None

    def all_ready(self, lane: Lane = COMMON) -> list[Connection]:
        return [c for (_, used), c in self._open.items() if used == lane and c.usable]

    async def get(self, address: Address, lane: Lane = COMMON, node_id: int | None = None) -> Connection:
        """An open connection; Unreachable or AuthenticationFailed when it cannot be made now."""
        connection = self.ready(address, lane)
        if connection is None:
            connection = await asyncio.shield(self._dial(address, lane, node_id))
        if node_id is not None:
            connection.node_id = node_id
        return connection

    async def first(self, addresses: Iterable[Address], lane: Lane = COMMON) -> Connection:
        """A connection to any of these, tried in this order with a short head start each."""
        waiting: set[asyncio.Task[Connection]] = set()
        failures: dict[Address, KafkaError] = {}
        rest = list(dict.fromkeys(addresses))
        names: dict[asyncio.Task[Connection], Address] = {}
        while rest or waiting:
            if rest:
                address = rest.pop(0)
                task = self._dial(address, lane, None)
                names[task] = address
                waiting.add(task)
            done, waiting = await asyncio.wait(
                waiting, timeout=HEAD_START_S if rest else None, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                error = task.exception()
                if error is None:
                    return task.result()
                if not isinstance(error, KafkaError):
                    raise error
                failures[names[task]] = error
        raise _combined(failures)

    async def close(self) -> None:
        self._closed = True
        for task in self._dialling.values():
            task.cancel()
        await asyncio.gather(*self._dialling.values(), return_exceptions=True)
        await self._close(list(self._open))

    async def close_lane(self, lane: Lane) -> None:
        for task in [task for (_, used), task in self._dialling.items() if used == lane]:
            task.cancel()
        await self._close([key for key in self._open if key[1] == lane])

    async def _close(self, keys: list[tuple[Address, Lane]]) -> None:
        connections = [self._open.pop(key) for key in keys]
        if not connections:
            return
        try:
            await asyncio.gather(*(connection.settle(SETTLE_S) for connection in connections))
        finally:
            for connection in connections:
                connection.close()
        await asyncio.wait([connection.closed for connection in connections], timeout=GOODBYE_S)

    def _dial(self, address: Address, lane: Lane, node_id: int | None) -> asyncio.Task[Connection]:
        key = (address, lane)
        task = self._dialling.get(key)
        if task is None:
            task = asyncio.ensure_future(self._connect(address, lane, node_id))
            self._dialling[key] = task
            task.add_done_callback(lambda done: self._dialled(key, done))
        return task

    def _dialled(self, key: tuple[Address, Lane], task: asyncio.Task[Connection]) -> None:
        self._dialling.pop(key, None)
        if not task.cancelled():
            task.exception()  # seen: whoever still waits gets it too

    async def _connect(self, address: Address, lane: Lane, node_id: int | None) -> Connection:
        loop = asyncio.get_running_loop()
        failures = self._failures.get(address)
        if failures is not None:
            await asyncio.sleep(max(0.0, failures.retry_at_s - loop.time()))
        try:
            setup_ms = self._setup.delay_ms(failures.in_a_row + 1, self._rng) if failures else None
            connection = await open_connection(address.host, address.port, self._settings, self._tls, node_id, setup_ms)
        except KafkaError:
            in_a_row = failures.in_a_row + 1 if failures else 1
            pause_s = self._backoff.delay_ms(in_a_row, self._rng) / 1000
            self._failures[address] = _Failures(in_a_row, loop.time() + pause_s)
            raise
        self._failures.pop(address, None)
        if self._closed:
            connection.close()
        self._open[address, lane] = connection
        return connection


def _combined(failures: dict[Address, KafkaError]) -> KafkaError:
    """One error for several addresses that all failed: the most telling one, naming all of them."""
    errors = list(failures.values())
    if len(errors) == 1:
        return errors[0]
    for error in errors:
        if isinstance(error, AuthenticationFailed) or not isinstance(error, Unreachable):
            return error
    where = ", ".join(str(address) for address in failures)
    first = errors[0]
    assert isinstance(first, Unreachable)
    if len({error.reason for error in errors if isinstance(error, Unreachable)}) == 1 and first.reason == REFUSED:
        return Unreachable(where, first.reason, f"no broker answers at {where} (connection refused)")
    return Unreachable(where, first.reason, "no broker can be reached: " + "; ".join(str(error) for error in errors))
