"""Facts to records and back; what is written are the bytes of a real Kafka (tests/wire/stored)."""

from __future__ import annotations

import random

import pytest

from kq.broker.groups.codec import decode, encode, encode_batches
from kq.machines.group import facts
from kq.machines.group.facts import Fact
from kq.record import compression
from kq.record.batch import crc_ok, decode_records, parse_header
from kq.wire.stored import consumer_offsets as stored
from kq.wire.stored.table import leading_int16

ID = bytes(range(16))
ASSIGNED = (facts.AssignedTopic(ID, (0, 2), (1, 3)),)
FACTS: list[Fact] = [
    (facts.OffsetCommitKey("g", "t", 3), facts.OffsetCommitValue(5, 2, "é", 1_700_000_000_000, -1, ID)),
    (facts.OffsetCommitKey("", "t", 0), facts.OffsetCommitValue(-1)),
    (facts.OffsetCommitKey("g", "t", 3), None),
    (facts.GroupMetadataKey("g"), facts.GroupMetadataValue("", 0, None, None, 1, ())),
    (
        facts.GroupMetadataKey("g"),
        facts.GroupMetadataValue(
            "consumer", 4, "range", "m", 9, (facts.MemberMetadata("m", "i", "c", "/h", 1, 2, b"s", b"a"),)
        ),
    ),
    (facts.ConsumerGroupMetadataKey("g"), facts.ConsumerGroupMetadataValue(3, -5)),
    (
        facts.ConsumerGroupMemberMetadataKey("g", "m"),
        facts.ConsumerGroupMemberMetadataValue(
            None,
            "r",
            "c",
            "/h",
            ("t",),
            "t.*",
            500,
            None,
            facts.ClassicMemberMetadata(100, (facts.ClassicProtocol("range", b"x"),)),
        ),
    ),
    (
        facts.ConsumerGroupMemberMetadataKey("g", "m"),
        facts.ConsumerGroupMemberMetadataValue("i", None, "c", "/h", (), None, -1, "uniform"),
    ),
    (
        facts.ConsumerGroupTargetAssignmentMetadataKey("g"),
        facts.ConsumerGroupTargetAssignmentMetadataValue(3, 77),
    ),
    (
        facts.ConsumerGroupTargetAssignmentMemberKey("g", "m"),
        facts.ConsumerGroupTargetAssignmentMemberValue((facts.TargetTopic(ID, (0, 1)),)),
    ),
    (
        facts.ConsumerGroupCurrentMemberAssignmentKey("g", "m"),
        facts.ConsumerGroupCurrentMemberAssignmentValue(3, 2, 1, ASSIGNED, (facts.AssignedTopic(ID, (7,)),)),
    ),
    (
        facts.ConsumerGroupRegularExpressionKey("g", "t.*"),
        facts.ConsumerGroupRegularExpressionValue(("t", "t2"), 5, 6),
    ),
]


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: type(fact[0]).__name__)
def test_a_fact_comes_back(fact: Fact) -> None:
    assert decode(*encode(fact)) == fact


def test_every_type_is_among_them() -> None:
    assert {type(key) for key, _ in FACTS} == {key for key, _ in facts.TYPES.values()}


def test_a_commit_with_a_retention_of_its_own_is_version_1() -> None:
    key = facts.OffsetCommitKey("g", "t", 0)
    _, value = encode((key, facts.OffsetCommitValue(5, 2, "", 10, 20, ID)))
    assert value is not None
    assert leading_int16(value) == 1
    assert decode(*encode((key, facts.OffsetCommitValue(5, 2, "", 10, 20, ID)))) == (
        key,
        facts.OffsetCommitValue(5, -1, "", 10, 20),
    )


def test_old_keys_and_kinds_that_are_not_ours() -> None:
    table = stored.LEGACY_OFFSET_COMMIT
    key = table.encode_key(table.Key(group="g", topic="t", partition=1))
    assert decode(key, None) == (facts.OffsetCommitKey("g", "t", 1), None)
    assert decode(b"\0\x0b\0\1g", b"\0\0") is None
    partitions = stored.CONSUMER_GROUP_PARTITION_METADATA
    assert decode(partitions.encode_key(partitions.Key(group_id="g")), None) is None


@pytest.mark.parametrize("codec", [compression.NONE, compression.LZ4])
@pytest.mark.parametrize("count", [1, 2, 300])
def test_a_decision_is_one_batch(count: int, codec: int) -> None:
    rng = random.Random(count)
    chosen = [rng.choice(FACTS) for _ in range(count)]
    (batch,) = encode_batches(chosen, 123_456, max_bytes=1 << 62, codec=codec)
    header = parse_header(batch)
    assert crc_ok(batch, 0, len(batch))
    assert (header.size, header.codec, header.record_count, header.last_offset_delta) == (
        len(batch),
        codec,
        count,
        count - 1,
    )
    assert (header.base_timestamp, header.max_timestamp, header.producer_id) == (123_456, 123_456, -1)
    records = decode_records(batch, limit=1 << 20)
    assert [record.offset for record in records] == list(range(count))
    assert [decode(record.key or b"", record.value) for record in records] == chosen


def test_what_nobody_waits_for_may_be_many_batches() -> None:
    batches = encode_batches(FACTS * 50, 1, max_bytes=2000)
    assert len(batches) > 5
    assert max(map(len, batches)) <= 2000
    records = [record for batch in batches for record in decode_records(batch, limit=1 << 20)]
    assert [decode(record.key or b"", record.value) for record in records] == FACTS * 50


def test_a_fact_above_the_limit_has_a_batch_for_itself() -> None:
    assert len(encode_batches(FACTS[:3], 1, max_bytes=10)) == 3
