"""The reverse of a format string: bytes into records, for `produce -f`.

    %k %v %t %p  key, value, topic, partition: up to the literal that follows, or as many bytes as a size said before
    %d %T        timestamp in ms        %o %e %x %y %i  read and dropped
    %K %V %H     sizes of key and value, number of headers: {ascii} {big32} {hex8} … or {3}, a fixed one; -1: null
    %h{…}        one header, %k %v %K %V inside, as often as %H said

Text may be {hex}, {base64} or {json}. Sans-IO: `feed` takes what was read and returns the records it completes;
`finish` takes the last one, which may lack its final delimiter.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kq.cli.formats.jsonlines import JsonRecord
from kq.cli.formats.layout import Literal, Piece, Verb, parse_layout
from kq.cli.run.failures import Usage

TEXT_VERBS = {"k": "key", "v": "value", "s": "value", "t": "topic"}
NUMBER_VERBS = {"p": "partition", "d": "timestamp", "T": "timestamp", "o": "", "e": "", "x": "", "y": "", "i": ""}
SIZE_VERBS = {"K": "key", "V": "value", "S": "value", "H": "headers"}


class BadInput(ValueError):
    """The input is not what the format says: nothing after it can be read."""


class Incomplete(Exception):
    """More bytes are needed for this record."""


@dataclass(slots=True)
class _Field:
    """One step of reading: what it fills, how long it is, how its bytes become a value."""

    kind: str  # "literal", "text", "number", "size", "headers"
    name: str = ""
    literal: bytes = b""
    until: bytes | None = None  # the delimiter that ends it
    width: int | None = None  # fixed size of a binary number
    read: Callable[[bytes], Any] = bytes
    inner: list[_Field] | None = None


class Reader:
    """Turns bytes into records by one format."""

    def __init__(self, text: str) -> None:
        self._fields = _plan(parse_layout(text, flag="-f"), text, inner=False)
        self._simple = _simple_pattern(self._fields)
        self._rest = b""
        self.records_read = 0

    @property
    def names_topic(self) -> bool:
        return any(field.name == "topic" and field.kind == "text" for field in self._fields)

    def feed(self, data: bytes) -> list[JsonRecord]:
        """The records that are complete now. Raises BadInput."""
        buffer = self._rest + data
        records: list[JsonRecord] = []
        pos = 0
        if self._simple is not None:
            records, pos = self._read_simple(self._simple, buffer)
        while pos < len(buffer):
            try:
                values, end = _read(self._fields, buffer, pos)
            except Incomplete:
                break
            except BadInput as fault:
                raise BadInput(f"record {self.records_read + 1}: {fault}") from None
            if end == pos:
                raise BadInput("the format matches nothing at all")
            records.append(_record(values))
            self.records_read += 1
            pos = end
        self._rest = buffer[pos:]
        return records

    def _read_simple(self, pattern: re.Pattern[bytes], buffer: bytes) -> tuple[list[JsonRecord], int]:
        """The records that the pattern takes, one behind the other; what stops it is for the slow way to judge."""
        names = [field.name for field in self._fields if field.kind == "text"]
        columns: dict[str, list[bytes]] = {name: [] for name in names}
        pos = 0
        while (match := pattern.match(buffer, pos)) and match.end() > pos:
            for name, data in zip(names, match.groups(), strict=True):
                columns[name].append(data)
            pos = match.end()
        count = len(columns[names[0]])
        self.records_read += count
        nothing: list[None] = [None] * count
        keys, values = columns.get("key", nothing), columns.get("value", nothing)
        rows = zip(nothing, nothing, nothing, keys, values, [()] * count, strict=True)
        return list(map(JsonRecord._make, rows)), pos

    def finish(self) -> list[JsonRecord]:
        """What is left at the end of the input: nothing, or one record without its last delimiter."""
        if not self._rest:
            return []
        last = self._fields[-1]
        ending = last.literal if last.kind == "literal" else b""
        records = self.feed(ending) if ending else []
        if not records or self._rest:
            raise BadInput(f"the input ends inside record {self.records_read + 1}")
        return records


def _simple_pattern(fields: list[_Field]) -> re.Pattern[bytes] | None:
    """For a format of keys and values that only delimiters cut, a regular expression."""
    names = [field.name for field in fields if field.kind == "text"]
    plain = all(
        field.kind == "literal" or (field.kind == "text" and field.until is not None and field.read is bytes)
        for field in fields
    )
    if not plain or not names or len(set(names)) != len(names) or not set(names) <= {"key", "value"}:
        return None
    parts = [re.escape(field.literal) if field.kind == "literal" else _up_to(field.until or b"") for field in fields]
    return re.compile(b"".join(parts), re.DOTALL)


def _up_to(delimiter: bytes) -> bytes:
    """A group that ends where this delimiter begins; one byte is found ten times as fast as several."""
    return b"([^" + re.escape(delimiter) + b"]*)" if len(delimiter) == 1 else b"(.*?)"


def _plan(pieces: list[Piece], whole: str, *, inner: bool) -> list[_Field]:
    fields: list[_Field] = []
    sized: set[str] = set()
    for index, piece in enumerate(pieces):
        following = pieces[index + 1] if index + 1 < len(pieces) else None
        until = following.data if isinstance(following, Literal) else None
        if isinstance(piece, Literal):
            fields.append(_Field("literal", literal=piece.data))
        elif piece.letter == "h" and not inner:
            if piece.modifier is None or "headers" not in sized:
                raise Usage(f"-f {whole}: headers want their number before and a format, as in %H%h{{%K{{big16}}%k…}}")
            fields.append(_Field("headers", inner=_plan(parse_layout(piece.modifier, flag="-f"), whole, inner=True)))
        elif piece.letter in SIZE_VERBS and not (inner and piece.letter == "H"):
            name = SIZE_VERBS[piece.letter]
            sized.add(name)
            fields.append(_number(piece, "size", name, until, whole))
        elif piece.letter in TEXT_VERBS and not (inner and piece.letter == "t"):
            name = TEXT_VERBS[piece.letter]
            if name not in sized and until is None:
                raise Usage(
                    f"-f {whole}: where does %{piece.letter} end? Put a delimiter behind it or its size before it"
                )
            fields.append(_Field("text", name, until=None if name in sized else until, read=_text_reader(piece, whole)))
        elif piece.letter in NUMBER_VERBS and not inner:
            fields.append(_number(piece, "number", NUMBER_VERBS[piece.letter], until, whole))
        else:
            raise Usage(f"-f {whole}: %{piece.letter} cannot be read; known are %k %v %t %p %d %K %V %H %h{{…}}")
    if not fields:
        raise Usage("-f: an empty format reads nothing")
    return fields


def _text_reader(piece: Verb, whole: str) -> Callable[[bytes], Any]:
    match piece.modifier:
        case None:
            return bytes
        case "hex":
            return lambda data: bytes.fromhex(data.decode())
        case "base64" | "base64raw":
            return lambda data: base64.b64decode(data + b"=" * (-len(data) % 4), validate=True)
        case "json":
            return lambda data: json.dumps(json.loads(data), ensure_ascii=False, separators=(",", ":")).encode()
    raise Usage(f"-f {whole}: %{piece.letter}{{{piece.modifier}}} cannot be read; known are hex, base64, json")


def _number(piece: Verb, kind: str, name: str, until: bytes | None, whole: str) -> _Field:
    modifier = piece.modifier or "ascii"
    if modifier in ("ascii", "number"):
        return _Field(kind, name, read=int)
    if re.fullmatch("[0-9]{1,9}", modifier) and kind == "size":
        fixed = int(modifier)
        return _Field(kind, name, width=0, read=lambda _: fixed)
    match = re.fullmatch(r"(hex|big|little)(4|8|16|32|64)", "big8" if modifier == "byte" else modifier)
    if not match or (match[2] == "4" and match[1] != "hex"):
        raise Usage(
            f"-f {whole}: %{piece.letter}{{{modifier}}} cannot be read; known are ascii, hex8…, big32…, little32…"
        )
    bits = int(match[2])
    if match[1] == "hex":
        return _Field(kind, name, width=bits // 4, read=lambda data: _signed(int(data, 16), bits))
    order: Any = "big" if match[1] == "big" else "little"
    return _Field(kind, name, width=bits // 8, read=lambda data: _signed(int.from_bytes(data, order), bits))


def _signed(number: int, bits: int) -> int:
    """All ones is -1, the size of a null; any other pattern is the number itself."""
    return -1 if number == 2**bits - 1 else number


_DIGITS = re.compile(rb"-?[0-9]+")


def _read(fields: list[_Field], buffer: bytes, pos: int) -> tuple[dict[str, Any], int]:
    values: dict[str, Any] = {}
    sizes: dict[str, int] = {}
    for field in fields:
        if field.kind == "literal":
            pos = _skip(field.literal, buffer, pos)
        elif field.kind == "headers":
            headers = []
            for _ in range(sizes["headers"]):
                header, pos = _read(field.inner or [], buffer, pos)
                headers.append((header.get("key", b"").decode("utf-8", "surrogateescape"), header.get("value")))
            values["headers"] = tuple(headers)
        elif field.kind == "text":
            data, pos = _cut(field, sizes.get(field.name), buffer, pos)
            values[field.name] = None if data is None else _converted(field, data)
        else:
            data, pos = _cut_number(field, buffer, pos)
            (sizes if field.kind == "size" else values)[field.name] = _converted(field, data)
    return values, pos


def _skip(literal: bytes, buffer: bytes, pos: int) -> int:
    if buffer.startswith(literal, pos):
        return pos + len(literal)
    if literal.startswith(buffer[pos:]):
        raise Incomplete
    raise BadInput(f"{literal!r} is expected where {bytes(buffer[pos : pos + 20])!r} stands")


def _cut(field: _Field, size: int | None, buffer: bytes, pos: int) -> tuple[bytes | None, int]:
    if size is not None:
        if size < 0:
            return None, pos
        if pos + size > len(buffer):
            raise Incomplete
        return buffer[pos : pos + size], pos + size
    end = buffer.find(field.until or b"", pos)
    if end < 0:
        raise Incomplete
    return buffer[pos:end], end


def _cut_number(field: _Field, buffer: bytes, pos: int) -> tuple[bytes, int]:
    if field.width is not None:
        if pos + field.width > len(buffer):
            raise Incomplete
        return buffer[pos : pos + field.width], pos + field.width
    match = _DIGITS.match(buffer, pos)
    if match is None:
        if buffer[pos:] in (b"", b"-"):
            raise Incomplete
        raise BadInput(f"a number is expected where {bytes(buffer[pos : pos + 20])!r} stands")
    if match.end() == len(buffer):
        raise Incomplete
    return match.group(), match.end()


def _converted(field: _Field, data: bytes) -> Any:
    try:
        return field.read(data)
    except (ValueError, binascii.Error) as fault:
        raise BadInput(f"{bytes(data[:20])!r} is no {field.name or 'number'}: {fault}") from None


def _record(values: dict[str, Any]) -> JsonRecord:
    topic = values.get("topic")
    return JsonRecord(
        topic.decode("utf-8", "replace") if topic is not None else None,
        values.get("partition"),
        values.get("timestamp"),
        values.get("key"),
        values.get("value"),
        values.get("headers", ()),
    )
