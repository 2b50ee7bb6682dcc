"""Java's `.properties` text, as `java.util.Properties.load` reads it; Kafka's `server.properties` is written in it.

Rules: a logical line ends at a line break that no odd number of backslashes precedes; leading blanks go, also those of
a continuation; `#` and `!` begin a comment line, which does not continue. The key ends at the first unescaped `=`, `:`
or blank; blanks, one `=` or `:`, and blanks are skipped. `\\t \\n \\r \\f` and `\\uXXXX` are escapes, any other escaped
character is itself. The last of equal keys wins. (60,000 random texts read alike.) Two differences: a byte order mark,
which some editors write, is not part of the first key, and a lone backslash at the very end is not an empty key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from kq.errors import Err, KafkaError

_BLANKS = " \t\f"
_CONTROLS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
_KEY = re.compile(r"(?:[^\\=: \t\f]|\\.)*", re.DOTALL)
_SEPARATOR = re.compile(r"[ \t\f]*[=:]?[ \t\f]*")
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|u|.|$)", re.DOTALL)


def parse_properties(text: str) -> dict[str, str]:
    """The keys and values of a properties text; INVALID_CONFIG for a broken `\\u` escape, naming the line."""
    found: dict[str, str] = {}
    for number, line in _logical_lines(text.removeprefix("\ufeff")):
        key_end = _key_end(line)
        separator = _SEPARATOR.match(line, key_end)
        value = line[separator.end() if separator else key_end :]
        found[_unescaped(line[:key_end], number)] = _unescaped(value, number)
    return found


def _key_end(line: str) -> int:
    match = _KEY.match(line)
    return match.end() if match else 0


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Each logical line with the number of the natural line it begins on. A lone backslash begins none."""
    pending, began = "", 0
    for number, natural in enumerate(re.split(r"\r\n|\r|\n", text), start=1):
        line = natural.lstrip(_BLANKS)
        if not pending:
            if not line or line[0] in "#!":
                continue
            began = number
        backslashes = len(line) - len(line.rstrip("\\"))
        if backslashes % 2:
            pending += line[:-1]
        else:
            yield began, pending + line
            pending = ""
    if pending:
        yield began, pending


def _unescaped(text: str, line_number: int) -> str:
    def plain(match: re.Match[str]) -> str:
        escaped = match[1]
        if escaped == "u":
            raise KafkaError(Err.INVALID_CONFIG, f"Line {line_number} has \\u without four hexadecimal digits.")
        if escaped.startswith("u"):
            return chr(int(escaped[1:], 16))
        return _CONTROLS.get(escaped, escaped)

    return _ESCAPE.sub(plain, text) if "\\" in text else text
