"""Frames that no client writes: what is read all the same, and what closes the connection.

Metadata carries most of them: at version 4 its body is an array of names and a boolean, at version 12 the compact forms
of these, a second boolean and tags.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import pytest

from kq.errors import Err
from tests.support.asking import Differs, metadata
from tests.support.patience import until
from tests.support.wire import Closed, Wire

LIST_OFFSETS, METADATA, SASL_HANDSHAKE, API_VERSIONS, INIT_PRODUCER_ID, SASL_AUTHENTICATE = 2, 3, 17, 18, 22, 36
CORRELATION = 7
CLIENT = b"\0\1t"

Call = Callable[[bytes], bool]


@pytest.fixture
def answered(bootstrap: str) -> Call:
    """Whether a frame is answered (with its correlation id), on a connection of its own; or it is hung up on."""

    def ask(frame: bytes) -> bool:
        with Wire(bootstrap) as wire:
            try:
                wire.send_frame(frame)
                answer = wire.receive_frame()
            except Closed:
                return False
            assert answer[:4] == struct.pack(">i", CORRELATION)
            return True

    return ask


def head(key: int, version: int, client: bytes = CLIENT, tags: bytes | None = None) -> bytes:
    return struct.pack(">hhi", key, version, CORRELATION) + client + (tags or b"")


def metadata_4(names: bytes = b"\0\0\0\0", auto: bytes = b"\0", client: bytes = CLIENT) -> bytes:
    return head(METADATA, 4, client) + names + auto


def metadata_12(
    names: bytes = b"\1", booleans: bytes = b"\0\0", tags: bytes = b"\0", of_head: bytes = b"\0", client: bytes = CLIENT
) -> bytes:
    return head(METADATA, 12, client, of_head) + names + booleans + tags


def length(value: int) -> bytes:
    return struct.pack(">h", value)


def count(value: int) -> bytes:
    return struct.pack(">i", value)


ACCEPTED: dict[str, list[bytes]] = {
    "nothing odd": [metadata_4(), metadata_12()],
    "trailing bytes": [metadata_4() + b"garbage", metadata_12() + b"garbage"],
    "overlong varints": [
        *(metadata_12(names=b"\x81" + b"\x80" * more + b"\0") for more in range(4)),
        *(metadata_12(names=b"\x81\x80\x80\x80" + last) for last in (b"\x10", b"\x70", b"\x7f")),
        metadata_12(of_head=b"\x80\0"),
    ],
    "unknown tags": [metadata_12(of_head=b"\1\x63\2hi", tags=b"\2\5\1x\x63\0")],
    "repeated tags": [metadata_12(of_head=b"\2\x63\2hi\x63\1x", tags=b"\2\x63\1x\x63\0")],
    "tags out of order": [metadata_12(of_head=b"\2\x63\2hi\5\1x", tags=b"\2\x63\1x\5\0")],
    "a boolean of 2": [metadata_4(auto=b"\2"), metadata_12(booleans=b"\2\2"), metadata_12(booleans=b"\xff\xff")],
    "a client id that is no UTF-8": [
        metadata_4(client=length(len(text)) + text) for text in (b"\xff\xfe", b"\xc3", b"\xed\xa0\x80", b"\0\0")
    ],
    "a client id of negative length": [
        frame(client=length(size)) for frame in (metadata_4, metadata_12) for size in (-1, -2, -32768, 0)
    ],
    "an array of negative length where null is legal": [metadata_4(names=count(size)) for size in (-1, -2, -(2**31))],
    "a compact array of the largest length, which is -1 too": [metadata_12(names=b"\xff\xff\xff\xff\x0f")],
    "a string of negative length where null is legal": [
        head(INIT_PRODUCER_ID, 0) + length(size) + count(100) for size in (-1, -2, -9)
    ],
}

CLOSED: dict[str, list[bytes]] = {
    "no bytes": [b""],
    "part of a header": [head(METADATA, 4)[:size] for size in (1, 2, 4, 7, 8, 9, 10)],
    "a header of version 2 without tags": [
        head(METADATA, 12),
        head(METADATA, 12) + b"\1\0\0",
        head(API_VERSIONS, 3),
        head(API_VERSIONS, 3) + b"\2a\2b\0",
        head(API_VERSIONS, 99),
    ],
    "a body that ends too soon": [
        (metadata_12(names=b"\2" + bytes(16) + b"\2a\0"))[:size]
        for size in range(len(head(METADATA, 12)), len(metadata_12(names=b"\2" + bytes(16) + b"\2a\0")))
    ],
    "a varint without an end": [metadata_12(names=b"\x81\x80\x80\x80\x80\0")],
    "a client id that is longer than the frame": [metadata_4(client=length(size) + b"t") for size in (50, 32767)],
    "an array that is longer than the frame": [
        *(metadata_4(names=count(size)) for size in (5, 2**31 - 1)),
        *(metadata_12(names=size) for size in (b"\x7f", b"\xff\xff\xff\xff\7")),
    ],
    "a string that is longer than the frame": [
        metadata_4(names=count(1) + length(99) + b"a"),
        head(INIT_PRODUCER_ID, 0) + length(99) + count(100),
        *(metadata_12(names=b"\2" + bytes(16) + size + b"abc") for size in (b"\x7f", b"\xff\xff\xff\xff\x0f")),
    ],
    "tags that are not there": [metadata_12(tags=b"\5"), metadata_12(of_head=b"\1\x63\x7fhi")],
    "a null list where none is allowed": [
        *(head(METADATA, 0) + count(size) for size in (-1, -2)),
        *(head(LIST_OFFSETS, 1) + count(-1) + count(size) for size in (-1, -2)),
        head(LIST_OFFSETS, 7, tags=b"\0") + count(-1) + b"\0" + b"\0\0",
    ],
    "a null string where none is allowed": [
        *(metadata_4(names=count(1) + length(size)) for size in (-1, -2)),
        head(LIST_OFFSETS, 7, tags=b"\0") + count(-1) + b"\0" + b"\2\0\1\0\0",
    ],
    "a key that is not known": [head(key, 0) for key in (-1, 999, 4, 5, 6, 7, 56, 58, 67, 93)],
    "a version that is not served": [
        *(head(METADATA, version, tags=b"\0") + bytes(40) for version in (14, 99, 32767)),
        *(head(key, version) + bytes(40) for key, version in ((METADATA, -1), (0, 2), (1, 3), (LIST_OFFSETS, 0))),
    ],
}


@pytest.mark.parametrize("what", ACCEPTED)
def test_what_is_read_all_the_same(answered: Call, what: str) -> None:
    for frame in ACCEPTED[what]:
        assert answered(frame), frame


@pytest.mark.parametrize("what", CLOSED)
def test_what_closes_the_connection(answered: Call, what: str) -> None:
    for frame in CLOSED[what]:
        assert not answered(frame), frame


@pytest.mark.parametrize("size", [0, -1, -(2**31), 2**31 - 1, 104_857_601])
def test_sizes_of_frames_that_close_the_connection(bootstrap: str, size: int) -> None:
    with Wire(bootstrap) as wire:
        wire.send_bytes(count(size))
        assert wire.is_closed()


def test_a_boolean_of_2_is_true(wire: Wire, name: str) -> None:
    text = name.encode()
    wire.send_frame(metadata_4(names=count(1) + length(len(text)) + text, auto=b"\2"))
    wire.receive_frame()
    until(lambda: metadata(wire, name).topics[0].error_code == Err.NONE, "the topic was made, as if asked for by true")


def test_text_that_is_no_utf8_is_replaced(wire: Wire) -> None:
    for text, read in ((b"\xff\xfe", "\ufffd\ufffd"), (b"a\xc3", "a\ufffd"), (b"\xc0\x80", "\ufffd\ufffd")):
        wire.send_frame(metadata_4(names=count(1) + length(len(text)) + text))
        told = read.encode()
        assert length(Err.INVALID_TOPIC_EXCEPTION) + length(len(told)) + told in wire.receive_frame()


def test_any_correlation_id_comes_back(wire: Wire) -> None:
    for correlation in (-1, 0, -(2**31), 2**31 - 1):
        wire.send_frame(struct.pack(">hhi", METADATA, 4, correlation) + CLIENT + b"\0\0\0\0\0")
        assert wire.receive_frame()[:4] == count(correlation)


def test_sasl_where_none_is_spoken(answered: Call, differs: Differs) -> None:
    """Kafka answers that it wants none; kq does not serve these keys yet."""
    frames: list[Any] = [head(SASL_HANDSHAKE, 1) + length(5) + b"PLAIN", head(SASL_AUTHENTICATE, 1) + count(0)]
    assert [answered(frame) for frame in frames] == differs(kafka=[True, True], kq=[False, False])
