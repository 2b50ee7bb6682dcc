"""Topics made and looked at on any broker, for tests that are about something else."""

from __future__ import annotations

from collections.abc import Mapping

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic


def create(bootstrap: str, name: str, partitions: int = 1, config: Mapping[str, str] | None = None) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    asked = NewTopic(name, num_partitions=partitions, replication_factor=1, config=dict(config or {}))
    admin.create_topics([asked], operation_timeout=30)[name].result(60)


def delete_records(bootstrap: str, name: str, before: int, partition: int = 0) -> None:
    """Moves the start of a partition."""
    admin, upto = AdminClient({"bootstrap.servers": bootstrap}), TopicPartition(name, partition, before)
    assert admin.delete_records([upto])[upto].result(60).low_watermark == before
