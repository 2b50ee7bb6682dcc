"""Every story in consumer_scenarios/ happens as it is told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.machines.group.consumer_story import play

SCENARIOS = Path(__file__).parent / "consumer_scenarios"


@pytest.mark.parametrize("path", sorted(SCENARIOS.glob("*.txt")), ids=lambda path: path.stem)
def test_it_happens_as_it_is_told(path: Path) -> None:
    told = path.read_text()
    happens = play(told)
    if os.environ.get("KQ_REWRITE"):
        path.write_text(happens)
    assert happens == told


def test_there_are_stories() -> None:
    assert len(list(SCENARIOS.glob("*.txt"))) > 10
