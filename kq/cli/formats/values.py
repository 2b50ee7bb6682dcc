"""How one value is spelled inside a format: numbers in digits, hex or binary, text in hex or base64, times, packed
data."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable, Sequence

from kq.cli.formats.layout import bracketed

NUMBERS = "numbers take ascii, hex, hex4 to hex64, big8 to big64, little8 to little64, byte, bool"
TEXTS = "text takes hex, base64, base64raw, unpack[…]"
CODECS = (b"none", b"gzip", b"snappy", b"lz4", b"zstd")


def codec_name(codec: int) -> bytes:
    return CODECS[codec] if codec < len(CODECS) else b"%d" % codec


def encoded_headers(headers: Sequence[tuple[str, bytes | None]]) -> list[tuple[bytes, bytes | None]]:
    return [(name.encode("utf-8", "surrogateescape"), value) for name, value in headers]


def number_writer(modifier: str) -> Callable[[int], bytes] | None:
    if modifier == "hex":
        return lambda number: b"%x" % (number & (2**64 - 1))
    if modifier == "bool":
        return lambda number: b"true" if number else b"false"
    if modifier == "byte":
        modifier = "big8"
    match = re.fullmatch(r"(hex|big|little)(4|8|16|32|64)", modifier)
    if not match or (match[2] == "4" and match[1] != "hex"):
        return None
    bits = int(match[2])
    mask = 2**bits - 1
    if match[1] == "hex":
        return lambda number: f"{number & mask:0{bits // 4}x}".encode()
    order = "big" if match[1] == "big" else "little"
    size = bits // 8
    return lambda number: (number & mask).to_bytes(size, order)


def text_writer(modifier: str) -> Callable[[bytes], bytes] | None:
    if modifier == "hex":
        return lambda data: data.hex().encode()
    if modifier == "base64":
        return base64.b64encode
    if modifier == "base64raw":
        return lambda data: base64.b64encode(data).rstrip(b"=")
    packing = bracketed(modifier, "unpack")
    if packing is None:
        return None
    from kq.cli.formats.packing import NotPacked, unpacker

    unpack = unpacker(packing)

    def write(data: bytes) -> bytes:
        try:
            return " ".join(map(str, unpack(data))).encode("utf-8", "surrogateescape")
        except NotPacked as fault:
            return f"({fault})".encode()

    return write


def time_writer(modifier: str) -> Callable[[int], bytes] | None:
    """A timestamp in ms, in UTC."""
    layout = bracketed(modifier, "strftime")
    if layout is None:
        go = bracketed(modifier, "go")
        if go is None:
            return None
        layout = _strftime_of_go(go)
    pieces = re.split(r"(%[0-9]?[fLN])", layout)  # fractions of a second: strftime has none of its own here

    def write(at_ms: int) -> bytes:
        seconds, ms = divmod(at_ms, 1000)
        try:
            parts = time.gmtime(seconds)
        except (OverflowError, ValueError, OSError):
            return b"%d" % at_ms
        return "".join(
            _fraction(piece, ms) if index % 2 else time.strftime(piece, parts)
            for index, piece in enumerate(pieces)
            if piece
        ).encode("utf-8", "surrogateescape")

    return write


def _fraction(verb: str, ms: int) -> str:
    digits = int(verb[1]) if verb[1].isdigit() else {"f": 6, "L": 3, "N": 9}[verb[1]]
    return f"{ms:03}000000"[:digits]


# Go writes the layout of Mon Jan 2 15:04:05 2006 in -0700; longest words first.
_GO = (
    ("January", "%B"), ("Jan", "%b"), ("Monday", "%A"), ("Mon", "%a"), ("MST", "UTC"), ("Z07:00", "Z"), ("Z0700", "Z"),
    ("-07:00", "+00:00"), ("-0700", "+0000"), ("2006", "%Y"), ("002", "%j"), ("01", "%m"), ("02", "%d"), ("03", "%I"),
    ("04", "%M"), ("05", "%S"), ("06", "%y"), ("15", "%H"), ("PM", "%p"), (".000000000", ".%9f"), (".000000", ".%6f"),
    (".000", ".%3f"), ("%", "%%"),
)  # fmt: skip
_GO_WORDS = re.compile("|".join(re.escape(word) for word, _ in _GO))


def _strftime_of_go(layout: str) -> str:
    meaning = dict(_GO)
    return _GO_WORDS.sub(lambda match: meaning[match.group()], layout)
