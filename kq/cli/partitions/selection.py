"""Which topics and partitions a command is about: names, globs, `-t orders:0,2-4` and `-p` against what the cluster
has.

A name that does not exist ends the command with exit 3 and the nearest name; no topic is created by asking.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from kq.cli.partitions.names import is_pattern, matching, no_topic, parse_partitions, parse_topic
from kq.cli.run.failures import Failure, NotFound, Usage

if TYPE_CHECKING:
    from kq.cli.run.call import Call
    from kq.client import Cluster, Topic, TopicPartition

MISSING_CODES = {"UNKNOWN_TOPIC_OR_PARTITION", "INVALID_TOPIC_EXCEPTION"}


class Selected(NamedTuple):
    """A topic as the cluster describes it, and the partitions of it that are meant."""

    topic: Topic
    partitions: list[int]

    @property
    def name(self) -> str:
        return self.topic.name

    @property
    def pairs(self) -> list[TopicPartition]:
        return [(self.topic.name, partition) for partition in self.partitions]


async def select(
    cluster: Cluster,
    call: Call,
    names: Iterable[str],
    *,
    partition: str | None = None,
    regex: bool = False,
    internal: bool = False,
) -> list[Selected]:
    """The topics these names and patterns mean, by name; none given: all of them."""
    wanted = [parse_topic(name) if not regex else (name, None) for name in names]
    only = parse_partitions(partition) if partition is not None else None
    patterns = [name for name, _ in wanted if is_pattern(name, regex=regex)]
    plain = [name for name, _ in wanted if not is_pattern(name, regex=regex)]
    metadata = await cluster.metadata(plain if wanted and not patterns else None, max_age_ms=0)
    visible = [name for name, topic in metadata.topics.items() if internal or not topic.internal]
    found: dict[str, list[int] | None] = {}
    for name, partitions in wanted or [(name, None) for name in visible]:
        if is_pattern(name, regex=regex):
            hits = matching([name], visible, regex=regex)
            if not hits:
                raise NotFound(f"no topic matches '{name}' on {call.settings.bootstrap}")
        else:
            hits = [name]
        for hit in hits:
            found[hit] = _joined(found[hit], partitions) if hit in found else partitions
    selected = []
    for name in sorted(found):
        topic = metadata.topics.get(name)
        if topic is None or topic.error:
            await _refuse(cluster, call, name, topic)
            continue
        selected.append(Selected(topic, _existing(topic, found[name], only)))
    return selected


def _joined(one: list[int] | None, other: list[int] | None) -> list[int] | None:
    return None if one is None or other is None else sorted({*one, *other})


def _existing(topic: Topic, wanted: Sequence[int] | None, only: Sequence[int] | None) -> list[int]:
    chosen = list(topic.partitions) if wanted is None else list(wanted)
    if only is not None:
        chosen = [partition for partition in chosen if partition in only] if wanted is not None else list(only)
    missing = [partition for partition in chosen if partition not in topic.partitions]
    if missing:
        raise no_partition(topic, missing[0])
    return chosen


def no_partition(topic: Topic, partition: int) -> NotFound:
    count = len(topic.partitions)
    return NotFound(f"topic {topic.name} has no partition {partition}; it has {count}, 0 to {count - 1}")


async def _refuse(cluster: Cluster, call: Call, name: str, topic: Topic | None) -> None:
    if topic is not None and topic.error.name not in MISSING_CODES:
        raise Failure(f"topic {name}: {topic.error.text}", code=topic.error.name)
    everything = await cluster.metadata(None)
    raise no_topic(name, everything.topics, call.settings.bootstrap)


def merged_names(arguments: Sequence[str] | None, flags: Sequence[str] | None) -> list[str]:
    """The positional topics and those of `-t`: they mean the same."""
    return [*(arguments or ()), *(flags or ())]


def required_names(arguments: Sequence[str] | None, flags: Sequence[str] | None, command: str) -> list[str]:
    names = merged_names(arguments, flags)
    if not names:
        raise Usage(f"{command}: TOPIC is missing")
    return names
