"""Topics on a disk that does not tell `A` from `a`, as macOS's does by default: it has every name in both cases."""

from __future__ import annotations

import pytest

from kq.engine.checkpoint import META_PROPERTIES
from kq.errors import Err, KafkaError
from kq.testing import Broker


def test_two_topics_never_share_directories() -> None:
    with Broker() as broker:
        (broker.data_dir / META_PROPERTIES.upper()).touch()
        broker.create_topic("Orders")
        with pytest.raises(KafkaError, match="'orders' and the topic 'Orders' would be one directory") as refused:
            broker.create_topic("orders")
        assert refused.value.code is Err.INVALID_TOPIC_EXCEPTION
        broker.create_topic("orders2")


def test_where_the_disk_tells_them_apart_both_may_be() -> None:
    with Broker() as broker:
        if (broker.data_dir / META_PROPERTIES.upper()).exists():
            pytest.skip("this disk takes A and a for one name: how kq is on one that does not is tested elsewhere")
        broker.create_topic("Orders")
        broker.create_topic("orders")
