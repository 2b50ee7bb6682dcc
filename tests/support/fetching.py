"""Fetch requests and answers in few words."""

from __future__ import annotations

from typing import Any

from kq.record.batch import iter_batches
from kq.wire.apis.fetch import FETCH

Request = FETCH.Request


def part(index: int = 0, offset: int = 0, max_bytes: int = 1 << 20, **more: Any) -> Any:
    return Request.Partition(index=index, fetch_offset=offset, partition_max_bytes=max_bytes, **more)


def of(topic: str | bytes, *partitions: Any) -> Any:
    """A topic of the request, by name or by id."""
    return Request.Topic(**_named(topic), partitions=list(partitions))


def forgotten(topic: str | bytes, *partitions: int) -> Any:
    return Request.ForgottenTopic(**_named(topic), partitions=list(partitions))


def _named(topic: str | bytes) -> dict[str, Any]:
    return {"name": topic} if isinstance(topic, str) else {"topic_id": topic}


def partitions(answer: Any) -> list[Any]:
    """All there are in a Fetch or ListOffsets answer, of whichever topic."""
    return [partition for topic in answer.topics for partition in topic.partitions]


def base_offsets(partition: Any) -> list[int]:
    """Of the whole batches in one partition's part of the answer."""
    return [header.base_offset for _, header in iter_batches(partition.records)]
