"""Lag in records and in time, as sums and between known points."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kq.client.lag.standing import Standing, interpolate, total
from kq.errors import Err, KafkaError

NOW = 1_000_000


def test_a_partition() -> None:
    one = Standing(committed=40, start=10, end=100, next_at_ms=NOW - 5000)
    assert (one.lag, one.gone, one.past_end, one.place, one.behind_ms(NOW)) == (60, 0, 0, 40, 5000)


def test_nothing_unread_is_not_behind_whatever_was_read_before() -> None:
    assert Standing(100, 10, 100).behind_ms(NOW) == 0
    assert Standing(90, 10, 100, all_read=True).behind_ms(NOW) == 0  # only marks of transactions are left
    assert Standing(90, 10, 100, all_read=True).lag == 10


def test_a_record_from_the_future_is_not_behind() -> None:
    assert Standing(1, 0, 2, next_at_ms=NOW + 5000).behind_ms(NOW) == 0


def test_no_commit_is_not_lag_0() -> None:
    one = Standing(None, 0, 100)
    assert (one.lag, one.place, one.behind_ms(NOW), one.is_unread) == (None, None, None, False)
    assert total({("t", 0): one}, NOW).lag is None
    assert total({("t", 0): one}, NOW).counted == 0


def test_what_retention_took_is_lag_and_gone() -> None:
    one = Standing(committed=701, start=812, end=1204, next_at_ms=NOW - 9)
    assert (one.lag, one.gone, one.place) == (503, 111, 812)
    emptied = Standing(committed=5, start=10, end=10)
    assert (emptied.lag, emptied.gone, emptied.is_unread, emptied.behind_ms(NOW)) == (5, 5, False, 0)


def test_a_commit_past_the_end() -> None:
    one = Standing(committed=500, start=0, end=100)
    assert (one.lag, one.past_end, one.is_unread) == (0, 400, False)


def test_the_sum_of_a_group() -> None:
    standings = {
        ("t", 0): Standing(100, 0, 118, next_at_ms=NOW - 200),
        ("t", 1): Standing(40, 0, 200, next_at_ms=NOW - 4000, interpolated=True),
        ("t", 2): Standing(None, 0, 900),
        ("t", 3): Standing(5, 7, 7),
    }
    assert total(standings, NOW) == (4, 3, 18 + 160 + 2, 4000, True, ("t", 1), 2, 0)
    assert total({}, NOW) == (0, 0, None, None, False, None, 0, 0)


def test_a_sum_with_an_unknown_part_is_unknown() -> None:
    unknown = Standing(5, None, None, error=KafkaError(Err.LEADER_NOT_AVAILABLE))
    summed = total({("t", 0): Standing(1, 0, 3, next_at_ms=NOW - 70), ("t", 1): unknown}, NOW)
    assert (summed.lag, summed.unknown, summed.behind_ms, summed.worst) == (None, 1, 70, ("t", 0))


def test_the_worst_is_the_oldest_and_of_equals_the_longest() -> None:
    old, long = Standing(0, 0, 2, next_at_ms=NOW - 9), Standing(0, 0, 50, next_at_ms=NOW - 9)
    longer = Standing(0, 0, 99, next_at_ms=NOW - 1)
    assert total({("t", 0): old, ("t", 1): long, ("t", 2): longer}, NOW).worst == ("t", 1)
    read = Standing(5, 0, 5)
    assert total({("t", 0): read, ("t", 1): read}, NOW).worst is None


@pytest.mark.parametrize(
    ("offset", "expected"),
    [(9, None), (10, 1000), (15, 1500), (20, 2000), (29, 2090), (30, 2100), (31, None)],
)
def test_between_known_records(offset: int, expected: int | None) -> None:
    assert interpolate([(20, 2000), (10, 1000), (30, 2100)], offset) == expected


def test_nothing_is_known_from_nothing() -> None:
    assert interpolate([], 5) is None
    assert interpolate([(4, 100)], 5) is None


@given(st.dictionaries(st.integers(0, 500), st.integers(0, 10**6), min_size=2), st.integers(0, 500))
def test_interpolation_stays_between_its_neighbours(points: dict[int, int], offset: int) -> None:
    found = interpolate(points.items(), offset)
    below, above = [at for at in points if at <= offset], [at for at in points if at >= offset]
    if not below or not above:
        assert found is None
    else:
        ends = points[max(below)], points[min(above)]
        assert found is not None
        assert min(ends) <= found <= max(ends)
