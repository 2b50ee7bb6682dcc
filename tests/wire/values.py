"""Random messages of any API and version, from a seed: every field that the version has gets a value.

Values stay within what both oracles can hold: error codes that exist, times that are dates, durations that are whole
milliseconds, tagged structures that differ from their default (one that does not is absent on the wire).
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any, Literal

from kq.wire.api import Api, Side
from kq.wire.apis import API
from kq.wire.message import Message
from kq.wire.schema import Field, Structure

SideName = Literal["request", "response"]
Case = tuple[Api, SideName, int]

_BITS = {"int8": 8, "int16": 16, "uint16": 16, "int32": 32, "int64": 64}
_TEXTS = ("", "a", "events", "größe-π-日本", "x" * 126, "y" * 127, "z" * 300)
_BLOBS = (b"", b"\0", b"\xff\xfe", b"k" * 126, b"v" * 127, bytes(range(256)) * 70)


def all_cases() -> Iterator[Case]:
    for key in sorted(API):
        for version in range(API[key].versions.first, API[key].versions.last + 1):
            yield API[key], "request", version
            yield API[key], "response", version


def cases_by_side() -> list[list[Case]]:
    """The versions of each request and response together: one test for each, as thousands would take their time."""
    sides: dict[tuple[int, SideName], list[Case]] = {}
    for case in all_cases():
        sides.setdefault((case[0].key, case[1]), []).append(case)
    return list(sides.values())


def side_id(cases: list[Case]) -> str:
    return f"{cases[0][0].name}-{cases[0][1]}"


def case_id(case: Case) -> str:
    api, side, version = case
    return f"{api.name}-{side}-{version}"


def side_of(api: Api, side: SideName) -> Side:
    return api.request_side if side == "request" else api.response_side


def encode(case: Case, message: Message) -> bytes:
    api, side, version = case
    parts = (api.encode_request if side == "request" else api.encode_response)(version, message)
    return b"".join(parts)


def decode(case: Case, data: Any, pos: int = 0) -> Message:
    api, side, version = case
    return (api.decode_request if side == "request" else api.decode_response)(version, data, pos)


def default_message(case: Case) -> Message:
    api, side, _ = case
    return (api.Request if side == "request" else api.Response)()


def random_message(case: Case, rng: Random) -> Message:
    api, side, version = case
    root, classes = side_of(api, side).built
    return _Values(classes, version, rng).structure(root)


class _Values:
    def __init__(self, classes: dict[str, type[Message]], version: int, rng: Random) -> None:
        self.classes = classes
        self.version = version
        self.rng = rng

    def structure(self, structure: Structure) -> Message:
        message = self.classes[structure.name]()
        for field in structure.fields:
            if self.version in field.versions:
                setattr(message, field.name, self.field(field))
        return message

    def field(self, field: Field) -> Any:
        rng = self.rng
        if field.tag is not None and rng.random() < 0.4:
            return [] if field.fresh else field.default
        if self.version in field.nullable and field.tag is None and rng.random() < 0.3:
            return None
        if field.array:
            count = rng.choice((0, 1, 2, 3)) if field.struct else rng.choice((0, 1, 3, 40))
            return [self.item(field) for _ in range(count)]
        value = self.item(field)
        if field.struct is not None and field.tag is not None and value == type(value)():
            return None
        return value

    def item(self, field: Field) -> Any:
        rng = self.rng
        if field.struct is not None:
            return self.structure(field.struct)
        if field.type in ("bytes", "records"):
            return rng.choice(_BLOBS)
        if field.type == "string":
            return rng.choice(_TEXTS)
        if field.type == "bool":
            return rng.random() < 0.5
        if field.type == "uuid":
            return rng.choice((bytes(16), bytes(15) + b"\1", rng.randbytes(16)))
        return self.number(field)

    def number(self, field: Field) -> int:
        rng = self.rng
        if field.name.endswith("error_code"):
            return rng.choice((-1, 0, 1, 3, 35, 47, 87))
        if field.name.endswith("_ms"):
            return rng.choice((0, 1, 500, 1_700_000, 2**31 - 1))
        bits = _BITS[field.type]
        if field.type.startswith("u"):
            return rng.choice((0, 1, 2**bits - 1))
        return rng.choice((-1, 0, 1, 42, 2 ** (bits - 1) - 1, -(2 ** (bits - 1))))
