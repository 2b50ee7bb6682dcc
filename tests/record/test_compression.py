"""Codecs: what others pack is read, what is damaged is refused, and no few bytes make the process grow."""

from __future__ import annotations

import gzip
import random
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable

import cramjam
import lz4.frame
import pytest
import zstandard
from kafka import codec as kafka_codec

from kq.record.compression import GZIP, LZ4, NAMES, NONE, SNAPPY, ZSTD, compress, decompress
from kq.record.faults import CorruptRecord, TooLarge

REAL = (GZIP, SNAPPY, LZ4, ZSTD)
TEXT = b"".join(b"%d bottles of beer on the wall, " % n for n in range(5000))
PAYLOADS = {
    "empty": b"",
    "one byte": b"x",
    "text": TEXT,
    "noise": random.Random(3).randbytes(100_000),
    "zeros": bytes(300_000),
    "one chunk of xerial": TEXT[: 32 * 1024],
    "one byte more": TEXT[: 32 * 1024 + 1],
}


def streamed_zstd(data: bytes, **options: object) -> bytes:
    """As Java's producer writes it: no content size in the frame."""
    packer = zstandard.ZstdCompressor(**(options or {"write_content_size": False})).compressobj()
    return packer.compress(data) + packer.flush()


def xerial(*chunks: bytes) -> bytes:
    return b"\x82SNAPPY\0" + struct.pack(">ii", 1, 1) + b"".join(struct.pack(">i", len(c)) + c for c in chunks)


def raw_snappy(data: bytes) -> bytes:
    return bytes(cramjam.snappy.compress_raw(data))


# As a streaming producer of level 22: every reader must reserve 128 MiB.
WIDE = zstandard.ZstdCompressionParameters.from_level(1, window_log=27, write_content_size=False)


FOREIGN: dict[str, tuple[int, Callable[[bytes], bytes]]] = {
    "gzip of Python": (GZIP, gzip.compress),
    "snappy of librdkafka (raw)": (SNAPPY, raw_snappy),
    "snappy of kafka-python (xerial)": (SNAPPY, kafka_codec.snappy_encode),
    "snappy with a large chunk": (SNAPPY, lambda data: xerial(raw_snappy(data))),
    "snappy with an empty chunk": (SNAPPY, lambda data: xerial(raw_snappy(data), raw_snappy(b""))),
    "lz4 of kafka-python": (LZ4, kafka_codec.lz4_encode),
    "lz4 with linked blocks, size and checksums": (
        LZ4,
        lambda data: lz4.frame.compress(data, block_linked=True, content_checksum=True, block_checksum=True),
    ),
    "lz4 without a size": (LZ4, lambda data: lz4.frame.compress(data, block_size=7, store_size=False)),
    "zstd with a size": (ZSTD, lambda data: zstandard.ZstdCompressor(write_checksum=True).compress(data)),
    "zstd streamed (Java)": (ZSTD, streamed_zstd),
    "zstd with the largest window": (ZSTD, lambda data: streamed_zstd(data, compression_params=WIDE)),
}


@pytest.mark.parametrize("codec", [NONE, *REAL], ids=NAMES)
@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_round_trip_at_the_exact_limit(codec: int, payload: bytes, kind: type) -> None:
    packed = compress(codec, kind(payload))
    assert decompress(codec, kind(packed), len(payload)) == payload


@pytest.mark.parametrize(("codec", "pack"), FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_what_others_pack_is_read(codec: int, pack: Callable[[bytes], bytes], payload: bytes) -> None:
    assert decompress(codec, pack(payload), len(payload)) == payload


@pytest.mark.parametrize(
    ("codec", "unpack"),
    [
        (GZIP, kafka_codec.gzip_decode),
        (SNAPPY, kafka_codec.snappy_decode),
        (LZ4, kafka_codec.lz4_decode),
        (ZSTD, kafka_codec.zstd_decode),
    ],
    ids=NAMES[1:],
)
def test_what_we_pack_others_read(codec: int, unpack: Callable[[bytes], bytes]) -> None:
    assert unpack(compress(codec, TEXT)) == TEXT


def test_lz4_frames_are_such_as_java_reads() -> None:
    frame = lz4.frame.get_frame_info(compress(LZ4, TEXT))
    assert not frame["block_linked"]  # "Dependent block stream is unsupported"
    assert frame["block_size"] == 64 * 1024
    assert not frame["content_checksum"]


@pytest.mark.parametrize(("codec", "low", "high"), [(GZIP, 1, 9), (LZ4, 1, 17), (ZSTD, -131072, 22)])
def test_levels_are_those_of_the_topic_setting(codec: int, low: int, high: int) -> None:
    fast, best = compress(codec, TEXT, low), compress(codec, TEXT, high)
    assert len(best) < len(fast)
    assert decompress(codec, fast, len(TEXT)) == decompress(codec, best, len(TEXT)) == TEXT


def test_the_default_level_of_lz4_is_the_fast_one() -> None:
    assert compress(LZ4, TEXT) == compress(LZ4, TEXT, 9)
    assert compress(LZ4, TEXT) != compress(LZ4, TEXT, 8)


@pytest.mark.parametrize("codec", [NONE, *REAL], ids=NAMES)
@pytest.mark.parametrize("limit", [0, 1, 1000, len(TEXT) - 1])
def test_past_the_limit(codec: int, limit: int) -> None:
    with pytest.raises(TooLarge, match=f"more than {limit} bytes"):
        decompress(codec, compress(codec, TEXT), limit)


@pytest.mark.parametrize(("codec", "pack"), FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize("limit", [0, 1, 70_000, len(TEXT) - 1])
def test_past_the_limit_however_it_was_packed(codec: int, pack: Callable[[bytes], bytes], limit: int) -> None:
    with pytest.raises(TooLarge):
        decompress(codec, pack(TEXT), limit)


@pytest.mark.parametrize(("codec", "pack"), FOREIGN.values(), ids=FOREIGN)
def test_every_truncation_is_damage_and_not_a_shorter_answer(codec: int, pack: Callable[[bytes], bytes]) -> None:
    packed = pack(random.Random(1).randbytes(300) * 3)
    framed = packed.startswith(b"\x82SNAPPY")
    for size in range(len(packed)):
        if framed and size == 16:
            assert decompress(codec, packed[:size], 10_000) == b""  # no chunk yet: the header alone is legal
            continue
        if framed and size == len(packed) - 5 and packed.endswith(b"\0\0\0\x01\0"):
            continue  # only the empty chunk at the end is missing
        with pytest.raises(CorruptRecord) as caught:
            decompress(codec, packed[:size], 10_000)
        if not (framed and 0 < size < 8):  # a cut magic is read as raw snappy, of 10626 bytes
            assert not isinstance(caught.value, TooLarge)


@pytest.mark.parametrize(("codec", "pack"), FOREIGN.values(), ids=FOREIGN)
def test_garbage_is_damage(codec: int, pack: Callable[[bytes], bytes]) -> None:
    rng = random.Random(2)
    packed = pack(TEXT[:2000])
    for _ in range(300):
        hurt = bytearray(packed)
        for _ in range(rng.choice((1, 2, 8))):
            hurt[rng.randrange(len(hurt))] = rng.randrange(256)
        try:
            assert len(decompress(codec, hurt, 5000)) <= 5000  # not every codec has a checksum
        except CorruptRecord:
            continue
    for size in (0, 1, 3, 7, 16, 100):
        with pytest.raises(CorruptRecord):
            decompress(codec, b"\xff" * size, 5000)


@pytest.mark.parametrize("codec", [GZIP, LZ4, ZSTD], ids=(NAMES[GZIP], NAMES[LZ4], NAMES[ZSTD]))
@pytest.mark.parametrize("tail", [b"\0", b"garbage", None])
def test_what_follows_the_one_member_is_damage(codec: int, tail: bytes | None) -> None:
    packed = compress(codec, TEXT)
    with pytest.raises(CorruptRecord):
        decompress(codec, packed + (packed if tail is None else tail), 10 * len(TEXT))


@pytest.mark.parametrize("codec", [5, 6, 7])
def test_codecs_that_do_not_exist(codec: int) -> None:
    with pytest.raises(CorruptRecord, match=f"compression {codec}"):
        decompress(codec, b"", 10)
    with pytest.raises(ValueError, match=f"no codec {codec}"):
        compress(codec, b"")


def test_a_codec_is_loaded_when_it_is_met() -> None:
    script = "import sys, kq.record.validate, kq.record.packing; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not {"zstandard", "cramjam", "lz4", "lz4.frame", "zlib"} & set(loaded)


def bomb(codec: int, size: int) -> bytes:
    """`size` zeros."""
    if codec == GZIP:
        return zlib.compress(bytes(size), 9, 31)
    if codec == SNAPPY:
        return raw_snappy(bytes(size))
    if codec == LZ4:
        return lz4.frame.compress(bytes(size), store_size=False)
    return streamed_zstd(bytes(size))


def liar(codec: int, size: int) -> bytes:
    """A few bytes that announce `size`."""
    if codec == SNAPPY:
        announced = bytearray()
        while size > 0x7F:
            announced.append(size & 0x7F | 0x80)
            size >>= 7
        return bytes(announced) + bytes([size]) + b"\0x"
    if codec == LZ4:
        frame = bytearray(lz4.frame.compress(b"x" * 100, store_size=True))
        frame[6:14] = struct.pack("<Q", size)
        return bytes(frame)
    # zstd: single segment, content size in eight bytes, one empty last block
    return b"\x28\xb5\x2f\xfd\xe0" + struct.pack("<Q", size) + b"\x01\0\0"


ATTACKS = {
    **{f"{NAMES[codec]} bomb": (codec, bomb(codec, 256 << 20), TooLarge) for codec in (GZIP, LZ4, ZSTD)},
    "snappy bomb": (SNAPPY, bomb(SNAPPY, 64 << 20), TooLarge),
    "xerial bombs": (SNAPPY, xerial(*[bomb(SNAPPY, 1 << 20)] * 64), TooLarge),
    "snappy liar": (SNAPPY, liar(SNAPPY, 1 << 30), TooLarge),
    "snappy liar within the limit": (SNAPPY, liar(SNAPPY, 1 << 20), CorruptRecord),
    "lz4 liar": (LZ4, liar(LZ4, 1 << 30), CorruptRecord),
    "zstd liar": (ZSTD, liar(ZSTD, 1 << 30), TooLarge),
    "zstd liar within the limit": (ZSTD, liar(ZSTD, 1 << 20), CorruptRecord),
    "xerial chunk past the end": (SNAPPY, xerial() + b"\x7f\xff\xff\xff\0", CorruptRecord),
    "xerial chunk of negative size": (SNAPPY, xerial() + b"\xff\xff\xff\xff\0", CorruptRecord),
}
ADDRESS_SPACE = """
import resource, sys
from kq.record import compression, faults
for codec in (1, 2, 3, 4):
    compression.decompress(codec, compression.compress(codec, bytes(100_000)), 100_000)  # loads the library
held = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (held + (24 << 20),) * 2)
try:
    compression.decompress(int(sys.argv[1]), sys.stdin.buffer.read(), 2 << 20)
except faults.CorruptRecord as fault:
    print(type(fault).__name__)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc and a limit of the address space")
@pytest.mark.parametrize(("codec", "packed", "fault"), ATTACKS.values(), ids=ATTACKS)
def test_no_attack_needs_more_memory_than_a_few_times_the_limit(codec: int, packed: bytes, fault: type) -> None:
    """With a limit of 2 MiB, in a process that may grow by 24 MiB (the packed bytes and zstd's window included)."""
    done = subprocess.run([sys.executable, "-c", ADDRESS_SPACE, str(codec)], input=packed, capture_output=True)
    assert done.stdout.decode().strip() == fault.__name__, done.stderr.decode()[-600:]
