"""The five codecs of a record batch, each with a hard cap on what comes out.

Rules
- Nothing past `limit` is ever allocated: an announced size is compared first, and where none is announced the output
  grows as it is earned. (zstd reserves its window, up to 128 MiB, but touches of it only what it has put out.)
- A codec's library is loaded when its codec is first met.
- Snappy is written as Java writes it, in xerial's framing with chunks of 32 KiB, and read in that form and in the raw
  one of librdkafka. LZ4 frames have independent blocks of 64 KiB, because Java's reader refuses linked ones.
- One gzip member, LZ4 frame or zstd frame a batch, as every producer writes it; what follows one is damage.
"""

from __future__ import annotations

import struct

from kq.record.crc import Readable
from kq.record.faults import CorruptRecord, TooLarge

NONE, GZIP, SNAPPY, LZ4, ZSTD = range(5)
NAMES = ("none", "gzip", "snappy", "lz4", "zstd")  # as in compression.type

_GZIP_FORMAT = 31  # zlib's wbits: gzip header and trailer, the largest window
_XERIAL_MAGIC = b"\x82SNAPPY\0"
_XERIAL_HEADER = _XERIAL_MAGIC + struct.pack(">ii", 1, 1)  # version, oldest compatible version
_XERIAL_CHUNK = 32 * 1024
_CHUNK_SIZE = struct.Struct(">i")
_LZ4_BLOCK_64K = 4
_LZ4_FAST = 9  # compression.lz4.level's default, which Java's writer takes for its fast compressor
_ZSTD_DEFAULT = 3


def compress(codec: int, data: Readable, level: int | None = None) -> bytes:
    """`data` in one piece of `codec`; `level` as in `compression.<codec>.level`, None for the codec's default."""
    if codec == NONE:
        return bytes(data)
    if codec == GZIP:
        import zlib

        return zlib.compress(data, -1 if level is None else level, _GZIP_FORMAT)
    if codec == SNAPPY:
        return _compress_xerial(memoryview(data))
    if codec == LZ4:
        import lz4.frame  # type: ignore[import-untyped]

        frame: bytes = lz4.frame.compress(
            data,
            compression_level=0 if level is None or level == _LZ4_FAST else level,
            block_size=_LZ4_BLOCK_64K,
            block_linked=False,
            store_size=False,
        )
        return frame
    if codec == ZSTD:
        import zstandard

        return zstandard.ZstdCompressor(level=_ZSTD_DEFAULT if level is None else level).compress(data)
    raise ValueError(f"no codec {codec}")


def decompress(codec: int, data: Readable, limit: int) -> bytes:
    """What `compress` was given. TooLarge past `limit` bytes, CorruptRecord for what is no such data."""
    if codec == NONE:
        if len(data) > limit:
            raise TooLarge(limit)
        return bytes(data)
    if codec == GZIP:
        return _decompress_gzip(data, limit)
    if codec == SNAPPY:
        return _decompress_snappy(memoryview(data), limit)
    if codec == LZ4:
        return _decompress_lz4(memoryview(data), limit)
    if codec == ZSTD:
        return _decompress_zstd(data, limit)
    raise CorruptRecord(f"The batch names compression {codec}, which does not exist.")


def _damaged(codec: int, why: object) -> CorruptRecord:
    return CorruptRecord(f"The {NAMES[codec]} data is damaged: {why}.")


def _first_guess(size: int, limit: int) -> int:
    """How much output to make room for at first where none is announced."""
    return min(limit, 64 * 1024 + 8 * size)


def _decompress_gzip(data: Readable, limit: int) -> bytes:
    import zlib

    member = zlib.decompressobj(_GZIP_FORMAT)
    try:
        out = member.decompress(data, limit + 1)
    except zlib.error as error:
        raise _damaged(GZIP, error) from None
    if len(out) > limit:
        raise TooLarge(limit)
    if not member.eof or member.unused_data:
        raise _damaged(GZIP, "bytes follow its end" if member.eof else "it ends early")
    return out


def _compress_xerial(data: memoryview) -> bytes:
    import cramjam

    parts: list[Readable] = [_XERIAL_HEADER]
    for start in range(0, len(data), _XERIAL_CHUNK):
        chunk = bytes(cramjam.snappy.compress_raw(data[start : start + _XERIAL_CHUNK]))
        parts += (_CHUNK_SIZE.pack(len(chunk)), chunk)
    return b"".join(parts)


def _decompress_snappy(data: memoryview, limit: int) -> bytes:
    if data[: len(_XERIAL_MAGIC)] != _XERIAL_MAGIC:
        return _decompress_snappy_block(data, limit, 0)
    if len(data) < len(_XERIAL_HEADER):
        raise _damaged(SNAPPY, "its header ends early")
    parts = []
    pos, held = len(_XERIAL_HEADER), 0
    while pos < len(data):
        if len(data) - pos < _CHUNK_SIZE.size:
            raise _damaged(SNAPPY, "a chunk ends early")
        size = _CHUNK_SIZE.unpack_from(data, pos)[0]
        pos += _CHUNK_SIZE.size
        if not 0 <= size <= len(data) - pos:
            raise _damaged(SNAPPY, f"a chunk of {size} bytes where {len(data) - pos} are left")
        part = _decompress_snappy_block(data[pos : pos + size], limit, held)
        parts.append(part)
        pos += size
        held += len(part)
    return b"".join(parts)


def _decompress_snappy_block(data: memoryview, limit: int, held: int) -> bytes:
    import cramjam

    try:
        if held + cramjam.snappy.decompress_raw_len(data) > limit:
            raise TooLarge(limit)
        return bytes(cramjam.snappy.decompress_raw(data))
    except cramjam.DecompressionError as error:
        raise _damaged(SNAPPY, error) from None


def _decompress_lz4(data: memoryview, limit: int) -> bytes:
    import lz4.frame

    context = lz4.frame.create_decompression_context()
    parts: list[bytes] = []
    pos, left = 0, limit + 1
    room = _first_guess(len(data), left)
    try:
        while True:
            part, taken, done = lz4.frame.decompress_chunk(context, data[pos:], max_length=room)
            parts.append(part)
            pos += taken
            left -= len(part)
            if left == 0:
                raise TooLarge(limit)
            if done:
                break
            if not part and not taken:
                raise _damaged(LZ4, "it ends early")
            room = min(left, 2 * room)
    except RuntimeError as error:
        raise _damaged(LZ4, error) from None
    if pos != len(data):
        raise _damaged(LZ4, "bytes follow its end")
    return b"".join(parts)


def _decompress_zstd(data: Readable, limit: int) -> bytes:
    import zstandard

    decompressor = zstandard.ZstdDecompressor()
    try:
        announced = zstandard.frame_content_size(data)  # -1 where the producer streamed, as Java does
        if announced > limit:
            raise TooLarge(limit)
        most = limit + 1  # the library takes 0 for no limit
        room = _first_guess(len(data), most)
        while True:
            try:
                out = decompressor.decompress(data, max_output_size=room, allow_extra_data=False)
                break
            except zstandard.ZstdError:
                if announced >= 0 or room == most:
                    raise
                room = min(most, 8 * room)
    except zstandard.ZstdError as error:
        if _zstd_unfolds_past(limit, data):
            raise TooLarge(limit) from None
        raise _damaged(ZSTD, error) from None
    if len(out) > limit:
        raise TooLarge(limit)
    return out


def _zstd_unfolds_past(limit: int, data: Readable) -> bool:
    """Tells a frame that is too large from a damaged one, which the library answers alike; keeps nothing."""
    import zstandard

    reader = zstandard.ZstdDecompressor().stream_reader(bytes(data))
    left = limit
    try:
        while left >= 0 and (part := reader.read(64 * 1024)):
            left -= len(part)
    except zstandard.ZstdError:
        return False
    return left < 0
