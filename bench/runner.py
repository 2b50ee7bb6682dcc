"""Runs a row in interleaved pairs: A B, B A, A B … so that neither profits from what the machine does meanwhile."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bench.drivers import Failed, Figures
from bench.rows import Row
from bench.stats import Spread
from bench.subjects import Subject


@dataclass
class Result:
    """One row's figures by subject, in the order they were taken. The i-th of both make a pair."""

    row: Row
    figures: dict[str, list[Figures]] = field(default_factory=dict)

    def spread(self, subject: str, metric: str) -> Spread:
        return Spread.of([figures[metric] for figures in self.figures[subject]])

    def ratio(self, metric: str, of: str = "kq", to: str = "kafka") -> Spread:
        pairs = zip(self.figures[of], self.figures[to], strict=True)
        return Spread.of([ours[metric] / max(theirs[metric], 1e-9) for ours, theirs in pairs])


def run(row: Row, subjects: Sequence[Subject], pairs: int, warm_ups: int) -> Result:
    """`warm_ups` measurements of each subject are thrown away first: the JVM compiles while it runs."""
    result = Result(row, {subject.name: [] for subject in subjects})
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        measures = {subject.name: stack.enter_context(row.open(subject)) for subject in subjects}
        for turn in range(-warm_ups, pairs):
            for subject in subjects if turn % 2 == 0 else reversed(subjects):
                figures = _patiently(measures[subject.name], subject)
                if turn >= 0:
                    result.figures[subject.name].append(figures)
    _tell(result, time.monotonic() - began)
    return result


def _patiently(measure: Callable[[], Figures], subject: Subject) -> Figures:
    """A load that was not carried in full is told and tried once more; twice is the end of the bench."""
    try:
        return measure()
    except Failed as error:
        print(f"  {subject.name}: {error}; once more", file=sys.stderr)
        return measure()


def _tell(result: Result, took_s: float) -> None:
    words = [
        f"{name} {metric} {result.spread(name, metric).median:,.4g}"
        for metric in result.row.bars
        for name in result.figures
    ]
    print(f"  {result.row.name}: {'; '.join(words)} ({took_s:.0f} s)", file=sys.stderr)
