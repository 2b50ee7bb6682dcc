"""The partitions that this broker leads, by topic name or id."""

from __future__ import annotations

from collections.abc import Iterator

from kq.broker.partition import Partition
from kq.errors import Err, KafkaError
from kq.machines.fetch_sessions import TopicRef


class Partitions:
    """A slot is None where the log could not be opened: such a partition answers KAFKA_STORAGE_ERROR."""

    def __init__(self) -> None:
        self._by_name: dict[str, list[Partition | None]] = {}
        self._by_id: dict[bytes, list[Partition | None]] = {}

    def __iter__(self) -> Iterator[Partition]:
        """All that can be used, as of now; the caller may add and remove topics meanwhile."""
        return (p for slots in list(self._by_name.values()) for p in list(slots) if p is not None)

    def put(self, name: str, topic_id: bytes, slots: list[Partition | None]) -> None:
        self._by_name[name] = self._by_id[topic_id] = slots

    def remove(self, name: str, topic_id: bytes) -> list[Partition | None]:
        self._by_id.pop(topic_id, None)
        return self._by_name.pop(name, [])

    def of_topic(self, name: str) -> list[Partition | None]:
        return self._by_name.get(name, [])

    def resolve(self, ref: TopicRef, index: int) -> Partition:
        """Raises KafkaError: UNKNOWN_TOPIC_ID, UNKNOWN_TOPIC_OR_PARTITION or KAFKA_STORAGE_ERROR."""
        if isinstance(ref, str):
            slots = self._by_name.get(ref)
        else:
            slots = self._by_id.get(ref)
            if slots is None:
                raise KafkaError(Err.UNKNOWN_TOPIC_ID)
        if slots is None or not 0 <= index < len(slots):
            raise KafkaError(Err.UNKNOWN_TOPIC_OR_PARTITION)
        partition = slots[index]
        if partition is None:
            raise KafkaError(Err.KAFKA_STORAGE_ERROR)
        return partition
