"""What becomes of directories that the metadata does not know: deletions cut short are finished, what was copied in
becomes a topic.

A directory that was copied in, from Apache Kafka or from another kq, keeps its `partition.metadata`: the topic is
entered into the metadata under the id that stands there, with as many partitions as the highest number asks for.
Directories of one topic that say different ids cannot all be right: the id of the lowest partition counts, and
loading refuses the others by name.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping

from kq.broker.catalog import Catalog
from kq.broker.names import check_topic_name, new_topic_id
from kq.engine.disk import Disk
from kq.engine.partition_names import Kind, suffixed_name
from kq.engine.survey import Found, survey
from kq.errors import KafkaError
from kq.machines.image import PartitionImage, TopicImage
from kq.wire.primitives import uuid_text

log = logging.getLogger(__name__)

MOST_PARTITIONS = 10_000  # of an adopted topic, unless they are there: a directory's name may say two thousand million


def settle(disk: Disk, data_dir: str, catalog: Catalog, node_id: int) -> None:
    """Finishes deletions and adopts topics; afterwards the metadata knows every directory that can be served."""
    topic_ids = catalog.topic_ids()
    finish_deletions(disk, data_dir, catalog, topic_ids)
    strays: dict[str, list[Found]] = {}
    for found in survey(disk, data_dir, topic_ids).strays:
        strays.setdefault(found.topic, []).append(found)
    for topic, partitions in strays.items():
        _adopt(catalog, topic, partitions, node_id)


def finish_deletions(disk: Disk, data_dir: str, catalog: Catalog, topic_ids: Mapping[str, bytes]) -> None:
    """Renames what is left of deleted topics, so that it is collected. Another topic may have such a name by now."""
    pending = catalog.pending_deletions()
    if not pending:
        return
    id_of = {name: topic_id for topic_id, name in pending.items() if name not in topic_ids}
    for found in survey(disk, data_dir, {}).strays:
        topic_id = found.topic_id or id_of.get(found.topic)
        if topic_id in pending:
            name = suffixed_name(found.topic, found.partition, topic_id, Kind.DELETED)
            disk.rename(found.path, os.path.join(data_dir, name))
    disk.sync_directory(data_dir)
    catalog.finish_deletions(pending)


def _adopt(catalog: Catalog, topic: str, found: list[Found], node_id: int) -> None:
    try:
        check_topic_name(topic)
    except KafkaError as error:
        log.warning("%s is left alone: %s", found[0].path, error)
        return
    found.sort(key=lambda one: one.partition)
    count = found[-1].partition + 1
    if count > MOST_PARTITIONS and count > 2 * len(found):
        log.warning("%s is left alone: there are not %d partitions beside it", found[-1].path, count)
        return
    topic_id = next((one.topic_id for one in found if one.topic_id is not None), None) or new_topic_id()
    partition = PartitionImage(node_id, 0, (node_id,), (node_id,))
    catalog.create_topics([TopicImage(topic, topic_id, (partition,) * count, {})])
    log.info("topic %s adopted from its directories: %d partitions, id %s", topic, count, uuid_text(topic_id))
