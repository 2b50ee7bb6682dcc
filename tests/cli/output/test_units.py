"""Numbers for people."""

from __future__ import annotations

import pytest

from kq.cli.output.units import count_text, counted, duration_text, first_few, rate_text, size_text, utc_text


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KB"),
        (4_299_162, "4.1 MB"),
        (1024**2 - 1, "1.0 MB"),
        (2**60, "1,024.0 PB"),
    ],
)
def test_sizes(size_bytes: int, text: str) -> None:
    assert size_text(size_bytes) == text


@pytest.mark.parametrize(
    ("duration_ms", "text"),
    [
        (0, "0s"), (40, "0s"), (60, "0.1s"), (400, "0.4s"), (2_900, "2.9s"), (3_000, "3s"), (9_940, "9.9s"),
        (9_960, "10s"), (59_600, "1m00s"), (2_530_000, "42m10s"), (3_599_600, "1h00m"), (21_720_000, "6h02m"),
        (165_600_000, "1d22h"),
        (601_200_000, "6d23h"), (-3_000, "-3s"),
    ],
)  # fmt: skip
def test_durations(duration_ms: int, text: str) -> None:
    assert duration_text(duration_ms) == text


def test_counts_rates_times() -> None:
    assert count_text(1_204_331) == "1,204,331"
    assert [rate_text(n) for n in (80, 9_999, 402_000, 999_600, 1_250_000)] == [
        "80 /s", "9,999 /s", "402 k/s", "1.00 M/s", "1.25 M/s",
    ]  # fmt: skip
    assert utc_text(1_795_356_202_118) == "2026-11-22T14:03:22.118Z"
    assert utc_text(2**62) == str(2**62)  # a timestamp that is no date


def test_one_and_many() -> None:
    assert [counted(number, "record") for number in (0, 1, 2, 1204)] == [
        "0 records",
        "1 record",
        "2 records",
        "1,204 records",
    ]
    assert first_few(["a"]) == "a"
    assert first_few(["a", "b", "c"]) == "a, b, c"
    assert first_few(["a", "b", "c", "d"]) == "a, b, c and 1 more"
