"""What Apache Kafka 4.3.1 answers on the wire (ANSWERS.md), asked of it and of kq: each test holds on both, and where
kq answers otherwise on purpose the test says so with `differs`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support import asking
from tests.support.wire import Wire


@pytest.fixture
def wire(bootstrap: str) -> Iterator[Wire]:
    with Wire(bootstrap, timeout_s=15) as wire:
        yield wire


@pytest.fixture
def make_topic(wire: Wire, name: str) -> Callable[..., str]:
    """Makes a topic of the test's: make_topic(partitions=1, suffix="", **{"setting": "value"}) -> name."""

    def make(partitions: int = 1, suffix: str = "", **settings: str) -> str:
        asking.create(wire, name + suffix, partitions, settings)
        return name + suffix

    return make


@pytest.fixture
def differs(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """differs(kafka=…, kq=…): what is expected here, where the two differ on purpose."""
    return lambda *, kafka, kq: kq if request.node.callspec.params["bootstrap"] == "kq" else kafka
