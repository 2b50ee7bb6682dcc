"""The offset grammar, row by row, and what is said about what it does not understand."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kq.cli.partitions.offsets import (
    END,
    START,
    Base,
    Position,
    Span,
    parse_duration,
    parse_position,
    parse_span,
    parse_time,
    place,
)
from kq.cli.run.failures import Usage

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 22, 14, 3, 22, tzinfo=UTC)  # 15:03:22 in Berlin
NOW_MS = int(NOW.timestamp() * 1000)


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def at(text: str) -> Position:
    return Position(Base.TIME, ms(text))


def offset(number: int) -> Position:
    return Position(Base.OFFSET, number)


SPANS = {
    "start": Span(START),
    "beginning": Span(START),
    "end": Span(END),
    "12": Span(offset(12)),
    "0": Span(offset(0)),
    "+3": Span(Position(Base.START, 3)),
    "-5": Span(Position(Base.END, -5)),
    "5:9": Span(offset(5), offset(9)),
    "5:5": Span(offset(5), offset(5)),
    ":end": Span(START, END),
    ":9": Span(START, offset(9)),
    "5:end": Span(offset(5), END),
    "5:": Span(offset(5)),
    "-10:end": Span(Position(Base.END, -10), END),
    "@14:00": Span(at("2026-11-22T14:00+01:00")),
    "@9:05": Span(at("2026-11-22T09:05+01:00")),
    "@14:00:30": Span(at("2026-11-22T14:00:30+01:00")),
    "@14:00Z": Span(at("2026-11-22T14:00Z")),
    "@14:00:15:00": Span(at("2026-11-22T14:00+01:00"), at("2026-11-22T15:00+01:00")),
    "@14:00:30:15:00": Span(at("2026-11-22T14:00:30+01:00"), at("2026-11-22T15:00+01:00")),
    "@:14:00": Span(START, at("2026-11-22T14:00+01:00")),
    "@14:00:": Span(at("2026-11-22T14:00+01:00"), END),
    "@14:00:end": Span(at("2026-11-22T14:00+01:00"), END),
    "@2026-11-21": Span(at("2026-11-21T00:00+01:00")),
    "@2026-07-01": Span(at("2026-07-01T00:00+02:00")),  # another offset from UTC than now
    "@2026-11-21:2026-11-22": Span(at("2026-11-21T00:00+01:00"), at("2026-11-22T00:00+01:00")),
    "@2026-11-21T10:00:00Z": Span(at("2026-11-21T10:00Z")),
    "@2026-11-21 10:00": Span(at("2026-11-21T10:00+01:00")),
    "@2026-11-21T10:00:00.25+05:30": Span(at("2026-11-21T10:00:00.25+05:30")),
    "@2026-11-21T10:00:00Z:2026-11-21T12:00:00Z": Span(at("2026-11-21T10:00Z"), at("2026-11-21T12:00Z")),
    "@1700000000": Span(Position(Base.TIME, 1_700_000_000_000)),
    "@1700000000123": Span(Position(Base.TIME, 1_700_000_000_123)),
    "@1700000000:1700000100": Span(Position(Base.TIME, 1_700_000_000_000), Position(Base.TIME, 1_700_000_100_000)),
    "@1700000000000:@1700000100000": Span(
        Position(Base.TIME, 1_700_000_000_000), Position(Base.TIME, 1_700_000_100_000)
    ),
    "@-1h": Span(Position(Base.TIME, NOW_MS - 3_600_000)),
    "@-1h30m": Span(Position(Base.TIME, NOW_MS - 5_400_000)),
    "@-500ms": Span(Position(Base.TIME, NOW_MS - 500)),
    "@-1h:-30m": Span(Position(Base.TIME, NOW_MS - 3_600_000), Position(Base.TIME, NOW_MS - 1_800_000)),
    "@-2d:now": Span(Position(Base.TIME, NOW_MS - 172_800_000), Position(Base.TIME, NOW_MS)),
}


@pytest.mark.parametrize("text", SPANS)
def test_reads(text: str) -> None:
    assert parse_span(text, now_ms=NOW_MS, zone=BERLIN) == SPANS[text]


REFUSED = {
    "@yesterday": "-o @yesterday: not a time; write @2026-11-21, @14:00, @-1h or @1700000000000",
    "tomorrow": "-o tomorrow: not an offset; write start, end, 100, +100, -100, 100:200, :end, @14:00 or @-1h",
    "": "-o : not an offset; write start, end, 100, +100, -100, 100:200, :end, @14:00 or @-1h",
    "9:5": "-o 9:5: ends before it begins",
    "@15:00:14:00": "-o @15:00:14:00: ends before it begins",
    "@14:00:15:00:30": "-o @14:00:15:00:30: can be read in more than one way; write both times with seconds, or "
    "with a date",
    "@25:00": "-o @25:00: not a time; write @2026-11-21, @14:00, @-1h or @1700000000000",
    "@2026-02-30": "-o @2026-02-30: not a time; write @2026-11-21, @14:00, @-1h or @1700000000000",
    "1:2:3": "-o 1:2:3: not an offset; write start, end, 100, +100, -100, 100:200, :end, @14:00 or @-1h",
}


@pytest.mark.parametrize("text", REFUSED)
def test_refuses_with_a_sentence(text: str) -> None:
    with pytest.raises(Usage) as refused:
        parse_span(text, now_ms=NOW_MS, zone=BERLIN)
    assert refused.value.message == REFUSED[text]
    assert refused.value.exit_code == 2


def test_a_single_position_is_not_a_range() -> None:
    assert parse_position("-5", now_ms=NOW_MS) == Position(Base.END, -5)
    with pytest.raises(Usage, match="one position is wanted"):
        parse_position("1:2", now_ms=NOW_MS)


@given(st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1)))
def test_every_moment_as_rfc_3339(moment: datetime) -> None:
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000, tzinfo=UTC)
    expected = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    assert parse_time(moment.isoformat(), now_ms=0) == expected
    if 10**12 <= expected < 10**13:
        assert parse_time(str(expected), now_ms=0) == expected


@given(st.text(max_size=20))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(Usage):
        assert isinstance(parse_span(text, now_ms=NOW_MS, zone=BERLIN), Span)


def test_durations() -> None:
    assert parse_duration("1w2d3h4m5s6ms") == 604_800_000 + 172_800_000 + 10_800_000 + 240_000 + 5_000 + 6
    assert parse_duration("1.5h") == 5_400_000
    for wrong in ("", "h", "5", "-1h", "1 h"):
        with pytest.raises(ValueError, match="not a duration"):
            parse_duration(wrong)


@pytest.mark.parametrize(
    ("position", "expected"),
    [
        (START, 100),
        (END, 200),
        (Position(Base.START, 10), 110),
        (Position(Base.START, 1000), 200),
        (Position(Base.END, -10), 190),
        (Position(Base.END, -1000), 100),
        (offset(150), 150),
        (offset(5), 100),
        (offset(999), 200),
    ],
)
def test_places_stay_inside_the_log(position: Position, expected: int) -> None:
    assert place(position, start=100, end=200, at_time=None) == expected


def test_a_time_after_the_last_record_is_the_end() -> None:
    when = Position(Base.TIME, 1)
    assert place(when, start=100, end=200, at_time=150) == 150
    assert place(when, start=100, end=200, at_time=None) == 200
    assert place(when, start=100, end=200, at_time=3) == 100  # before a trimmed start
