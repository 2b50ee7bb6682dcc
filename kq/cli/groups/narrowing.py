"""`-t orders:0,2`: which partitions of a group are meant. A group may stand in topics that are gone, so these words are
not held against the cluster's topics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from kq.cli.partitions.names import parse_pattern, parse_topic

if TYPE_CHECKING:
    from kq.client import TopicPartition


def narrowed(words: Sequence[str]) -> Callable[[TopicPartition], bool]:
    """Names, globs, partitions; no words: everything is meant."""
    parsed = [(name, parse_pattern(name, regex=False), only) for name, only in map(parse_topic, words)]

    def is_meant(pair: TopicPartition) -> bool:
        topic, partition = pair
        return not parsed or any(
            (topic == name if pattern is None else pattern.search(topic)) and (only is None or partition in only)
            for name, pattern, only in parsed
        )

    return is_meant
