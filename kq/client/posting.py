"""One Produce: from batches to a request, from an answer to what became of each. No state, no decisions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from kq.client.accumulator import PartitionQueue
from kq.client.batching import Batch
from kq.client.encoding import encode
from kq.client.metadata import Broker
from kq.client.settings import CODECS, ClientSettings
from kq.errors import Err, KafkaError
from kq.wire.apis.produce import PRODUCE

__all__ = ["ACKS", "TOPIC_IDS_SINCE", "Load", "Verdict", "produce_request", "read_verdicts"]

ACKS = {"0": 0, "1": 1, "all": -1}
TOPIC_IDS_SINCE = 13  # Produce version that names topics by their ids


class Load(NamedTuple):
    """A batch on its way, and the queue it came from."""

    queue: PartitionQueue
    batch: Batch


class Verdict(NamedTuple):
    """What the leader says of one batch."""

    error: KafkaError | None
    offset: int  # of the batch's first record, -1: it does not say
    append_time_ms: int  # -1: the records' own times stand
    leader: tuple[int, int] | None  # node and epoch, when the broker says that it is not the leader (KIP-951)


def produce_request(loads: Iterable[Load], ids: Mapping[str, bytes], settings: ClientSettings) -> Any:
    """The request, its batches encoded where they are not yet. `ids` of the topics, by name; zero: it has none."""
    request = PRODUCE.Request
    codec, level = CODECS.index(settings.compression_type), settings.compression_level
    topics: dict[str, Any] = {}
    for queue, batch in loads:
        if batch.encoded is None:
            batch.encoded = encode(batch, codec, level)
        topic = topics.get(queue.topic)
        if topic is None:
            topic = topics[queue.topic] = request.Topic(name=queue.topic, topic_id=ids[queue.topic])
        topic.partitions.append(request.Partition(index=queue.partition, records=batch.encoded))
    return request(acks=ACKS[settings.acks], timeout_ms=settings.request_timeout_ms, topics=list(topics.values()))


def read_verdicts(answer: Any, version: int) -> tuple[dict[tuple[str | bytes, int], Verdict], list[Broker]]:
    """By the topic's name, or id since TOPIC_IDS_SINCE, and partition; and where the leaders named are to be found."""
    verdicts = {
        (topic.topic_id if version >= TOPIC_IDS_SINCE else topic.name, partition.index): _read_partition(partition)
        for topic in answer.topics
        for partition in topic.partitions
    }
    return verdicts, [Broker(node.node_id, node.host, node.port, node.rack) for node in answer.node_endpoints]


def _read_partition(partition: Any) -> Verdict:
    if partition.error_code == Err.NONE:
        return Verdict(None, partition.base_offset, partition.log_append_time_ms, None)
    reasons = [record.message for record in partition.record_errors if record.message]
    error = KafkaError(Err.of(partition.error_code), partition.error_message or (reasons[0] if reasons else None))
    leader = partition.current_leader
    moved = None if leader is None or leader.leader_id < 0 else (leader.leader_id, leader.leader_epoch)
    return Verdict(error, -1, -1, moved)
