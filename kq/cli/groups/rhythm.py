"""Once, twice or again and again: `--sample 5s` looks twice and shows the second look, `--watch [SECONDS]` shows every
look. Only two looks can tell rates and trends (rule 9 of CLI-OUTPUT.md)."""

from __future__ import annotations

import re
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple

from kq.cli.partitions.offsets import parse_duration
from kq.cli.run.failures import Usage
from kq.cli.tree.command import TableCommand

if TYPE_CHECKING:
    from typer._click.core import Context

EVERY_S = 2
LEAST_S = 0.1
_SECONDS = re.compile(r"[0-9]+(\.[0-9]+)?")


class Rhythm(NamedTuple):
    """`every_s` None: one look. `shown` None: all looks but the first `hidden` ones, until Ctrl-C."""

    every_s: float | None = None
    hidden: int = 0
    shown: int | None = 1

    @property
    def has_trend(self) -> bool:
        return self.every_s is not None

    @property
    def repeats(self) -> bool:
        return self.shown != 1


ONCE = Rhythm()


def parse_rhythm(watch: str | None, sample: str | None, count: int | None) -> Rhythm:
    if watch is not None and sample is not None:
        raise Usage("--watch shows every look and --sample only one: write one of them")
    if watch is not None:
        return Rhythm(_interval("--watch", watch), shown=count)
    if count is not None:
        raise Usage("-n counts the looks of --watch")
    return ONCE if sample is None else Rhythm(_interval("--sample", sample), hidden=1)


def _interval(flag: str, text: str) -> float:
    try:
        seconds = float(text) if _SECONDS.fullmatch(text) else parse_duration(text) / 1000
    except ValueError as fault:
        raise Usage(f"{flag} {text}: {fault}") from None
    if seconds < LEAST_S:
        raise Usage(f"{flag} {text}: too often; write {LEAST_S} seconds or more")
    return seconds


class WatchCommand(TableCommand):
    """`--watch` may stand without its seconds, also before another word."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        words: list[Any] = []
        for word, following in zip_longest(args, args[1:], fillvalue=""):
            bare = word == "--watch" and not following[:1].isdigit()
            words.append(f"--watch={EVERY_S}" if bare else word)
        return super().parse_args(ctx, words)
