"""ARCHITECTURE.md shows the modules that there are."""

from __future__ import annotations

from tests.house import map as house_map


def test_the_map_in_architecture_md_is_current() -> None:
    assert house_map.PAGE.read_text() == house_map.page_with(house_map.made()), (
        "ARCHITECTURE.md is behind the code; run: python -m tests.house.map"
    )
