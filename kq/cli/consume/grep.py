"""`-G`: which records are shown, by key, value, header and time.

    k:PATTERN  v:PATTERN  hk:PATTERN (a header's name)  hv:PATTERN (its value)  h:NAME=PATTERN  t:@-1h:  t:@T1:@T2

A pattern without `*`, `?` and `[` is looked for anywhere; with them it is a glob for the whole field. Under `--regex`
it is a regular expression, looked for anywhere. `!` before it all negates; several filters must all hold. Null
matches nothing.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from kq.cli.formats.rows import Headers, Rows
from kq.cli.partitions.offsets import Base, parse_span
from kq.cli.run.failures import Hint, Usage

Test = Callable[[bytes], object]
Places = list[int]


class Filter(NamedTuple):
    """All `-G` of one run: the columns they need, and the places in the rows where all of them hold."""

    needs: frozenset[str]
    places: Callable[[Rows], Places]


def compile_filters(patterns: Sequence[str], *, regex: bool, now_ms: int) -> Filter | None:
    if not patterns:
        return None
    parts = [_compile_one(pattern, regex=regex, now_ms=now_ms) for pattern in patterns]
    needs = frozenset(column for part in parts for column in part.needs)
    if len(parts) == 1:
        return parts[0]

    def places(rows: Rows) -> Places:
        left: Places | None = None
        for part in parts:
            found = part.places(rows if left is None else rows.picked(left))
            left = found if left is None else [left[place] for place in found]
            if not left:
                break
        return left or []

    return Filter(needs, places)


def _compile_one(pattern: str, *, regex: bool, now_ms: int) -> Filter:
    negated = pattern.startswith("!")
    prefix, colon, rest = pattern.removeprefix("!").partition(":")
    if not colon or prefix not in ("k", "v", "hk", "hv", "h", "t"):
        raise Usage(
            f"-G {pattern}: say where to look: k:, v:, hk:, hv:, h:NAME= or t:; a consumer group would be -g",
            Hint("in values", f"-G 'v:{pattern}'"),
        )
    if prefix == "t":
        return _by_time(rest, pattern, negated, now_ms)
    if prefix in ("k", "v"):
        return _by_column("keys" if prefix == "k" else "values", _test(rest, pattern, regex=regex), negated)
    return _by_header(prefix, rest, pattern, negated, regex=regex)


def _test(text: str, whole: str, *, regex: bool) -> Test:
    data = text.encode("utf-8", "surrogateescape")
    if regex:
        try:
            return re.compile(data, re.DOTALL).search
        except re.error as fault:
            raise Usage(f"-G {whole}: not a regular expression: {fault}") from None
    if any(letter in text for letter in "*?["):
        return re.compile(fnmatch.translate(text).encode("utf-8", "surrogateescape")).match
    return re.compile(re.escape(data)).search


def _by_column(column: str, test: Test, negated: bool) -> Filter:
    def places(rows: Rows) -> Places:
        data: Sequence[bytes | None] = getattr(rows, column)
        if negated:
            return [place for place, field in enumerate(data) if field is None or not test(field)]
        return [place for place, field in enumerate(data) if field is not None and test(field)]

    return Filter(frozenset({column}), places)


def _by_header(prefix: str, rest: str, whole: str, negated: bool, *, regex: bool) -> Filter:
    name, equals, pattern = rest.partition("=")
    if prefix == "h" and not (name and equals):
        raise Usage(f"-G {whole}: write h:NAME=PATTERN")
    test = _test(pattern if prefix == "h" else rest, whole, regex=regex)

    def holds(headers: Headers) -> bool:
        if prefix == "hk":
            return any(test(key.encode("utf-8", "surrogateescape")) for key, _ in headers)
        return any(value is not None and test(value) for key, value in headers if prefix == "hv" or key == name)

    def places(rows: Rows) -> Places:
        return [place for place, headers in enumerate(rows.headers) if holds(headers) is not negated]

    return Filter(frozenset({"headers"}), places)


def _by_time(text: str, whole: str, negated: bool, now_ms: int) -> Filter:
    try:
        span = parse_span(text if text.startswith("@") else f"@{text}", now_ms=now_ms)
    except Usage:
        raise Usage(f"-G {whole}: not a time; write t:@-1h, t:@14:00:15:00 or t:@2026-11-21") from None
    start_ms = span.start.value if span.start.base is Base.TIME else None
    stop_ms = span.stop.value if span.stop is not None and span.stop.base is Base.TIME else None

    def places(rows: Rows) -> Places:
        return [
            place
            for place, at_ms in enumerate(rows.timestamps)
            if ((start_ms is None or at_ms >= start_ms) and (stop_ms is None or at_ms < stop_ms)) is not negated
        ]

    return Filter(frozenset({"timestamps"}), places)
