"""What Apache Kafka 4.3.1 answers on the wire (ANSWERS.md), asked of it and of kq: each test holds on both, and where
kq answers otherwise on purpose the test says so with `differs`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.wire import Wire


@pytest.fixture
def wire(bootstrap: str) -> Iterator[Wire]:
    with Wire(bootstrap, timeout_s=15) as wire:
        yield wire


@pytest.fixture
def differs(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """differs(kafka=…, kq=…): what is expected here, where the two differ on purpose."""
    return lambda *, kafka, kq: kq if request.node.callspec.params["bootstrap"] == "kq" else kafka
