"""Medians, spreads and verdicts.

Absolute figures move by half from run to run on a shared machine; a ratio of two runs side by side does not. So a row
is judged by the ratios of its pairs: the median, and the interquartile range as its spread. A bar is missed only when
the whole range lies on the wrong side of it.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    median: float
    low: float  # first quartile
    high: float  # third quartile

    @staticmethod
    def of(values: Sequence[float]) -> Spread:
        if len(values) == 1:
            return Spread(values[0], values[0], values[0])
        low, _, high = statistics.quantiles(values, n=4, method="inclusive")
        return Spread(statistics.median(values), low, high)


@dataclass(frozen=True)
class Bar:
    """What must hold: `limit` is a floor where more is better, a ceiling where less is."""

    limit: float
    more_is_better: bool

    def __str__(self) -> str:
        return f"{'>=' if self.more_is_better else '<='} {self.limit:g}"

    def judge(self, spread: Spread) -> str:
        """held: the median is on the right side; close: only a part of the spread is; MISSED: none of it."""
        sign = 1 if self.more_is_better else -1
        if sign * spread.median >= sign * self.limit:
            return "held"
        best = spread.high if self.more_is_better else spread.low
        return "close" if sign * best >= sign * self.limit else "MISSED"


FLOOR = Bar(1.0, more_is_better=True)
CEILING = Bar(1.0, more_is_better=False)
