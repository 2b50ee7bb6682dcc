"""What a partition holds: offsets from its leader, sizes from the log directories.

A broker that does not answer leaves gaps (None) and is named once on stderr (rule 10 of CLI-OUTPUT.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kq.cli.output.units import first_few
from kq.cli.run.failures import Unfinished
from kq.client import EARLIEST, LATEST, MAX_TIMESTAMP, Admin

if TYPE_CHECKING:
    from kq.cli.run.call import Call
    from kq.client import Cluster, TopicPartition


@dataclass(slots=True)
class Measure:
    """Of one partition; None is unknown."""

    start: int | None = None
    end: int | None = None
    size_bytes: int | None = None
    last_write_ms: int | None = None

    @property
    def records(self) -> int | None:
        return None if self.start is None or self.end is None else max(self.end - self.start, 0)


@dataclass(slots=True)
class Measures:
    partitions: dict[TopicPartition, Measure] = field(default_factory=dict)
    _missed: dict[str, dict[TopicPartition, None]] = field(default_factory=dict)  # by what was answered instead
    _gaps: dict[str, None] = field(default_factory=dict)

    def of(self, pairs: Iterable[TopicPartition]) -> list[Measure]:
        return [self.partitions[pair] for pair in pairs]

    def miss(self, pair: TopicPartition, error: object) -> None:
        """An offset that was asked for is not known: exit 1."""
        self._missed.setdefault(str(error), {})[pair] = None

    def leave_gap(self, problem: str) -> None:
        """Something is not known that the answer can do without."""
        self._gaps[problem] = None

    @property
    def offsets_missing(self) -> bool:
        return bool(self._missed)

    def warn(self, call: Call) -> None:
        """Names on stderr what is missing, partitions with one trouble in one line."""
        for trouble, pairs in self._missed.items():
            call.warn(f"{first_few([f'{topic}:{partition}' for topic, partition in pairs])}: {trouble}")
        for problem in self._gaps:
            call.warn(problem)

    def end(self, call: Call) -> None:
        """The last act of a command that asked: exit 1 when an offset is missing."""
        self.warn(call)
        if self._missed:
            raise Unfinished("")


async def measure(
    cluster: Cluster,
    pairs: Sequence[TopicPartition],
    *,
    sizes: bool = True,
    last_write: bool = False,
) -> Measures:
    """Asks each leader once for each kind of answer, all at the same time."""
    admin = Admin(cluster)
    result = Measures({pair: Measure() for pair in pairs})
    questions = [_offsets(admin, pairs, EARLIEST, result), _offsets(admin, pairs, LATEST, result)]
    if last_write:
        questions.append(_offsets(admin, pairs, MAX_TIMESTAMP, result))
    if sizes:
        questions.append(_sizes(cluster, admin, pairs, result))
    await asyncio.gather(*questions)
    return result


async def _offsets(admin: Admin, pairs: Sequence[TopicPartition], position: int, result: Measures) -> None:
    if not pairs:
        return
    for pair, listed in (await admin.list_offsets(dict.fromkeys(pairs, position))).items():
        into = result.partitions[pair]
        if listed.error is not None:
            if position != MAX_TIMESTAMP:  # an old broker does not know that question; the gap says enough
                result.miss(pair, listed.error)
        elif position == EARLIEST:
            into.start = listed.offset
        elif position == LATEST:
            into.end = listed.offset
        else:
            into.last_write_ms = listed.timestamp_ms if listed.offset >= 0 else -1


async def _sizes(cluster: Cluster, admin: Admin, pairs: Sequence[TopicPartition], result: Measures) -> None:
    leaders = {pair: cluster.known.leader(*pair) for pair in pairs}
    nodes = sorted({leader for leader in leaders.values() if leader >= 0})
    if not nodes:
        return
    for node, answer in (await admin.describe_log_dirs(nodes, partitions=pairs)).items():
        if answer.error is not None:
            result.leave_gap(f"{answer.error}: sizes on broker {node} are missing")
            continue
        for directory in answer.dirs:
            for pair, replica in directory.replicas.items():
                if leaders.get(pair) == node and not replica.is_future:
                    result.partitions[pair].size_bytes = replica.size_bytes
