"""`--decode [key=|value=]HOW`: bytes into something readable on the way out.

HOW is json, msgpack (where that library is installed), a word such as int32 or double, or a pack string
(`formats/packing.py`). With `--json` the decoded value stands in the line as JSON; else it is printed as text. What
cannot be decoded stays as it is, and is counted: the command says so once, at the end.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from kq.cli.formats.packing import WORDS, unpacker
from kq.cli.formats.rows import Rows
from kq.cli.run.failures import Failure, Hint, Usage

Decode = Callable[[bytes], Any]


class Decoders:
    """What is done to the key and the value of each record; `faults` counts what could not be decoded."""

    def __init__(self, specs: Sequence[str], *, as_text: bool) -> None:
        self.faults = 0
        self.first_fault: str | None = None
        self._as_text = as_text
        self._by_column: dict[str, Decode] = {}
        for spec in specs:
            target, equals, how = spec.partition("=")
            if not equals:
                target, how = "value", spec
            if target not in ("key", "value"):
                raise Usage(f"--decode {spec}: write key=HOW, value=HOW or HOW alone")
            if f"{target}s" in self._by_column:
                raise Usage(f"--decode {spec}: {target} is decoded twice")
            self._by_column[f"{target}s"] = _decoder(how, spec)

    @property
    def needs(self) -> frozenset[str]:
        return frozenset(self._by_column)

    def apply(self, rows: Rows) -> Rows:
        columns: dict[str, Any] = {
            column: [self._decoded(decode, data) for data in getattr(rows, column)]
            for column, decode in self._by_column.items()
        }
        return replace(rows, **columns)

    def _decoded(self, decode: Decode, data: bytes | None) -> Any:
        if data is None:
            return None
        try:
            value = decode(data)
        except Exception as fault:  # whatever a library raises on bytes that are not its own
            self.faults += 1
            self.first_fault = self.first_fault or str(fault)
            return data
        return text_of(value).encode("utf-8", "backslashreplace") if self._as_text else value


def text_of(value: Any) -> str:
    return (
        value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_odd)
    )


def _odd(value: Any) -> Any:
    """What msgpack knows and JSON does not: bytes and timestamps."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return str(value)


def _decoder(how: str, spec: str) -> Decode:
    if how == "json":
        return json.loads
    if how == "msgpack":
        return _msgpack()
    try:
        unpack = unpacker(WORDS.get(how, how))
    except ValueError as fault:
        raise Usage(f"--decode {spec}: {fault}; write json, msgpack, {', '.join(WORDS)} or a pack string") from None

    def unpacked(data: bytes) -> Any:
        fields = unpack(data)
        return fields[0] if len(fields) == 1 else fields

    return unpacked


def _msgpack() -> Decode:
    try:
        import msgpack  # type: ignore[import-untyped]
    except ImportError:
        raise Failure("--decode msgpack needs the msgpack library", Hint("install it", "pip install msgpack")) from None

    def unpack(data: bytes) -> Any:
        return json.loads(json.dumps(msgpack.unpackb(data, raw=False, strict_map_key=False), default=_odd))

    return unpack
