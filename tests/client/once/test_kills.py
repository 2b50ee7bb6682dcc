"""60 kills between effect and commit: exact with each pattern, wrong without one. `python -m bench.once` does 1,000."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import once
from kq.testing import Broker
from tests.support.postgres import postgres

KILLS, KILLS_POSTGRES = 60, 10
PATTERNS = [name for name in once.PATTERNS if name != "none"]


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    with Broker() as broker:
        yield broker


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres() as url:
        yield url


@pytest.mark.slow
@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_balance_is_exact(broker: Broker, pattern: str, tmp_path: Path) -> None:
    outcome = once.run(broker, str(tmp_path / "bank.db"), pattern, KILLS, seed=1)
    assert (outcome.kills, outcome.balance) == (KILLS, outcome.expected)


@pytest.mark.slow
@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_balance_is_exact_in_postgresql(broker: Broker, server: str, pattern: str) -> None:
    outcome = once.run(broker, server, pattern, KILLS_POSTGRES, seed=2)
    assert (outcome.kills, outcome.balance) == (KILLS_POSTGRES, outcome.expected)


def test_without_a_pattern_it_is_not(broker: Broker, tmp_path: Path) -> None:
    outcome = once.run(broker, str(tmp_path / "bank.db"), "none", 5, seed=1)
    assert outcome.balance > outcome.expected


@pytest.mark.slow
def test_without_a_pattern_it_is_not_in_postgresql(broker: Broker, server: str) -> None:
    outcome = once.run(broker, server, "none", 5, seed=2)
    assert outcome.balance > outcome.expected
