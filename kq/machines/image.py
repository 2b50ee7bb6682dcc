"""The cluster as one broker sees it: brokers, topics, partitions and settings, as of one moment.

An image is a value: it is never changed, a change makes a new one (`with_topic`, `without_topic`, …) that shares what
stays. Whoever holds an image sees one consistent cluster for as long as it holds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import NamedTuple

INTERNAL_TOPICS = frozenset({"__consumer_offsets", "__transaction_state"})


class BrokerImage(NamedTuple):
    """A broker that is registered. `host` and `port` are those of its first listener."""

    node_id: int
    host: str
    port: int
    rack: str | None
    by_listener: Mapping[str, tuple[str, int]] = MappingProxyType({})

    def at(self, listener: str) -> tuple[str, int]:
        """The address that a client is told who came through the listener of this name: only that one may be in its
        reach. The first, where the broker has no such listener."""
        return self.by_listener.get(listener, (self.host, self.port))


class PartitionImage(NamedTuple):
    """Invariants: `isr` is a subset of `replicas`; `leader` is in `isr`, or -1 for none; epochs only rise."""

    leader: int
    leader_epoch: int
    replicas: tuple[int, ...]
    isr: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TopicImage:
    """`settings` holds what was set on the topic itself, as text under Kafka's names."""

    name: str
    id: bytes
    partitions: tuple[PartitionImage, ...]
    settings: Mapping[str, str]

    @property
    def is_internal(self) -> bool:
        return self.name in INTERNAL_TOPICS


@dataclass(frozen=True, slots=True)
class ClusterImage:
    """`broker_settings` by node id holds dynamic settings of brokers; under None stands the cluster-wide default.
    `group_settings` holds what was set on single groups, by group id."""

    cluster_id: str
    controller_id: int
    brokers: Mapping[int, BrokerImage] = field(default_factory=dict)
    topics: Mapping[str, TopicImage] = field(default_factory=dict)
    topic_names: Mapping[bytes, str] = field(default_factory=dict)  # by id
    metric_names: Mapping[str, str] = field(default_factory=dict)  # topics by what metrics call them
    broker_settings: Mapping[int | None, Mapping[str, str]] = field(default_factory=dict)
    group_settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def topic_by_id(self, topic_id: bytes) -> TopicImage | None:
        name = self.topic_names.get(topic_id)
        return None if name is None else self.topics[name]

    @property
    def partition_count(self) -> int:
        return sum(len(topic.partitions) for topic in self.topics.values())

    def with_topics(self, *topics: TopicImage) -> ClusterImage:
        """Adds or replaces topics by name."""
        return replace(
            self,
            topics={**self.topics, **{topic.name: topic for topic in topics}},
            topic_names={**self.topic_names, **{topic.id: topic.name for topic in topics}},
            metric_names={**self.metric_names, **{metric_name(topic.name): topic.name for topic in topics}},
        )

    def without_topics(self, *names: str) -> ClusterImage:
        gone = set(names)
        return replace(
            self,
            topics={name: topic for name, topic in self.topics.items() if name not in gone},
            topic_names={id_: name for id_, name in self.topic_names.items() if name not in gone},
            metric_names={metric: name for metric, name in self.metric_names.items() if name not in gone},
        )

    def with_broker_settings(self, node_id: int | None, settings: Mapping[str, str]) -> ClusterImage:
        return replace(self, broker_settings={**self.broker_settings, node_id: settings})

    def with_group_settings(self, group_id: str, settings: Mapping[str, str]) -> ClusterImage:
        """A group without settings of its own is not listed."""
        others = {name: own for name, own in self.group_settings.items() if name != group_id}
        return replace(self, group_settings=others | ({group_id: settings} if settings else {}))


def metric_name(topic: str) -> str:
    """As metrics have it, which know no `.`."""
    return topic.replace(".", "_")


def colliding_topic(image: ClusterImage, name: str) -> str | None:
    """The topic whose name differs only by `.` and `_`: both would be one in metric names (Topic.hasCollision)."""
    other = image.metric_names.get(metric_name(name))
    return None if other == name else other
