"""Bytes that nobody sends in good faith: a message or one ProtocolError comes out, in memory bounded by the frame."""

from __future__ import annotations

import tracemalloc
from random import Random
from struct import pack

import pytest

from kq.wire import ProtocolError
from kq.wire.api import Api
from kq.wire.apis.fetch import FETCH
from kq.wire.apis.metadata import METADATA
from kq.wire.apis.produce import PRODUCE
from kq.wire.apis.topics import DELETE_TOPICS
from kq.wire.decoder import MOST_ITEMS
from kq.wire.frame import parse_request
from kq.wire.primitives import MOST_TAGS
from tests.wire.values import Case, all_cases, case_id, cases_by_side, decode, encode, random_message, side_id

MUTATIONS_A_CASE = 40
# What a decoded message may weigh, in bytes a byte of its frame. The most we found is 52: an array of structures of two
# bytes, one Python object each, of 16 bytes and 8 a field, with a list of its own.
MEMORY_FACTOR = 64
MEMORY_FIXED = 8 * 1024

_NASTY = (
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\xfe",
    b"\x80\x00\x00\x00",
    b"\x00\x00\x00\x00",
    b"\x7f\xff",
    b"\xff\xff",
    b"\xff\xff\xff\xff\x07",
    b"\xff\xff\xff\xff\xff\x01",
    b"\x80\x80\x80\x80\x08",
    b"\xff",
    b"\x02",
)


def mutated(data: bytes, rng: Random) -> bytes:
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(len(out) + 1)
        kind = rng.randrange(4)
        if kind == 0 and at < len(out):
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            nasty = rng.choice(_NASTY)
            out[at : at + len(nasty)] = nasty
        elif kind == 2:
            out[at:at] = rng.choice(_NASTY)
        else:
            del out[at : at + rng.choice((1, 2, 7))]
    return bytes(out)


def decode_or_refuse(case: Case, data: bytes) -> bool:
    try:
        decode(case, data)
    except ProtocolError:
        return False
    return True


@pytest.mark.parametrize("cases", cases_by_side(), ids=side_id)
def test_mutated_messages(cases: list[Case]) -> None:
    for case in cases:
        rng = Random(case_id(case))
        inputs = [mutated(encode(case, random_message(case, rng)), rng) for _ in range(MUTATIONS_A_CASE)]
        inputs += [rng.randbytes(rng.choice((1, 3, 9, 40, 200))) for _ in range(MUTATIONS_A_CASE)]
        decode_or_refuse(case, inputs[0])  # compiled outside the measurement
        tracemalloc.start()
        try:
            for data in inputs:
                before, _ = tracemalloc.get_traced_memory()
                tracemalloc.reset_peak()
                decode_or_refuse(case, data)
                _, peak = tracemalloc.get_traced_memory()
                assert peak - before <= MEMORY_FIXED + MEMORY_FACTOR * len(data), case_id(case)
        finally:
            tracemalloc.stop()


def test_mutations_reach_both_outcomes() -> None:
    """The test above would be worth little if every mutation were refused at the first byte."""
    rng = Random(7)
    outcomes = [
        decode_or_refuse(case, mutated(encode(case, random_message(case, rng)), rng))
        for case in all_cases()
        for _ in range(5)
    ]
    assert outcomes.count(True) > 200
    assert outcomes.count(False) > 200


@pytest.mark.parametrize(
    ("case", "data"),
    [
        ((METADATA, "request", 1), pack(">i", 2**31 - 1)),
        ((METADATA, "request", 12), b"\xff\xff\xff\xff\x07"),
        ((METADATA, "response", 8), pack(">ii", 0, 2**31 - 1)),
        ((DELETE_TOPICS, "request", 1), pack(">i", 2**31 - 1) + bytes(1000)),
        ((FETCH, "request", 4), pack(">iiiib", -1, 0, 0, 0, 0) + pack(">ih1sii", 1, 1, b"t", 2**30, 0)),
        ((FETCH, "response", 12), bytes(10) + b"\xff\xff\xff\xff\x07"),
        ((PRODUCE, "request", 3), pack(">hhiih1si", -1, 1, 0, 1, 1, b"t", 1) + pack(">ii", 0, 2**31 - 1)),
    ],
    ids=["array", "compact array", "structures", "strings", "nested", "compact structures", "records"],
)
def test_an_announced_count_allocates_nothing(case: Case, data: bytes) -> None:
    decode_or_refuse(case, data)
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError, match="the bytes that remain"):
            decode(case, data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 * 1024


@pytest.mark.parametrize(
    "table", ["items: [Item]\n  later: int32 1+", "items: [uuid]", "items: [bool]", "items: [float64]"]
)
@pytest.mark.parametrize("count", [1, 9, 2**31 - 1])
def test_counts_are_refused_whatever_the_items(table: str, count: int) -> None:
    """Items of no bytes at all too: they would cost nothing to announce."""
    api = Api(999, "Example", versions="0-1", flexible="none", request=table, response=table)
    for version in (0, 1):
        with pytest.raises(ProtocolError, match="the bytes that remain"):
            api.decode_response(version, pack(">i", count))


def test_a_request_of_countless_items_is_refused_before_they_are_made() -> None:
    """Three bytes a topic: a frame within any size limit that would become gigabytes."""
    at_most = b"".join(PRODUCE.encode_request(9, PRODUCE.Request(topics=[PRODUCE.Request.Topic()] * MOST_ITEMS)))
    assert len(PRODUCE.decode_request(9, at_most).topics) == MOST_ITEMS
    too_many = b"".join(PRODUCE.encode_request(9, PRODUCE.Request(topics=[PRODUCE.Request.Topic()] * (MOST_ITEMS + 1))))
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError, match="items"):
            PRODUCE.decode_request(9, too_many)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * len(too_many)


def test_items_are_counted_over_the_whole_request() -> None:
    half = FETCH.Request.Topic(name="t", partitions=[FETCH.Request.Partition()] * (MOST_ITEMS // 2))
    data = b"".join(FETCH.encode_request(4, FETCH.Request(topics=[half, half])))
    with pytest.raises(ProtocolError, match="items"):
        FETCH.decode_request(4, data)


def test_responses_may_be_larger_than_any_request() -> None:
    data = pack(">ii", 0, MOST_ITEMS + 1) + pack(">ihi", 0, 0, 0) * (MOST_ITEMS + 1) + pack(">ii", 0, 0)
    assert len(METADATA.decode_response(0, data[4:]).brokers) == MOST_ITEMS + 1


@pytest.mark.parametrize("count", [MOST_TAGS + 1, 2**31 - 1])
def test_countless_tags_are_refused(count: int) -> None:
    section, rest = bytearray(), count
    while rest > 127:
        section.append(rest & 127 | 128)
        rest >>= 7
    section.append(rest)
    tags = bytes(section) + b"\x63\0" * (MOST_TAGS + 1)
    with pytest.raises(ProtocolError):
        parse_request(memoryview(pack(">hhih", 3, 9, 1, -1) + tags))
    with pytest.raises(ProtocolError):
        METADATA.decode_request(9, b"\1\1\0\1" + tags)


def test_a_negative_number_of_tags_buys_no_items() -> None:
    head = b"".join(METADATA.encode_request(9, METADATA.Request(topics=[])))
    assert METADATA.decode_request(9, head[:-1] + b"\x80\x80\x80\x80\x0f") == METADATA.Request(topics=[])
    topics = [METADATA.Request.Topic()] * (MOST_ITEMS + 1)
    data = b"".join(METADATA.encode_request(9, METADATA.Request(topics=topics)))
    assert data[3:6] == b"\1\0\1"  # the first topic: no name, no tags
    with pytest.raises(ProtocolError, match="items"):
        METADATA.decode_request(9, data[:4] + b"\x80\x80\x80\x80\x0f" + data[5:])
