"""Patterns of clients: what they match, what they may cost."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kq.errors import Err, KafkaError
from kq.machines.group.regexes import MOST_CHARACTERS, SLICE, Resolution, compiled


def resolve(patterns: list[str], topics: list[str], budget: int = SLICE) -> tuple[dict[str, list[str]], int]:
    resolution, slices = Resolution(patterns, topics), 1
    while not resolution.advance(budget):
        slices += 1
    return resolution.matched, slices


def test_whole_names_match() -> None:
    matched, _ = resolve(["a.*", "b", "(?i)A"], ["a", "ab", "ba", "b", "bb"])
    assert matched == {"a.*": ["a", "ab"], "b": ["b"], "(?i)A": ["a"]}


@pytest.mark.parametrize("pattern", ["(", "a**b)", "[", "(?=a)b", r"(a)\1", "a{1001}", "x" * (MOST_CHARACTERS + 1)])
def test_what_is_no_pattern_of_re2(pattern: str) -> None:
    with pytest.raises(KafkaError) as refused:
        compiled(pattern)
    assert refused.value.code is Err.INVALID_REGULAR_EXPRESSION
    assert len(str(refused.value)) < len(pattern) + 200


def test_a_pattern_that_would_fill_the_memory_is_refused() -> None:
    with pytest.raises(KafkaError):
        compiled(".{1000}" * 30)


@given(st.lists(st.sampled_from(["a", "ab", "b.c", "topic-1", "topic-2"]), unique=True), st.integers(1, 3000))
def test_slices_find_what_one_pass_finds(topics: list[str], budget: int) -> None:
    patterns = ["a.*", "topic-[12]", ".*"]
    assert resolve(patterns, topics, budget)[0] == resolve(patterns, topics)[0]


def test_many_hostile_names_are_spread_over_slices() -> None:
    chance = random.Random(1)
    names = ["".join(chance.choices("ab", k=249)) for _ in range(500)]
    matched, slices = resolve(["(a|b)*a(a|b){100}"], names)
    assert slices >= 10, "one slice holds some 35 of these names"
    assert matched["(a|b)*a(a|b){100}"] == sorted(name for name in names if name[-101] == "a")
