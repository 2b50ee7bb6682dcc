"""Produce, versions 0 to 13, of which 0 to 2 are advertised (KAFKA-18659) and refused.

- v7 zstd; v8 record errors and error message; v10 current leader; v13 topic ids instead of names.
- A batch is checked by its header (`record.validate`) and stored as it came but for base offset and leader epoch. It is
  written anew for LogAppendTime, and for a topic whose `compression.type` is not the batch's; that work leaves the
  loop.
- Records are walked only for compacted topics (a null key is refused) and with `kq.produce.validate.records`.
- acks=0 gets no answer; a fault closes the connection, as in Kafka. A partition that syncs before it acks answers
  after fsync.
- A partition named twice is INVALID_REQUEST twice: Kafka drops one of them silently.
- Until transactions exist, transactional requests and batches answer TRANSACTIONAL_ID_AUTHORIZATION_FAILED, which
  ends a client at once where COORDINATOR_NOT_AVAILABLE would make it hang.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kq.broker.connection import Disconnect
from kq.broker.partition import Partition
from kq.broker.router import Answer, Call
from kq.broker.session import Operation, Resource
from kq.errors import Err, KafkaError
from kq.machines.fetch_sessions import TopicRef
from kq.record import validate
from kq.record.batch import BatchHeader, parse_header
from kq.wire.apis.produce import PRODUCE

if TYPE_CHECKING:
    from kq.broker.broker import Broker

TOPIC_IDS_FROM = 13
NO_ACK, ALL_REPLICAS = 0, -1
FAULTS_BEHIND_THE_HEADER = (Err.INVALID_RECORD, Err.INVALID_TIMESTAMP)
"""Kafka gives the log start offset with these; a fault of the header itself answers -1."""


@dataclass(slots=True)
class Write:
    """One partition's part of a request, from what came to what is answered."""

    topic: TopicRef
    index: int
    data: Any
    partition: Partition | None = None
    header: BatchHeader | None = None
    error: KafkaError | None = None
    base_offset: int = -1
    log_append_time_ms: int = -1
    wanted_offset: int = -1


def produce(broker: Broker, call: Call) -> Answer:
    body = call.body
    by_id = call.version >= TOPIC_IDS_FROM
    writes = [Write(t.topic_id if by_id else t.name, p.index, p.records) for t in body.topics for p in t.partitions]
    if len(writes) > 1:
        _refuse_repeated(writes)
    now_ms = broker.now_ms()
    for write in writes:
        if write.error is None:
            try:
                _check(broker, call, write, now_ms)
            except KafkaError as error:
                write.error = error
    packed = [write for write in writes if _needs_unpacking(broker, write)]
    if packed:
        return _unpack_and_append(broker, call, writes, packed, now_ms)
    return _append_all(broker, call, writes, now_ms)


def _refuse_repeated(writes: list[Write]) -> None:
    seen: dict[tuple[TopicRef, int], Write] = {}
    for write in writes:
        first = seen.setdefault((write.topic, write.index), write)
        if first is not write:
            first.error = write.error = KafkaError(
                Err.INVALID_REQUEST, "the request names this partition more than once; nothing was written"
            )


def _check(broker: Broker, call: Call, write: Write, now_ms: int) -> None:
    """Sets partition and header, or raises what the partition answers."""
    partition = write.partition = broker.partitions.resolve(write.topic, write.index)
    if not call.session.authorize(Operation.WRITE, Resource.TOPIC, partition.topic):
        raise KafkaError(Err.TOPIC_AUTHORIZATION_FAILED)
    if call.body.acks not in (ALL_REPLICAS, NO_ACK, 1):
        raise KafkaError(Err.INVALID_REQUIRED_ACKS)
    if partition.is_internal:
        raise KafkaError(Err.INVALID_TOPIC_EXCEPTION, f"{partition.topic} is written by the broker alone")
    settings = partition.settings
    header = validate.check_produced(
        write.data,
        now_ms=now_ms,
        max_message_bytes=settings.max_message_bytes,
        before_max_ms=settings.message_timestamp_before_max_ms,
        after_max_ms=settings.message_timestamp_after_max_ms,
        log_append_time=partition.stamps_append_time,
    )
    if call.body.transactional_id is not None or header.is_transactional:
        raise KafkaError(Err.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, "this broker does not serve transactions yet")
    validate.check_codec(header, call.version)
    write.header = validate.with_producer_bits(write.data, header)


def _needs_unpacking(broker: Broker, write: Write) -> bool:
    """Whether the batch must be looked into, which is too slow for the loop."""
    partition, header = write.partition, write.header
    if write.error is not None:
        return write.error.code is Err.INVALID_TIMESTAMP
    assert partition is not None
    assert header is not None
    repack = partition.codec is not None and partition.codec != header.codec
    return repack or partition.is_compacted or broker.settings.kq_produce_validate_records


def _unpack(broker: Broker, write: Write) -> None:
    """Walks the records, packs them anew, or finds those whose timestamps were refused; runs in a thread."""
    partition, header, limit = write.partition, write.header, broker.max_unpacked_bytes
    assert partition is not None
    if write.error is not None:
        settings = partition.settings
        errors = validate.timestamp_errors(
            write.data,
            now_ms=broker.now_ms(),
            before_max_ms=settings.message_timestamp_before_max_ms,
            after_max_ms=settings.message_timestamp_after_max_ms,
            limit=limit,
        )
        raise validate.RecordsRefused(write.error.code, str(write.error), errors)
    assert header is not None
    need_keys = partition.is_compacted
    if partition.codec is None or partition.codec == header.codec:
        write.header = validate.check_records(write.data, header, need_keys=need_keys, limit=limit)
        return
    packed = validate.recompressed(
        write.data, header, partition.codec, partition.compression_level, limit, need_keys=need_keys
    )
    max_bytes = partition.settings.max_message_bytes
    if len(packed) > max_bytes:
        raise KafkaError(
            Err.MESSAGE_TOO_LARGE,
            f"the batch has {len(packed)} bytes in the topic's compression; max.message.bytes allows {max_bytes}",
        )
    write.data, write.header = memoryview(packed), parse_header(packed)


async def _unpack_and_append(broker: Broker, call: Call, writes: list[Write], packed: list[Write], now_ms: int) -> Any:
    for write in packed:
        try:
            await asyncio.to_thread(_unpack, broker, write)
        except KafkaError as error:
            write.error = error
    answer = _append_all(broker, call, writes, now_ms)
    return await answer if hasattr(answer, "__await__") else answer


def _append_all(broker: Broker, call: Call, writes: list[Write], now_ms: int) -> Answer:
    syncing = []
    for write in writes:
        if write.error is None:
            try:
                _append(broker, write, now_ms)
            except KafkaError as error:
                write.error = error
            else:
                assert write.partition is not None
                if write.partition.syncs_before_ack:
                    syncing.append(write)
    if call.body.acks == NO_ACK:
        for write in syncing:
            assert write.partition is not None
            broker.flusher.sync_soon(write.partition)
        failed = next((write for write in writes if write.error is not None), None)
        if failed is not None:
            raise Disconnect(f"acks=0, and {failed.topic!r}:{failed.index} could not be written: {failed.error}")
        return None
    if syncing:
        return _sync_and_answer(broker, call, writes, syncing)
    return _answer(call, writes)


def _append(broker: Broker, write: Write, now_ms: int) -> None:
    partition, header = write.partition, write.header
    assert partition is not None
    assert header is not None
    if partition.stamps_append_time:
        header = validate.with_log_append_time(write.data, now_ms)
        write.log_append_time_ms = now_ms
    appended = partition.append(write.data, header, now_ms)
    write.base_offset = appended.base_offset
    write.wanted_offset = appended.last_offset + 1
    if appended.duplicate:
        write.log_append_time_ms = appended.max_timestamp
    else:
        broker.metrics.bytes_in += header.size
        if not partition.syncs_before_ack and partition.log.flush_due(now_ms):
            broker.flusher.sync_soon(partition)


async def _sync_and_answer(broker: Broker, call: Call, writes: list[Write], syncing: list[Write]) -> Any:
    await asyncio.gather(*(_sync(broker, write) for write in syncing))
    return _answer(call, writes)


async def _sync(broker: Broker, write: Write) -> None:
    assert write.partition is not None
    try:
        await broker.flusher.sync(write.partition, write.wanted_offset)
    except KafkaError as error:
        write.error = error


def _answer(call: Call, writes: list[Write]) -> Any:
    topics: dict[TopicRef, Any] = {}
    for write in writes:
        topic = topics.get(write.topic)
        if topic is None:
            topic = topics[write.topic] = (
                PRODUCE.Response.Topic(name=write.topic, partitions=[])
                if isinstance(write.topic, str)
                else PRODUCE.Response.Topic(topic_id=write.topic, partitions=[])
            )
        topic.partitions.append(_partition_answer(write))
    return PRODUCE.Response(topics=list(topics.values()))


def _partition_answer(write: Write) -> Any:
    partition, error = write.partition, write.error
    if error is None:
        assert partition is not None
        return PRODUCE.Response.Partition(
            index=write.index,
            base_offset=write.base_offset,
            log_append_time_ms=write.log_append_time_ms,
            log_start_offset=partition.log.log_start_offset,
        )
    known_start = partition is not None and error.code in FAULTS_BEHIND_THE_HEADER
    record_errors = error.record_errors if isinstance(error, validate.RecordsRefused) else ()
    return PRODUCE.Response.Partition(
        index=write.index,
        error_code=error.code,
        base_offset=-1,
        log_append_time_ms=-1,
        log_start_offset=partition.log.log_start_offset if partition is not None and known_start else -1,
        record_errors=[PRODUCE.Response.RecordError(batch_index=index, message=text) for index, text in record_errors],
        error_message=str(error),
    )


HANDLERS = {PRODUCE: produce}
