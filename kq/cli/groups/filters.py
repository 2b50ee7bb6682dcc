"""`--lag '>1000'` and `--sort COLUMN`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from kq.cli.output.render import Column
from kq.cli.run.failures import Usage, did_you_mean

Item = TypeVar("Item")
_COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
}
_COMPARISON = re.compile(r"\s*([<>]=?|==?|!=)\s*([0-9]{1,19})\s*")


def parse_lag(text: str | None) -> Callable[[int | None], bool] | None:
    """Whether a lag is meant; an unknown one never is. None: all are."""
    if text is None:
        return None
    match = _COMPARISON.fullmatch(text)
    if not match:
        raise Usage(f"--lag {text}: not a comparison; write --lag '>1000', '<=50' or '==0'")
    compare, limit = _COMPARISONS[match[1]], int(match[2])
    return lambda lag: lag is not None and compare(lag, limit)


def sort_place(text: str | None, columns: Sequence[Column]) -> int | None:
    """Which column `--sort` names, as in `--sort lag` or `--sort to-empty`."""
    if text is None:
        return None
    names = [column.name.lower().replace(" ", "-") for column in columns]
    if text.lower() not in names:
        raise Usage(f"--sort {text}: no such column{did_you_mean(text.lower(), names)}; there are {', '.join(names)}")
    return names.index(text.lower())


def in_order(items: Sequence[Item], key: Callable[[Item], Any]) -> list[Item]:
    """Text from a to z, numbers from the greatest down, what is unknown or none last; else as they were."""
    known = [item for item in items if isinstance(key(item), int | float | str)]
    rest = [item for item in items if not isinstance(key(item), int | float | str)]
    is_number = bool(known) and not isinstance(key(known[0]), str)
    return [*sorted(known, key=key, reverse=is_number), *rest]
