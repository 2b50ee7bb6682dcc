"""DescribeLogDirs, versions 1 to 5: the one data directory, its partitions' sizes and the space around them.

Null topics mean all; of those named the ones that live here are answered. Nothing lags and nothing is cordoned: there
is one directory, and no replica moves between directories.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from kq.broker.partition import Partition
from kq.broker.router import Call
from kq.broker.session import CLUSTER, Operation, Resource
from kq.errors import Err
from kq.wire.apis.replicas import DESCRIBE_LOG_DIRS

if TYPE_CHECKING:
    from kq.broker.broker import Broker


async def describe_log_dirs(broker: Broker, call: Call) -> Any:
    make = DESCRIBE_LOG_DIRS.Response
    if not call.session.authorize(Operation.DESCRIBE, Resource.CLUSTER, CLUSTER):
        return make(error_code=Err.CLUSTER_AUTHORIZATION_FAILED)
    topics: dict[str, Any] = {}
    for partition in _asked(broker, call.body.topics):
        topic = topics.setdefault(partition.topic, make.Topic(name=partition.topic, partitions=[]))
        topic.partitions.append(make.Partition(index=partition.index, partition_size=partition.log.size_bytes))
    directory = make.LogDir(log_dir=broker.data_dir, topics=list(topics.values()))
    try:
        directory.total_bytes, directory.usable_bytes = await asyncio.to_thread(broker.disk.usage, broker.data_dir)
    except OSError:
        directory.error_code = Err.KAFKA_STORAGE_ERROR
    return make(log_dirs=[directory])


def _asked(broker: Broker, topics: Any) -> Iterable[Partition]:
    if topics is None:
        return broker.partitions
    asked = {(topic.name, index) for topic in topics for index in topic.partitions}
    names = {name for name, _ in asked}
    slots = (p for name in names for p in broker.partitions.of_topic(name))
    return (p for p in slots if p is not None and (p.topic, p.index) in asked)


HANDLERS = {DESCRIBE_LOG_DIRS: describe_log_dirs}
