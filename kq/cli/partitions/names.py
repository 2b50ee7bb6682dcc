"""How topics and partitions are named on the command line: `orders`, `orders:1`, `orders:0,2-4`, `-p 0,2-4`.

A partition is written with a colon, because `orders-1` can be a topic.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable

from kq.cli.run.failures import NotFound, Usage, did_you_mean, require_utf8

MAX_PARTITION = 2**31 - 1
MOST_PARTITIONS = 1_000_000  # in one range: more than any topic has, and a list of them fits in memory
_RANGE = re.compile(r"([0-9]+)(?:-([0-9]+))?")


def parse_partitions(text: str, *, written: str | None = None) -> list[int]:
    """`0,2-4` as [0, 2, 3, 4]; `written` is how the user wrote it, where that is not after -p."""
    where = f"-p {text}" if written is None else written
    numbers: set[int] = set()
    for part in text.split(","):
        match = _RANGE.fullmatch(part.strip())
        if not match:
            raise Usage(f"{where}: '{part.strip()}' is not a partition; write 0,2-4")
        low, high = int(match[1]), int(match[2] or match[1])
        if high < low or high > MAX_PARTITION or high - low > MOST_PARTITIONS:
            raise Usage(f"{where}: {part.strip()} is not a range of partitions")
        numbers.update(range(low, high + 1))
    return sorted(numbers)


def parse_topic(text: str) -> tuple[str, list[int] | None]:
    """`orders:0,2-4` as ("orders", [0, 2, 3, 4]); None: all partitions."""
    name, colon, partitions = require_utf8(text, "topic").partition(":")
    if not name or (colon and not partitions):
        raise Usage(f"'{text}': write TOPIC, TOPIC:P or TOPIC:0,2-4")
    return name, parse_partitions(partitions, written=text) if colon else None


def parse_pattern(text: str, *, regex: bool) -> re.Pattern[str] | None:
    """A glob, or under --regex a regular expression, to be searched with; None for a plain name."""
    if not regex:
        return re.compile("\\A" + fnmatch.translate(text)) if any(letter in text for letter in "*?[") else None
    try:
        return re.compile(text)
    except re.error as fault:
        raise Usage(f"--regex {text}: {fault}") from None


def no_topic(name: str, known: Iterable[str], where: str) -> NotFound:
    return NotFound(f"no topic '{name}' on {where}{did_you_mean(name, known)}", code="UNKNOWN_TOPIC_OR_PARTITION")
