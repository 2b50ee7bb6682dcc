"""Tests that take `bootstrap` here need a broker that coordinates groups."""

from __future__ import annotations

import pytest


@pytest.fixture(params=[pytest.param("kafka", marks=pytest.mark.java)])
def bootstrap(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param).bootstrap)
