"""What Apache Kafka 4.3.1 accepts and what it closes a connection for (measured), byte by byte."""

from __future__ import annotations

from struct import pack

import pytest

from kq.wire import ProtocolError
from kq.wire.api import Api
from kq.wire.apis.fetch import FETCH
from kq.wire.apis.metadata import METADATA
from kq.wire.apis.produce import PRODUCE
from kq.wire.apis.topics import CREATE_TOPICS
from kq.wire.apis.versions import API_VERSIONS
from kq.wire.message import Message
from kq.wire.primitives import uvarint


def metadata_v9(body: bytes) -> Message:
    return METADATA.decode_request(9, body)


PLAIN_V9 = b"\x02\x02t\x00\x01\x00\x01\x00"  # one topic "t", auto creation, no cluster operations, topic operations


def test_the_plain_form() -> None:
    message = metadata_v9(PLAIN_V9)
    assert message.topics == [METADATA.Request.Topic(name="t")]
    assert message.allow_auto_topic_creation is True
    assert message.include_cluster_authorized_operations is False


@pytest.mark.parametrize(
    "body",
    [
        PLAIN_V9 + b"trailing",
        b"\x82\x00" + PLAIN_V9[1:],
        b"\x82\x80\x80\x80\x00" + PLAIN_V9[1:],
        b"\x02\x82\x00t\x00\x01\x00\x01\x00",
        b"\x02\x02t\x01\x09\x02xx\x01\x00\x01\x00",
        b"\x02\x02t\x02\x09\x02xx\x09\x01y\x01\x00\x01\x00",
        b"\x02\x02t\x00\x02\x00\x02\x80\x00",
        PLAIN_V9[:-1] + b"\x01\xff\xff\xff\xff\x0f\x00",
        PLAIN_V9[:-1] + b"\xff\xff\xff\xff\x0f",
    ],
    ids=[
        "trailing bytes",
        "overlong count",
        "count in five bytes",
        "overlong string length",
        "unknown tag",
        "repeated unknown tag",
        "boolean 2",
        "greatest tag",
        "negative number of tags",
    ],
)
def test_accepted(body: bytes) -> None:
    assert metadata_v9(body) == metadata_v9(PLAIN_V9)


@pytest.mark.parametrize(
    ("version", "body"),
    [
        (9, b"\x02\x00\x00\x01\x00\x01\x00"),
        (9, b"\x82\x80\x80\x80\x80\x00" + PLAIN_V9[1:]),
        (9, b"\x09" + PLAIN_V9[1:]),
        (9, b"\x02\x7ft\x00\x01\x00\x01\x00"),
        (9, PLAIN_V9[:-1]),
        (9, PLAIN_V9[:-1] + b"\x01\x09\x05x"),
        (9, PLAIN_V9[:-1] + b"\x01\x09\xff\xff\xff\xff\x0f"),
        (0, pack(">i", -1)),
        (1, pack(">ih", 1, -1)),
        (1, pack(">ih", 2, 1) + b"t"),
    ],
    ids=[
        "null name",
        "varint of six bytes",
        "count lies",
        "string length lies",
        "no tag section",
        "tag longer than the rest",
        "tag of negative size",
        "null topics at v0",
        "null name, old form",
        "count lies, old form",
    ],
)
def test_refused(version: int, body: bytes) -> None:
    with pytest.raises(ProtocolError):
        METADATA.decode_request(version, body)


@pytest.mark.parametrize("length", [-1, -2, -(2**31)])
def test_any_negative_length_is_null_where_null_is_legal(length: int) -> None:
    assert METADATA.decode_request(1, pack(">i", length)).topics is None
    head = pack(">hhi", -1, 1, 1000)
    body = pack(">ih1si", 1, 1, b"t", 1) + pack(">ii", 0, length)
    assert PRODUCE.decode_request(3, head + body).topics[0].partitions[0].records is None


def test_compact_lengths_beyond_31_bits_are_null_too() -> None:
    assert metadata_v9(b"\xff\xff\xff\xff\x0f" + b"\x01\x00\x01\x00").topics is None


def test_a_repeated_known_tag_counts_once_the_last_wins() -> None:
    plain = b"".join(FETCH.encode_request(12, FETCH.Request()))
    assert plain.endswith(b"\x00")
    twice = plain[:-1] + b"\x02" + b"\x00\x02\x02a" + b"\x00\x02\x02b"
    assert FETCH.decode_request(12, twice) == FETCH.Request(cluster_id="b")


def test_known_and_unknown_tags_mix() -> None:
    plain = b"".join(FETCH.encode_request(12, FETCH.Request()))
    mixed = plain[:-1] + b"\x03" + b"\x05\x01x" + b"\x00\x02\x02a" + b"\x80\x01\x00"
    assert FETCH.decode_request(12, mixed) == FETCH.Request(cluster_id="a")


def test_text_that_is_not_utf8_is_replaced_and_can_be_sent_back() -> None:
    message = METADATA.decode_request(1, pack(">ih3s", 1, 3, b"a\xff\xc3"))
    assert message.topics[0].name == "a\ufffd\ufffd"
    assert METADATA.decode_request(1, b"".join(METADATA.encode_request(1, message))) == message


@pytest.mark.parametrize("value", [0, 1, 127, 128, 300, 2**28 - 1, 2**28, 2**31 - 1])
def test_uvarint_lengths(value: int) -> None:
    data, rest = bytearray(), value
    while rest > 127:
        data.append(rest & 127 | 128)
        rest >>= 7
    data.append(rest)
    assert uvarint(bytes(data), 0) == (value, len(data))


# Encoding: what a version cannot say


def test_fields_that_a_version_lacks() -> None:
    request = FETCH.Request(rack_id="r", session_id=7, max_wait_ms=5)
    assert FETCH.decode_request(4, b"".join(FETCH.encode_request(4, request))) == FETCH.Request(max_wait_ms=5)
    with pytest.raises(ProtocolError, match="forgotten_topics"):
        FETCH.encode_request(4, FETCH.Request(forgotten_topics=[FETCH.Request.ForgottenTopic(name="t")]))
    partition = FETCH.Request.Partition(last_fetched_epoch=3)
    with pytest.raises(ProtocolError, match="last_fetched_epoch"):
        FETCH.encode_request(11, FETCH.Request(topics=[FETCH.Request.Topic(name="t", partitions=[partition])]))


@pytest.mark.parametrize(
    ("api", "message"),
    [
        (METADATA, METADATA.Request(topics=[METADATA.Request.Topic(name=None)])),
        (METADATA, METADATA.Request(topics=[METADATA.Request.Topic(name="x" * 40_000)])),
        (METADATA, METADATA.Request(topics=[METADATA.Request.Topic(name="\ud800")])),
        (METADATA, METADATA.Request(topics=["t"])),
        (CREATE_TOPICS, CREATE_TOPICS.Request(timeout_ms=2**31)),
        (CREATE_TOPICS, CREATE_TOPICS.Request(topics=None)),
        (CREATE_TOPICS, CREATE_TOPICS.Request(timeout_ms="soon")),
    ],
    ids=["null", "too long", "a lone surrogate", "no message", "too large", "null list", "no number"],
)
def test_what_has_no_bytes_is_one_protocol_error(api: Api, message: Message) -> None:
    with pytest.raises(ProtocolError, match="cannot be encoded"):
        api.encode_request(4, message)


def test_an_id_of_another_length_is_refused() -> None:
    topic = METADATA.Request.Topic(name="t", topic_id=b"short")
    with pytest.raises(ProtocolError, match="16 bytes"):
        METADATA.encode_request(12, METADATA.Request(topics=[topic]))


def test_a_message_without_fields_is_empty() -> None:
    assert API_VERSIONS.encode_request(0, API_VERSIONS.Request()) == [b""]
    assert API_VERSIONS.decode_request(0, b"") == API_VERSIONS.Request()
