"""One connection to one broker: requests out, answers in, in order.

Invariants: a broker answers the requests of one connection in the order they were sent, so the oldest waiting request
belongs to the next frame; its correlation id must match, otherwise the connection is useless and given up. A request
that is not answered in time takes the connection with it, since nothing behind it can be answered either. When a
connection is lost, every request still waiting fails with the same sentence; which of them the broker carried out is
unknown.

A request that is never answered (Produce with acks=0) is not known to have been read. `settle` before `close` makes
sure: a broker that cannot deliver an answer any more drops the requests behind it, and a socket that is closed with an
answer unread in it throws away what it had still to send (RFC 9293, 3.6).

Reads go straight into the frame buffer (`asyncio.BufferedProtocol`), writes leave as one gather of the encoded parts.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from kq import __version__
from kq.client.errors import NOT_KAFKA, WANTS_TLS, ConnectionLost, RequestTimedOut, Unreachable, UnsupportedRequest
from kq.client.settings import ClientSettings
from kq.errors import Err, KafkaError
from kq.wire.apis.versions import API_VERSIONS
from kq.wire.errors import ProtocolError
from kq.wire.frame import FrameBuffer, parse_response, request_parts

if TYPE_CHECKING:
    from kq.wire.api import Api

__all__ = ["Connection", "Version", "hello"]

log = logging.getLogger("kq.client")

# The largest answer taken. Brokers bound theirs by fetch.max.bytes plus one batch; Java takes anything below 2^31.
MAX_FRAME_BYTES = 1 << 30


def hello() -> Any:
    """ApiVersions: who we are, and what does the broker serve?"""
    return API_VERSIONS.Request(client_software_name="kq", client_software_version=__version__)


class Version(NamedTuple):
    """A range of versions of one API, both ends included."""

    lowest: int
    highest: int


class _Waiting(NamedTuple):
    correlation_id: int
    frame: asyncio.Future[memoryview]


class Connection(asyncio.BufferedProtocol):
    """Made by `open_connection`, which also says hello; until then it answers only what `handshake.py` asks."""

    def __init__(self, address: str, settings: ClientSettings, node_id: int | None = None) -> None:
        self.address = address
        self.node_id = node_id  # None: a bootstrap address whose broker is not known yet
        self.versions: dict[int, Version] = {}  # by API key; what the broker says it serves
        self.answers = 0  # received so far: 0 tells a broker that hangs up at once from one that was lost later
        self.lost: KafkaError | None = None  # why it cannot be used any more
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._frames = FrameBuffer(MAX_FRAME_BYTES)
        self._buffer = memoryview(b"")  # where the socket is read into
        self._waiting: deque[_Waiting] = deque()
        self._unanswered = False  # something was sent that the broker will not answer
        self._next_correlation_id = 0
        self._last_used_s = self._loop.time()
        self._idle_timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()  # the loop itself holds tasks weakly
        self._writable = asyncio.Event()
        self._writable.set()
        # Closed while the connection authenticates anew: requests wait, in order.
        self.gate = asyncio.Event()
        self.gate.set()
        self.closed = self._loop.create_future()  # done when the transport is gone

    # -- what others ask --------------------------------------------------------------------------------------------

    @property
    def in_flight(self) -> int:
        return len(self._waiting)

    @property
    def usable(self) -> bool:
        return self.lost is None and self._transport is not None

    def version(self, api: Api) -> int:
        """The highest version both sides know; UnsupportedRequest when there is none."""
        served = self.versions.get(api.key)
        if served is not None:
            # `api.versions` are those of the tables; min_version may be lower, being what brokers must claim.
            version = min(api.versions.last, served.highest)
            if version >= max(api.versions.first, served.lowest):
                return version
        detail = f"only versions {served.lowest} to {served.highest}" if served else "not at all"
        raise UnsupportedRequest(self.address, f"{self.address} serves {api.name} {detail}")

    async def request(
        self, api: Api, message: Any, *, version: int | None = None, timeout_ms: float | None = None
    ) -> Any:
        """The decoded answer; its error codes are the caller's to read. Cancelling leaves the connection usable; a
        timeout (request.timeout.ms, or `timeout_ms`) does not.

        `message` may be a function of the version, where older ones need another request. Raises what ended the
        connection, RequestTimedOut, or UnsupportedRequest (nothing was sent).
        """
        while not self.gate.is_set():
            await self.gate.wait()
        return await self.request_ungated(api, message, version=version, timeout_ms=timeout_ms)

    async def request_ungated(
        self, api: Api, message: Any, *, version: int | None = None, timeout_ms: float | None = None
    ) -> Any:
        """`request` for the handshake itself, which may not wait for the handshake."""
        if version is None:
            version = self.version(api)
        if callable(message):
            message = message(version)
        return self.decode(api, version, await self.exchange(api, message, version, timeout_ms))

    async def exchange(self, api: Api, message: Any, version: int, timeout_ms: float | None = None) -> memoryview:
        """The frame of the answer."""
        if timeout_ms is None:
            timeout_ms = self._settings.request_timeout_ms
        started_s = self._loop.time()
        correlation_id = self._send(api, version, message)
        waiting = _Waiting(correlation_id, self._loop.create_future())
        self._waiting.append(waiting)
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                frame = await waiting.frame
        except TimeoutError:
            sentence = f"{self.address} did not answer {api.name} within {timeout_ms / 1000:g} s"
            self.give_up(RequestTimedOut(self.address, sentence))
            raise RequestTimedOut(self.address, sentence) from None
        if log.isEnabledFor(logging.DEBUG):
            elapsed_ms = (self._loop.time() - started_s) * 1000
            log.debug("%s %s v%d: %d bytes in %.1f ms", self.address, api.name, version, len(frame), elapsed_ms)
        return frame

    async def send_unanswered(self, api: Api, message: Any, *, version: int | None = None) -> None:
        """For Produce with acks=0. Returns when the socket has taken enough of what was written before."""
        while not self.gate.is_set():
            await self.gate.wait()
        self._send(api, self.version(api) if version is None else version, message)
        self._unanswered = True
        await self._writable.wait()
        if self.lost is not None:
            raise self.lost

    def decode(self, api: Api, version: int, frame: memoryview) -> Any:
        try:
            return parse_response(api, version, frame)[1]
        except ProtocolError as error:
            sentence = f"{self.address} sent an answer to {api.name} v{version} that cannot be read: {error}"
            broken = KafkaError(Err.CORRUPT_MESSAGE, sentence)
            self.give_up(broken)
            raise broken from error

    def keep(self, task: asyncio.Task[None]) -> None:
        """Work on behalf of this connection; ends with it."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def give_up(self, error: KafkaError) -> None:
        """Ends the connection now; whoever waits gets this error. The first reason stays."""
        if self.lost is None:
            self.lost = error
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        waiting, self._waiting = self._waiting, deque()
        for request in waiting:
            if not request.frame.done():
                request.frame.set_exception(self.lost)
        self._writable.set()
        self.gate.set()
        if self._transport is not None:
            self._transport.abort()

    async def settle(self, timeout_s: float) -> None:
        """Returns when the broker has carried out what it does not answer, or after so long.

        It works a connection off in order, so the answer to one more question tells.
        """
        if self._unanswered and self.usable:
            with suppress(KafkaError, TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self.request(API_VERSIONS, hello())
                    self._unanswered = False

    def close(self) -> None:
        """Ends the connection when what was written has left; whoever waits for an answer gets ConnectionLost."""
        transport, self._transport = self._transport, None
        self.give_up(ConnectionLost(self.address, f"the connection to {self.address} was closed"))
        if transport is not None:
            transport.close()

    # -- writing ----------------------------------------------------------------------------------------------------

    def _send(self, api: Api, version: int, message: Any) -> int:
        if self.lost is not None:
            raise self.lost
        assert self._transport is not None
        correlation_id = self._next_correlation_id
        try:
            parts = request_parts(api, version, correlation_id, self._settings.client_id, message)
        except ProtocolError as error:  # it says something that this version cannot say
            raise UnsupportedRequest(self.address, f"{self.address} is too old for this: {error}") from error
        self._next_correlation_id = (correlation_id + 1) & 0x7FFFFFFF
        self._last_used_s = self._loop.time()
        # asyncio's own writelines (Python 3.12 and later) does not survive a connection that is just being lost, and
        # up to 3.13.1 never calls pause_writing (CPython issues 136234, 127655). uvloop's is sound, and saves a copy.
        if isinstance(self._transport, asyncio.Transport):
            self._transport.write(b"".join(parts))
        else:
            self._transport.writelines(parts)
        return correlation_id

    # -- asyncio's side ---------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        self._watch_idle()

    def get_buffer(self, sizehint: int) -> memoryview:
        self._buffer = self._frames.get_buffer()
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if not self.answers and (stranger := _stranger(self.address, bytes(self._buffer[: min(nbytes, 8)]))):
            self.give_up(stranger)
            return
        try:
            frames = self._frames.received(nbytes)
        except ProtocolError as error:
            self.give_up(
                Unreachable(self.address, NOT_KAFKA, f"{self.address} does not speak Kafka's protocol: {error}")
            )
            return
        self.answers += len(frames)
        for frame in frames:
            if not self._deliver(frame):
                return
        self._last_used_s = self._loop.time()

    def _deliver(self, frame: memoryview) -> bool:
        if not self._waiting or int.from_bytes(frame[:4], "big", signed=True) != self._waiting[0].correlation_id:
            sentence = f"{self.address} sent an answer that belongs to no request"
            self.give_up(KafkaError(Err.CORRUPT_MESSAGE, sentence))
            return False
        waiting = self._waiting.popleft().frame
        if not waiting.done():  # done already: its caller was cancelled
            waiting.set_result(frame)
        return True

    def eof_received(self) -> bool:
        return False  # close our side too

    def connection_lost(self, exc: Exception | None) -> None:
        self.give_up(ConnectionLost(self.address, f"{self.address} {_what_happened(exc)}"))
        if not self.closed.done():
            self.closed.set_result(None)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    # -- idle connections -------------------------------------------------------------------------------------------

    def _watch_idle(self) -> None:
        """Closes the connection before the broker does (connections.max.idle.ms, 10 minutes there, 9 here)."""
        limit_s = self._settings.connections_max_idle_ms / 1000
        if limit_s < 0 or self.lost is not None:
            return
        idle_s = self._loop.time() - self._last_used_s
        if idle_s >= limit_s and not self._waiting:
            self.close()
            return
        pause_s = max(limit_s - idle_s, 0.0) if not self._waiting else limit_s
        self._idle_timer = self._loop.call_later(max(pause_s, 0.01), self._watch_idle)


def _stranger(address: str, begin: bytes) -> Unreachable | None:
    """Who else may answer at an address, by the first bytes it sends."""
    if begin[:2] == b"\x15\x03":  # a TLS alert; as the size of a frame it would be 352 MB
        return Unreachable(address, WANTS_TLS, f"{address} speaks TLS; add security.protocol=SSL (or SASL_SSL)")
    if begin[:4] == b"HTTP":
        return Unreachable(address, NOT_KAFKA, f"{address} is a web server, not a Kafka broker")
    return None


def _what_happened(error: Exception | None) -> str:
    match error:
        case None:
            return "closed the connection"
        case ConnectionResetError() | BrokenPipeError():
            return "reset the connection"
        case ssl.SSLError():
            return f"ended the TLS connection: {(error.reason or str(error)).lower().replace('_', ' ')}"
        case OSError():
            return f"lost the connection: {error.strerror or error}"
    return f"lost the connection: {error}"
