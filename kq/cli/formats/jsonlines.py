"""Records as JSON lines, without loss both ways: what `consume --json` writes, `produce --json` reads.

    {"topic":"orders","partition":0,"offset":12,"timestamp_ms":1700000000123,"key":"a","value":"b",
     "headers":[{"name":"h","value":"x"}]}                                             (one line)

Bytes that are not UTF-8 stand under `key_base64`, `value_base64`; null is null, not ""; headers keep order and
repeats. On the way in `topic`, `partition`, `timestamp_ms`, `key` and `headers` may be missing, `offset` is ignored,
and a value that is neither text nor null is taken as JSON itself: `"value":{"order":918}` is sent as `{"order":918}`.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from json.encoder import encode_basestring  # the C one: a string and its quotes, nothing else
from typing import Any, NamedTuple

from kq.cli.formats.rows import Headers, Rows
from kq.cli.formats.writing import Format
from kq.cli.run.failures import did_you_mean

NEEDS = frozenset({"keys", "values", "timestamps", "headers", "offsets"})


def json_format(*, decoded: bool = False) -> Format:
    """One JSON object a line. `decoded`: keys and values may be something else than bytes by now (`--decode`)."""
    return Format(NEEDS, _render_decoded if decoded else _render)


def _render(rows: Rows) -> bytes:
    return _lines(rows, _members("key", rows.keys), _members("value", rows.values))


def _render_decoded(rows: Rows) -> bytes:
    return _lines(
        rows,
        [_decoded_member("key", key) for key in rows.keys],
        [_decoded_member("value", value) for value in rows.values],
    )


def _lines(rows: Rows, keys: list[str], values: list[str]) -> bytes:
    head = f'{{"topic":{encode_basestring(rows.topic)},"partition":{rows.partition},"offset":'
    spelled = [_headers(headers) if headers else "[]" for headers in rows.headers]
    return "".join(
        [
            f'{head}{offset},"timestamp_ms":{at_ms},{key},{value},"headers":{headers}}}\n'
            for offset, at_ms, key, value, headers in zip(
                rows.offsets, rows.timestamps, keys, values, spelled, strict=True
            )
        ]
    ).encode()


def _members(name: str, column: Sequence[bytes | None]) -> list[str]:
    """`"key":"text"` for each; the whole column at once where all of it is UTF-8."""
    start = f'"{name}":'
    null = start + "null"
    try:
        return [null if data is None else start + encode_basestring(data.decode()) for data in column]
    except UnicodeDecodeError:
        return [_member(name, data) for data in column]


def _member(name: str, data: bytes | None) -> str:
    if data is None:
        return f'"{name}":null'
    try:
        return f'"{name}":{encode_basestring(data.decode())}'
    except UnicodeDecodeError:
        return f'"{name}_base64":"{base64.b64encode(data).decode()}"'


def _decoded_member(name: str, value: Any) -> str:
    if value is None or isinstance(value, bytes):
        return _member(name, value)
    try:
        return f'"{name}":{json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)}'
    except ValueError:  # NaN and the infinities, which JSON does not have
        return f'"{name}":{json.dumps(json.dumps(value))}'


def _headers(headers: Headers) -> str:
    members = []
    for name, value in headers:
        try:
            name.encode()
            spelled = f'"name":{encode_basestring(name)}'
        except UnicodeEncodeError:  # not UTF-8 on the wire
            data = name.encode("utf-8", "surrogateescape")
            spelled = f'"name_base64":"{base64.b64encode(data).decode()}"'
        members.append(f"{{{spelled},{_member('value', value)}}}")
    return f"[{','.join(members)}]"


# -- the way in -----------------------------------------------------------------------------------------------------


class JsonRecord(NamedTuple):
    """One line, read. `partition` and `timestamp_ms` None: the producer chooses."""

    topic: str | None
    partition: int | None
    timestamp_ms: int | None
    key: bytes | None
    value: bytes | None
    headers: Headers


class BadLine(ValueError):
    """A line that is not a record; one sentence says why."""


FIELDS = (
    "topic", "partition", "offset", "timestamp_ms", "key", "key_base64", "value", "value_base64", "headers",
)  # fmt: skip
_KNOWN = frozenset(FIELDS)


def read_lines(lines: Sequence[bytes], refuse: Callable[[int, str], None]) -> list[JsonRecord]:
    """The records of these lines; what is wrong with a line goes to `refuse(index, sentence)` and it is left out."""
    try:
        parsed = json.loads(b"[" + b",".join(lines) + b"]")
        if len(parsed) != len(lines):
            raise ValueError("a line holds more than one value")
    except ValueError:
        return _read_one_by_one(lines, refuse)
    if (plain := _read_plain(parsed)) is not None:
        return plain
    records = []
    for index, document in enumerate(parsed):
        try:
            records.append(to_record(document))
        except BadLine as fault:
            refuse(index, str(fault))
    return records


_PLAIN = frozenset({"topic", "partition", "offset", "timestamp_ms", "key", "value", "headers"})
_TEXT = frozenset({str, type(None)})
_NUMBER = frozenset({int, type(None)})


def _read_plain(documents: list[Any]) -> list[JsonRecord] | None:
    """All of them by the column, when nothing in them is out of the ordinary (`to_record` says what that means)."""
    if set(map(type, documents)) != {dict} or not set().union(*documents) <= _PLAIN:
        return None
    if not all("value" in document for document in documents):
        return None
    topics, partitions, stamps, keys, values, headers = (
        [document.get(name) for document in documents]
        for name in ("topic", "partition", "timestamp_ms", "key", "value", "headers")
    )
    texts = set(map(type, topics)) | set(map(type, keys)) | set(map(type, values))
    if not texts <= _TEXT or not set(map(type, partitions)) | set(map(type, stamps)) <= _NUMBER or any(headers):
        return None
    try:
        encoded = ([None if text is None else text.encode() for text in column] for column in (keys, values))
        rows = zip(topics, partitions, stamps, *encoded, [()] * len(documents), strict=True)
    except UnicodeEncodeError:
        return None
    return list(map(JsonRecord._make, rows))


def _read_one_by_one(lines: Sequence[bytes], refuse: Callable[[int, str], None]) -> list[JsonRecord]:
    records = []
    for index, line in enumerate(lines):
        try:
            records.append(to_record(json.loads(line)))
        except BadLine as fault:
            refuse(index, str(fault))
        except ValueError as fault:  # JSONDecodeError, UnicodeDecodeError
            refuse(index, f"not JSON: {fault}")
    return records


def to_record(document: Any) -> JsonRecord:
    if not isinstance(document, dict):
        raise BadLine("not a JSON object")
    if not document.keys() <= _KNOWN:
        name = next(name for name in document if name not in _KNOWN)
        raise BadLine(f"no field is called '{name}'{did_you_mean(name, FIELDS)}")
    if "value" not in document and "value_base64" not in document:
        raise BadLine("has neither value nor value_base64")
    return JsonRecord(
        _typed(document, "topic", str),
        _typed(document, "partition", int),
        _typed(document, "timestamp_ms", int),
        _bytes(document, "key"),
        _bytes(document, "value"),
        _read_headers(document.get("headers")),
    )


def _typed(document: dict[str, Any], name: str, kind: type) -> Any:
    value = document.get(name)
    if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
        raise BadLine(f"{name} is not {'text' if kind is str else 'a whole number'}")
    return value


def _bytes(document: dict[str, Any], name: str) -> bytes | None:
    value = document.get(name)
    if isinstance(value, str):
        try:
            return value.encode()
        except UnicodeEncodeError:
            raise BadLine(f"{name} holds half of a surrogate pair; bytes go under {name}_base64") from None
    encoded = document.get(f"{name}_base64")
    if encoded is not None:
        if value is not None:
            raise BadLine(f"has both {name} and {name}_base64")
        try:
            return base64.b64decode(encoded, validate=True)
        except (binascii.Error, TypeError, ValueError):
            raise BadLine(f"{name}_base64 is not base64") from None
    if value is None:
        return None
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _read_headers(headers: Any) -> Headers:
    if not headers:
        return ()
    if isinstance(headers, dict):  # the short form that people write by hand
        headers = [{"name": name, "value": value} for name, value in headers.items()]
    if not isinstance(headers, list):
        raise BadLine('headers is not a list of {"name":…,"value":…}')
    read = []
    for header in headers:
        if not isinstance(header, dict) or not header.keys() <= {"name", "name_base64", "value", "value_base64"}:
            raise BadLine('headers is not a list of {"name":…,"value":…}')
        name = _bytes(header, "name")
        if name is None:
            raise BadLine("a header has no name")
        read.append((name.decode("utf-8", "surrogateescape"), _bytes(header, "value")))
    return tuple(read)
