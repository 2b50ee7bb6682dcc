"""What a reset means for one partition, against a slow twin that counts records."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kq.cli.reset_offsets.steps import Step, totals_words
from kq.client import GroupOffset


def step(before: int | None, after: int | None, start: int = 10, end: int = 100) -> Step:
    commits = [None if offset is None else GroupOffset(offset) for offset in (before, after)]
    return Step("orders", 0, start, end, *commits)


@pytest.mark.parametrize(
    ("before", "after", "effect", "words"),
    [
        (50, 20, "reads_again", "reads 30 again"),
        (20, 50, "skips", "skips 30"),
        (50, 50, "stays", "stays"),
        (None, 50, "first_commit", "first commit"),
        (None, None, "no_commit", "no commit"),
        (50, None, "removed", "commit removed"),
        (4, 10, "skips", "6 were gone"),  # the log starts at 10
        (9, 30, "skips", "skips 20, 1 was gone"),
        (130, 100, "reads_again", "nothing to read again"),  # it stood past the end
        (100, 130, "skips", "nothing to skip"),
        (30, 4, "reads_again", "reads 20 again"),
    ],
)
def test_effects(before: int | None, after: int | None, effect: str, words: str) -> None:
    assert (step(before, after).effect, step(before, after).words) == (effect, words)


offsets = st.integers(0, 60)


@given(offsets, offsets, offsets, offsets)
def test_records_are_counted_as_one_by_one(before: int, after: int, start: int, size: int) -> None:
    log = set(range(start, start + size))
    read_before = {offset for offset in log if offset < before}
    read_after = {offset for offset in log if offset < after}
    moved = step(before, after, start, start + size)
    assert moved.read_again == len(read_before - read_after)
    assert moved.skipped == len(read_after - read_before)
    assert moved.gone == len({offset for offset in range(before, after) if offset < start})
    assert moved.moves == (before != after)


def test_the_sum() -> None:
    assert totals_words([]) == "0 records are read again, 0 are skipped."
    assert totals_words([step(50, 49), step(10, 11)]) == "1 record is read again, 1 is skipped."
    assert totals_words([step(90, 10, end=5000), step(10, 2000, end=5000), step(None, 100)]) == (
        "80 records are read again, 1,990 are skipped."
    )
