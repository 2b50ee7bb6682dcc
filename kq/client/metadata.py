"""What a cluster says about itself: brokers, topics, partitions and their leaders.

Immutable snapshots, as the callers see them. `MetadataCache` merges each answer into the next snapshot and holds the
one rule that makes routing safe: a partition's leader is only replaced by an answer of the same or a higher leader
epoch, so that a broker that lags behind cannot send us back to an old leader (KIP-320, Java's
`Metadata.updateLatestMetadata`); a topic that was made anew (another topic id) starts afresh.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, NamedTuple

from kq.client.address import Address
from kq.errors import Err

__all__ = ["NO_ID", "Broker", "ClusterMetadata", "MetadataCache", "Partition", "Topic", "read_metadata"]

NO_ID = bytes(16)


class Broker(NamedTuple):
    node_id: int
    host: str
    port: int
    rack: str | None = None

    @property
    def address(self) -> str:
        return str(Address(self.host, self.port))


@dataclass(frozen=True)
class Partition:
    index: int
    leader: int  # -1: none at the moment
    leader_epoch: int  # -1: the broker is too old to say
    replicas: tuple[int, ...]  # the first is the preferred leader
    isr: tuple[int, ...]
    offline: tuple[int, ...] = ()
    error: Err = Err.NONE


class Topic(NamedTuple):
    name: str
    id: bytes  # 16 bytes; zero where the cluster has no topic ids
    internal: bool
    error: Err  # UNKNOWN_TOPIC_OR_PARTITION when there is no such topic
    partitions: Mapping[int, Partition]  # by index, in ascending order


class ClusterMetadata(NamedTuple):
    cluster_id: str | None
    controller_id: int  # -1: unknown
    brokers: Mapping[int, Broker] = MappingProxyType({})  # those alive, by node id
    topics: Mapping[str, Topic] = MappingProxyType({})  # those asked for, also the ones with an error

    def partition(self, topic: str, partition: int) -> Partition | None:
        found = self.topics.get(topic)
        return None if found is None else found.partitions.get(partition)

    def leader(self, topic: str, partition: int) -> int:
        """Node id of the leader, -1 when unknown or none."""
        found = self.partition(topic, partition)
        return -1 if found is None else found.leader


class MetadataCache:
    """The newest snapshot of all topics ever asked for, and when each was last answered."""

    def __init__(self) -> None:
        self.current = ClusterMetadata(cluster_id=None, controller_id=-1)
        self._answered_ms: dict[str, float] = {}
        self._all_answered_ms = float("-inf")
        self._last_ms = float("-inf")  # any answer

    def age_ms(self, topics: Iterable[str] | None, now_ms: float) -> float:
        """Age of the oldest answer about these topics (None: about all; none: about brokers); infinite when never."""
        if topics is None:
            return now_ms - self._all_answered_ms
        never = float("-inf")
        return max((now_ms - self._answered_ms.get(name, never) for name in topics), default=now_ms - self._last_ms)

    def forget(self, topic: str) -> None:
        """The next question about this topic goes to a broker."""
        self._answered_ms.pop(topic, None)
        self._all_answered_ms = float("-inf")

    def moved(self, topic: str, index: int, leader: int, leader_epoch: int, endpoints: Iterable[Broker]) -> None:
        """A newer leader of one partition, and where it is to be found."""
        known = self.current.partition(topic, index)
        if known is None or leader_epoch <= known.leader_epoch:
            return
        brokers = {**self.current.brokers, **{broker.node_id: broker for broker in endpoints}}
        if leader not in brokers:
            return
        old = self.current.topics[topic]
        partition = replace(known, leader=leader, leader_epoch=leader_epoch)
        topics = {**self.current.topics, topic: old._replace(partitions={**old.partitions, index: partition})}
        self.current = self.current._replace(brokers=brokers, topics=topics)

    def merge(self, answer: ClusterMetadata, *, all_topics: bool, now_ms: float) -> None:
        self._last_ms = now_ms
        known = self.current.topics
        fresh = {name: _newest(known.get(name), topic) for name, topic in answer.topics.items()}
        if all_topics:
            self._all_answered_ms = now_ms
            self._answered_ms.clear()
            merged: dict[str, Topic] = fresh
        else:
            merged = {**known, **fresh}
        for name, topic in fresh.items():
            if topic.error:
                self._answered_ms.pop(name, None)  # it may be there the next moment
            else:
                self._answered_ms[name] = now_ms
        self.current = ClusterMetadata(
            cluster_id=answer.cluster_id or self.current.cluster_id,
            controller_id=answer.controller_id,
            brokers=answer.brokers or self.current.brokers,
            topics=merged,
        )


def _newest(known: Topic | None, answered: Topic) -> Topic:
    """The answered topic, but with the partitions of which we know a later leader."""
    if known is None or known.error or answered.error or known.id != answered.id:
        return answered
    partitions = {
        index: known.partitions[index]
        if index in known.partitions and -1 < partition.leader_epoch < known.partitions[index].leader_epoch
        else partition
        for index, partition in answered.partitions.items()
    }
    return Topic(answered.name, answered.id, answered.internal, answered.error, partitions)


def read_metadata(answer: Any, asked: Iterable[str] = ()) -> ClusterMetadata:
    """What a Metadata answer says. The topics `asked` for that are not in it do not exist (an answer about all topics
    leaves them out)."""
    brokers = {b.node_id: Broker(b.node_id, b.host, b.port, b.rack) for b in answer.brokers}
    topics = {name: Topic(name, NO_ID, False, Err.UNKNOWN_TOPIC_OR_PARTITION, {}) for name in asked}
    topics |= {topic.name: _read_topic(topic) for topic in answer.topics if topic.name is not None}
    return ClusterMetadata(answer.cluster_id, answer.controller_id, brokers, topics)


def _read_topic(topic: Any) -> Topic:
    partitions = {
        p.index: Partition(
            p.index,
            p.leader_id,
            p.leader_epoch,
            tuple(p.replicas),
            tuple(p.isr),
            tuple(p.offline_replicas),
            Err.of(p.error_code),
        )
        for p in sorted(topic.partitions, key=lambda p: p.index)
    }
    return Topic(topic.name, topic.topic_id, topic.is_internal, Err.of(topic.error_code), partitions)
