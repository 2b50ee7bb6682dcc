"""Cuts a format string into literals and verbs, for writing (`writing.py`) and for reading (`reading.py`).

A verb may be followed by a modifier in braces, which may nest: `%h{%k=%v }`, `%d{strftime[%F]}`, `%v{unpack[>iq]}`.
"""

from __future__ import annotations

from typing import NamedTuple

from kq.cli.output.text import unescaped
from kq.cli.run.failures import Usage


class Literal(NamedTuple):
    data: bytes


class Verb(NamedTuple):
    letter: str
    modifier: str | None


Piece = Literal | Verb


def parse_layout(text: str, *, flag: str) -> list[Piece]:
    pieces: list[Piece] = []
    literal = ""
    pos = 0

    def flush() -> None:
        nonlocal literal
        if literal:
            try:
                pieces.append(Literal(unescaped(literal)))
            except ValueError as fault:
                raise Usage(f"{flag} {text}: {fault}") from None
            literal = ""

    while pos < len(text):
        if text[pos] == "\\":
            literal += text[pos : pos + 2]
            pos += 2
        elif text[pos] != "%":
            literal += text[pos]
            pos += 1
        elif text[pos + 1 : pos + 2] in ("%", "{", "}"):
            literal += text[pos + 1]
            pos += 2
        elif pos + 1 == len(text):
            raise Usage(f"{flag} {text}: ends in a bare %; write %% for the sign itself")
        else:
            flush()
            letter = text[pos + 1]
            pos += 2
            modifier = None
            if text[pos : pos + 1] == "{":
                modifier, pos = _braced(text, pos, flag)
            pieces.append(Verb(letter, modifier))
    flush()
    return pieces


def parse_bytes(text: str, *, flag: str) -> bytes:
    """A delimiter as it is written: `\\n`, `\\x1f`, `::`."""
    try:
        return unescaped(text)
    except ValueError as fault:
        raise Usage(f"{flag} {text}: {fault}") from None


def _braced(text: str, start: int, flag: str) -> tuple[str, int]:
    """What stands between the braces that open at `start`, and the position behind them."""
    depth = 0
    pos = start
    while pos < len(text):
        if text[pos] in "\\%":  # `%{` and `%}` are literals, and so is what a backslash precedes
            if text[pos + 1 : pos + 2] in ("{", "}") or text[pos] == "\\":
                pos += 2
                continue
        elif text[pos] == "{":
            depth += 1
        elif text[pos] == "}":
            depth -= 1
            if depth == 0:
                return text[start + 1 : pos], pos + 1
        pos += 1
    raise Usage(f"{flag} {text}: a {{ is not closed")


def bracketed(modifier: str, name: str) -> str | None:
    """`%F` of `strftime[%F]`, `strftime##%F##` or `strftime{%F}`; None when the modifier is another."""
    if not modifier.startswith(name):
        return None
    rest = modifier[len(name) :]
    if not rest or rest[0].isalnum():
        return None
    opener = rest[0]
    width = len(rest) - len(rest.lstrip(opener))
    closer = {"[": "]", "{": "}", "(": ")"}.get(opener, opener) * width
    if len(rest) < 2 * width or not rest.endswith(closer):
        return None
    return rest[width : len(rest) - width]
