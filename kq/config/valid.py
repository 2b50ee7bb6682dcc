"""What a setting's value may be, beside its type.

Each rule answers `complaint(value)`: None, or the end of a sentence that begins with "it must". `str(rule)` is the
spelling that documentation shows (`1..9 or -1`, `compact, delete`).
"""

from __future__ import annotations

import re
from typing import NamedTuple, Protocol

Value = bool | int | float | str | tuple[str, ...] | None


class Valid(Protocol):
    def complaint(self, value: Value) -> str | None: ...


class Range(NamedTuple):
    """Numbers from `low` to `high`, both included, and the one value `also` outside of them."""

    low: float
    high: float | None = None
    also: int | None = None

    def complaint(self, value: Value) -> str | None:
        assert isinstance(value, int | float)
        if value == self.also:
            return None
        # Written so that NaN is refused too.
        if value >= self.low and (self.high is None or value <= self.high):
            return None
        if self.high is None:
            return f"be at least {self.low}"
        return f"lie between {self.low} and {self.high}" + ("" if self.also is None else f", or be {self.also}")

    def __str__(self) -> str:
        return f"{self.low}..{'' if self.high is None else self.high}" + (
            "" if self.also is None else f" or {self.also}"
        )


class OneOf(NamedTuple):
    names: tuple[str, ...]
    ignore_case: bool = False

    def complaint(self, value: Value) -> str | None:
        assert isinstance(value, str)
        names = [name.lower() for name in self.names] if self.ignore_case else self.names
        if (value.lower() if self.ignore_case else value) in names:
            return None
        return f"be one of {self}"

    def __str__(self) -> str:
        return ", ".join(self.names)


class ListOf(NamedTuple):
    """A list whose items come from `names` (any item when there are none)."""

    names: tuple[str, ...] = ()
    may_be_empty: bool = True

    def complaint(self, value: Value) -> str | None:
        assert isinstance(value, tuple)
        if not value and not self.may_be_empty:
            return "name at least one item"
        if self.names and not set(value) <= set(self.names):
            return f"be a list of {self}"
        return None

    def __str__(self) -> str:
        return ", ".join(self.names) if self.names else "at least one item"


class NotEmpty:
    def complaint(self, value: Value) -> str | None:
        return None if value else "not be empty"

    def __str__(self) -> str:
        return "not empty"


class Replicas:
    """`*`, or `partition:broker` pairs: the throttled replicas of a topic."""

    def complaint(self, value: Value) -> str | None:
        assert isinstance(value, tuple)
        if value == ("*",) or all(re.fullmatch(r"\d+:\d+", item) for item in value):
            return None
        return f"be {self}"

    def __str__(self) -> str:
        return "* or a list of PARTITION:BROKER"


class ResetPolicy:
    """Where a share group without offsets begins."""

    def complaint(self, value: Value) -> str | None:
        assert isinstance(value, str)
        known = re.fullmatch(
            r"(?i:earliest|latest)|by_duration:P(?=.)(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?", value
        )
        return None if known else f"be {self}"

    def __str__(self) -> str:
        return "earliest, latest or by_duration:PnDTnHnMn.nS"


class OnlyFalse(NamedTuple):
    """A switch for something kq does not have: it can be named, but not switched on."""

    missing: str

    def complaint(self, value: Value) -> str | None:
        return f"stay false, because kq has no {self.missing}" if value else None

    def __str__(self) -> str:
        return "false"
