"""ListOffsets, versions 1 to 11; OffsetForLeaderEpoch, 2 to 4; DeleteRecords, 0 to 2.

ListOffsets (SEMANTICS rule 6):
- -1 latest: the last stable offset, the high watermark, or for a replica (and replica id -2) the log end; -2 earliest;
  -3 the record with the largest timestamp (v7); -4 earliest local (v8), the same as -2; -5 latest tiered (v9) and -6
  earliest pending upload (v11), -1 without tiered storage. Anything else below zero, or too new for the version,
  UNSUPPORTED_VERSION.
- By time: the first record at or after it, found inside compressed batches; past the end -1.
- A partition named twice is answered once, INVALID_REQUEST.

DeleteRecords: -1 is the high watermark; a topic that is compacted and not deleted from refuses with POLICY_VIOLATION;
of a partition named twice the later offset counts, and it is answered once.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

from kq.broker.partition import READ_COMMITTED, Partition
from kq.broker.router import Answer, Call
from kq.broker.session import Operation, Resource
from kq.errors import Err, KafkaError
from kq.wire.apis.offsets import DELETE_RECORDS, LIST_OFFSETS, OFFSET_FOR_LEADER_EPOCH

if TYPE_CHECKING:
    from kq.broker.broker import Broker

CONSUMER = -1
LEADER_EPOCH_FROM = 4
LATEST, EARLIEST, MAX_TIMESTAMP, EARLIEST_LOCAL, LATEST_TIERED, EARLIEST_PENDING = -1, -2, -3, -4, -5, -6
SINCE_VERSION = {
    LATEST: 0,
    EARLIEST: 0,
    MAX_TIMESTAMP: 7,
    EARLIEST_LOCAL: 8,
    LATEST_TIERED: 9,
    EARLIEST_PENDING: 11,
}
HIGH_WATERMARK = -1

Found = tuple[int, int, int]  # timestamp, offset, leader epoch; each -1 for unknown
NOTHING: Found = (-1, -1, -1)


async def list_offsets(broker: Broker, call: Call) -> Any:
    named = Counter((topic.name, p.index) for topic in call.body.topics for p in topic.partitions)
    topics: dict[str, dict[int, Any]] = {}
    for topic in call.body.topics:
        answers = topics.setdefault(topic.name, {})
        for asked in topic.partitions:
            error, (timestamp, offset, epoch) = Err.NONE, NOTHING
            try:
                if named[topic.name, asked.index] > 1:
                    raise KafkaError(Err.INVALID_REQUEST)
                timestamp, offset, epoch = await _find(broker, call, topic.name, asked)
            except KafkaError as failure:
                error = failure.code
            answer = LIST_OFFSETS.Response.Partition(
                index=asked.index, error_code=error, timestamp=timestamp, offset=offset
            )
            if call.version >= LEADER_EPOCH_FROM:
                answer.leader_epoch = epoch
            answers[asked.index] = answer
    make = LIST_OFFSETS.Response.Topic
    return LIST_OFFSETS.Response(
        topics=[make(name=name, partitions=list(answers.values())) for name, answers in topics.items() if answers]
    )


async def _find(broker: Broker, call: Call, topic: str, asked: Any) -> Found:
    if not call.session.authorize(Operation.DESCRIBE, Resource.TOPIC, topic):
        raise KafkaError(Err.TOPIC_AUTHORIZATION_FAILED)
    if call.body.isolation_level not in (0, READ_COMMITTED):
        raise KafkaError(Err.UNKNOWN_SERVER_ERROR)
    target = asked.timestamp
    if target < 0 and call.version < SINCE_VERSION.get(target, call.version + 1):
        raise KafkaError(Err.UNSUPPORTED_VERSION)
    partition = broker.partitions.resolve(topic, asked.index)
    partition.check_epoch(asked.current_leader_epoch)
    is_consumer = call.body.replica_id == CONSUMER
    end_offset = partition.end_for(call.body.isolation_level) if is_consumer else partition.log.log_end_offset
    return await _position(partition, target, end_offset)


async def _position(partition: Partition, target: int, end_offset: int) -> Found:
    log = partition.log
    if target == LATEST:
        return (-1, end_offset, log.leader_epoch)
    if target in (EARLIEST, EARLIEST_LOCAL):
        return (-1, log.log_start_offset, log.epoch_of(log.log_start_offset))
    if target in (LATEST_TIERED, EARLIEST_PENDING):
        return NOTHING
    if target == MAX_TIMESTAMP:
        found = await asyncio.to_thread(log.find_max_timestamp)  # decompresses a batch: not on the loop
    else:
        found = await asyncio.to_thread(log.find_by_time, target)
    if found is None or found.offset >= end_offset:
        return NOTHING
    return (found.timestamp, found.offset, found.leader_epoch)


def offset_for_leader_epoch(broker: Broker, call: Call) -> Answer:
    make = OFFSET_FOR_LEADER_EPOCH.Response
    topics = []
    for topic in call.body.topics:
        answers = []
        for asked in topic.partitions:
            answer = make.Partition(index=asked.index)
            try:
                if not call.session.authorize(Operation.DESCRIBE, Resource.TOPIC, topic.name):
                    raise KafkaError(Err.TOPIC_AUTHORIZATION_FAILED)
                partition = broker.partitions.resolve(topic.name, asked.index)
                partition.check_epoch(asked.current_leader_epoch)
                answer.leader_epoch, answer.end_offset = partition.log.end_of_epoch(asked.leader_epoch)
            except KafkaError as failure:
                answer.error_code = failure.code
            answers.append(answer)
        topics.append(make.Topic(name=topic.name, partitions=answers))
    return make(topics=topics)


async def delete_records(broker: Broker, call: Call) -> Any:
    make = DELETE_RECORDS.Response
    wanted: dict[str, dict[int, int]] = {}
    for topic in call.body.topics:
        wanted.setdefault(topic.name, {}).update({asked.index: asked.offset for asked in topic.partitions})
    topics, trimmed = [], []
    for name, offsets in wanted.items():
        answers = []
        for index, offset in offsets.items():
            answer = make.Partition(index=index, low_watermark=-1)
            try:
                answer.low_watermark = _trim(broker, call, name, index, offset)
                trimmed.append(answer)
            except KafkaError as failure:
                answer.error_code = failure.code
            answers.append(answer)
        topics.append(make.Topic(name=name, partitions=answers))
    try:
        await broker.checkpoint()  # what was deleted stays deleted, whatever happens next
    except KafkaError as failure:
        for answer in trimmed:
            answer.error_code, answer.low_watermark = failure.code, -1
    return make(topics=topics)


def _trim(broker: Broker, call: Call, topic: str, index: int, offset: int) -> int:
    if not call.session.authorize(Operation.DELETE, Resource.TOPIC, topic):
        raise KafkaError(Err.TOPIC_AUTHORIZATION_FAILED)
    partition = broker.partitions.resolve(topic, index)
    if partition.is_internal:
        raise KafkaError(Err.INVALID_TOPIC_EXCEPTION)
    if partition.is_compacted and "delete" not in partition.settings.cleanup_policy:
        raise KafkaError(Err.POLICY_VIOLATION)
    offset = partition.high_watermark if offset == HIGH_WATERMARK else offset
    if not 0 <= offset <= partition.high_watermark:
        raise KafkaError(Err.OFFSET_OUT_OF_RANGE)
    partition.trim(offset)
    return partition.log.log_start_offset


HANDLERS = {
    LIST_OFFSETS: list_offsets,
    OFFSET_FOR_LEADER_EPOCH: offset_for_leader_epoch,
    DELETE_RECORDS: delete_records,
}
