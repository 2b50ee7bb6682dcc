"""One broker for all tests here that do not hurt it, and a connection to it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

import pytest

from kq.testing import Broker
from tests.support import asking
from tests.support.wire import Wire


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    with Broker() as broker:
        yield broker


@pytest.fixture
def wire(broker: Broker) -> Iterator[Wire]:
    with Wire(broker.bootstrap) as wire:
        yield wire


@pytest.fixture
def make_topic(broker: Broker) -> Callable[..., str]:
    """make_topic(partitions=1, **{"setting": "value"}) -> the name of a fresh topic."""

    def make(partitions: int = 1, **settings: str) -> str:
        name = f"t-{uuid.uuid4().hex[:12]}"
        with Wire(broker.bootstrap) as wire:
            asking.create(wire, name, partitions, settings)
        return name

    return make
