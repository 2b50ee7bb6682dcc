"""The offset grammar of consume, trim and topic offsets (CLI.md). Pure: `now_ms` is passed in.

    start  end  N  +N (from the start)  -N (the last N)  N:M  :M  N:end  :end  @TIME  @T1:T2  @T:  @:T

A range ends before M, or before the first record at or after T2. TIME is RFC 3339, a date, a time of day (local where
no zone is given), 10 digits (seconds), 13 digits (milliseconds), a duration back from now (`-1h`, `1h30m`), or `now`.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from enum import Enum
from typing import NamedTuple

from kq.cli.run.failures import Usage, did_you_mean

EXAMPLES = "write @2026-11-21, @14:00, @-1h or @1700000000000"
POSITIONS = "write start, end, 100, +100, -100, @14:00 or @-1h"
SPANS = "write start, end, 100, +100, -100, 100:200, :end, @14:00 or @-1h"


class Base(Enum):
    """What a position is counted from."""

    START = "start"
    END = "end"
    OFFSET = "offset"
    TIME = "time"


class Position(NamedTuple):
    """`value` is an offset, a distance from start (>= 0) or end (<= 0), or milliseconds since the epoch."""

    base: Base
    value: int = 0


class Span(NamedTuple):
    """Where to begin, and where to stop (exclusive); no stop: go on."""

    start: Position
    stop: Position | None = None


START = Position(Base.START)
END = Position(Base.END)


def parse_span(text: str, *, now_ms: int, zone: tzinfo | None = None, flag: str = "-o") -> Span:
    """The value of `flag`; `zone` None is local time. Raises Usage, a sentence with what to write."""
    written = f"{flag} {text}"
    if text.startswith("@"):
        return _time_span(text, written, now_ms, zone)
    try:
        return _offset_span(text, written)
    except Usage as refused:
        raise _bare_time(refused, text, flag, now_ms, zone) from None


def parse_position(text: str, *, now_ms: int, zone: tzinfo | None = None, flag: str = "-o") -> Position:
    """A single position, for commands that take no range."""
    if not text.startswith("@") and ":" not in text:
        try:
            return _position(text, f"{flag} {text}", POSITIONS)
        except Usage as refused:
            raise _bare_time(refused, text, flag, now_ms, zone) from None
    span = parse_span(text, now_ms=now_ms, zone=zone, flag=flag)
    if span.stop is not None:
        raise Usage(f"{flag} {text}: one position is wanted here, not a range")
    return span.start


def _bare_time(refused: Usage, text: str, flag: str, now_ms: int, zone: tzinfo | None) -> Usage:
    """What else to say where the text would be a time, had it its @."""
    if parse_time(text, now_ms=now_ms, zone=zone) is None:
        return refused
    return Usage(f"{refused.message.partition(';')[0]}; a time is written with @, as in {flag} @{text}")


def _offset_span(text: str, written: str) -> Span:
    first, colon, second = text.partition(":")
    if not colon:
        return Span(_position(first, written, SPANS))
    start = _position(first, written, SPANS) if first else START
    stop = _position(second, written, SPANS) if second else None
    if stop is not None and start.base is stop.base is Base.OFFSET and stop.value < start.value:
        raise Usage(f"{written}: ends before it begins")
    return Span(start, stop)


STARTS, ENDS = ("start", "beginning", "earliest"), ("end", "latest")


def _position(text: str, written: str, examples: str) -> Position:
    if text in STARTS:
        return START
    if text in ENDS:
        return END
    if re.fullmatch(r"[+-]?[0-9]{1,19}", text):
        number = int(text)
        if text[0] == "+":
            return Position(Base.START, number)
        return Position(Base.END, number) if text[0] == "-" else Position(Base.OFFSET, number)
    raise Usage(f"{written}: not an offset{did_you_mean(text, (*STARTS, *ENDS))}; {examples}")


def _time_span(text: str, written: str, now_ms: int, zone: tzinfo | None) -> Span:
    body = text[1:]
    if (whole := parse_time(body, now_ms=now_ms, zone=zone)) is not None:
        return Span(Position(Base.TIME, whole))
    # The times themselves hold colons: the one place where both sides are times is meant.
    found = []
    for match in re.finditer(":", body):
        start = _side(body[: match.start()], START, now_ms, zone)
        stop = _side(body[match.end() :].removeprefix("@"), END, now_ms, zone)
        if start is not None and stop is not None:
            found.append(Span(start, stop))
    if not found:
        raise Usage(f"{written}: not a time; {EXAMPLES}")
    if len(found) > 1:
        raise Usage(f"{written}: can be read in more than one way; write both times with seconds, or with a date")
    if found[0].start.base is Base.TIME and found[0].stop is not None and found[0].stop.base is Base.TIME:
        _refuse_backwards(written, found[0].start.value, found[0].stop.value)
    return found[0]


def _side(text: str, default: Position, now_ms: int, zone: tzinfo | None) -> Position | None:
    if not text or text == default.base.value:
        return default
    at_ms = parse_time(text, now_ms=now_ms, zone=zone)
    return None if at_ms is None else Position(Base.TIME, at_ms)


def _refuse_backwards(written: str, start_ms: int, stop_ms: int) -> None:
    if stop_ms < start_ms:
        raise Usage(f"{written}: ends before it begins")


_DURATION = re.compile(r"-?((?:\d+(?:\.\d+)?(?:ms|[wdhms]))+)")
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[wdhms])")
_UNIT_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_TIME_OF_DAY = re.compile(r"\d{1,2}:\d{2}(:\d{2}([.,]\d{1,6})?)?")
_ZONED = re.compile(r"(.*?)(Z|[+-]\d{2}:?\d{2})", re.IGNORECASE)


def parse_time(text: str, *, now_ms: int, zone: tzinfo | None = None) -> int | None:
    """Milliseconds since the epoch, or None when it is not a time."""
    if text == "now":
        return now_ms
    if re.fullmatch(r"\d{10}", text):
        return int(text) * 1000
    if re.fullmatch(r"\d{13}", text):
        return int(text)
    if match := _DURATION.fullmatch(text):
        return now_ms - parse_duration(match.group(1))
    return _calendar_time(text, now_ms, zone)


def parse_duration(text: str) -> int:
    """`1h30m` in milliseconds. Raises ValueError when it is not a duration."""
    if not _DURATION.fullmatch(text) or text.startswith("-"):
        raise ValueError(f"'{text}' is not a duration; write 30s, 5m, 1h30m or 7d")
    return round(sum(float(number) * _UNIT_MS[unit] for number, unit in _PART.findall(text)))


def _calendar_time(text: str, now_ms: int, zone: tzinfo | None) -> int | None:
    clock, offset = text, ""
    if (match := _ZONED.fullmatch(text)) and ":" in match.group(1):
        clock, offset = match.groups()
    if _TIME_OF_DAY.fullmatch(clock):
        moment = datetime.fromtimestamp(now_ms / 1000, _zone_of(offset) or zone)
        clock = f"{moment.date().isoformat()}T{clock.zfill(len(clock) + (clock.index(':') == 1))}"
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", clock):
            day = date.fromisoformat(clock)
            at = datetime(day.year, day.month, day.day)
        elif re.fullmatch(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}([.,]\d{1,6})?)?", clock):
            at = datetime.fromisoformat(clock.replace(",", "."))
        else:
            return None
        at = at.replace(tzinfo=_zone_of(offset) or zone)
        # Without any zone this asks the system for its rule at that very date.
        return round(at.timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        return None


def _zone_of(offset: str) -> tzinfo | None:
    if not offset:
        return None
    if offset in "Zz":
        return UTC
    sign = -1 if offset[0] == "-" else 1
    digits = offset[1:].replace(":", "")
    from datetime import timezone

    return timezone(sign * timedelta(hours=int(digits[:2]), minutes=int(digits[2:])))


def place(position: Position, *, start: int, end: int, at_time: int | None) -> int:
    """The offset of a position in a partition that holds [start, end); `at_time`: the first at or after the time
    asked."""
    match position.base:
        case Base.START:
            return min(start + position.value, end)
        case Base.END:
            return max(end + position.value, start)
        case Base.OFFSET:
            return min(max(position.value, start), end)
        case Base.TIME:
            return end if at_time is None else max(at_time, start)
