"""Facts of the group coordinator to batches of `__consumer_offsets`, and back.

The encoders of the stored tables take facts as they are: a fact's fields are named as the table's. What is written is
what Kafka 4.3.1 writes, which is version 1 of a commit that brought a retention time of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast

from kq.machines.group import facts
from kq.machines.group.facts import Fact
from kq.record import compression, varint
from kq.record.batch import BatchHeader, assemble
from kq.record.packing import pack_columns, pack_keyed
from kq.wire.message import Message
from kq.wire.stored import consumer_offsets as stored
from kq.wire.stored.table import Stored

_TABLES: Mapping[type, Stored] = {key_type: stored.BY_TYPE[number] for number, (key_type, _) in facts.TYPES.items()}
_COMMIT_WITH_EXPIRY = 1
_ENCODED_PER_RECORD = 32
"""What a record adds to key and value at the most: lengths, deltas, and no headers."""


def encode_batches(
    facts: Sequence[Fact], now_ms: int, *, max_bytes: int, codec: int = compression.NONE
) -> list[bytearray]:
    """The facts in their order, in as few batches of at most `max_bytes` as they need (before compression); a fact that
    is larger has one for itself."""
    records = list(map(encode, facts))
    if len(records) == 1:
        return [_pack(records, now_ms, codec)]
    batches, start, size = [], 0, 0
    for index, (key, value) in enumerate(records):
        grown = size + len(key) + len(value or b"") + _ENCODED_PER_RECORD
        if grown > max_bytes and index > start:
            batches.append(_pack(records[start:index], now_ms, codec))
            start, grown = index, grown - size
        size = grown
    batches.append(_pack(records[start:], now_ms, codec))
    return batches


def _pack(records: Sequence[tuple[bytes, bytes | None]], now_ms: int, codec: int) -> bytearray:
    if len(records) == 1 and codec == compression.NONE:
        return _packed_alone(*records[0], now_ms)
    keys, values = zip(*records, strict=True)
    if None in values:
        return pack_columns(keys, values, None, [now_ms] * len(keys), codec=codec)
    return pack_keyed(keys, values, now_ms, codec=codec)


def _packed_alone(key: bytes, value: bytes | None, now_ms: int) -> bytearray:
    """A batch of one record, as most are."""
    number = varint.WRITTEN
    size = -1 if value is None else len(value)
    body = b"\0\0\0%b%b%b%b\0" % (number[len(key)], key, number[size], value or b"")
    header = BatchHeader(last_offset_delta=0, base_timestamp=now_ms, max_timestamp=now_ms, record_count=1)
    return assemble(header, (number[len(body)], body))


def encode(fact: Fact) -> tuple[bytes, bytes | None]:
    """Key and value of the record."""
    key, value = fact
    table = _TABLES[type(key)]
    encoded_key = table.encode_key(cast("Message", key))
    if value is None:
        return encoded_key, None
    version = None
    if isinstance(value, facts.OffsetCommitValue) and value.expire_timestamp >= 0:
        version = _COMMIT_WITH_EXPIRY
    return encoded_key, table.encode_value(cast("Message", value), version)


def decode(key: bytes, value: bytes | None) -> Fact | None:
    """The fact of a record; None for records of other kinds of groups. ProtocolError for bytes that are no record."""
    record = stored.decode(key, value)
    if record is None or record.stored.type not in _READERS:
        return None
    key_type, read = _READERS[record.stored.type]
    return key_type(*_fields(record.key)), None if record.value is None else read(record.value)


def _fields(message: Message) -> list[Any]:
    return [getattr(message, name) for name in type(message).__slots__]


def _commit(m: Message) -> facts.OffsetCommitValue:
    return facts.OffsetCommitValue(
        m.offset, m.leader_epoch, m.metadata, m.commit_timestamp, m.expire_timestamp, m.topic_id
    )


def _group(m: Message) -> facts.GroupMetadataValue:
    members = tuple(facts.MemberMetadata(*_fields(member)) for member in m.members)
    return facts.GroupMetadataValue(
        m.protocol_type, m.generation, m.protocol, m.leader, m.current_state_timestamp, members
    )


def _consumer_group(m: Message) -> facts.ConsumerGroupMetadataValue:
    return facts.ConsumerGroupMetadataValue(m.epoch, m.metadata_hash)


def _consumer_member(m: Message) -> facts.ConsumerGroupMemberMetadataValue:
    classic = m.classic_member_metadata
    return facts.ConsumerGroupMemberMetadataValue(
        m.instance_id,
        m.rack_id,
        m.client_id,
        m.client_host,
        tuple(m.subscribed_topic_names),
        m.subscribed_topic_regex,
        m.rebalance_timeout_ms,
        m.server_assignor,
        None
        if classic is None
        else facts.ClassicMemberMetadata(
            classic.session_timeout_ms,
            tuple(facts.ClassicProtocol(one.name, one.metadata) for one in classic.supported_protocols),
        ),
    )


def _target_metadata(m: Message) -> facts.ConsumerGroupTargetAssignmentMetadataValue:
    return facts.ConsumerGroupTargetAssignmentMetadataValue(m.assignment_epoch, m.assignment_timestamp)


def _target_member(m: Message) -> facts.ConsumerGroupTargetAssignmentMemberValue:
    return facts.ConsumerGroupTargetAssignmentMemberValue(
        tuple(facts.TargetTopic(topic.topic_id, tuple(topic.partitions)) for topic in m.topic_partitions)
    )


def _current(m: Message) -> facts.ConsumerGroupCurrentMemberAssignmentValue:
    return facts.ConsumerGroupCurrentMemberAssignmentValue(
        m.member_epoch,
        m.previous_member_epoch,
        m.state,
        tuple(map(_assigned, m.assigned_partitions)),
        tuple(map(_assigned, m.partitions_pending_revocation)),
    )


def _assigned(topic: Message) -> facts.AssignedTopic:
    epochs = topic.assignment_epochs
    return facts.AssignedTopic(topic.topic_id, tuple(topic.partitions), None if epochs is None else tuple(epochs))


def _regex(m: Message) -> facts.ConsumerGroupRegularExpressionValue:
    return facts.ConsumerGroupRegularExpressionValue(tuple(m.topics), m.version, m.timestamp)


class _Reader(NamedTuple):
    key_type: Any
    read: Callable[[Message], Any]


_READERS = {
    0: _Reader(facts.OffsetCommitKey, _commit),
    1: _Reader(facts.OffsetCommitKey, _commit),
    2: _Reader(facts.GroupMetadataKey, _group),
    3: _Reader(facts.ConsumerGroupMetadataKey, _consumer_group),
    5: _Reader(facts.ConsumerGroupMemberMetadataKey, _consumer_member),
    6: _Reader(facts.ConsumerGroupTargetAssignmentMetadataKey, _target_metadata),
    7: _Reader(facts.ConsumerGroupTargetAssignmentMemberKey, _target_member),
    8: _Reader(facts.ConsumerGroupCurrentMemberAssignmentKey, _current),
    16: _Reader(facts.ConsumerGroupRegularExpressionKey, _regex),
}
