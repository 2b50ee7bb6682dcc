"""`-G` filters: which rows stay."""

from __future__ import annotations

import pytest

from kq.cli.consume.grep import compile_filters
from kq.cli.formats.rows import Rows
from kq.cli.run.failures import Usage

DAY_MS = 86_400_000
NOW_MS = 10 * DAY_MS
ROWS = Rows(
    "t",
    0,
    [0, 1, 2, 3],
    values=[b"error: disk\nfull", b"ok", None, b"\xff\xfe"],
    keys=[b"order-1", b"user-1", None, b"order-10"],
    timestamps=[DAY_MS, 9 * DAY_MS, NOW_MS - 1000, NOW_MS],
    headers=[[("trace", b"abc"), ("trace", b"xyz")], [("other", b"abc")], [("empty", None)], []],
)

KEPT = {
    ("v:error",): [0],
    ("v:disk*",): [],  # a glob is for the whole field
    ("v:error*full",): [0],
    ("v:?k",): [1],
    ("v:",): [0, 1, 3],  # every value that is not null
    ("!v:",): [2],
    ("!v:ok",): [0, 2, 3],
    ("k:order-1",): [0, 3],
    ("k:order-?",): [0],
    ("k:order-*", "!v:error"): [3],
    ("hk:trace",): [0],
    ("hv:abc",): [0, 1],
    ("h:trace=xyz",): [0],
    ("h:trace=abc", "h:trace=xyz"): [0],
    ("!h:trace=abc",): [1, 2, 3],
    ("h:empty=",): [],
    ("t:@-2d",): [1, 2, 3],
    ("t:-2d:now",): [1, 2],
    ("t:1970-01-01:1970-01-05",): [0],
    ("!t:@-2d",): [0],
    ("k:order", "t:-1h"): [3],
    ("k:nothing", "v:error"): [],
}


@pytest.mark.parametrize("patterns", KEPT)
def test_keeps(patterns: tuple[str, ...]) -> None:
    compiled = compile_filters(patterns, regex=False, now_ms=NOW_MS)
    assert compiled is not None
    assert compiled.places(ROWS) == KEPT[patterns]


def test_regular_expressions() -> None:
    wanted = {r"k:^order-\d$": [0], r"v:(error|ok)": [0, 1], r"v:k.f": [0], r"v:k\nf": [0], r"v:\xff": [3], "v:^f": []}
    for pattern, kept in wanted.items():
        compiled = compile_filters([pattern], regex=True, now_ms=NOW_MS)
        assert compiled is not None
        assert compiled.places(ROWS) == kept, pattern


def test_only_the_columns_that_are_needed() -> None:
    compiled = compile_filters(["v:a", "t:-1h"], regex=False, now_ms=NOW_MS)
    assert compiled is not None
    assert compiled.needs == {"values", "timestamps"}
    assert compile_filters([], regex=False, now_ms=NOW_MS) is None


REFUSED = {
    "billing": "-G billing: say where to look: k:, v:, hk:, hv:, h:NAME= or t:; a consumer group would be -g",
    "x:y": "-G x:y: say where to look: k:, v:, hk:, hv:, h:NAME= or t:; a consumer group would be -g",
    "h:abc": "-G h:abc: write h:NAME=PATTERN",
    "t:soon": "-G t:soon: not a time; write t:@-1h, t:@14:00:15:00 or t:@2026-11-21",
}


@pytest.mark.parametrize("pattern", REFUSED)
def test_refuses_with_a_sentence(pattern: str) -> None:
    with pytest.raises(Usage) as refused:
        compile_filters([pattern], regex=False, now_ms=NOW_MS)
    assert refused.value.message == REFUSED[pattern]


def test_a_wrong_regular_expression() -> None:
    with pytest.raises(Usage, match=r"not a regular expression: .*unterminated"):
        compile_filters(["v:("], regex=True, now_ms=NOW_MS)
