"""Topics for one measurement each, removed at once: a disk full of old runs would slow the next ones."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator

from confluent_kafka.admin import AdminClient, NewTopic

_numbers = itertools.count()


@contextlib.contextmanager
def topic(bootstrap: str, partitions: int) -> Iterator[str]:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    name = f"bench-{next(_numbers)}"
    asked = NewTopic(name, partitions, 1, config={"file.delete.delay.ms": "500"})
    admin.create_topics([asked])[name].result(60)
    try:
        yield name
    finally:
        admin.delete_topics([name])[name].result(60)
