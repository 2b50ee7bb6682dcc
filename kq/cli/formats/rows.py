"""Fetched records as columns: what filters, decoders and formats work on.

A column is a list as long as `offsets`; only the columns that were asked for are filled, the others stay empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

Headers = Sequence[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True)
class Watermarks:
    """Of the partition, as the fetch reported them: -1 unknown."""

    start: int = -1
    stable: int = -1
    high: int = -1


@dataclass(frozen=True, slots=True)
class Rows:
    """Records of one partition, in order. `batches` holds what a whole batch shares, repeated for each of its
    records."""

    topic: str
    partition: int
    offsets: Sequence[int]
    values: Sequence[Any] = ()
    keys: Sequence[Any] = ()
    timestamps: Sequence[int] = ()
    headers: Sequence[Headers] = ()
    batches: Sequence[Any] = ()
    watermarks: Watermarks = field(default_factory=Watermarks)

    def __len__(self) -> int:
        return len(self.offsets)

    def picked(self, places: Sequence[int]) -> Rows:
        """The rows at these places."""
        return self._with(lambda column: [column[place] for place in places])

    def first(self, count: int) -> Rows:
        return self._with(lambda column: column[:count])

    def _with(self, change: Any) -> Rows:
        columns = {name: change(column) for name in COLUMNS if (column := getattr(self, name))}
        return replace(self, **{"offsets": [], **columns})


COLUMNS = ("offsets", "values", "keys", "timestamps", "headers", "batches")
