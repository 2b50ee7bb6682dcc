"""Rates, time to empty, and who is stuck."""

from __future__ import annotations

import pytest

from kq.client.lag.course import STUCK_POLLS, WINDOW_MS, Course, Sample, together, trend_of


def course(*samples: tuple[int, int | None, int | None]) -> Course:
    made = Course()
    for sample in samples:
        made.add(Sample(*sample))
    return made


def test_one_look_tells_no_trend() -> None:
    assert course().trend is None
    assert course((0, 5, 10)).trend is None
    assert course((0, 5, 10), (0, 6, 10)).trend is None  # no time went by
    assert course((0, None, 10), (1000, 5, 10)).trend is None


def test_falling_behind() -> None:
    trend = course((0, 100, 1000), (2000, 120, 1400)).trend
    assert trend is not None
    assert (trend.written_per_s, trend.read_per_s, trend.growing_per_s, trend.to_empty_ms) == (200, 10, 190, None)


def test_catching_up() -> None:
    trend = course((0, 100, 1000), (2000, 300, 1100)).trend
    assert trend is not None
    assert (trend.growing_per_s, trend.to_empty_ms) == (-50, 800 / 50 * 1000)


@pytest.mark.parametrize("read", [0, 10])
def test_nothing_left_is_empty_now(read: int) -> None:
    assert trend_of(0, 10, read).to_empty_ms == 0


def test_a_reset_reads_backwards() -> None:
    trend = course((0, 100, 100), (1000, 0, 100)).trend
    assert trend is not None
    assert (trend.read_per_s, trend.to_empty_ms) == (-100, None)


def test_rates_are_those_of_the_last_minute() -> None:
    fast_then_idle = course(*((at_ms, min(at_ms, 30_000), 50_000) for at_ms in range(0, 120_001, 1000)))
    trend = fast_then_idle.trend
    assert trend is not None
    assert trend.read_per_s == 0
    assert WINDOW_MS == 60_000
    rare = course((0, 0, 10), (600_000, 60, 100)).trend
    assert rare is not None
    assert rare.read_per_s == 0.1


def test_several_partitions_together() -> None:
    assert together([]) is None
    one = together([(100, trend_of(100, 5, 10)), (50, trend_of(50, 5, 25))])
    assert one == trend_of(150, 10, 35)
    assert one.to_empty_ms == 6000


def test_stuck_is_who_stands_still_for_ten_polls_with_lag() -> None:
    still = course(*((poll * 500, 7, 9) for poll in range(STUCK_POLLS)))
    assert still.stuck_ms is None
    still.add(Sample(STUCK_POLLS * 500, 7, 10))
    assert still.stuck_ms == 5000
    still.add(Sample(STUCK_POLLS * 500 + 500, 8, 10))
    assert still.stuck_ms is None
    assert course(*((poll * 500, 9, 9) for poll in range(30))).stuck_ms is None
    assert course(*((poll * 500, None, 9) for poll in range(30))).stuck_ms is None


def test_the_end_tells_when_a_record_was_written() -> None:
    seen = course((1000, 0, 100), (2000, 0, 200), (3000, 0, 200), (5000, 0, 300))
    assert [seen.written_at_ms(offset) for offset in (99, 100, 150, 200, 250, 300, 301)] == [
        None, 1000, 1500, 2000, 3500, 5000, None,
    ]  # fmt: skip
