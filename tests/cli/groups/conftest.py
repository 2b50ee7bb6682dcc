"""Every test that takes `cluster` runs twice: on kq, and on Apache Kafka, which proves the test."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import pytest

from kq.testing import Broker


@pytest.fixture(scope="session")
def broker() -> Iterator[Broker]:
    """Without the three seconds that a new group waits for more members."""
    with Broker({"group.initial.rebalance.delay.ms": "0"}) as running:
        yield running


@pytest.fixture(params=["kq", pytest.param("kafka", marks=pytest.mark.java)])
def cluster(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address, which the commands find by themselves."""
    where = request.getfixturevalue("broker" if request.param == "kq" else "kafka")
    monkeypatch.setenv("KQ_BOOTSTRAP", where.bootstrap)
    return str(where.bootstrap)


@pytest.fixture
def topic(request: pytest.FixtureRequest) -> str:
    """The name of a topic of this test's own, and mostly of its group; the test makes both."""
    return f"{re.sub(r'[^A-Za-z0-9_.-]', '-', request.node.name)[:100]}-{next(_NUMBERS)}"


_NUMBERS = itertools.count(1)
