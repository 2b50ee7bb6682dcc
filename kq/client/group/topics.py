"""Which topics a member wants, and when what is known of them calls for sharing out anew. Pure, but for the question.

Rules
- A pattern has to match the whole name, as Java's does, and never takes internal topics.
- Every member watches its own topics come and go where it has a pattern; the leader watches the partitions of all
  topics that any member wants.
- While a wanted topic is missing it is asked for every second: producers make topics after consumers start.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from kq.client.cluster import Cluster
from kq.client.metadata import ClusterMetadata
from kq.errors import Err, KafkaError

__all__ = ["Topics", "partition_count"]

MISSING_MS = 1_000


class Topics:
    def __init__(self, cluster: Cluster, wanted: Iterable[str] | re.Pattern[str]) -> None:
        self._cluster = cluster
        self._pattern = wanted if isinstance(wanted, re.Pattern) else None
        self._names = () if isinstance(wanted, re.Pattern) else tuple(sorted(set(wanted)))
        if self._pattern is None and (isinstance(wanted, str) or not self._names):
            raise KafkaError(
                Err.INVALID_TOPIC_EXCEPTION, "a group's member subscribes to a list of topics or a pattern"
            )
        self.matched = self._names  # those to be subscribed to now
        self._joined: tuple[str, ...] | None = None  # those named in the last JoinGroup
        self._shared: dict[str, int] | None = None  # of the leader: partitions by topic, as last shared out

    async def look(self, more: Iterable[str] = (), *, max_age_ms: float | None = None) -> ClusterMetadata:
        """Asks about the topics that matter, and notes which of them match."""
        wanted = None if self._pattern is not None else {*self._names, *more, *(self._shared or ())}
        metadata = await self._cluster.metadata(wanted, max_age_ms=max_age_ms)
        self.note(metadata)
        return metadata

    def note(self, metadata: ClusterMetadata) -> None:
        if self._pattern is not None:
            self.matched = tuple(
                sorted(
                    name
                    for name, topic in metadata.topics.items()
                    if not topic.internal and not topic.error and self._pattern.fullmatch(name)
                )
            )
            return
        for name in self._names:
            topic = metadata.topics.get(name)
            if topic is not None and topic.error and not topic.error.retriable:
                raise KafkaError(topic.error, f"topic {name!r}: {topic.error.text}")

    def joining(self) -> tuple[str, ...]:
        """What to say in JoinGroup."""
        self._joined = self.matched
        self._shared = None
        return self.matched

    def shared_out(self, counts: Mapping[str, int], all_topics: Iterable[str]) -> None:
        """This member is the leader, and has shared out these partitions; topics not there have none."""
        self._shared = {topic: counts.get(topic, 0) for topic in all_topics}

    def news(self, metadata: ClusterMetadata) -> str | None:
        """Why to share out anew, if there is a reason."""
        if self._joined is not None and self._joined != self.matched:
            return "topics that match the pattern have come or gone"
        for topic, before in (self._shared or {}).items():
            if partition_count(metadata, topic) != before:
                return f"topic {topic} has {partition_count(metadata, topic)} partitions, and not {before}"
        return None

    def next_look_ms(self, metadata: ClusterMetadata | None, usual_ms: float) -> float:
        if metadata is None or any(partition_count(metadata, topic) == 0 for topic in self._names):
            return min(MISSING_MS, usual_ms)
        return usual_ms


def partition_count(metadata: ClusterMetadata, topic: str) -> int:
    found = metadata.topics.get(topic)
    return 0 if found is None or found.error else len(found.partitions)
