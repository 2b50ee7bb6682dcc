"""The epoch cache: rule 1 of SEMANTICS against a slow twin, and Kafka's ways with assignments that do not rise."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kq.engine.epochs import EpochCache


def twin_end_of(entries: list[tuple[int, int]], epoch: int, log_end_offset: int) -> tuple[int, int]:
    """SEMANTICS rule 1, word for word, by looking at everything."""
    if epoch == -1 or not entries:
        return -1, -1
    if epoch == max(e for e, _ in entries):
        return epoch, log_end_offset
    higher = [(e, start) for e, start in entries if e > epoch]
    if not higher:
        return -1, -1
    lower = [e for e, _ in entries if e <= epoch]
    return (max(lower) if lower else epoch), min(higher)[1]


@pytest.mark.parametrize(
    ("epoch", "expected"),
    [
        (-1, (-1, -1)),
        (0, (0, 5)),  # below all known: the asked epoch, and where the first known begins
        (1, (1, 5)),
        (2, (2, 10)),
        (3, (2, 10)),  # between: the greatest known below it
        (4, (4, 30)),
        (6, (4, 30)),
        (7, (7, 99)),
        (8, (-1, -1)),
    ],
)
def test_end_of_an_epoch(epoch: int, expected: tuple[int, int]) -> None:
    assert EpochCache([(2, 5), (4, 10), (7, 30)]).end_of(epoch, 99) == expected


@pytest.mark.parametrize("epoch", [-1, 0, 5])
def test_nothing_is_known_of_an_empty_cache(epoch: int) -> None:
    cache = EpochCache()
    assert cache.end_of(epoch, 10) == (-1, -1)
    assert (cache.latest, cache.epoch_for(0), cache.entries) == (-1, -1, ())


@pytest.mark.parametrize(
    ("before", "assigned", "after"),
    [
        ([], (3, 0), [(3, 0)]),
        ([(1, 0)], (2, 10), [(1, 0), (2, 10)]),
        ([(1, 0), (2, 10)], (2, 20), [(1, 0), (2, 10)]),  # an epoch begins once
        ([(1, 0), (2, 10)], (2, 5), [(1, 0), (2, 5)]),  # an earlier beginning wins
        ([(1, 0), (2, 10)], (3, 10), [(1, 0), (3, 10)]),  # epoch 2 wrote nothing
        ([(1, 0), (2, 10), (3, 20)], (4, 10), [(1, 0), (4, 10)]),
        ([(1, 0), (2, 10), (3, 20)], (4, 0), [(4, 0)]),
        ([(1, 0), (2, 10), (3, 20)], (2, 30), [(1, 0), (2, 30)]),  # an older epoch drops the newer ones
        ([(4, 10)], (3, 5), [(3, 5)]),
        ([(1, 0), (2, 10)], (1, 20), [(1, 20)]),
    ],
)
def test_assign(before: list[tuple[int, int]], assigned: tuple[int, int], after: list[tuple[int, int]]) -> None:
    cache = EpochCache(before)
    cache.assign(*assigned)
    assert list(cache.entries) == after


@pytest.mark.parametrize(("epoch", "offset"), [(-1, 0), (0, -1)])
def test_negative_assignments_are_a_mistake_of_the_caller(epoch: int, offset: int) -> None:
    with pytest.raises(ValueError, match="not negative"):
        EpochCache().assign(epoch, offset)


@pytest.mark.parametrize(
    ("offset", "epoch"), [(0, -1), (4, -1), (5, 2), (9, 2), (10, 4), (29, 4), (30, 7), (1 << 60, 7)]
)
def test_epoch_for_an_offset(offset: int, epoch: int) -> None:
    assert EpochCache([(2, 5), (4, 10), (7, 30)]).epoch_for(offset) == epoch


@pytest.mark.parametrize(
    ("end", "after"),
    [
        (31, [(2, 5), (4, 10), (7, 30)]),
        (30, [(2, 5), (4, 10)]),
        (11, [(2, 5), (4, 10)]),
        (10, [(2, 5)]),
        (5, []),
        (0, []),
    ],
)
def test_truncate_from_the_end(end: int, after: list[tuple[int, int]]) -> None:
    cache = EpochCache([(2, 5), (4, 10), (7, 30)])
    cache.truncate_from_end(end)
    assert list(cache.entries) == after


@pytest.mark.parametrize(
    ("start", "after"),
    [
        (4, [(2, 5), (4, 10), (7, 30)]),
        (5, [(2, 5), (4, 10), (7, 30)]),
        (6, [(2, 6), (4, 10), (7, 30)]),
        (10, [(4, 10), (7, 30)]),
        (29, [(4, 29), (7, 30)]),
        (30, [(7, 30)]),
        (99, [(7, 99)]),
    ],
)
def test_truncate_from_the_start(start: int, after: list[tuple[int, int]]) -> None:
    cache = EpochCache([(2, 5), (4, 10), (7, 30)])
    cache.truncate_from_start(start)
    assert list(cache.entries) == after


step = st.one_of(
    st.tuples(st.just("assign"), st.integers(0, 12), st.integers(0, 60)),
    st.tuples(st.just("end"), st.integers(0, 60), st.just(0)),
    st.tuples(st.just("start"), st.integers(0, 60), st.just(0)),
)


@settings(max_examples=200, deadline=None)
@given(steps=st.lists(step, max_size=30))
def test_whatever_happens_entries_rise_and_lookups_agree_with_the_twin(steps: list[tuple[str, int, int]]) -> None:
    cache = EpochCache()
    for kind, first, second in steps:
        if kind == "assign":
            cache.assign(first, second)
            assert cache.epoch_for(second) == first
        elif kind == "end":
            cache.truncate_from_end(first)
            assert all(start < first for _, start in cache.entries)
        else:
            covering = cache.epoch_for(first)
            cache.truncate_from_start(first)
            assert cache.epoch_for(first) == covering
            assert covering == -1 or cache.entries[0].start_offset == first
        entries = [(epoch, start) for epoch, start in cache.entries]
        assert entries == sorted(entries)
        assert len({start for _, start in entries}) == len({epoch for epoch, _ in entries}) == len(entries)
        for epoch in range(-1, 14):
            assert cache.end_of(epoch, 61) == twin_end_of(entries, epoch, 61)
        for offset in range(62):
            assert cache.epoch_for(offset) == max((e for e, start in entries if start <= offset), default=-1)
