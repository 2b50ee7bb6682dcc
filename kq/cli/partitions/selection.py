"""Which topics and partitions a command is about: names, globs, `-t orders:0,2-4` and `-p` against what the cluster
has.

`choose` reads the words before anything is connected; `select` holds them against the cluster. A name that does not
exist ends the command with exit 3 and the nearest name; no topic is created by asking.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from kq.cli.partitions.names import no_topic, parse_partitions, parse_pattern, parse_topic
from kq.cli.run.failures import Failure, NotFound, Usage

if TYPE_CHECKING:
    from kq.cli.run.call import Call
    from kq.client import Cluster, Topic, TopicPartition

MISSING_CODES = {"UNKNOWN_TOPIC_OR_PARTITION", "INVALID_TOPIC_EXCEPTION"}


class Wanted(NamedTuple):
    """One word of the command line. `pattern` None: the name itself; `partitions` None: all of them."""

    text: str
    pattern: re.Pattern[str] | None
    partitions: list[int] | None


class Choice(NamedTuple):
    """What was asked for. No words: every topic. `only`: the partitions of -p."""

    wanted: list[Wanted]
    only: list[int] | None


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


def choose(names: Sequence[str], *, partition: str | None = None, regex: bool = False) -> Choice:
    """Reads the words; raises Usage where they make no sense."""
    wanted = []
    for text in names:
        name, partitions = (text, None) if regex else parse_topic(text)
        wanted.append(Wanted(name, parse_pattern(name, regex=regex), partitions))
    return Choice(wanted, None if partition is None else parse_partitions(partition))


def required_names(names: list[str], command: str) -> list[str]:
    if not names:
        raise Usage(f"{command}: TOPIC is missing")
    return names


def whole_topics(choice: Choice, command: str) -> Choice:
    """For commands that change a topic as a whole: `kq topic delete orders:1` must not delete all of orders."""
    for one in choice.wanted:
        if one.partitions is not None:
            raise Usage(f"{command} takes whole topics, not partitions: write {one.text}")
    return choice


async def select(
    cluster: Cluster, call: Call, choice: Choice, *, internal: bool = False, skip_missing: bool = False
) -> list[Selected]:
    """The topics that are meant, by name. Patterns see internal topics only where `internal` says so."""
    wanted = choice.wanted
    exact = [one.text for one in wanted if one.pattern is None]
    everything = not wanted or len(exact) < len(wanted)
    metadata = await cluster.metadata(None if everything else exact, max_age_ms=0)
    visible = [name for name, topic in metadata.topics.items() if internal or not topic.internal]
    found: dict[str, list[int] | None] = {} if wanted else dict.fromkeys(visible)
    for text, pattern, partitions in wanted:
        hits = [text] if pattern is None else [name for name in visible if pattern.search(name)]
        if not hits and not skip_missing:
            raise NotFound(f"no topic matches '{text}' on {call.settings.bootstrap}")
        for hit in hits:
            found[hit] = _joined(found[hit], partitions) if hit in found else partitions
    selected = []
    for name in sorted(found):
        topic = metadata.topics.get(name)
        if topic is not None and not topic.error:
            selected.append(Selected(topic, _existing(topic, found[name], choice.only)))
        elif not skip_missing or (topic is not None and topic.error.name not in MISSING_CODES):
            await _refuse(cluster, call, name, topic)
    return selected


def _joined(one: list[int] | None, other: list[int] | None) -> list[int] | None:
    return None if one is None or other is None else sorted({*one, *other})


def _existing(topic: Topic, wanted: Sequence[int] | None, only: Sequence[int] | None) -> list[int]:
    chosen = list(topic.partitions) if wanted is None else list(wanted)
    if only is not None:
        chosen = [partition for partition in only if wanted is None or partition in wanted]
        if not chosen:
            words = f"{topic.name}:{','.join(map(str, wanted or ()))}"
            raise Usage(f"{words} and -p {','.join(map(str, only))} have no partition in common")
    missing = [partition for partition in chosen if partition not in topic.partitions]
    if missing:
        raise no_partition(topic, missing[0])
    return chosen


def no_partition(topic: Topic, partition: int) -> NotFound:
    last = len(topic.partitions) - 1
    there = f"partitions 0 to {last}" if last > 0 else "partition 0 alone"
    return NotFound(f"topic {topic.name} has no partition {partition}; it has {there}")


async def _refuse(cluster: Cluster, call: Call, name: str, topic: Topic | None) -> NoReturn:
    if topic is not None and topic.error.name not in MISSING_CODES:
        raise Failure(f"topic {name}: {topic.error.text}", code=topic.error.name)
    everything = await cluster.metadata(None)
    raise no_topic(name, everything.topics, call.settings.bootstrap)
