"""A topic made on the way to something else: `produce --create`, `bench produce`."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from kq.client import Admin, NewTopic
from kq.errors import Err

if TYPE_CHECKING:
    from kq.client import Cluster

LEADER_PATIENCE_S = 10.0
POLL_S = 0.05


async def make_topic(cluster: Cluster, name: str, partitions: int | None) -> None:
    """Returns when every partition has a leader, or after a while without. One that is there by now will do."""
    made = (await Admin(cluster).create_topics([NewTopic(name, partitions or -1)]))[name]
    if made.error is not None and made.error.code != Err.TOPIC_ALREADY_EXISTS:
        raise made.error
    deadline = time.monotonic() + LEADER_PATIENCE_S
    while time.monotonic() < deadline:
        topic = (await cluster.metadata([name], max_age_ms=0)).topics[name]
        if not topic.error and all(partition.leader >= 0 for partition in topic.partitions.values()):
            return
        await asyncio.sleep(POLL_S)
