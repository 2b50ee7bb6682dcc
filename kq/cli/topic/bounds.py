"""`kq topic offsets`: where each partition begins and ends, and where a position of the offset grammar lies."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from kq.cli.output.render import Column, Row
from kq.cli.partitions.measures import measure
from kq.cli.partitions.offsets import parse_position
from kq.cli.partitions.positions import resolve
from kq.cli.partitions.selection import choose, required_names, select

if TYPE_CHECKING:
    from kq.cli.run.call import Call
    from kq.client import Cluster

COLUMNS = [Column("PARTITION"), Column("START", "count"), Column("END", "count"), Column("RECORDS", "count")]
PLACE = Column("OFFSET", "count")


def run(call: Call, names: list[str], *, partition: str | None, regex: bool, offset: str | None) -> None:
    position = None if offset is None else parse_position(offset, now_ms=round(time.time() * 1000))
    choice = choose(required_names(names, call.command), partition=partition, regex=regex)

    async def work(cluster: Cluster) -> None:
        topics = await select(cluster, call, choice, internal=True)
        pairs = [pair for topic in topics for pair in topic.pairs]
        measures = await measure(cluster, pairs, sizes=False)
        places = {} if position is None else await resolve(cluster, position, measures)
        found = [(pair, measures.partitions[pair], places.get(pair)) for pair in pairs]
        if call.json:
            asked = {} if position is None else {"position": offset}
            rows = [
                {
                    "topic": topic,
                    "partition": index,
                    "start_offset": part.start,
                    "end_offset": part.end,
                    "records": part.records,
                    **({} if position is None else {"offset": place}),
                }
                for (topic, index), part, place in found
            ]
            call.envelope(**asked, partitions=rows)
        else:
            extra = [] if position is None else [PLACE]
            call.table(
                [*COLUMNS, *extra],
                [
                    Row([f"{topic}:{index}", part.start, part.end, part.records, *([place] if extra else [])])
                    for (topic, index), part, place in found
                ],
            )
        measures.end(call)

    call.run(work)
