"""`.properties` texts. `java.util.Properties` read each row alike, and 60,000 random texts (throwaway Java)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kq.config import parse_properties
from kq.errors import Err, KafkaError


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("a=1\nb=2", {"a": "1", "b": "2"}),
        ("a=1\r\nb=2\rc=3\n", {"a": "1", "b": "2", "c": "3"}),
        ("a = 1 ", {"a": "1 "}),
        ("a:1\nb 2\nc\t3\nd", {"a": "1", "b": "2", "c": "3", "d": ""}),
        ("a = = 1", {"a": "= 1"}),
        ("a  :  b=c", {"a": "b=c"}),
        ("# a=1\n! b=2\n  # c=3\nd=4 # no comment", {"d": "4 # no comment"}),
        ("a=1\n\n \t\f\nb=2", {"a": "1", "b": "2"}),
        ("a=1,\\\n   2,\\\n\t3", {"a": "1,2,3"}),
        ("a=1\\\n# still a\nb=2", {"a": "1# still a", "b": "2"}),
        ("# comment \\\na=1", {"a": "1"}),
        ("a=c:\\\\temp\\\\\nb=2", {"a": "c:\\temp\\", "b": "2"}),
        ("a=x\\ty\\nz\\qw", {"a": "x\ty\nzqw"}),
        ("a=\\u00e9\\u2713", {"a": "é✓"}),
        ("a\\=b\\:c\\ d=1", {"a=b:c d": "1"}),
        ("a=1\na=2", {"a": "2"}),
        ("=1", {"": "1"}),
        ("a=\\", {"a": ""}),
        ("\\\n# lost\na=1", {"a": "1"}),
        ("", {}),
        # Not Java's: the mark some editors write, and a lone backslash at the end.
        ("\ufeffa=1", {"a": "1"}),
        ("a=1\n\\", {"a": "1"}),
    ],
)
def test_read_as_java_reads_it(text: str, read: dict[str, str]):
    assert parse_properties(text) == read


@pytest.mark.parametrize("text", ["a=1\nb=\\u12", "a=1\nb=\\uzzzz", "\n\\u=1"])
def test_a_broken_unicode_escape_names_its_line(text: str):
    with pytest.raises(KafkaError, match=r"^Line 2 has \\u without four hexadecimal digits\.$") as raised:
        parse_properties(text)
    assert raised.value.code is Err.INVALID_CONFIG


@given(st.dictionaries(st.text(min_size=1), st.text()))
def test_what_was_escaped_comes_back(properties: dict[str, str]):
    def escaped(text: str) -> str:
        return "".join(f"\\u{ord(c):04x}" if ord(c) < 0x10000 else c for c in text)

    text = "\n".join(f"{escaped(key)}={escaped(value)}" for key, value in properties.items())
    assert parse_properties(text) == properties
