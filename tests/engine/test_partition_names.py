"""Directory names, there and back, at the limits of file systems."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kq.engine.partition_names import Kind, PartitionName, directory_name, parse, suffixed_name

UNIQUE = bytes(range(16))
topic_names = st.text(alphabet="abcXYZ019._-", min_size=1, max_size=249).filter(lambda name: name not in (".", ".."))


@settings(max_examples=200, deadline=None)
@given(topic=topic_names, partition=st.integers(0, 2**31 - 1))
def test_live_names_come_back(topic: str, partition: int) -> None:
    assert parse(directory_name(topic, partition)) == PartitionName(topic, partition, Kind.LIVE)


@settings(max_examples=200, deadline=None)
@given(
    topic=topic_names,
    partition=st.integers(0, 2**31 - 1),
    unique=st.binary(min_size=16, max_size=16),
    kind=st.sampled_from([Kind.DELETED, Kind.FUTURE, Kind.STRAY]),
)
def test_suffixed_names_fit_and_come_back_possibly_cut(topic: str, partition: int, unique: bytes, kind: Kind) -> None:
    name = suffixed_name(topic, partition, unique, kind)
    assert len(name) <= 255
    found = parse(name)
    assert found is not None
    assert topic.startswith(found.topic)
    assert (found.partition, found.kind) == (partition, kind)


def test_as_kafka_writes_them() -> None:
    assert suffixed_name("a.b", 3, UNIQUE, Kind.DELETED) == "a.b-3.000102030405060708090a0b0c0d0e0f-delete"
    long = suffixed_name("x" * 249, 12, UNIQUE, Kind.DELETED)
    assert len(long) == 255
    assert long.endswith("x-12.000102030405060708090a0b0c0d0e0f-delete")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "topic",
        "-0",
        "topic-",
        "topic-x",
        "topic-01",
        "topic--1 ",
        "topic-2147483648",
        "topic-99999999999",
        ".-0",
        "..-0",
        "lost+found",
        "über-0",
        "a/b-0",
        "x" * 250 + "-0",
        "topic-0.0123-delete",
        "topic.000102030405060708090a0b0c0d0e0f-delete",
        "topic-0.000102030405060708090a0b0c0d0e0f-deleted",
        "topic-0.000102030405060708090A0B0C0D0E0F-delete",
    ],
)
def test_what_is_no_partitions_directory(name: str) -> None:
    assert parse(name) is None


def test_a_topic_may_look_like_a_suffix() -> None:
    topic = "t-0.000102030405060708090a0b0c0d0e0f-delete"
    assert parse(directory_name(topic, 4)) == PartitionName(topic, 4, Kind.LIVE)
