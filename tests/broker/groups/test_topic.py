"""Which shard a group is in, and the topic of all shards."""

from __future__ import annotations

import pytest

from kq.broker.groups.topic import java_hash, shard_of
from kq.testing import Broker
from kq.wire.apis.configs import DESCRIBE_CONFIGS
from kq.wire.apis.groups import FIND_COORDINATOR
from kq.wire.apis.metadata import METADATA
from tests.support import groups
from tests.support.wire import Wire


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", 0),
        ("a", 97),
        ("group", 98629247),
        ("polygenelubricants", -(2**31)),
        ("é", 233),
        ("\N{GRINNING FACE}", 0xD83D * 31 + 0xDE00),
    ],
)
def test_javas_hash(text: str, value: int) -> None:
    assert java_hash(text) == value


def test_shards() -> None:
    assert shard_of("", 50) == 0
    assert shard_of("group", 50) == 47
    assert shard_of("polygenelubricants", 50) == 0
    assert {shard_of(f"g-{number}", 50) for number in range(2000)} == set(range(50))


def test_the_topic_is_made_for_the_first_client_that_asks() -> None:
    with Broker({"offsets.topic.num.partitions": "7"}) as broker, Wire(broker.bootstrap) as wire:
        asked = METADATA.Request(topics=None)
        assert wire.call(METADATA, 12, asked).topics == []
        transactions = FIND_COORDINATOR.Request(key="t", key_type=1)
        wire.call(FIND_COORDINATOR, 3, transactions)
        assert wire.call(METADATA, 12, asked).topics == []
        found = wire.call(FIND_COORDINATOR, 3, FIND_COORDINATOR.Request(key="g"))
        assert (found.error_code, found.node_id) == (0, 1)
        (topic,) = wire.call(METADATA, 12, asked).topics
        assert (topic.name, topic.is_internal, len(topic.partitions)) == ("__consumer_offsets", True, 7)
        make = DESCRIBE_CONFIGS.Request
        names = ["cleanup.policy", "compression.type", "segment.bytes"]
        resource = make.Resource(resource_type=2, resource_name=topic.name, configuration_keys=names)
        configs = wire.call(DESCRIBE_CONFIGS, 4, make(resources=[resource])).results[0].configs
        assert {one.name: one.value for one in configs} == {
            "cleanup.policy": "compact",
            "compression.type": "producer",
            "segment.bytes": "104857600",
        }
        assert groups.fetch(wire, "g").error_code == 0
