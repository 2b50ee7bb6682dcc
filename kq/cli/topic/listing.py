"""`kq topic list`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from kq.cli.output.render import NONE, Both, Column, Row
from kq.cli.output.units import count_text, counted, duration_text, utc_text
from kq.cli.partitions.health import TROUBLES, Health, health_of, is_compacted, min_isr_of, settings_of
from kq.cli.partitions.measures import Measure, Measures, measure
from kq.cli.partitions.selection import Selected, choose, select

if TYPE_CHECKING:
    from kq.cli.run.call import Call
    from kq.client import Cluster

COLUMNS = [
    Column("TOPIC"),
    Column("PARTITIONS", "count"),
    Column("RF", "number", drop=2),
    Column("RECORDS", "count"),
    Column("SIZE", "size"),
    Column("LAST WRITE", "text", drop=1),
    Column("HEALTH", "text", cut=True),
]


def run(call: Call, names: list[str], *, regex: bool, internal: bool, only: set[str]) -> None:
    choice = choose(names, regex=regex)

    async def work(cluster: Cluster) -> None:
        topics = await select(cluster, call, choice, internal=internal or bool(names))
        settings = await settings_of(
            cluster, [topic.name for topic in topics], ["min.insync.replicas", "cleanup.policy"]
        )
        healths = {topic.name: health_of(topic.topic, min_isr_of(settings.get(topic.name))) for topic in topics}
        nothing = "No topics. Create one: kq topic create orders -p 3"
        if only and topics:
            trouble = "unhealthy" if only == set(TROUBLES) else " or ".join(TROUBLES[name] for name in sorted(only))
            nothing = f"Of {counted(len(topics), 'topic')} none is {trouble}."
            topics = [topic for topic in topics if any(healths[topic.name].as_json()[name] for name in only)]
        if call.form.names and not call.json:
            call.table(COLUMNS, [Row([topic.name]) for topic in topics])
            return
        pairs = [pair for topic in topics for pair in topic.pairs]
        measures = await measure(cluster, pairs, last_write=True)
        hidden = 0 if internal or names else sum(topic.internal for topic in cluster.known.topics.values())
        compacted = {topic.name for topic in topics if is_compacted(settings.get(topic.name))}
        _print(call, topics, measures, healths, compacted, hidden, nothing)

    call.run(work)


def _print(
    call: Call,
    topics: list[Selected],
    measures: Measures,
    healths: dict[str, Health],
    compacted: set[str],
    hidden: int,
    nothing: str,
) -> None:
    now_ms = round(time.time() * 1000)
    if call.json:
        call.envelope(
            topics=[_as_json(topic, measures, healths[topic.name]) for topic in topics], internal_hidden=hidden
        )
    elif not topics:
        call.note_always(nothing)
    else:
        rows = [
            _row(topic, measures.of(topic.pairs), healths[topic.name], topic.name in compacted, now_ms)
            for topic in topics
        ]
        call.table(COLUMNS, rows)
        call.note(counted(len(topics), "topic") + (f"; {hidden} internal hidden (--internal)" if hidden else ""))
    measures.end(call)


def _row(topic: Selected, parts: list[Measure], health: Health, compacted: bool, now_ms: int) -> Row:
    records = total([part.records for part in parts])
    return Row(
        [
            topic.name,
            len(topic.topic.partitions),
            replication_factor(topic),
            Both(f"~{count_text(records)}", str(records)) if compacted and records else records,
            total([part.size_bytes for part in parts]),
            _last_write_cell(parts, now_ms),
            Both(health.human, health.plain),
        ],
        alert=health.alert,
    )


def total(numbers: list[int | None]) -> int | None:
    """Unknown as soon as one part of it is."""
    return None if any(number is None for number in numbers) else sum(number or 0 for number in numbers)


def replication_factor(topic: Selected) -> int:
    return max((len(partition.replicas) for partition in topic.topic.partitions.values()), default=0)


def last_write_ms(parts: list[Measure]) -> int | None:
    """-1: nothing was ever written; None: not every partition says."""
    stamps = [part.last_write_ms for part in parts]
    return None if None in stamps else max((stamp or 0 for stamp in stamps), default=-1)


def _last_write_cell(parts: list[Measure], now_ms: int) -> object:
    at_ms = last_write_ms(parts)
    if at_ms is None:
        return None
    if at_ms < 0:
        return NONE
    return Both(f"{duration_text(max(now_ms - at_ms, 0))} ago", utc_text(at_ms))


def _as_json(topic: Selected, measures: Measures, health: Health) -> dict[str, object]:
    parts = measures.of(topic.pairs)
    at_ms = last_write_ms(parts)
    return {
        "name": topic.name,
        "partitions": len(topic.topic.partitions),
        "replication_factor": replication_factor(topic),
        "records": total([part.records for part in parts]),
        "size_bytes": total([part.size_bytes for part in parts]),
        "last_write_at": utc_text(at_ms) if at_ms is not None and at_ms >= 0 else None,
        "internal": topic.topic.internal,
        "ok": health.is_ok,
        **health.as_json(),
    }
