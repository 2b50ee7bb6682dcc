"""Bytes and names made safe for a terminal.

A record must not be able to drive the terminal: control characters are shown as `\\x1b`. Pipes and `-f raw` get the
bytes.
"""

from __future__ import annotations

import os
import re

# C0 and C1 controls and DEL, the characters that reorder text (a name could otherwise be shown as another), and bytes
# of a command line that are not UTF-8, which Python keeps as halves of surrogate pairs.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\udc80-\udcff]")
_UNSAFE_IN_VALUES = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


_BYTE = 0xDC00  # before a byte, as surrogateescape spells it


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code >= _BYTE:
        code -= _BYTE
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def shown(text: str | bytes) -> str:
    """One line for a terminal: a name, a key, an error text."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "backslashreplace")
    return _UNSAFE.sub(_escape, text)


def shown_lines(data: bytes) -> bytes:
    """Whole records for a terminal: line ends and tabs stay."""
    return _UNSAFE_IN_VALUES.sub(_escape, data.decode("utf-8", "backslashreplace")).encode("utf-8", "backslashreplace")


def wants_color(*, no_color: bool) -> bool:
    """Whether a terminal gets colours: not with --no-color, NO_COLOR or TERM=dumb."""
    return not no_color and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


_ESCAPES = {"n": b"\n", "r": b"\r", "t": b"\t", "\\": b"\\", "0": b"\0"}


def unescaped(text: str) -> bytes:
    """A delimiter as written on the command line: `\\n \\r \\t \\0 \\\\ \\xNN`, all else as it stands.

    Raises ValueError, one sentence, on an escape it does not know.
    """
    out = bytearray()
    pos = 0
    while pos < len(text):
        if text[pos] != "\\":
            out += text[pos].encode("utf-8", "surrogateescape")
            pos += 1
            continue
        escape, size = _one_escape(text, pos)
        out += escape
        pos += size
    return bytes(out)


def _one_escape(text: str, pos: int) -> tuple[bytes, int]:
    kind = text[pos + 1 : pos + 2]
    if kind == "x":
        digits = text[pos + 2 : pos + 4]
        if len(digits) < 2 or not re.fullmatch("[0-9a-fA-F]{2}", digits):
            raise ValueError(f"'{text[pos : pos + 4]}' is not a byte; write \\x and two hex digits, as in \\x1f")
        return bytes((int(digits, 16),)), 4
    known = _ESCAPES.get(kind)
    if known is None:
        raise ValueError(f"'{text[pos : pos + 2]}' is not an escape; known are \\n \\r \\t \\0 \\\\ \\xNN")
    return known, 2
