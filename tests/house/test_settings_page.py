"""docs/settings.md shows the settings that there are."""

from __future__ import annotations

from tests.house import settings_page


def test_the_settings_page_is_current() -> None:
    assert settings_page.PAGE.read_text() == settings_page.made(), (
        "docs/settings.md is behind kq.config; run: python -m tests.house.settings_page"
    )
