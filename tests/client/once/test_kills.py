"""60 kills between effect and commit: exact with each pattern, wrong without one. `python -m bench.once` does 1,000."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import once
from kq.testing import Broker

KILLS = 60


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    with Broker() as broker:
        yield broker


@pytest.mark.slow
@pytest.mark.parametrize("pattern", [name for name in once.PATTERNS if name != "none"])
def test_the_balance_is_exact(broker: Broker, pattern: str, tmp_path: Path) -> None:
    outcome = once.run(broker, tmp_path, pattern, KILLS, seed=1)
    assert (outcome.kills, outcome.balance) == (KILLS, outcome.expected)


def test_without_a_pattern_it_is_not(broker: Broker, tmp_path: Path) -> None:
    outcome = once.run(broker, tmp_path, "none", 5, seed=1)
    assert outcome.balance > outcome.expected
