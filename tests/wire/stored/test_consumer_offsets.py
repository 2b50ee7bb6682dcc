"""What a real Kafka 4.3.1 wrote, read and written again byte for byte.

The rows of `consumer-offsets-4.3.1.tsv` (key and value in hex, `-` for a tombstone) are, up to the empty line, the log
of a broker that served confluent-kafka consumers of both protocols; after it, values of every older version and of the
rarer fields, made by Kafka's own classes (`MessageUtil.toVersionPrefixedBytes`).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from kq.wire.errors import ProtocolError
from kq.wire.primitives import ZERO_UUID
from kq.wire.stored import consumer_offsets as stored
from kq.wire.stored.table import Record, Stored, leading_int16

Row = tuple[bytes, bytes | None]


def rows(text: str) -> list[Row]:
    return [
        (bytes.fromhex(key), None if value == "-" else bytes.fromhex(value))
        for key, value in (line.split("\t") for line in text.splitlines())
    ]


FROM_A_LOG, MADE = map(rows, (Path(__file__).parent / "consumer-offsets-4.3.1.tsv").read_text().split("\n\n"))
ROWS = FROM_A_LOG + MADE


def decoded(key: bytes, value: bytes | None) -> Record:
    record = stored.decode(key, value)
    assert record is not None
    return record


RECORDS = [decoded(*row) for row in ROWS]


def of(table: Stored) -> list[Record]:
    return [record for record in RECORDS if record.stored is table]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{leading_int16(row[0])}-{(row[1] or b'-')[:12].hex()}")
def test_every_record_is_written_as_it_was_read(row: Row) -> None:
    key, value = row
    record = decoded(key, value)
    assert record.stored.encode_key(record.key) == key
    if value is None:
        assert record.value is None
    else:
        assert record.stored.encode_value(record.value, leading_int16(value)) == value


def test_the_rows_show_every_type_and_version() -> None:
    seen = {(leading_int16(key), leading_int16(value)) for key, value in ROWS if value is not None}
    assert seen == {
        (table.type, version)
        for table in stored.BY_TYPE.values()
        for version in range(table.value_side.versions.first, table.value_side.versions.last + 1)
        if table is not stored.LEGACY_OFFSET_COMMIT or version == 0
    }


def test_kq_writes_the_versions_that_the_broker_wrote() -> None:
    for key, value in FROM_A_LOG:
        if value is not None:
            assert stored.BY_TYPE[leading_int16(key)].writes == leading_int16(value)


def test_what_a_commit_says() -> None:
    old, *_, full, empty = [record.value for record in of(stored.OFFSET_COMMIT) if record.key.topic == "t.1"]
    assert (old.offset, old.metadata, old.leader_epoch, old.expire_timestamp) == (1234567890123, "né", -1, -1)
    assert (full.leader_epoch, full.commit_timestamp) == (5, 1795353685403)
    assert full.topic_id == bytes(7) + b"\1" + bytes(7) + b"\2"
    assert (empty.offset, empty.metadata, empty.topic_id) == (-1, "", ZERO_UUID)


def test_what_a_group_of_the_classic_protocol_says() -> None:
    (stable,) = [r.value for r in of(stored.GROUP_METADATA) if r.key.group == "static-g" and r.value.members]
    (member,) = stable.members
    assert (stable.protocol_type, stable.generation, stable.protocol) == ("consumer", 1, "range")
    assert stable.leader == member.member_id
    assert (member.group_instance_id, member.client_id, member.client_host) == ("inst-1", "told", "/127.0.0.1")
    assert (member.rebalance_timeout, member.session_timeout) == (300_000, 45_000)
    assert b"orders" in member.subscription
    assert b"orders" in member.assignment


def test_what_a_member_of_the_new_protocol_says() -> None:
    by_id = {r.key.group_id: r.value for r in of(stored.CONSUMER_GROUP_MEMBER_METADATA) if r.value is not None}
    assert by_id["regex-g"].subscribed_topic_regex == "(^ord.*)"
    assert by_id["regex-g"].classic_member_metadata is None
    classic = by_id["g"].classic_member_metadata
    assert classic.session_timeout_ms == 45_000
    assert [(one.name, one.metadata) for one in classic.supported_protocols] == [("range", b"\0\1")]


def test_a_member_without_classic_metadata_says_so() -> None:
    """Kafka reads an absent tag as an empty structure: a member of the classic protocol."""
    table = stored.CONSUMER_GROUP_MEMBER_METADATA
    assert table.encode_value(table.Value()).endswith(b"\x01\x00\x01\x00")


def test_records_of_other_kinds_of_groups_are_passed_over() -> None:
    assert stored.decode(b"\x00\x0b\x00\x01g", b"\x00\x00") is None
    assert stored.decode(b"\x7f\xff", None) is None


def test_tombstones_need_no_value() -> None:
    record = decoded(stored.GROUP_METADATA.encode_key(stored.GROUP_METADATA.Key(group="g")), None)
    assert (record.key.group, record.value) == ("g", None)


@pytest.mark.parametrize("row", ROWS[:12], ids=lambda row: row[0][:16].hex())
def test_bytes_that_end_early(row: Row) -> None:
    key, value = row
    for size in range(len(key)):
        with pytest.raises(ProtocolError):
            stored.decode(key[:size], value)
    for size in range(len(value or b"")):
        with pytest.raises(ProtocolError):
            stored.decode(key, (value or b"")[:size])


def test_values_of_a_later_version_are_refused() -> None:
    with pytest.raises(ProtocolError, match="not 5"):
        stored.decode(stored.OFFSET_COMMIT.encode_key(stored.OFFSET_COMMIT.Key()), b"\x00\x05" + bytes(40))
