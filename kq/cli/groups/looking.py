"""Looks at groups, in a rhythm: what each look saw, and how things moved between them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kq.cli.groups.rhythm import Rhythm
from kq.client.lag.asking import GroupStanding, Survey
from kq.client.lag.course import Course, Sample
from kq.errors import KafkaError

if TYPE_CHECKING:
    from kq.cli.run.call import Call
    from kq.client import Cluster, TopicPartition

Courses = dict[str, dict["TopicPartition", Course]]
NO_COURSES: Mapping[TopicPartition, Course] = {}


@dataclass(frozen=True, slots=True)
class Look:
    groups: list[GroupStanding]  # in order of their ids
    now_ms: int
    number: int = 0  # of those shown
    courses: Courses | None = field(default=None)  # None: there will be one look only, so nothing can be said of trends

    def courses_of(self, group: str) -> Mapping[TopicPartition, Course] | None:
        return None if self.courses is None else self.courses.get(group, NO_COURSES)


async def looks(
    cluster: Cluster,
    call: Call,
    rhythm: Rhythm,
    groups: Callable[[], Awaitable[Iterable[str]]],
    wanted: Callable[[TopicPartition], bool],
    *,
    check: Callable[[list[GroupStanding]], Awaitable[None]] | None = None,
) -> AsyncIterator[Look]:
    """`groups` says at each look which there are; `check` may refuse what the first look saw. Later looks that fail are
    told on stderr, and looking goes on."""
    survey = Survey(cluster)
    courses: Courses = {}
    number = -rhythm.hidden
    while True:
        began_s = time.monotonic()
        try:
            seen = await _look(survey, await groups(), wanted, courses)
            if check is not None and number == -rhythm.hidden:
                await check(seen)
        except KafkaError as error:
            if number == -rhythm.hidden:
                raise
            call.warn(f"{str(error).rstrip('.')}; trying again")
        else:
            now_ms = time.time_ns() // 1_000_000
            _remember(courses, seen, now_ms)
            if number >= 0:
                yield Look(seen, now_ms, number, courses if rhythm.has_trend else None)
            number += 1
        if rhythm.every_s is None or (rhythm.shown is not None and number >= rhythm.shown):
            return
        await asyncio.sleep(max(rhythm.every_s - (time.monotonic() - began_s), 0.05))


async def _look(
    survey: Survey, groups: Iterable[str], wanted: Callable[[TopicPartition], bool], courses: Courses
) -> list[GroupStanding]:
    def written_at_ms(pair: TopicPartition, offset: int) -> int | None:
        """As the course of any group that reads the partition saw its end pass."""
        for of_group in courses.values():
            if pair in of_group and (at_ms := of_group[pair].written_at_ms(offset)) is not None:
                return at_ms
        return None

    found = await survey.of(groups, wanted=wanted, written_at_ms=written_at_ms)
    return [found[group] for group in sorted(found)]


def _remember(courses: Courses, seen: list[GroupStanding], now_ms: int) -> None:
    for group in seen:
        before = courses.get(group.id, {})
        courses[group.id] = {pair: before.get(pair) or Course() for pair in group.standings}
        for pair, one in group.standings.items():
            courses[group.id][pair].add(Sample(now_ms, one.committed, one.end))
