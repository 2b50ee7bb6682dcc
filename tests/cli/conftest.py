"""One broker for all tests of the commands, and settings that no file of this machine can change."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from kq.testing import Broker


@pytest.fixture(scope="session")
def broker() -> Iterator[Broker]:
    with Broker() as running:
        yield running


@pytest.fixture(autouse=True)
def own_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in ("KQ_BOOTSTRAP", "KQ_PROFILE", "KQ_DATA_DIR", "NO_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("TZ", "UTC")
    return tmp_path


@pytest.fixture
def cluster(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of the broker, which the commands find by themselves."""
    monkeypatch.setenv("KQ_BOOTSTRAP", broker.bootstrap)
    return broker.bootstrap


@pytest.fixture
def topic(cluster: str, request: pytest.FixtureRequest) -> str:
    """The name of a topic of this test's own; the test makes it."""
    return f"{re.sub(r'[^A-Za-z0-9_.-]', '-', request.node.name)[:100]}-{next(_NUMBERS)}"


_NUMBERS = itertools.count(1)
