"""The listening socket and everyone who came through it, within limits that keep one client from harming another.

| limit | Kafka | kq |
|---|---|---|
| a request's size | socket.request.max.bytes, 100 MiB; allocates what is announced | grows as bytes arrive |
| request bytes in flight | queued.max.request.bytes, none | kq.request.bytes.in.flight, 256 MiB |
| a request that does not come to an end | none | closed after 10 s while that budget is spent |
| idle connections | connections.max.idle.ms, 10 min | the same |
| connections | max.connections, none | half of the open files allowed: those of the log must remain |
| connections from one address | max.connections.per.ip, none | the same |

When connections run out, one that never sent a request gives way to the newcomer.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from kq.broker.connection import Connection, Dispatch
from kq.wire.frame import SCRATCH_SIZE

log = logging.getLogger(__name__)

STALLED_S = 10.0
ACCEPT_PAUSE_S = 0.5  # a listener that cannot accept stays readable: without a pause the loop would do nothing else
SMALL_BYTES = 64 << 10  # a connection that holds less is never paused for the budget


@dataclass(frozen=True, slots=True)
class Limits:
    max_request_bytes: int = 100 << 20
    request_bytes_in_flight: int = 256 << 20
    max_connections: int = 10_000
    max_connections_per_ip: int = 2**31 - 1
    idle_s: float = 600.0
    receive_buffer_bytes: int = -1  # of a socket; -1: the system's own choice, which adapts
    send_buffer_bytes: int = -1


def spelled(host: str, port: int) -> str:
    """`HOST:PORT`, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Server:
    def __init__(self, dispatch: Dispatch, limits: Limits) -> None:
        self.loop = asyncio.get_running_loop()
        self.dispatch = dispatch
        self.limits = limits
        self.connections: dict[Connection, None] = {}
        self.held_bytes = 0
        self.refused = 0
        self.scratch = bytearray(SCRATCH_SIZE)  # where every connection receives first; nothing stays in it
        self._from_ip: Counter[str] = Counter()
        self._silent: dict[Connection, None] = {}  # in the order in which they came
        self._paused: dict[Connection, None] = {}  # for the budget
        self._listeners: dict[socket.socket, str] = {}  # and their names

    def bind(self, listener: str, host: str, port: int) -> int:
        """Takes the address and returns its port; nobody is heard before `listen`. OSError when it is not to be had."""
        with _naming(host, port):
            found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            found.sort(key=lambda one: one[0] != socket.AF_INET)  # as Java does: localhost is 127.0.0.1
            family, _, _, _, address = found[0]
            sock = socket.socket(family, socket.SOCK_STREAM)
            try:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind(address)
            except OSError:
                sock.close()
                raise
        sock.setblocking(False)
        self._listeners[sock] = listener
        return int(sock.getsockname()[1])

    @property
    def addresses(self) -> list[str]:
        """What is bound, in the order of `bind`."""
        return [spelled(*sock.getsockname()[:2]) for sock in self._listeners]

    def listen(self, backlog: int) -> None:
        """OSError when another process has begun to listen there since `bind`."""
        for sock in self._listeners:
            with _naming(*sock.getsockname()[:2]):
                sock.listen(backlog)
            self._accept_from(sock)

    def _accept_from(self, listener: socket.socket) -> None:
        if listener in self._listeners:
            self.loop.add_reader(listener.fileno(), self._on_connect, listener)

    def _on_connect(self, listener: socket.socket) -> None:
        for _ in range(64):
            try:
                sock, address = listener.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionAbortedError:  # it went before its turn; macOS says so here
                continue
            except OSError as error:  # out of files: what is there goes on, and one that never spoke gives way
                log.warning("cannot accept connections for a moment: %s", error.strerror)
                self._make_room()
                self.loop.remove_reader(listener.fileno())
                self.loop.call_later(ACCEPT_PAUSE_S, self._accept_from, listener)
                return
            if not self._has_room(address[0]):
                self.refused += 1
                sock.close()
                continue
            self._welcome(sock, address, self._listeners[listener])

    def _welcome(self, sock: socket.socket, address: tuple[str, int], listener: str) -> None:
        limits = self.limits
        sock.setblocking(False)
        for level, option, value in (
            (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
            (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
            (socket.SOL_SOCKET, socket.SO_RCVBUF, limits.receive_buffer_bytes),
            (socket.SOL_SOCKET, socket.SO_SNDBUF, limits.send_buffer_bytes),
        ):
            # macOS refuses what Linux lets pass: options of a peer that has gone, buffers above its maximum.
            if value >= 0:
                with suppress(OSError):
                    sock.setsockopt(level, option, value)
        connection = Connection(self, sock, address[0], address[1], listener)
        self.connections[connection] = None
        self._silent[connection] = None
        self._from_ip[connection.ip] += 1

    def _has_room(self, ip: str) -> bool:
        if self._from_ip[ip] >= self.limits.max_connections_per_ip:
            return False
        return len(self.connections) < self.limits.max_connections or self._make_room()

    def _make_room(self) -> bool:
        silent = next(iter(self._silent), None)
        if silent is None:
            return False
        silent.close("connections are short and it never sent a request")
        return True

    # what connections report

    def has_spoken(self, connection: Connection) -> None:
        self._silent.pop(connection, None)

    def has_closed(self, connection: Connection, reason: str) -> None:
        self.connections.pop(connection, None)
        self._from_ip[connection.ip] -= 1
        if not self._from_ip[connection.ip]:
            del self._from_ip[connection.ip]
        self._silent.pop(connection, None)
        self._paused.pop(connection, None)
        log.debug("%s: %s", connection.session.address, reason)

    def on_defect(self, error: BaseException) -> None:
        log.error("a request failed in a way it must not", exc_info=error)

    # the budget of request bytes

    def is_over_budget(self, connection: Connection) -> bool:
        return self.held_bytes >= self.limits.request_bytes_in_flight and connection.held_bytes > SMALL_BYTES

    def pause_for_budget(self, connection: Connection) -> None:
        connection.pause_reading()
        self._paused[connection] = None

    def budget_changed(self, delta_bytes: int) -> None:
        self.held_bytes += delta_bytes
        if self._paused and self.held_bytes < self.limits.request_bytes_in_flight:
            paused, self._paused = self._paused, {}
            for connection in paused:
                connection.resume_reading()

    # upkeep

    def sweep(self) -> None:
        """Closes idle connections and, while the budget is spent, stalled ones; called about once a second."""
        now = self.loop.time()
        for connection in list(self.connections):
            if now - connection.active_at > self.limits.idle_s and not connection.is_served:
                connection.close("idle, or not reading its reply")
        if self.held_bytes >= self.limits.request_bytes_in_flight:
            self._close_stalled(now - STALLED_S)

    def _close_stalled(self, began_before: float) -> None:
        """The oldest half requests first, until half of the budget is free: requests that wait for each other's memory
        must come to an end, and the newest may only be waiting for the budget."""
        stalled = [c for c in self.connections if c.frame_began_at is not None and c.frame_began_at < began_before]
        for connection in sorted(stalled, key=lambda c: c.frame_began_at or 0.0):
            if self.held_bytes < self.limits.request_bytes_in_flight // 2:
                return
            connection.close("its request did not come to an end while memory was short")

    def close(self) -> None:
        for sock in self._listeners:
            self.loop.remove_reader(sock.fileno())
            sock.close()
        self._listeners.clear()  # an accept that is paused finds nothing to resume
        for connection in list(self.connections):
            connection.close("the broker stops")


@contextmanager
def _naming(host: str, port: int) -> Iterator[None]:
    """Errors about an address say which one it is."""
    address = f"[{host}]:{port}" if ":" in host else f"{host or '*'}:{port}"
    try:
        yield
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            reason = f"{address} is in use by another program: name another address, or port 0 for a free one"
        else:
            reason = f"cannot listen on {address}: {error.strerror}"
        raise OSError(error.errno, reason) from error
