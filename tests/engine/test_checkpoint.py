"""The text files: Kafka's bytes, and decoders that answer any bytes with a value or one clean error."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kq.engine import checkpoint
from kq.engine.checkpoint import CorruptCheckpoint, MetaProperties

META = MetaProperties("0gOTsVVCTvKp3NVsNyh_Gw", 1, "dNVHz9xYE7WaiuzWdFwjJQ")

# As Apache Kafka 4.3.1 wrote them.
KAFKA_EPOCHS = b"0\n2\n0 0\n3 1118\n"
KAFKA_OFFSETS = b"0\n3\n__transaction_state 0 0\nplain 1 0\nplain 0 2000\n"
KAFKA_PARTITION = b"version: 0\ntopic_id: 0LXWdb97QHOEaC7naf1CyQ"
KAFKA_META = (
    b"#\n#Sun Nov 22 10:00:25 UTC 2026\nnode.id=1\ndirectory.id=dNVHz9xYE7WaiuzWdFwjJQ\nversion=1\n"
    b"cluster.id=0gOTsVVCTvKp3NVsNyh_Gw\n"
)
KAFKA_CLEAN = b'{"version":0,"brokerEpoch":12}'

DECODERS: list[tuple[Callable[[bytes], object], bytes]] = [
    (checkpoint.decode_epochs, KAFKA_EPOCHS),
    (checkpoint.decode_offsets, KAFKA_OFFSETS),
    (checkpoint.decode_partition_metadata, KAFKA_PARTITION),
    (checkpoint.decode_meta_properties, KAFKA_META),
    (checkpoint.decode_clean_shutdown, KAFKA_CLEAN),
]


def test_epochs() -> None:
    assert checkpoint.decode_epochs(KAFKA_EPOCHS) == [(0, 0), (3, 1118)]
    assert checkpoint.encode_epochs([(0, 0), (3, 1118)]) == KAFKA_EPOCHS
    assert checkpoint.encode_epochs([]) == b"0\n0\n"


def test_offsets() -> None:
    offsets = {("__transaction_state", 0): 0, ("plain", 1): 0, ("plain", 0): 2000}
    assert checkpoint.decode_offsets(KAFKA_OFFSETS) == offsets
    assert checkpoint.encode_offsets(offsets) == KAFKA_OFFSETS


def test_partition_metadata() -> None:
    topic_id = checkpoint.decode_partition_metadata(KAFKA_PARTITION)
    assert len(topic_id) == 16
    assert checkpoint.id_text(topic_id) == "0LXWdb97QHOEaC7naf1CyQ"
    assert checkpoint.encode_partition_metadata(topic_id) == KAFKA_PARTITION


def test_meta_properties() -> None:
    assert checkpoint.decode_meta_properties(KAFKA_META) == META
    assert checkpoint.decode_meta_properties(checkpoint.encode_meta_properties(META)) == META


def test_clean_shutdown() -> None:
    assert checkpoint.decode_clean_shutdown(KAFKA_CLEAN) == 12
    assert checkpoint.encode_clean_shutdown(12) == KAFKA_CLEAN


@pytest.mark.parametrize("decode", [checkpoint.decode_epochs, checkpoint.decode_offsets])
def test_an_empty_checkpoint_file_holds_nothing(decode: Callable[[bytes], object]) -> None:
    assert not decode(b"")


@pytest.mark.parametrize(
    ("decode", "data", "says"),
    [
        (checkpoint.decode_epochs, b"1\n0\n", "version '1'"),
        (checkpoint.decode_epochs, b"0\n", "ends before"),
        (checkpoint.decode_epochs, b"0\n2\n0 0\n", "announces 2 entries and has 1"),
        (checkpoint.decode_epochs, b"0\n1\n0 0\n1 5\n", "announces 1 entries and has 2"),
        (checkpoint.decode_epochs, b"0\n1\n0 1", "cut off"),  # was it 1, or 15?
        (checkpoint.decode_epochs, b"0\n1\n0\n", "not an epoch and an offset"),
        (checkpoint.decode_epochs, b"0\n1\n-1 0\n", "not a number"),
        (checkpoint.decode_epochs, b"0\n1\n2147483648 0\n", "no epoch"),
        (checkpoint.decode_epochs, b"0\n1\n1 9223372036854775808\n", "not a number"),
        (checkpoint.decode_epochs, "0\n1\n1 ٣\n".encode(), "not a number"),
        (checkpoint.decode_epochs, b"0\n1\n1 " + b"9" * 5000 + b"\n", "not a number"),
        (checkpoint.decode_offsets, b"0\n1\na b\n", "not a topic"),
        (checkpoint.decode_offsets, b"0\n1\na 0 -3\n", "not a number"),
        (checkpoint.decode_offsets, b"\0" * 4096, "cut off"),
        (checkpoint.decode_partition_metadata, b"", "no version"),
        (checkpoint.decode_partition_metadata, b"version: 1\ntopic_id: 0LXWdb97QHOEaC7naf1CyQ", "version: 1"),
        (checkpoint.decode_partition_metadata, b"version: 0\n", "no topic_id"),
        (checkpoint.decode_partition_metadata, b"version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA", "zero"),
        (checkpoint.decode_partition_metadata, b"version: 0\ntopic_id: short", "22 characters"),
        (checkpoint.decode_partition_metadata, b"version: 0\ntopic_id: 0LXWdb97QHOEaC7naf1CyQQ", "22 characters"),
        (checkpoint.decode_meta_properties, b"", "version 'none'"),
        (checkpoint.decode_meta_properties, b"version=0\nbroker.id=1\n", "version '0'"),
        (checkpoint.decode_meta_properties, b"version=1\nnode.id=1\n", "no cluster.id"),
        (checkpoint.decode_meta_properties, b"version=1\ncluster.id=x\nnode.id=one\n", "not a number"),
        (checkpoint.decode_clean_shutdown, b"", "not JSON"),
        (checkpoint.decode_clean_shutdown, b"[" * 100_000, "not JSON"),
        (checkpoint.decode_clean_shutdown, b"[1]", "no brokerEpoch"),
        (checkpoint.decode_clean_shutdown, b'{"brokerEpoch":true}', "no brokerEpoch"),
    ],
)
def test_damage_is_named(decode: Callable[[bytes], object], data: bytes, says: str) -> None:
    with pytest.raises(CorruptCheckpoint, match=says):
        decode(data)


@pytest.mark.parametrize(("decode", "whole"), DECODERS)
def test_every_prefix_is_a_value_or_one_clean_error(decode: Callable[[bytes], object], whole: bytes) -> None:
    for size in range(len(whole)):
        with contextlib.suppress(CorruptCheckpoint):
            decode(whole[:size])


@pytest.mark.parametrize(("decode", "whole"), DECODERS[:2])
def test_no_proper_prefix_of_an_offset_checkpoint_passes(decode: Callable[[bytes], object], whole: bytes) -> None:
    for size in range(1, len(whole)):
        with pytest.raises(CorruptCheckpoint):
            decode(whole[:size])


@settings(max_examples=300, deadline=None)
@given(which=st.integers(0, len(DECODERS) - 1), data=st.data())
def test_mutated_and_random_bytes_never_crash_a_decoder(which: int, data: st.DataObject) -> None:
    decode, whole = DECODERS[which]
    if data.draw(st.booleans()):
        mutated = bytearray(whole)
        for position in data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=5)):
            mutated[position] = data.draw(st.integers(0, 255))
        damaged = bytes(mutated)
    else:
        damaged = data.draw(st.binary(max_size=80))
    message = ""
    try:
        decode(damaged)
    except CorruptCheckpoint as error:
        message = str(error)
    assert len(message) < 300


name = st.text(alphabet="abcXYZ019._-", min_size=1, max_size=20)


@settings(max_examples=100, deadline=None)
@given(offsets=st.dictionaries(st.tuples(name, st.integers(0, 2**31 - 1)), st.integers(0, 2**63 - 1)))
def test_offsets_come_back(offsets: dict[tuple[str, int], int]) -> None:
    assert checkpoint.decode_offsets(checkpoint.encode_offsets(offsets)) == offsets


@settings(max_examples=100, deadline=None)
@given(topic_id=st.binary(min_size=16, max_size=16).filter(any))
def test_ids_come_back(topic_id: bytes) -> None:
    assert checkpoint.id_bytes(checkpoint.id_text(topic_id)) == topic_id
