"""Where to: flags into positions, and the words for mistakes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from kq.cli.partitions.offsets import END, START, Base, Position
from kq.cli.reset_offsets.targets import Kind, parse_target
from kq.cli.run.failures import Usage

NOW_MS = round(datetime(2026, 11, 22, 14, 0, tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("flag", "value", "kind", "expected", "words"),
    [
        ("--to", "start", Kind.POSITION, START, "to the earliest offset"),
        ("--to", "end", Kind.POSITION, END, "to the latest offset"),
        ("--to", "1200", Kind.POSITION, Position(Base.OFFSET, 1200), "to offset 1,200"),
        ("--to", "+5", Kind.POSITION, Position(Base.START, 5), "to 5 after the earliest offset"),
        ("--to", "-5", Kind.POSITION, Position(Base.END, -5), "to the last 5 of each"),
        (
            "--to",
            "@-1h",
            Kind.POSITION,
            Position(Base.TIME, NOW_MS - 3_600_000),
            "to the first record at or after 2026-11-22 13:00:00.000Z",
        ),
        ("--to-earliest", True, Kind.POSITION, START, "to the earliest offset"),
        ("--to-latest", True, Kind.POSITION, END, "to the latest offset"),
        ("--to-offset", 7, Kind.POSITION, Position(Base.OFFSET, 7), "to offset 7"),
        ("--to-current", True, Kind.CURRENT, None, "to where they are"),
        ("--shift-by", -1200, Kind.SHIFT, -1200, "by -1,200"),
        ("--shift-by", 5, Kind.SHIFT, 5, "by +5"),
        ("--from-group", "other", Kind.GROUP, "other", "to where group other stands"),
        ("--from-file", "p.csv", Kind.FILE, "p.csv", "as p.csv says"),
        ("--undo", True, Kind.UNDO, None, ""),
    ],
)
def test_ways(flag: str, value: Any, kind: Kind, expected: Any, words: str) -> None:
    assert parse_target({flag: value}, now_ms=NOW_MS, utc=True) == (kind, expected, words)


def at_ms(flag: str, value: str) -> int:
    position = parse_target({flag: value}, now_ms=NOW_MS).value
    assert position.base is Base.TIME
    return int(position.value)


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-11-21T14:00:00.000", (2026, 11, 21, 14, 0)),
        ("2026-11-21T14:00:00.000Z", (2026, 11, 21, 14, 0)),
        ("2026-11-21T14:00:00.000+01:00", (2026, 11, 21, 13, 0)),
        ("2026-11-21T14:00:00.000-0230", (2026, 11, 21, 16, 30)),
        ("2026-11-21", (2026, 11, 21)),
    ],
)
def test_a_datetime_is_utc_unless_it_says_otherwise(
    text: str, utc: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    assert at_ms("--to-datetime", text) == datetime(*utc, tzinfo=UTC).timestamp() * 1000
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("PT90M", 5_400_000),
        ("P1DT12H", 129_600_000),
        ("P2D", 172_800_000),
        ("PT0.5S", 500),
        ("pt1h2m3s", 3_723_000),
        ("90m", 5_400_000),
        ("1d12h", 129_600_000),
    ],
)
def test_durations(text: str, ms: int) -> None:
    assert at_ms("--by-duration", text) == NOW_MS - ms


@pytest.mark.parametrize(
    ("ways", "words"),
    [
        ({}, "reset-offsets: where to?"),
        ({"--to": "end", "--undo": True}, "reset-offsets: --to and --undo say different things; give one of them"),
        ({"--to": "yesterday"}, "--to yesterday: not an offset; write start, end, 100, +100, -100, @14:00 or @-1h"),
        ({"--to": "lastest"}, "--to lastest: not an offset; did you mean 'latest'?; write start,"),
        ({"--to": "99999999999999999999"}, "--to 99999999999999999999: not an offset"),
        ({"--to": "@yesterday"}, "--to @yesterday: not a time; write @2026-11-21"),
        ({"--to": "5:9"}, "--to 5:9: one position is wanted here, not a range"),
        ({"--to-datetime": "now"}, "--to-datetime now: not a date and time"),
        ({"--to-datetime": "1h"}, "--to-datetime 1h: not a date and time"),
        ({"--to-datetime": "2026-13-21"}, "--to-datetime 2026-13-21: not a date and time"),
        ({"--by-duration": "P"}, "--by-duration P: not a duration"),
        ({"--by-duration": "PT"}, "--by-duration PT: not a duration"),
        ({"--by-duration": "P1Y"}, "--by-duration P1Y: not a duration"),
        ({"--by-duration": "-PT1H"}, "--by-duration -PT1H: not a duration"),
        ({"--by-duration": "-1h"}, "--by-duration -1h: not a duration"),
    ],
)
def test_nonsense(ways: dict[str, Any], words: str) -> None:
    with pytest.raises(Usage) as caught:
        parse_target(ways, now_ms=NOW_MS)
    assert caught.value.message.startswith(words)
