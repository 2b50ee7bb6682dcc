"""Every client test here runs twice: against Apache Kafka, which proves the test, and against kq, which is tested."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator

import pytest

from kq.testing import Broker
from tests.support import topics


@pytest.fixture(scope="session")
def kq() -> Iterator[Broker]:
    """One kq broker for the session's client tests; tests that hurt their broker start their own."""
    with Broker({"group.initial.rebalance.delay.ms": "0"}) as broker:  # as the peers tool starts Apache Kafka
        yield broker


@pytest.fixture(params=["kq", pytest.param("kafka", marks=pytest.mark.java)])
def bootstrap(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param).bootstrap)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A topic name nobody else uses."""
    return f"{re.sub(r'[^a-zA-Z0-9._-]+', '-', request.node.originalname)}-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def make_topic(bootstrap: str, name: str) -> Callable[..., str]:
    """Makes the test's topic: make_topic(partitions=1, **{"setting": "value"}) -> name."""

    def make(partitions: int = 1, **config: str) -> str:
        topics.create(bootstrap, name, partitions, config)
        return name

    return make
