"""The bench's arithmetic: medians, spreads, and who has missed a bar."""

from __future__ import annotations

import pytest

from bench.rows import Row, all_rows
from bench.runner import Result
from bench.stats import CEILING, FLOOR, Bar, Spread
from bench.table import throughput_section


def test_a_spread_is_the_median_and_the_quartiles() -> None:
    assert Spread.of([5, 1, 4, 2, 3]) == Spread(3, 2, 4)
    assert Spread.of([7]) == Spread(7, 7, 7)


@pytest.mark.parametrize(
    ("bar", "ratios", "verdict"),
    [
        (FLOOR, [1.2, 1.0, 0.9], "held"),
        (FLOOR, [0.9, 0.95, 0.8, 0.97, 1.4], "MISSED"),
        (FLOOR, [0.9, 0.95, 1.1, 0.8, 1.2], "close"),
        (CEILING, [0.5, 1.0, 1.7], "held"),
        (CEILING, [1.1, 1.2, 0.9, 0.8, 1.3], "close"),
        (CEILING, [1.1, 1.2, 1.4, 0.9, 1.3], "MISSED"),
        (Bar(0.5, more_is_better=False), [0.51, 0.52, 0.53], "MISSED"),
    ],
)
def test_a_bar_is_missed_only_by_the_whole_range(bar: Bar, ratios: list[float], verdict: str) -> None:
    assert bar.judge(Spread.of(ratios)) == verdict


def test_ratios_are_taken_pair_by_pair(tmp_path) -> None:
    row = next(row for row in all_rows(tmp_path / "kload", 1.0) if row.name.startswith("produce-100B-1p"))
    kq = [{"records_s": v, "cpu_s_per_gb": 1.0} for v in (100.0, 50.0, 200.0)]
    kafka = [{"records_s": v, "cpu_s_per_gb": 2.0} for v in (50.0, 50.0, 50.0)]
    result = Result(row, {"kq": kq, "kafka": kafka})
    assert result.ratio("records_s").median == 2.0
    lines = throughput_section([result])
    assert "| 100 | 50 | 2.00 (1.50-3.00) | >= 1 | held |" in lines[-2]
    assert "| 0.50 (0.50-0.50) | <= 1 | held |" in lines[-1]


def test_every_row_has_a_name_and_a_bar(tmp_path) -> None:
    rows: list[Row] = all_rows(tmp_path / "kload", 0.1)
    assert len({row.name for row in rows}) == len(rows) == 34
    assert all(row.bars for row in rows)
