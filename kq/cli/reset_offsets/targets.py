"""Where to: what `--to`, `--to-earliest`, `--shift-by`, ... say. Pure: `now_ms` is passed in.

Rules
- Exactly one of them is given.
- What Apache's kafka-consumer-groups calls by the same name means the same: `--to-datetime` without a zone is UTC (in
  `--to @TIME` it is local, as everywhere in kq), `--by-duration` takes ISO 8601 durations, and kq's own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC
from enum import Enum
from typing import Any, NamedTuple

from kq.cli.output.units import count_text, local_text
from kq.cli.partitions.offsets import END, START, Base, Position, parse_duration, parse_position, parse_time
from kq.cli.run.failures import Hint, Usage, require_utf8


class Kind(Enum):
    POSITION = "position"  # value: Position
    CURRENT = "current"
    SHIFT = "shift"  # value: how many records
    GROUP = "group"  # value: another group's name
    FILE = "file"  # value: a path
    UNDO = "undo"


class Target(NamedTuple):
    kind: Kind
    value: Any
    words: str  # end of `move 3 of 3 partitions`


def parse_target(ways: Mapping[str, Any], *, now_ms: int, utc: bool = False) -> Target:
    """`ways`: the flags that were given. Raises Usage. `utc`: how times are said in `words`."""
    if not ways:
        raise Usage(
            "reset-offsets: where to? write --to OFFSET, --to-earliest, --to-latest, --shift-by N, … or --undo",
            Hint("see", "kq reset-offsets --help"),
        )
    if len(ways) > 1:
        raise Usage(f"reset-offsets: {' and '.join(ways)} say different things; give one of them")
    [(flag, value)] = ways.items()
    match flag:
        case "--to-current":
            return Target(Kind.CURRENT, None, "to where they are")
        case "--shift-by":
            return Target(Kind.SHIFT, value, f"by {value:+,}")
        case "--from-group":
            return Target(Kind.GROUP, require_utf8(value, "group"), f"to where group {value} stands")
        case "--from-file":
            return Target(Kind.FILE, value, f"as {value} says")
        case "--undo":
            return Target(Kind.UNDO, None, "")
    position = _position(flag, value, now_ms)
    return Target(Kind.POSITION, position, f"to {position_words(position, utc=utc)}")


def _position(flag: str, value: Any, now_ms: int) -> Position:
    match flag:
        case "--to":
            return parse_position(value, now_ms=now_ms, flag=flag)
        case "--to-earliest":
            return START
        case "--to-latest":
            return END
        case "--to-offset":
            return Position(Base.OFFSET, value)
        case "--to-datetime":
            return Position(Base.TIME, parse_datetime(value, now_ms))
        case "--by-duration":
            return Position(Base.TIME, now_ms - parse_iso_duration(value))
    raise ValueError(flag)


def position_words(position: Position, *, utc: bool = False) -> str:
    match position.base, position.value:
        case Base.START, 0:
            return "the earliest offset"
        case Base.END, 0:
            return "the latest offset"
        case Base.START, number:
            return f"{count_text(number)} after the earliest offset"
        case Base.END, number:
            return f"the last {count_text(-number)} of each"
        case Base.OFFSET, number:
            return f"offset {count_text(number)}"
    return f"the first record at or after {local_text(position.value, utc=utc)}"


def parse_datetime(text: str, now_ms: int) -> int:
    """The value of --to-datetime in ms. Raises Usage."""
    # Neither a duration nor `now`: a date has four digits and a dash.
    at_ms = parse_time(text, now_ms=now_ms, zone=UTC) if re.match(r"\d{4}-\d\d-\d\d|\d{10}(\d{3})?$", text) else None
    if at_ms is None:
        raise Usage(
            f"--to-datetime {text}: not a date and time; write 2026-11-21T14:00:00.000 (UTC), …+01:00 or 2026-11-21"
        )
    return at_ms


_ISO = re.compile(r"P(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d{1,9})?)S)?)?", re.IGNORECASE)
_MS = (86_400_000, 3_600_000, 60_000, 1000)


def parse_iso_duration(text: str) -> int:
    """`P1DT12H`, as Java's Duration reads it, or kq's `1d12h`, in ms. Raises Usage."""
    match = _ISO.fullmatch(text)
    if match and any(match.groups()):
        return round(sum(float(number) * unit for number, unit in zip(match.groups(), _MS, strict=True) if number))
    try:
        return parse_duration(text)
    except ValueError:
        raise Usage(f"--by-duration {text}: not a duration; write P1DT12H, PT90M, 90m or 7d") from None
