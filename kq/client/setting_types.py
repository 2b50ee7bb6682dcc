"""How the text of a client setting becomes a value, and what is said when it cannot.

A `Kind` turns the text given in a file, a flag or a dictionary into a Python value; values that are already of the
right type pass. Rules: a refusal is a `KafkaError(INVALID_CONFIG)` whose sentence names the setting, the value
(never that of a sensitive setting) and what would be valid.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from kq.errors import Err, KafkaError

__all__ = ["Boolean", "Choice", "Kind", "List", "Number", "Password", "Several", "Text", "invalid"]

INT_MAX = 2**31 - 1
LONG_MAX = 2**63 - 1


def invalid(message: str) -> KafkaError:
    return KafkaError(Err.INVALID_CONFIG, message)


class Kind(ABC):
    """Parses the value of one setting; `name` is only used to speak of it."""

    sensitive: ClassVar[bool] = False

    @property
    @abstractmethod
    def valid(self) -> str:
        """What may be written, for people."""

    @abstractmethod
    def parse(self, name: str, value: object) -> object:
        """The value; KafkaError(INVALID_CONFIG) when it is none."""


class Text(Kind):
    @property
    def valid(self) -> str:
        return "any text"

    def parse(self, name: str, value: object) -> str:
        return str(value)


class Password(Kind):
    """A secret: never shown, not even in an error."""

    sensitive: ClassVar[bool] = True

    @property
    def valid(self) -> str:
        return "a secret"

    def parse(self, name: str, value: object) -> str:
        return str(value)


class Number(Kind):
    def __init__(self, low: int = 0, high: int = INT_MAX) -> None:
        self.low = low
        self.high = high

    @property
    def valid(self) -> str:
        return f"a whole number from {self.low}" + ("" if self.high >= INT_MAX else f" to {self.high}")

    def parse(self, name: str, value: object) -> int:
        try:
            number = int(str(value).strip())
        except ValueError:
            raise invalid(f"{name}={value}: not a number; write {self.valid}") from None
        if not self.low <= number <= self.high:
            raise invalid(f"{name}={value}: out of range; write {self.valid}")
        return number


class Boolean(Kind):
    @property
    def valid(self) -> str:
        return "true or false"

    def parse(self, name: str, value: object) -> bool:
        match str(value).strip().lower():
            case "true":
                return True
            case "false":
                return False
        raise invalid(f"{name}={value}: write true or false")


class List(Kind):
    """Comma separated; blanks around the items and empty items are dropped."""

    @property
    def valid(self) -> str:
        return "a list, comma separated"

    def parse(self, name: str, value: object) -> tuple[str, ...]:
        items: Sequence[object] = value if isinstance(value, list | tuple) else str(value).split(",")
        return tuple(item for item in (str(item).strip() for item in items) if item)


class Choice(Kind):
    """One of a few words, written in any case and kept in the one given here; `spellings` maps other words to them."""

    def __init__(self, options: tuple[str, ...], spellings: tuple[tuple[str, str], ...] = ()) -> None:
        self.options = options
        self.spellings = spellings

    @property
    def valid(self) -> str:
        return "one of " + ", ".join(option or "(empty)" for option in self.options)

    def parse(self, name: str, value: object) -> str:
        given = str(value).strip().lower()
        for spelling, option in self.spellings:
            if spelling.lower() == given:
                return option
        for option in self.options:
            if option.lower() == given:
                return option
        raise invalid(f"{name}={value}: write {self.valid}")


class Several(Choice):
    """A list of such words, comma separated, in order of preference, each once."""

    @property
    def valid(self) -> str:
        return "some of " + ", ".join(self.options)

    def parse(self, name: str, value: object) -> Any:
        items = List().parse(name, value)
        if not items:
            raise invalid(f"{name} is empty: write {self.valid}")
        return tuple(dict.fromkeys(super(Several, self).parse(name, item) for item in items))
