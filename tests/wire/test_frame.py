"""Frames cut from a stream, and the headers in them."""

from __future__ import annotations

import io
import tracemalloc
from random import Random
from struct import pack

import pytest
from kio.schema.request_header.v1.header import RequestHeader as KioHeader1
from kio.schema.request_header.v2.header import RequestHeader as KioHeader2
from kio.serial import entity_writer

from kq.wire import ProtocolError
from kq.wire.apis import API
from kq.wire.apis.fetch import FETCH
from kq.wire.apis.metadata import METADATA
from kq.wire.apis.produce import PRODUCE
from kq.wire.apis.versions import API_VERSIONS
from kq.wire.frame import (
    SCRATCH_SIZE,
    TRUSTED_SIZE,
    FrameBuffer,
    parse_request,
    parse_response,
    request_parts,
    response_parts,
)

MAX = 100 * 1024 * 1024


def framed(*bodies: bytes) -> bytes:
    return b"".join(pack(">i", len(body)) + body for body in bodies)


def feed(buffer: FrameBuffer, data: bytes, most: int = 1 << 30) -> list[memoryview]:
    """As a socket would: fills what the buffer offers, at most so many bytes a time."""
    frames: list[memoryview] = []
    while data:
        space = buffer.get_buffer()
        count = min(len(space), len(data), most)
        assert count > 0
        space[:count] = data[:count]
        frames += buffer.received(count)
        data = data[count:]
    return frames


BODIES = [b"", b"a", b"bb" * 7, bytes(range(256)) * 300, b"", b"c" * 4096, b"d" * 3, b"e" * 1_500_000, b"f"]


@pytest.mark.parametrize("most", [1 << 30, 65536, 1009, 64])
def test_frames_come_out_whatever_the_pieces(most: int) -> None:
    assert [bytes(frame) for frame in feed(FrameBuffer(MAX), framed(*BODIES), most)] == BODIES


def test_byte_by_byte() -> None:
    bodies = [body[:600] for body in BODIES]
    assert [bytes(frame) for frame in feed(FrameBuffer(MAX), framed(*bodies), 1)] == bodies


def test_random_pieces() -> None:
    rng = Random(3)
    for _ in range(50):
        bodies = [rng.randbytes(rng.choice((0, 1, 3, 4, 5, 100, 5000, 70_000, 300_000))) for _ in range(8)]
        buffer, data, frames = FrameBuffer(MAX), framed(*bodies), []
        while data:
            piece = rng.choice((1, 2, 3, 4, 5, 50, 5000, 65536))
            frames += feed(buffer, data[:piece], piece)
            data = data[piece:]
        assert [bytes(frame) for frame in frames] == bodies
        assert buffer.pending == 0


def test_pipelined_requests_come_from_one_receive() -> None:
    buffer = FrameBuffer(MAX)
    data = framed(*[b"x" * 50] * 100)
    buffer.get_buffer()[: len(data)] = data
    assert len(buffer.received(len(data))) == 100


@pytest.mark.parametrize("size", [10, SCRATCH_SIZE - 4, SCRATCH_SIZE, SCRATCH_SIZE * 3])
def test_frames_have_memory_of_their_own(size: int) -> None:
    """They are kept while more arrives, and patched in place."""
    buffer = FrameBuffer(MAX)
    first, second = feed(buffer, framed(b"1" * size, b"2" * size))
    feed(buffer, framed(b"3" * size))
    assert not first.readonly
    first[0:1] = b"9"
    assert bytes(first) == b"9" + b"1" * (size - 1)
    assert bytes(second) == b"2" * size


def test_one_scratch_serves_many_connections() -> None:
    scratch = bytearray(256)
    buffers = [FrameBuffer(MAX, scratch) for _ in range(3)]
    streams = [framed(bytes([n]) * 700, b"", bytes([n + 10]) * 90) for n in range(3)]
    frames: list[list[bytes]] = [[], [], []]
    for at in range(0, len(streams[0]), 41):
        for n, buffer in enumerate(buffers):
            frames[n] += [bytes(frame) for frame in feed(buffer, streams[n][at : at + 41])]
    for n in range(3):
        assert frames[n] == [bytes([n]) * 700, b"", bytes([n + 10]) * 90]


@pytest.mark.parametrize("size", [-1, -(2**31), MAX + 1, 2**31 - 1])
@pytest.mark.parametrize("before", [b"", framed(b"good")])
@pytest.mark.parametrize("most", [1, 1000])
def test_impossible_sizes_are_refused(size: int, before: bytes, most: int) -> None:
    with pytest.raises(ProtocolError, match=str(size)):
        feed(FrameBuffer(MAX), before + pack(">i", size) + b"more", most)


@pytest.mark.parametrize("first", [b"GET / HTTP/1.1\r\n\r\n", bytes.fromhex("1603010200010001fc0303")])
def test_other_protocols_are_refused(first: bytes) -> None:
    """HTTP and TLS on a plaintext port read as frames of a gigabyte and of 369 MB."""
    with pytest.raises(ProtocolError):
        feed(FrameBuffer(MAX), first)


def test_the_largest_frame_is_accepted() -> None:
    assert [len(frame) for frame in feed(FrameBuffer(1000), framed(b"x" * 1000))] == [1000]


def test_memory_follows_what_arrives_not_what_is_announced() -> None:
    scratch = bytearray(SCRATCH_SIZE)
    tracemalloc.start()
    try:
        buffers = [FrameBuffer(MAX, scratch) for _ in range(100)]
        for buffer in buffers:
            feed(buffer, pack(">i", MAX) + b"x" * 100)
            buffer.get_buffer()
        _, peak = tracemalloc.get_traced_memory()
        assert peak < 100 * 8 * 1024
        one = buffers[0]
        for sent in (10_000, 100_000, 1_000_000):
            feed(one, b"x" * sent)
            one.get_buffer()
            assert one.pending <= 5 * sent
    finally:
        tracemalloc.stop()


def test_trust_from_large_frames_has_an_end() -> None:
    buffer = FrameBuffer(MAX)
    feed(buffer, framed(b"x" * (3 * TRUSTED_SIZE)))
    feed(buffer, pack(">i", MAX) + b"x")
    assert buffer.pending <= TRUSTED_SIZE


# Headers


def request_frame(key: int, version: int, correlation_id: int, client: bytes, rest: bytes = b"") -> memoryview:
    return memoryview(bytearray(pack(">hhi", key, version, correlation_id) + client + rest))


def test_every_request_header_equals_kios() -> None:
    for api in API.values():
        for version in range(api.versions.first, api.versions.last + 1):
            header = KioHeader2 if version >= api.flexible_from else KioHeader1
            for client_id in ("kq", "", None, "größe"):
                theirs = header(
                    request_api_key=api.key, request_api_version=version, correlation_id=77, client_id=client_id
                )
                out = io.BytesIO()
                entity_writer(header)(out, theirs)
                parts = request_parts(api, version, 77, client_id, api.Request())
                assert b"".join(parts)[4:].startswith(out.getvalue())
                head = parse_request(memoryview(b"".join(parts))[4:])
                assert head == (api.key, version, 77, client_id, len(out.getvalue()), api)


def test_every_frame_round_trips() -> None:
    for api in API.values():
        for version in range(api.versions.first, api.versions.last + 1):
            (frame,) = feed(FrameBuffer(MAX), b"".join(request_parts(api, version, 5, "me", api.Request())))
            head = parse_request(frame)
            assert api.decode_request(version, frame, head.body_pos) == api.Request()
            (frame,) = feed(FrameBuffer(MAX), b"".join(response_parts(api, version, 5, api.Response())))
            assert parse_response(api, version, frame) == (5, api.Response())


def test_api_versions_answers_without_a_tag_section() -> None:
    for version in range(5):
        frame = b"".join(response_parts(API_VERSIONS, version, 9, API_VERSIONS.Response(error_code=35)))
        assert frame[4:10] == pack(">ih", 9, 35)


def test_other_flexible_responses_have_one() -> None:
    frame = b"".join(response_parts(METADATA, 9, 9, METADATA.Response(throttle_time_ms=1)))
    assert frame[4:13] == pack(">ixi", 9, 1)
    with_tags = memoryview(pack(">i", 9) + b"\x01\x07\x01x" + frame[9:])
    assert parse_response(METADATA, 9, with_tags) == (9, METADATA.Response(throttle_time_ms=1))


@pytest.mark.parametrize("length", [-1, -2, -32768])
def test_any_negative_client_id_length_is_null(length: int) -> None:
    head = parse_request(request_frame(3, 1, 4, pack(">h", length), pack(">i", -1)))
    assert (head.client_id, head.body_pos, head.api) == (None, 10, METADATA)


def test_an_unknown_key_is_for_the_caller_to_refuse() -> None:
    head = parse_request(request_frame(999, 0, 4, b"\0\1x"))
    assert (head.api_key, head.correlation_id, head.client_id, head.api) == (999, 4, "x", None)


@pytest.mark.parametrize("version", [-1, 5, 99, 32767])
def test_api_versions_is_readable_at_versions_to_come(version: int) -> None:
    rest = b"\0" if version >= 3 else b""
    head = parse_request(request_frame(18, version, 4, b"\0\1x", rest + b"whatever"))
    assert (head.api, head.api_version, head.correlation_id) == (API_VERSIONS, version, 4)


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        *(pack(">hhih", 3, 9, 1, 2)[:end] for end in range(1, 10)),
        pack(">hhih", 3, 9, 1, 5) + b"four",
        pack(">hhih", 3, 9, 1, 2) + b"me",
        pack(">hhih", 3, 9, 1, 2) + b"me\x01",
        pack(">hhih", 3, 9, 1, 2) + b"me\x01\x01\x09x",
        pack(">hhih", 3, 9, 1, 2) + b"me\xff\xff\xff\xff\xff\x00",
    ],
)
def test_a_header_cut_short_is_refused(frame: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse_request(memoryview(frame))


def test_a_response_cut_short_is_refused() -> None:
    whole = b"".join(response_parts(METADATA, 9, 9, METADATA.Response()))[4:]
    for end in range(len(whole)):
        with pytest.raises(ProtocolError):
            parse_response(METADATA, 9, memoryview(whole)[:end])


def test_a_client_id_of_any_bytes_is_read() -> None:
    head = parse_request(request_frame(3, 1, 4, b"\0\2\xff\xfe", pack(">i", -1)))
    assert head.client_id == "\ufffd\ufffd"


# Records


class Region:
    """Stands for a stretch of a file that the transport sends."""

    def __init__(self, length: int) -> None:
        self.length = length

    def __len__(self) -> int:
        return self.length


def test_records_pass_through_untouched() -> None:
    regions = [Region(1000), Region(0), Region(3)]
    partitions = [FETCH.Response.Partition(index=n, records=region) for n, region in enumerate(regions)]
    response = FETCH.Response(topics=[FETCH.Response.Topic(name="t", partitions=partitions)])
    for version in range(4, 19):
        parts = response_parts(FETCH, version, 1, response)
        assert [part for part in parts if isinstance(part, Region)] == [regions[0], regions[2]]
        assert all(isinstance(part, (bytes, Region)) for part in parts)
        assert isinstance(parts[0], bytes)
        size = int.from_bytes(parts[0][:4], "big")
        assert size == sum(map(len, parts)) - 4
        wire = b"".join(bytes(len(part)) if isinstance(part, Region) else part for part in parts)
        _, decoded = parse_response(FETCH, version, memoryview(wire)[4:])
        assert [len(p.records) for p in decoded.topics[0].partitions] == [1000, 0, 3]


def test_produced_records_are_slices_of_the_frame() -> None:
    partition = PRODUCE.Request.Partition(index=2, records=b"batch")
    message = PRODUCE.Request(topics=[PRODUCE.Request.Topic(name="t", partitions=[partition])])
    for version in range(3, 14):
        (frame,) = feed(FrameBuffer(MAX), b"".join(request_parts(PRODUCE, version, 1, "me", message)))
        records = PRODUCE.decode_request(version, frame, parse_request(frame).body_pos).topics[0].partitions[0].records
        assert records == b"batch"
        records[0:1] = b"B"
        assert b"Batch" in bytes(frame)
