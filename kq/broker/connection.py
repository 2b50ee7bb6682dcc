"""One client's socket: frames in, replies out, in order.

Rules
1. One request at a time: the next is begun when the reply of the last has left for the kernel (Kafka mutes the
   channel the same way). While one is under way a single further frame is read ahead, then the socket is left alone:
   a client that pipelines without reading fills its own buffers, not ours.
2. Bytes are written straight to the socket; what the kernel does not take waits for it to become writable. A file
   region goes out by sendfile, without passing through this process.
3. Nobody holds the loop: one recv, and at most `TURN_BYTES` of sendfile, per readiness event.

Raw non-blocking sockets instead of asyncio transports: recv straight into the frame, sendmsg and sendfile without a
hand-over between two write queues.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from kq.broker.session import Session
from kq.wire.errors import ProtocolError
from kq.wire.frame import FrameBuffer

if TYPE_CHECKING:
    from kq.broker.server import Server

TURN_BYTES = 4 << 20
GATHER_PARTS = 64

Parts = list[Any]  # bytes-like, or a file region: anything with `open()` and `position`
Reply = Parts | None | Awaitable[Parts | None]
Dispatch = Callable[[Session, memoryview], Reply]


class Disconnect(Exception):
    """The connection is closed without an answer; the text says why."""


class Connection:
    __slots__ = (
        "_budgeted",
        "_current_bytes",
        "_frames",
        "_loop",
        "_out",
        "_queue",
        "_queued_bytes",
        "_reading",
        "_region_sent",
        "_server",
        "_sock",
        "_waiting",
        "_writing",
        "active_at",
        "fd",
        "frame_began_at",
        "ip",
        "open",
        "requests",
        "session",
    )

    def __init__(self, server: Server, sock: socket.socket, ip: str, port: int, listener: str) -> None:
        self._server = server
        self._loop = server.loop
        self._sock = sock
        self._frames = FrameBuffer(server.limits.max_request_bytes, server.scratch)
        self._queue: deque[memoryview] = deque()
        self._queued_bytes = 0
        self._current_bytes = 0
        self._budgeted = 0
        self._out: deque[Any] = deque()
        self._region_sent = 0
        self._waiting: asyncio.Future[Parts | None] | None = None
        self._reading = False
        self._writing = False
        self.fd = sock.fileno()
        self.open = True
        self.requests = 0
        self.active_at = self._loop.time()
        self.frame_began_at: float | None = None  # when the first byte of a request came of which more is to come
        self.ip = ip
        self.session = Session(f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}", listener)
        self.resume_reading()

    # in

    def _on_readable(self) -> None:
        if self._server.is_over_budget(self):  # asked before the buffer grows: together they overshoot by one growth
            self._server.pause_for_budget(self)
            return
        try:
            received = self._sock.recv_into(self._frames.get_buffer())
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self.close(f"receive failed: {error.strerror}")
            return
        if received == 0:
            self.close("closed by the client")
            return
        self.active_at = self._loop.time()
        try:
            frames = self._frames.received(received)
        except ProtocolError as error:
            self.close(str(error))
            return
        if frames:
            for frame in frames:
                self._queued_bytes += len(frame)
            self._queue.extend(frames)
            self._run()
        if self.open:
            self._account()

    def resume_reading(self) -> None:
        if self.open and not self._reading:
            self._reading = True
            self._loop.add_reader(self.fd, self._on_readable)

    def pause_reading(self) -> None:
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self.fd)

    @property
    def held_bytes(self) -> int:
        """Request bytes in memory: read but incomplete, queued, and under way."""
        return self._frames.pending + self._queued_bytes + self._current_bytes

    @property
    def is_served(self) -> bool:
        """A request is under way here: a parked fetch may be silent for longer than an idle connection."""
        return self._waiting is not None

    def _account(self) -> None:
        if not self._frames.pending:
            self.frame_began_at = None
        elif self.frame_began_at is None:
            self.frame_began_at = self.active_at
        held = self.held_bytes
        if held != self._budgeted:
            before, self._budgeted = self._budgeted, held
            self._server.budget_changed(held - before)
        if self._queue and (self._waiting is not None or self._out):
            self.pause_reading()
        else:
            self.resume_reading()

    # requests

    def _run(self) -> None:
        queue = self._queue
        while queue and self.open and self._waiting is None and not self._out:
            frame = queue.popleft()
            size = len(frame)
            self._queued_bytes -= size
            self._current_bytes = size
            try:
                reply = self._server.dispatch(self.session, frame)
            except Exception as error:
                self._fail(error)
                return
            if reply is not None and not isinstance(reply, list):
                self._waiting = asyncio.ensure_future(reply)
                self._waiting.add_done_callback(self._on_answer)
            else:
                self._finish(reply)

    def _on_answer(self, done: asyncio.Future[Parts | None]) -> None:
        self._waiting = None
        if not self.open or done.cancelled():
            return
        error = done.exception()
        if error is not None:
            self._fail(error)
            return
        self._finish(done.result())
        self._run()
        if self.open:
            self._account()

    def _fail(self, error: BaseException) -> None:
        """No answer can be given: the client finds the connection closed, and asks again where that makes sense."""
        if not isinstance(error, Disconnect | ProtocolError):
            self._server.on_defect(error)
        self.close(str(error))

    def _finish(self, parts: Parts | None) -> None:
        self._current_bytes = 0
        self.requests += 1
        if self.requests == 1:
            self._server.has_spoken(self)
        if parts is not None:
            self._out.extend(parts)
            self._flush()

    # out

    def _flush(self) -> None:
        out = self._out
        sent = 0
        try:
            while out and sent < TURN_BYTES:
                sent += self._send_region() if hasattr(out[0], "open") else self._send_bytes()
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as error:
            self.close(f"send failed: {error.strerror}")
            return
        if sent:
            self.active_at = self._loop.time()
        if out and not self._writing:
            self._writing = True
            self._loop.add_writer(self.fd, self._on_writable)
        elif not out and self._writing:
            self._writing = False
            self._loop.remove_writer(self.fd)

    def _on_writable(self) -> None:
        self._flush()
        if self.open and not self._out:
            self._run()
            if self.open:
                self._account()

    def _send_bytes(self) -> int:
        out = self._out
        gathered = []
        flags = 0
        for part in out:
            if hasattr(part, "open"):
                flags = socket.MSG_MORE if hasattr(socket, "MSG_MORE") else 0  # the region follows in the same segment
                break
            gathered.append(part)
            if len(gathered) == GATHER_PARTS:
                break
        sent = left = self._sock.sendmsg(gathered, (), flags)
        while left or (out and not hasattr(out[0], "open") and len(out[0]) == 0):
            size = len(out[0])
            if size > left:
                out[0] = memoryview(out[0])[left:]
                break
            out.popleft()
            left -= size
        return sent

    def _send_region(self) -> int:
        region = self._out[0]
        left = len(region) - self._region_sent
        sent = 0
        if left:  # on macOS a count of 0 means the rest of the file
            with region.open() as fd:
                sent = os.sendfile(self.fd, fd, region.position + self._region_sent, min(left, TURN_BYTES))
        if sent == 0 and left:
            raise OSError(0, "the file is shorter than the region")
        self._region_sent += sent
        if sent == left:
            self._out.popleft()
            self._region_sent = 0
        return sent

    # end

    def close(self, reason: str) -> None:
        if not self.open:
            return
        self.open = False
        self.pause_reading()
        if self._writing:
            self._loop.remove_writer(self.fd)
        if self._waiting is not None:
            self._waiting.cancel()
        self._out.clear()
        self._queue.clear()
        self._sock.close()
        self._server.has_closed(self, reason)
        self._server.budget_changed(-self._budgeted)
        self._budgeted = 0
