"""Text for a terminal, and delimiters as they are written."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kq.cli.output.text import shown, shown_lines, unescaped


@given(st.text(max_size=20))
def test_nothing_shown_can_drive_a_terminal(text: str) -> None:
    for line in (
        shown(text),
        shown(text.encode("utf-8", "surrogatepass")),
        shown_lines(text.encode("utf-8", "replace")).decode(),
    ):
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", line)
    if text.isascii() and text.isprintable():
        assert shown(text) == text


def test_delimiters() -> None:
    assert unescaped(r"a\t\x1f\0\\é") == b"a\t\x1f\0\\" + "é".encode()
    with pytest.raises(ValueError, match="is not an escape"):
        unescaped("\\")
