"""Bytes of a connection to frames, frames to headers; messages to the parts of a frame.

A frame is an int32 size and that many bytes: a header, then the message. No I/O here: the owner of a socket receives
into `get_buffer()` and tells `received()` how much came.

Headers: a request has api key, version, correlation id and client id (an int16-length string even where the version is
flexible, so that any broker can read it), and from the API's first flexible version on a tag section. A response has
the correlation id, and a tag section likewise; only ApiVersions answers without one at every version, because its
client does not know yet what the broker speaks (KIP-511).
"""

from __future__ import annotations

from struct import Struct
from struct import error as StructError
from typing import NamedTuple

from kq.wire.api import Api
from kq.wire.apis import API
from kq.wire.encoder import Part
from kq.wire.errors import ProtocolError
from kq.wire.message import Message
from kq.wire.primitives import skip_tags, uvarint

API_VERSIONS_KEY = 18

_SIZE = Struct(">i")
_REQUEST = Struct(">hhih")  # api key, version, correlation id, length of the client id
_SIZED_REQUEST = Struct(">ihhih")
_SIZED_RESPONSE = Struct(">ii")
_SIZED_FLEXIBLE_RESPONSE = Struct(">iix")

# One receive takes at most this much; frames of usual requests come several at a time.
SCRATCH_SIZE = 64 * 1024
# A connection that has sent a frame of some size is trusted to send another, up to here: its next one is received into
# place at once. Beyond that a frame's buffer grows fourfold as its bytes arrive, so 4x what came is the most it holds.
TRUSTED_SIZE = 1024 * 1024
_GROWTH = 4
_FIRST_ALLOCATION = 4 * 1024


class FrameBuffer:
    """Cuts a stream into frames. One owner; `get_buffer` and `received` alternate.

    `scratch` may be shared by all connections of one event loop, since nothing stays in it after `received`: idle
    connections then hold no memory. After a ProtocolError the stream has no next frame: close the connection.
    """

    def __init__(self, max_frame: int, scratch: bytearray | None = None) -> None:
        self._max_frame = max_frame
        self._scratch = memoryview(scratch if scratch is not None else bytearray(SCRATCH_SIZE))
        self._partial: bytearray | None = None  # what has come of a frame, or of its size (then 4 bytes long)
        self._filled = 0  # bytes of _partial that have come
        self._size = -1  # of the frame that _partial is to hold, -1 while that is unknown
        self._trusted = 0

    @property
    def pending(self) -> int:
        """Bytes of memory held for a frame that is not complete."""
        return len(self._partial) if self._partial is not None else 0

    def get_buffer(self) -> memoryview:
        """Where to receive next; never empty."""
        if self._partial is None:
            return self._scratch
        if self._filled == len(self._partial):
            self._grow()
        return memoryview(self._partial)[self._filled :]

    def received(self, count: int) -> list[memoryview]:
        """The frames completed by the `count` bytes put into the last buffer, each in memory of its own."""
        if self._partial is None:
            return self._cut(count)
        self._filled += count
        if self._filled < len(self._partial):
            return []
        if self._size < 0:
            self._begin(self._checked(_SIZE.unpack(self._partial)[0]))
            return [self._finish()] if self._size == 0 else []
        if self._filled == self._size:
            return [self._finish()]
        return []

    def _cut(self, count: int) -> list[memoryview]:
        """Copies the whole frames out of the scratch buffer, and the beginning of one that is not."""
        scratch, pos = self._scratch, 0
        frames: list[memoryview] = []
        while count - pos >= 4:
            size = self._checked(_SIZE.unpack_from(scratch, pos)[0])
            pos += 4
            if size > count - pos:
                self._begin(size, scratch[pos:count])
                return frames
            frames.append(memoryview(bytearray(scratch[pos : pos + size])))
            pos += size
        if pos < count:
            self._partial, self._filled, self._size = bytearray(4), count - pos, -1
            self._partial[: count - pos] = scratch[pos:count]
        return frames

    def _checked(self, size: int) -> int:
        if not 0 <= size <= self._max_frame:
            raise ProtocolError(f"a frame of {size} bytes was announced; 0 to {self._max_frame} are accepted")
        return size

    def _begin(self, size: int, beginning: bytes | memoryview = b"") -> None:
        have = len(beginning)
        self._partial = bytearray(min(size, max(have * _GROWTH, self._trusted, _FIRST_ALLOCATION)))
        self._partial[:have] = beginning
        self._filled, self._size = have, size

    def _grow(self) -> None:
        # A new buffer, not a longer one: whoever received into the old one may still export it.
        old = self._partial or b""
        self._partial = bytearray(min(self._size, len(old) * _GROWTH))
        self._partial[: len(old)] = old

    def _finish(self) -> memoryview:
        frame = memoryview(self._partial or bytearray())
        self._trusted = min(max(self._trusted, self._size), TRUSTED_SIZE)
        self._partial, self._filled, self._size = None, 0, -1
        return frame


class RequestHead(NamedTuple):
    api_key: int
    api_version: int
    correlation_id: int
    client_id: str | None
    body_pos: int  # where the message begins in the frame
    api: Api | None  # None for a key that is not in the registry


def parse_request(frame: memoryview) -> RequestHead:
    """The header of a request; whether its version is served is for the caller to say."""
    try:
        key, version, correlation_id, length = _REQUEST.unpack_from(frame)
        pos = _REQUEST.size
        client_id = None
        if length >= 0:
            end = pos + length
            if end > len(frame):
                raise ProtocolError("the client id is longer than the request")
            client_id = str(frame[pos:end], "utf-8", "replace")
            pos = end
        api = API.get(key)
        if api is not None and version >= api.flexible_from:
            count = frame[pos]
            pos += 1
            if count:
                count, pos = uvarint(frame, pos - 1)
                pos = skip_tags(frame, pos, count)
    except (IndexError, StructError):
        raise ProtocolError(f"a request of {len(frame)} bytes ends within its header") from None
    return RequestHead(key, version, correlation_id, client_id, pos, api)


def request_parts(api: Api, version: int, correlation_id: int, client_id: str | None, message: Message) -> list[Part]:
    """A whole request frame, its size in front; the first part is `bytes`."""
    parts = api.encode_request(version, message)
    client = b"" if client_id is None else client_id.encode()
    tags = b"\0" if version >= api.flexible_from else b""
    size = _REQUEST.size + len(client) + len(tags) + sum(map(len, parts))
    length = -1 if client_id is None else len(client)
    parts[0] = _SIZED_REQUEST.pack(size, api.key, version, correlation_id, length) + client + tags + parts[0]
    return parts


def response_parts(api: Api, version: int, correlation_id: int, message: Message) -> list[Part]:
    """A whole response frame, its size in front; the first part is `bytes`."""
    parts = api.encode_response(version, message)
    size = len(parts[0]) if len(parts) == 1 else sum(map(len, parts))
    if version >= api.flexible_from and api.key != API_VERSIONS_KEY:
        parts[0] = _SIZED_FLEXIBLE_RESPONSE.pack(size + 5, correlation_id) + parts[0]
    else:
        parts[0] = _SIZED_RESPONSE.pack(size + 4, correlation_id) + parts[0]
    return parts


def parse_response(api: Api, version: int, frame: memoryview) -> tuple[int, Message]:
    """The correlation id and the message of a response to `api` at `version`."""
    try:
        (correlation_id,) = _SIZE.unpack_from(frame)
        pos = _SIZE.size
        if version >= api.flexible_from and api.key != API_VERSIONS_KEY:
            count, pos = uvarint(frame, pos)
            pos = skip_tags(frame, pos, count)
    except (IndexError, StructError):
        raise ProtocolError(f"a response of {len(frame)} bytes ends within its header") from None
    return correlation_id, api.decode_response(version, frame, pos)
