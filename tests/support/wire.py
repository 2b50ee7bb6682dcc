"""A client that says exactly what a test wants, on a plain socket: any API at any version, or bytes that are none."""

from __future__ import annotations

import select
import socket
import struct
from types import TracebackType
from typing import Any, Self

from kq.wire.api import Api
from kq.wire.frame import parse_response, request_parts

TIMEOUT_S = 10.0


class Closed(Exception):
    """The broker closed the connection."""


class Wire:
    """One connection. `call` sends a request and waits for its answer; `send` and `receive` do half of that each."""

    def __init__(self, bootstrap: str, *, timeout_s: float = TIMEOUT_S) -> None:
        host, port = bootstrap.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._correlation = 0
        self._expected: list[tuple[Api, int]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def call(self, api: Api, version: int, request: Any) -> Any:
        self.send(api, version, request)
        return self.receive()

    def send(self, api: Api, version: int, request: Any) -> None:
        self._correlation += 1
        self._expected.append((api, version))
        self.send_bytes(b"".join(request_parts(api, version, self._correlation, "test", request)))

    def send_frame(self, frame: bytes) -> None:
        self.send_bytes(struct.pack(">i", len(frame)) + frame)

    def send_bytes(self, data: bytes) -> None:
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Closed from error

    def receive(self) -> Any:
        """The answer to the oldest request that has none; answers come in the order of the requests."""
        api, version = self._expected.pop(0)
        correlation, response = parse_response(api, version, memoryview(self.receive_frame()))
        assert correlation == self._correlation - len(self._expected)
        return response

    def receive_frame(self) -> bytes:
        (size,) = struct.unpack(">i", self._exactly(4))
        return self._exactly(size)

    def is_closed(self, *, within_s: float = 3.0) -> bool:
        """Whether the broker hangs up, having sent nothing."""
        self.socket.settimeout(within_s)
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False

    def is_silent(self, *, for_s: float = 0.2) -> bool:
        """Whether nothing comes, and the broker does not hang up, for so long."""
        return not select.select([self.socket], [], [], for_s)[0]

    def _exactly(self, size: int) -> bytes:
        got = bytearray()
        while len(got) < size:
            try:
                chunk = self.socket.recv(min(size - len(got), 1 << 20))
            except ConnectionResetError as error:
                raise Closed from error
            if not chunk:
                raise Closed
            got += chunk
        return bytes(got)
