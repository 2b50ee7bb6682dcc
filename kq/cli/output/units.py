"""Numbers for people: sizes in powers of 1024, durations, counts with grouped digits, times."""

from __future__ import annotations

import time
from collections.abc import Sequence

_SIZE_UNITS = ("B", "KB", "MB", "GB", "TB", "PB")
_SECOND_MS = 1000
_MINUTE_MS = 60 * _SECOND_MS
_HOUR_MS = 60 * _MINUTE_MS
_DAY_MS = 24 * _HOUR_MS


def count_text(number: int) -> str:
    return f"{number:,}"


def counted(number: int, noun: str) -> str:
    """`1 partition`, `1,204 partitions`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def first_few(names: Sequence[str], most: int = 3) -> str:
    """`orders, clicks`, and of many `a, b, c and 45 more`."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def size_text(size_bytes: float) -> str:
    """`512 B`, `1.2 KB`, `12.9 GB`."""
    value = float(size_bytes)
    for unit in _SIZE_UNITS:
        # 1023.96 KB would round to `1024.0 KB`: it is the next unit's.
        if abs(value) < 1023.95 or unit == _SIZE_UNITS[-1]:
            break
        value /= 1024
    return f"{value:.0f} B" if unit == "B" else f"{value:,.1f} {unit}"


def duration_text(duration_ms: float) -> str:
    """`0.4s`, `3s`, `42m10s`, `6h02m`, `1d22h`."""
    if duration_ms < 0:
        return "-" + duration_text(-duration_ms)
    if duration_ms < 9_950:
        return f"{duration_ms / _SECOND_MS:.1f}".removesuffix(".0") + "s"
    whole_ms = round(duration_ms / _SECOND_MS) * _SECOND_MS
    if whole_ms < _MINUTE_MS:
        return f"{whole_ms // _SECOND_MS}s"
    if whole_ms < _HOUR_MS:
        return f"{whole_ms // _MINUTE_MS}m{whole_ms % _MINUTE_MS // _SECOND_MS:02}s"
    if whole_ms < _DAY_MS:
        return f"{whole_ms // _HOUR_MS}h{whole_ms % _HOUR_MS // _MINUTE_MS:02}m"
    return f"{whole_ms // _DAY_MS}d{whole_ms % _DAY_MS // _HOUR_MS:02}h"


def rate_text(per_second: float) -> str:
    """`402 k/s`, `1.2 M/s`, `80 /s`."""
    if per_second >= 999_500:
        return f"{per_second / 1e6:.2f} M/s"
    if per_second >= 10_000:
        return f"{per_second / 1e3:.0f} k/s"
    return f"{per_second:,.0f} /s"


# The years 1 to 9999: what RFC 3339 can write.
_FIRST_MS = -62_135_596_800_000
_LAST_MS = 253_402_300_799_999


def utc_text(at_ms: int) -> str:
    """RFC 3339 in UTC with milliseconds; the bare number where it has no date for it."""
    if not _FIRST_MS <= at_ms <= _LAST_MS:
        return str(at_ms)
    seconds, ms = divmod(at_ms, 1000)
    parts = time.gmtime(seconds)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', parts)}.{ms:03}Z"


def local_text(at_ms: int, *, utc: bool = False) -> str:
    """`2026-11-22 14:03:22.118` in local time (or UTC, then with a Z)."""
    if utc:
        return utc_text(at_ms).replace("T", " ")
    if not _FIRST_MS + 86_400_000 <= at_ms <= _LAST_MS - 86_400_000:
        return str(at_ms)
    seconds, ms = divmod(at_ms, 1000)
    parts = time.localtime(seconds)
    return f"{time.strftime('%Y-%m-%d %H:%M:%S', parts)}.{ms:03}"
