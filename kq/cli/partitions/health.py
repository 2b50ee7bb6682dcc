"""How a topic is: which of its partitions lack replicas or a leader, and the settings that this depends on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kq.client import Admin, Resource

if TYPE_CHECKING:
    from kq.client import Cluster, ConfigEntry, Partition, Topic


TROUBLES = {"offline": "offline", "under_min_isr": "under min ISR", "under_replicated": "under-replicated"}


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
        parts = [f"{count} {TROUBLES[name]}" for name, count in self.as_json().items() if count]
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
