"""Tests that take `bootstrap` run twice: against Apache Kafka, which proves the test, and against kq."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from kq.client import housekeeper, producer
from kq.testing import Broker
from tests.support import peers
from tests.support.peers import Kafka


@pytest.fixture(scope="session")
def kq() -> Iterator[Broker]:
    """One kq broker for the tests that do not hurt it. Its groups do not wait for members, nor do the peer's."""
    with Broker({"group.initial.rebalance.delay.ms": "0"}) as broker:
        yield broker


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Kafka]:
    """One Apache Kafka for the session, shared with tests/interop and among the workers of pytest-xdist."""
    base = tmp_path_factory.getbasetemp()
    with peers.shared((base if worker_id == "master" else base.parent) / "peer-kafka") as kafka:
        yield kafka


@pytest.fixture(params=["kq", pytest.param("kafka", marks=pytest.mark.java)])
def bootstrap(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param).bootstrap)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patience with what may be a moment's lag is short here: each of these constants is waited out by some test."""
    monkeypatch.setattr(housekeeper, "MISSING_PATIENCE_S", 0.5)
    monkeypatch.setattr(producer, "NEW_TOPIC_PATIENCE_S", 0.5)


@pytest.fixture
def name() -> str:
    """A topic name nobody else uses."""
    return f"t-{uuid.uuid4().hex[:12]}"
