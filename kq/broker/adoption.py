"""What a broker makes of a data directory before it loads it: whose cluster it is, deletions that were cut short, and
partitions of topics that the metadata does not know.

A directory that was copied in, from Apache Kafka or from another kq, keeps its `partition.metadata`: the topic is
entered into the metadata under the id that stands there, with as many partitions as the highest number asks for.
Directories of one topic that say different ids cannot all be right: the id of the lowest partition counts, and
loading refuses the others by name.
"""

from __future__ import annotations

import logging
import os
import socket
import uuid
from collections.abc import Mapping

from kq.broker.catalog import Catalog
from kq.broker.names import check_topic_name
from kq.engine import checkpoint
from kq.engine.checkpoint import CorruptCheckpoint
from kq.engine.disk import Disk
from kq.engine.partition_names import Kind, suffixed_name
from kq.engine.survey import Found, survey
from kq.errors import KafkaError
from kq.machines.image import PartitionImage, TopicImage
from kq.wire.primitives import uuid_text

log = logging.getLogger(__name__)


def cluster_id_of(disk: Disk, data_dir: str) -> str:
    """The cluster that the directory says it belongs to, or a new random id."""
    try:
        return checkpoint.decode_meta_properties(
            disk.read(os.path.join(data_dir, checkpoint.META_PROPERTIES))
        ).cluster_id
    except (FileNotFoundError, CorruptCheckpoint):
        return uuid_text(new_topic_id())


def new_topic_id() -> bytes:
    """Random; none whose text begins with a dash, which command lines take for an option (Uuid.randomUuid)."""
    while uuid_text(new := uuid.uuid4().bytes).startswith("-"):
        continue
    return new


def own_host(listener_host: str) -> str:
    """What clients are told where a listener is on every interface: the name of this machine."""
    return listener_host if listener_host not in ("", "0.0.0.0", "::") else socket.getfqdn()


def settle(disk: Disk, data_dir: str, catalog: Catalog, topic_ids: Mapping[str, bytes], node_id: int) -> None:
    """Finishes deletions and adopts topics; afterwards the metadata knows every directory that can be served."""
    pending = catalog.pending_deletions()
    strays: dict[str, list[Found]] = {}
    for found in survey(disk, data_dir, topic_ids).strays:
        if found.topic_id is not None and pending.get(found.topic) == found.topic_id:
            name = suffixed_name(found.topic, found.partition, found.topic_id, Kind.DELETED)
            disk.rename(found.path, os.path.join(data_dir, name))
        else:
            strays.setdefault(found.topic, []).append(found)
    if pending:
        disk.sync_directory(data_dir)
        catalog.finish_deletions(pending)
    for topic, partitions in strays.items():
        _adopt(catalog, topic, partitions, node_id)


def _adopt(catalog: Catalog, topic: str, found: list[Found], node_id: int) -> None:
    try:
        check_topic_name(topic)
    except KafkaError as error:
        log.warning("%s is left alone: %s", found[0].path, error)
        return
    found.sort(key=lambda one: one.partition)
    topic_id = next((one.topic_id for one in found if one.topic_id is not None), None) or new_topic_id()
    partition = PartitionImage(node_id, 0, (node_id,), (node_id,))
    count = found[-1].partition + 1
    catalog.create_topics([TopicImage(topic, topic_id, (partition,) * count, {})])
    log.info("topic %s adopted from its directories: %d partitions, id %s", topic, count, uuid_text(topic_id))
