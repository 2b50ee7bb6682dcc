"""One Fetch: from a plan to a request, from an answer to batches. No state, no decisions."""

from __future__ import annotations

from typing import Any, NamedTuple

from kq.client.committed import Aborted, RawBatch, data_batches
from kq.client.connection import Connection
from kq.client.metadata import Broker
from kq.client.reading import Watermarks
from kq.client.sessions import FetchPlan
from kq.client.settings import ISOLATION_LEVELS, ClientSettings
from kq.errors import Err
from kq.record.batch import crc_ok, iter_batches
from kq.record.faults import CorruptRecord
from kq.wire.apis.fetch import FETCH

__all__ = ["FETCH_BY_ID_SINCE", "FetchAnswer", "PartitionAnswer", "Taken", "ask_fetch", "read_batches"]

FETCH_BY_ID_SINCE = 13  # Fetch version that names topics by their ids


class PartitionAnswer(NamedTuple):
    error: Err
    watermarks: Watermarks
    leader: tuple[int, int] | None  # node and epoch, when the broker says that it is not the leader (KIP-951)
    near_node: int  # a replica to read from (KIP-392), -1: none
    aborted: list[Aborted]
    records: memoryview


class FetchAnswer(NamedTuple):
    error: Err  # of the session
    session_id: int
    brokers: list[Broker]
    partitions: dict[tuple[str | bytes, int], PartitionAnswer]  # by the topic's name, or id since FETCH_BY_ID_SINCE


class Taken(NamedTuple):
    """What of one answer counts."""

    batches: list[RawBatch]
    next_offset: int  # where reading goes on: after the last batch looked at, or at the stop
    leader_epoch: int  # of that batch, -1 when there was none


async def ask_fetch(connection: Connection, settings: ClientSettings, plan: FetchPlan, version: int) -> FetchAnswer:
    answer = await connection.request(
        FETCH,
        _request(settings, plan),
        version=version,
        timeout_ms=settings.request_timeout_ms + settings.fetch_max_wait_ms,
    )
    partitions = {}
    for topic in answer.topics:
        key = topic.topic_id if version >= FETCH_BY_ID_SINCE else topic.name
        for partition in topic.partitions:
            partitions[key, partition.index] = _read_partition(partition)
    brokers = [Broker(node.node_id, node.host, node.port, node.rack) for node in answer.node_endpoints]
    return FetchAnswer(Err.of(answer.error_code), answer.session_id, brokers, partitions)


def _request(settings: ClientSettings, plan: FetchPlan) -> Any:
    request = FETCH.Request
    topics: dict[tuple[str, bytes], Any] = {}
    for (key, index), place in plan.send.items():
        topic = topics.get(key)
        if topic is None:
            topic = topics[key] = request.Topic(name=key[0], topic_id=key[1])
        topic.partitions.append(
            request.Partition(
                index=index,
                current_leader_epoch=place.leader_epoch,
                fetch_offset=place.offset,
                partition_max_bytes=place.max_bytes,
            )
        )
    forgotten: dict[tuple[str, bytes], list[int]] = {}
    for key, index in plan.forget:
        forgotten.setdefault(key, []).append(index)
    return request(
        max_wait_ms=settings.fetch_max_wait_ms,
        min_bytes=settings.fetch_min_bytes,
        max_bytes=settings.fetch_max_bytes,
        isolation_level=ISOLATION_LEVELS[settings.isolation_level],
        session_id=plan.session_id,
        session_epoch=plan.epoch,
        topics=list(topics.values()),
        forgotten_topics=[
            request.ForgottenTopic(name=key[0], topic_id=key[1], partitions=indexes)
            for key, indexes in forgotten.items()
        ],
        rack_id=settings.client_rack,
    )


def _read_partition(partition: Any) -> PartitionAnswer:
    leader = partition.current_leader
    return PartitionAnswer(
        Err.of(partition.error_code),
        Watermarks(partition.log_start_offset, partition.last_stable_offset, partition.high_watermark),
        None if leader is None or leader.leader_id < 0 else (leader.leader_id, leader.leader_epoch),
        partition.preferred_read_replica,
        [Aborted(entry.producer_id, entry.first_offset) for entry in partition.aborted_transactions or ()],
        memoryview(b"") if partition.records is None else memoryview(partition.records),
    )


def read_batches(answer: PartitionAnswer, settings: ClientSettings, place: int, stop: int | None) -> Taken:
    """The data batches from `place` on; CorruptRecord names the one whose checksum is wrong."""
    batches: list[RawBatch] = []
    next_offset, leader_epoch = place, -1
    for pos, header in iter_batches(answer.records):
        if header.last_offset < place:
            continue  # brokers send the batch that holds the place, and after compaction also one before it
        if stop is not None and header.base_offset >= stop:
            next_offset = stop
            break
        if settings.check_crcs and not crc_ok(answer.records, pos, header.size):
            raise CorruptRecord(f"The batch at offset {header.base_offset} is damaged: its checksum is wrong.")
        batches.append(RawBatch(header, answer.records[pos : pos + header.size]))
        next_offset, leader_epoch = header.next_offset, header.leader_epoch
    if stop is not None:
        next_offset = min(next_offset, stop)
    return Taken(list(data_batches(batches, answer.aborted)), next_offset, leader_epoch)
