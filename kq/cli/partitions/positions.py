"""From positions of the offset grammar to offsets, for many partitions at once: only times need another question."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kq.cli.partitions.measures import Measures
from kq.cli.partitions.offsets import Base, Position, place
from kq.client import Admin

if TYPE_CHECKING:
    from kq.client import Cluster, TopicPartition


LAST_MS = 2**63 - 1


async def resolve(cluster: Cluster, position: Position, measures: Measures) -> dict[TopicPartition, int]:
    """The offset in each partition whose start and end are known; the others are left out."""
    known = {
        pair: part for pair, part in measures.partitions.items() if part.start is not None and part.end is not None
    }
    at_time: dict[TopicPartition, int | None] = {}
    if position.base is Base.TIME and known:
        at_ms = min(max(position.value, 0), LAST_MS)  # below 0 the protocol has meanings of its own: -1 is the end
        for pair, listed in (await Admin(cluster).list_offsets(dict.fromkeys(known, at_ms))).items():
            if listed.error is not None:
                measures.miss(pair, listed.error)
                continue
            at_time[pair] = listed.offset if listed.offset >= 0 else None
        known = {pair: part for pair, part in known.items() if pair in at_time}
    return {
        pair: place(position, start=part.start or 0, end=part.end or 0, at_time=at_time.get(pair))
        for pair, part in known.items()
    }
