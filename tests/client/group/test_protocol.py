"""The embedded consumer protocol, read and written beside kafka-python."""

from __future__ import annotations

import struct

import pytest
from kafka.protocol.consumer.metadata import ConsumerProtocolAssignment, ConsumerProtocolSubscription

from kq.client.group.protocol import (
    Subscription,
    decode_assignment,
    decode_subscription,
    encode_assignment,
    encode_subscription,
)
from kq.client.group.sticky import encode_memory
from kq.wire.errors import ProtocolError

FULL = Subscription(("a", "b"), b"\x00\x01", (("a", 0), ("a", 2), ("b", 1)), 7, "rack")
# What each version can say.
SAID = [
    FULL._replace(owned=(), generation=-1, rack_id=None),
    FULL._replace(generation=-1, rack_id=None),
    FULL._replace(rack_id=None),
    FULL,
]


@pytest.mark.parametrize("version", range(4))
def test_subscriptions(version: int) -> None:
    ours = encode_subscription(FULL, version)
    assert decode_subscription(ours) == SAID[version]
    theirs = ConsumerProtocolSubscription.decode(ours)
    assert theirs.version == version
    assert (theirs.topics, theirs.user_data) == (["a", "b"], b"\x00\x01")
    if version >= 1:
        assert [(p.topic, p.partitions) for p in theirs.owned_partitions] == [("a", [0, 2]), ("b", [1])]
    assert bytes(theirs.encode()) == ours


def test_a_later_version_is_read_as_far_as_it_is_known() -> None:
    later = b"\x00\x09" + encode_subscription(FULL)[2:] + b"whatever comes then"
    assert decode_subscription(later) == FULL


@pytest.mark.parametrize("version", range(4))
def test_assignments(version: int) -> None:
    ours = encode_assignment(FULL.owned, None, version)
    assert decode_assignment(ours) == FULL.owned
    theirs = ConsumerProtocolAssignment.decode(ours)
    assert [(p.topic, p.partitions) for p in theirs.assigned_partitions] == [("a", [0, 2]), ("b", [1])]
    assert bytes(theirs.encode()) == ours


def test_no_bytes_are_no_partitions_and_half_of_them_an_error() -> None:
    assert decode_assignment(b"") == ()
    whole = encode_assignment(FULL.owned)
    for size in range(1, len(whole)):
        with pytest.raises(ProtocolError):
            decode_assignment(whole[:size])


def test_what_sticky_remembers() -> None:
    """As Java writes it: no version before it (kafka-python 3 puts one there)."""
    topics = b"\0\x01a" + struct.pack(">i2i", 2, 0, 2), b"\0\x01b" + struct.pack(">ii", 1, 1)
    assert encode_memory(FULL.owned, 7) == struct.pack(">i", 2) + b"".join(topics) + struct.pack(">i", 7)
