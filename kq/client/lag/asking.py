"""Where groups stand, as the cluster says it: members, commits, ends, and the age of the next unread records.

Rules
- A group's partitions are those with a commit and those assigned to a member (what Apache's kafka-consumer-groups
  lists, too).
- Each kind of answer is asked for once for all groups. What one broker does not say is a gap, never a guess.
- Several groups may stand in one partition: they are read in turns, the oldest places first. What is not read in time
  is interpolated between what is known of that partition.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from kq.client.admin.calls import Admin
from kq.client.admin.group_types import GroupDescription, GroupMember, GroupOffset
from kq.client.admin.types import EARLIEST, LATEST, ListedOffset, TopicPartition
from kq.client.cluster import Cluster
from kq.client.lag.standing import Standing, Total, interpolate, total
from kq.client.lag.unread import Place, read_unread
from kq.errors import Err, KafkaError

__all__ = ["GroupStanding", "Survey", "survey"]

PATIENCE_S = 3.0
AT_ONCE = 100  # groups whose commits are asked for at the same time

At = tuple[TopicPartition, int]  # a partition and an offset in it


@dataclass(frozen=True, slots=True)
class GroupStanding:
    description: GroupDescription
    standings: Mapping[TopicPartition, Standing] = field(default_factory=dict)  # in order
    error: KafkaError | None = None  # its commits are not known

    @property
    def id(self) -> str:
        return self.description.id

    @property
    def owners(self) -> dict[TopicPartition, GroupMember]:
        return {pair: member for member in self.description.members for pair in member.assignment}

    def total(self, now_ms: int) -> Total:
        return total(self.standings, now_ms)


class Survey:
    """Asks again and again; what it has read it keeps until the commits move on."""

    def __init__(self, cluster: Cluster, *, ages: bool = True, patience_s: float = PATIENCE_S) -> None:
        self._cluster = cluster
        self._admin = Admin(cluster)
        self._ages = ages
        self._patience_s = patience_s
        self._read: dict[At, int | None] = {}  # timestamp in ms; None: there is no record before the end

    async def of(
        self,
        groups: Iterable[str],
        *,
        wanted: Callable[[TopicPartition], bool] = lambda pair: True,
        written_at_ms: Callable[[TopicPartition, int], int | None] = lambda pair, offset: None,
    ) -> dict[str, GroupStanding]:
        """By id. `wanted` narrows the partitions; `written_at_ms` knows about when a record was written, if it was not
        read."""
        ids = list(dict.fromkeys(groups))
        described, commits = await asyncio.gather(self._admin.describe_groups(ids), self._commits(ids))
        found: dict[str, dict[TopicPartition, Standing]] = {}
        for group in ids:
            said = commits[group]
            known = {} if isinstance(said, KafkaError) else said
            assigned = {pair for member in described[group].members for pair in member.assignment}
            error = said if isinstance(said, KafkaError) else None
            found[group] = {
                pair: _committed(known.get(pair), error)
                for pair in sorted({*known, *assigned})
                if wanted(pair) and (pair in assigned or known[pair].offset != -1 or known[pair].error)
            }
        await self._ends(found)
        if self._ages:
            await self._age(found, written_at_ms)
        return {
            group: GroupStanding(
                described[group], found[group], said if isinstance(said := commits[group], KafkaError) else None
            )
            for group in ids
        }

    async def _commits(self, groups: list[str]) -> dict[str, dict[TopicPartition, GroupOffset] | KafkaError]:
        gate = asyncio.Semaphore(AT_ONCE)

        async def ask(group: str) -> dict[TopicPartition, GroupOffset] | KafkaError:
            async with gate:
                try:
                    return await self._admin.group_offsets(group)
                except KafkaError as error:
                    return error

        return dict(zip(groups, await asyncio.gather(*map(ask, groups)), strict=True))

    async def _ends(self, found: dict[str, dict[TopicPartition, Standing]]) -> None:
        pairs = sorted({pair for standings in found.values() for pair in standings})
        if not pairs:
            return
        starts, ends = await asyncio.gather(
            self._admin.list_offsets(dict.fromkeys(pairs, EARLIEST)),
            self._admin.list_offsets(dict.fromkeys(pairs, LATEST)),
        )
        for standings in found.values():
            for pair, standing in standings.items():
                standings[pair] = _bounded(standing, starts[pair], ends[pair])

    async def _age(
        self,
        found: dict[str, dict[TopicPartition, Standing]],
        written_at_ms: Callable[[TopicPartition, int], int | None],
    ) -> None:
        wanted: dict[TopicPartition, dict[int, int]] = {}  # offsets to be read, and where the partition ends
        for standings in found.values():
            for pair, one in standings.items():
                if one.is_unread and one.place is not None and one.end is not None:
                    wanted.setdefault(pair, {})[one.place] = one.end
        places = {(pair, offset) for pair, offsets in wanted.items() for offset in offsets}
        # That there was no record before the end may have changed with the end.
        self._read = {at: ms for at, ms in self._read.items() if at in places and ms is not None}
        await self._read_turns(wanted)
        points: dict[TopicPartition, list[tuple[int, int]]] = {}
        for (pair, offset), at_ms in self._read.items():
            if at_ms is not None:
                points.setdefault(pair, []).append((offset, at_ms))
        for standings in found.values():
            for pair, one in standings.items():
                if one.is_unread and one.place is not None:
                    about_ms = interpolate(points.get(pair, ()), one.place)
                    if about_ms is None:
                        about_ms = written_at_ms(pair, one.place)
                    standings[pair] = self._aged(one, (pair, one.place), about_ms)

    async def _read_turns(self, wanted: dict[TopicPartition, dict[int, int]]) -> None:
        deadline_s = time.monotonic() + self._patience_s
        turns: list[dict[TopicPartition, Place]] = []
        for pair, offsets in wanted.items():
            unread = sorted(offset for offset in offsets if (pair, offset) not in self._read)
            for turn, offset in enumerate(unread):
                if turn == len(turns):
                    turns.append({})
                turns[turn][pair] = Place(offset, offsets[offset])
        for places in turns:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                return
            for pair, said in (await read_unread(self._cluster, places, patience_s=left_s)).items():
                if said.error is None:
                    self._read[pair, places[pair].offset] = said.records[0].timestamp if said.records else None

    def _aged(self, standing: Standing, at: At, about_ms: int | None) -> Standing:
        if at not in self._read:
            return standing if about_ms is None else standing._replace(next_at_ms=about_ms, interpolated=True)
        at_ms = self._read[at]
        if at_ms is None:
            return standing._replace(all_read=True)
        return standing._replace(next_at_ms=at_ms if at_ms >= 0 else None)  # -1: the record has no time


async def survey(cluster: Cluster, groups: Iterable[str], *, ages: bool = True) -> dict[str, GroupStanding]:
    """One look at these groups; without `ages` no record is read."""
    return await Survey(cluster, ages=ages).of(groups)


def _committed(commit: GroupOffset | None, error: KafkaError | None) -> Standing:
    if commit is None:
        return Standing(error=error)
    if commit.error is not None:
        return Standing(error=commit.error)
    return Standing(commit.offset if commit.offset >= 0 else None, metadata=commit.metadata)


def _bounded(standing: Standing, start: ListedOffset, end: ListedOffset) -> Standing:
    error = start.error or end.error
    if error is None:
        return standing._replace(start=start.offset, end=end.offset)
    if error.code == Err.UNKNOWN_TOPIC_OR_PARTITION:
        return standing._replace(exists=False)
    return standing._replace(
        start=None if start.error else start.offset,
        end=None if end.error else end.offset,
        error=standing.error or error,
    )
