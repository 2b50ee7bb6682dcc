"""What `kq consume` says when no records come: that it stands at the end, or that an open transaction holds it back."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kq.cli.output.units import count_text, duration_text, first_few
from kq.cli.partitions.measures import Measures
from kq.client import LATEST, Admin

if TYPE_CHECKING:
    from kq.cli.run.call import Call
    from kq.client import Cluster, Consumer, TopicPartition
    from kq.client.admin.types import ProducerState

PATIENCE_MS = 1000


class Silence:
    """Speaks once about each thing. `follows`: the run goes on at the end of the log."""

    patience_ms = PATIENCE_MS

    def __init__(
        self, cluster: Cluster, call: Call, topics: list[str], pairs: list[TopicPartition], *, follows: bool
    ) -> None:
        self._cluster = cluster
        self._call = call
        self._topics = topics
        self._pairs = pairs
        self._may_say_end = follows and sys.stderr.isatty() and not call.quiet
        self._said_trouble = ""
        self._said_held: set[TopicPartition] = set()

    def broken(self) -> None:
        """Records came: a partition that is held again later is news again."""
        self._said_held.clear()

    async def fell(self, consumer: Consumer) -> None:
        """A second went by without records."""
        held = await self.report_held_now(consumer)
        if consumer.trouble is not None and str(consumer.trouble) != self._said_trouble:
            self._said_trouble = str(consumer.trouble)
            self._call.warn(f"{consumer.trouble}; trying again")
        at_end = all((consumer.position(pair) or 0) >= consumer.watermarks(pair).high >= 0 for pair in self._pairs)
        if self._may_say_end and at_end and not held:
            self._may_say_end = False
            where = first_few(self._topics)
            self._call.warn(f"at the end of {where}, waiting for more; Ctrl-C ends, -e stops by itself")

    async def report_held_now(self, consumer: Consumer) -> bool:
        """Names the partitions whose reading stands before the high watermark because of a transaction."""
        held = {}
        for pair in self._pairs:
            marks = consumer.watermarks(pair)
            if 0 <= marks.stable < marks.high and (consumer.position(pair) or 0) >= marks.stable:
                held[pair] = marks.stable
        await self._say_held(held)
        return bool(held)

    async def report_held(self, measures: Measures) -> None:
        """The same when nothing was fetched, because the range was empty from the start."""
        if self._cluster.settings.isolation_level != "read_committed" or not measures.partitions:
            return
        asked = dict.fromkeys(measures.partitions, LATEST)
        high = await Admin(self._cluster).list_offsets(asked, isolation_level="read_uncommitted")
        await self._say_held(
            {
                pair: part.end
                for pair, part in measures.partitions.items()
                if part.end is not None and high[pair].error is None and part.end < high[pair].offset
            }
        )

    async def _say_held(self, held: dict[TopicPartition, int]) -> None:
        news = [pair for pair in held if pair not in self._said_held]
        if not news:
            return
        self._said_held.update(news)
        answers = await Admin(self._cluster).describe_producers(news)
        for pair in news:
            self._call.warn(
                f"{pair[0]}:{pair[1]} is held at {count_text(held[pair])} by an open transaction"
                f"{_whose(answers[pair].producers)}; -X isolation.level=read_uncommitted reads on"
            )


def _whose(producers: Sequence[ProducerState]) -> str:
    """` of producer 4002 (2m10s)`: the one whose transaction began first, and since when it has been silent."""
    open_ones = [producer for producer in producers if producer.transaction_start_offset >= 0]
    if not open_ones:
        return ""
    first = min(open_ones, key=lambda producer: producer.transaction_start_offset)
    age_ms = time.time_ns() // 1_000_000 - first.last_timestamp_ms
    return f" of producer {first.producer_id} ({duration_text(max(age_ms, 0))})"
