"""How topics and partitions are named on the command line: `orders`, `orders:1`, `orders:0,2-4`, `-p 0,2-4`.

A partition is written with a colon, because `orders-1` can be a topic.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Sequence

from kq.cli.run.failures import NotFound, Usage, did_you_mean

MAX_PARTITION = 2**31 - 1


def parse_partitions(text: str, *, flag: str = "-p") -> list[int]:
    """`0,2-4` as [0, 2, 3, 4]."""
    numbers: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
        if not match:
            raise Usage(f"{flag} {text}: not a list of partitions; write 0,2-4")
        low, high = int(match[1]), int(match[2] or match[1])
        if high < low or high > MAX_PARTITION or high - low > 1_000_000:
            raise Usage(f"{flag} {text}: {part.strip()} is not a range of partitions")
        numbers.update(range(low, high + 1))
    return sorted(numbers)


def parse_topic(text: str) -> tuple[str, list[int] | None]:
    """`orders:0,2-4` as ("orders", [0, 2, 3, 4]); None: all partitions."""
    name, colon, partitions = text.partition(":")
    if not name or (colon and not partitions):
        raise Usage(f"'{text}': write TOPIC, TOPIC:P or TOPIC:0,2-4")
    return name, parse_partitions(partitions, flag=text) if colon else None


def is_pattern(name: str, *, regex: bool) -> bool:
    return regex or any(letter in name for letter in "*?[")


def matching(patterns: Iterable[str], names: Sequence[str], *, regex: bool) -> list[str]:
    """The names that any pattern matches, each once, sorted."""
    matches = [_matcher(pattern, regex=regex) for pattern in patterns]
    return sorted(name for name in names if any(match.search(name) for match in matches))


def _matcher(pattern: str, *, regex: bool) -> re.Pattern[str]:
    if not regex:
        return re.compile("\\A" + fnmatch.translate(pattern))
    try:
        return re.compile(pattern)
    except re.error as fault:
        raise Usage(f"--regex {pattern}: {fault}") from None


def no_topic(name: str, known: Iterable[str], where: str) -> NotFound:
    return NotFound(f"no topic '{name}' on {where}{did_you_mean(name, known)}", code="UNKNOWN_TOPIC_OR_PARTITION")
