"""What a partition holds: offsets from its leader, sizes from the log directories, health from metadata.

A broker that does not answer leaves gaps (None) and is named once on stderr (rule 10 of CLI-OUTPUT.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kq.client import EARLIEST, LATEST, MAX_TIMESTAMP, Admin, Resource

if TYPE_CHECKING:
    from kq.client import Cluster, ConfigEntry, Partition, Topic, TopicPartition


@dataclass(slots=True)
class Measure:
    """Of one partition; None is unknown."""

    start: int | None = None
    end: int | None = None
    size_bytes: int | None = None
    last_write_ms: int | None = None

    @property
    def records(self) -> int | None:
        return None if self.start is None or self.end is None else max(self.end - self.start, 0)


@dataclass(slots=True)
class Measures:
    partitions: dict[TopicPartition, Measure] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)  # for stderr, each once
    offsets_missing: bool = False  # something asked for was not answered: exit 1

    def report(self, problem: object) -> None:
        if str(problem) not in self.problems:
            self.problems.append(str(problem))

    def of(self, pairs: Iterable[TopicPartition]) -> list[Measure]:
        return [self.partitions[pair] for pair in pairs]


async def measure(
    cluster: Cluster,
    pairs: Sequence[TopicPartition],
    *,
    sizes: bool = True,
    last_write: bool = False,
) -> Measures:
    """Asks each leader once for each kind of answer, all at the same time."""
    admin = Admin(cluster)
    result = Measures({pair: Measure() for pair in pairs})
    questions = [_offsets(admin, pairs, EARLIEST, result), _offsets(admin, pairs, LATEST, result)]
    if last_write:
        questions.append(_offsets(admin, pairs, MAX_TIMESTAMP, result))
    if sizes:
        questions.append(_sizes(cluster, admin, pairs, result))
    await asyncio.gather(*questions)
    return result


async def _offsets(admin: Admin, pairs: Sequence[TopicPartition], position: int, result: Measures) -> None:
    if not pairs:
        return
    for pair, listed in (await admin.list_offsets(dict.fromkeys(pairs, position))).items():
        into = result.partitions[pair]
        if listed.error is not None:
            if position != MAX_TIMESTAMP:  # an old broker does not know that question; the gap says enough
                result.offsets_missing = True
                result.report(f"{pair[0]}:{pair[1]}: {listed.error}")
        elif position == EARLIEST:
            into.start = listed.offset
        elif position == LATEST:
            into.end = listed.offset
        else:
            into.last_write_ms = listed.timestamp_ms if listed.offset >= 0 else -1


async def _sizes(cluster: Cluster, admin: Admin, pairs: Sequence[TopicPartition], result: Measures) -> None:
    leaders = {pair: cluster.known.leader(*pair) for pair in pairs}
    nodes = sorted({leader for leader in leaders.values() if leader >= 0})
    if not nodes:
        return
    for node, answer in (await admin.describe_log_dirs(nodes, partitions=pairs)).items():
        if answer.error is not None:
            result.report(f"{answer.error}: sizes on broker {node} are missing")
            continue
        for directory in answer.dirs:
            for pair, replica in directory.replicas.items():
                if leaders.get(pair) == node and not replica.is_future:
                    result.partitions[pair].size_bytes = replica.size_bytes


@dataclass(frozen=True, slots=True)
class Health:
    """How many partitions of a topic are in which trouble."""

    under_replicated: int = 0
    under_min_isr: int = 0
    offline: int = 0

    @property
    def is_ok(self) -> bool:
        return not (self.under_replicated or self.under_min_isr or self.offline)

    @property
    def human(self) -> str:
        parts = [
            f"{count} {word}"
            for count, word in (
                (self.offline, "offline"),
                (self.under_min_isr, "under min ISR"),
                (self.under_replicated, "under-replicated"),
            )
            if count
        ]
        return ", ".join(parts) or "ok"

    @property
    def plain(self) -> str:
        parts = [f"{name}={count}" for name, count in self.as_json().items() if count]
        return ",".join(parts) or "ok"

    @property
    def alert(self) -> str:
        if self.offline or self.under_min_isr:
            return "red"
        return "yellow" if self.under_replicated else ""

    def as_json(self) -> dict[str, int]:
        return {
            "offline": self.offline,
            "under_min_isr": self.under_min_isr,
            "under_replicated": self.under_replicated,
        }


def health_of(topic: Topic, min_isr: int | None) -> Health:
    partitions = topic.partitions.values()
    return Health(
        under_replicated=sum(is_under_replicated(partition) for partition in partitions),
        under_min_isr=sum(is_under_min_isr(partition, min_isr) for partition in partitions),
        offline=sum(partition.leader < 0 for partition in partitions),
    )


def is_under_replicated(partition: Partition) -> bool:
    return len(partition.isr) < len(partition.replicas)


def is_under_min_isr(partition: Partition, min_isr: int | None) -> bool:
    # Kafka counts against the smaller of the setting and the number of replicas (SEMANTICS.md, rule 5).
    return min_isr is not None and len(partition.isr) < min(min_isr, len(partition.replicas))


async def settings_of(
    cluster: Cluster, names: Sequence[str], keys: Sequence[str] | None
) -> dict[str, dict[str, ConfigEntry]]:
    """The settings of these topics; a topic whose settings may not be read has none."""
    if not names:
        return {}
    answers = await Admin(cluster).describe_configs([Resource.topic(name) for name in names], names=keys)
    return {resource.name: dict(answer.entries) for resource, answer in answers.items() if answer.error is None}


def min_isr_of(settings: dict[str, ConfigEntry] | None) -> int | None:
    entry = (settings or {}).get("min.insync.replicas")
    return int(entry.value) if entry is not None and entry.value is not None else None


def is_compacted(settings: dict[str, ConfigEntry] | None) -> bool:
    entry = (settings or {}).get("cleanup.policy")
    return entry is not None and "compact" in (entry.value or "")
