"""Who comes in: through which listener, and what a broker does that has no descriptor left for one more."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from typing import Any, cast

import pytest

from kq.broker.server import ACCEPT_PAUSE_S, Limits, Server
from tests.support.patience import until_async


class OutOfFiles:
    """A listening socket with somebody waiting, who cannot be accepted."""

    def __init__(self, real: socket.socket) -> None:
        self._real = real
        self.asked = 0

    def fileno(self) -> int:
        return self._real.fileno()

    def accept(self) -> Any:
        self.asked += 1
        raise OSError(errno.EMFILE, "Too many open files")

    def close(self) -> None:
        self._real.close()


def test_without_descriptors_the_loop_is_left_to_those_who_are_in(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        server = Server(lambda session, frame: None, Limits())
        port = server.bind("PLAINTEXT", "127.0.0.1", 0)
        (real,) = server._listeners
        full = OutOfFiles(real)
        server._listeners = {cast(socket.socket, full): "PLAINTEXT"}
        real.listen()
        server._accept_from(cast(socket.socket, full))
        with socket.create_connection(("127.0.0.1", port)):
            await asyncio.sleep(ACCEPT_PAUSE_S / 2)
            assert full.asked == 1
            server._listeners = {real: "PLAINTEXT"}
            server._accept_from(real)
            await until_async(lambda: _count(server), "there is room again")
        server.close()

    asyncio.run(story())
    assert [r.levelno for r in caplog.records] == [logging.WARNING]


async def _count(server: Server) -> int:
    return len(server.connections)


def test_a_session_knows_its_listener() -> None:
    async def story() -> None:
        server = Server(lambda session, frame: None, Limits())
        ports = {name: server.bind(name, "localhost", 0) for name in ("INSIDE", "OUTSIDE")}
        server.listen(10)
        clients = [socket.create_connection(("127.0.0.1", port)) for port in ports.values()]
        await until_async(lambda: _both(server), "both are in")
        names = {connection.session.address: connection.session.listener for connection in server.connections}
        for client, name in zip(clients, ports, strict=True):
            host, port = client.getsockname()
            assert names[f"{host}:{port}"] == name
            client.close()
        server.close()

    asyncio.run(story())


async def _both(server: Server) -> bool:
    return len(server.connections) == 2


def test_an_address_that_somebody_else_began_to_listen_on_is_named() -> None:
    """Two may bind a port before one of them listens."""

    async def story() -> None:
        first, second = (Server(lambda session, frame: None, Limits()) for _ in range(2))
        port = first.bind("PLAINTEXT", "127.0.0.1", 0)
        try:
            second.bind("PLAINTEXT", "127.0.0.1", port)
            first.listen(1)
            with pytest.raises(OSError, match=f"127.0.0.1:{port} is in use"):
                second.listen(1)
        finally:
            first.close()
            second.close()

    asyncio.run(story())
