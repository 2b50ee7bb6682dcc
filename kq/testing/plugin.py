"""The pytest plugin: fixtures `kq_broker` (a running kq.testing.Broker) and `kq_topic` (the name of a fresh topic).

pytest loads this file at every start in every project that has kq installed: it imports pytest and nothing of kq.
A broker belongs to one test, has a port and a directory of its own, and is gone afterwards, also under pytest-xdist.
With `kq_broker_scope = session` (or `module`, `class`) in the ini file tests share one, and keep apart by their topics.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from kq.testing import Broker


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini(
        "kq_broker_scope", "scope of the kq_broker fixture: function, class, module or session", default="function"
    )


def _scope(fixture_name: str, config: pytest.Config) -> Any:
    return config.getini("kq_broker_scope")


@pytest.fixture(scope=_scope)
def kq_broker() -> Iterator[Broker]:
    """A running broker of one's own; see kq.testing.Broker."""
    from kq.testing import Broker

    with Broker() as broker:
        yield broker


@pytest.fixture
def kq_topic(kq_broker: Broker, request: pytest.FixtureRequest) -> str:
    """The name of a fresh topic with one partition, made after the test's name."""
    name = re.sub(r"[^a-zA-Z0-9._-]+", "-", request.node.name)[:200].strip("-.")
    topic = f"{name}-{uuid.uuid4().hex[:8]}"
    kq_broker.create_topic(topic)
    return topic


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test shows what its broker logged."""
    report = yield
    broker = getattr(item, "funcargs", {}).get("kq_broker")
    if report.failed and broker is not None and hasattr(broker, "log_tail"):
        report.sections.append(("kq broker log", broker.log_tail()))
    return report
