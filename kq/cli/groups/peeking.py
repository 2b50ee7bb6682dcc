"""`kq groups peek`: the next unread records of a group, read from outside: nobody joins, nothing is committed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kq.cli.formats.jsonlines import json_format
from kq.cli.formats.rows import Rows
from kq.cli.groups.description import alerts_of, say_what_is_missing
from kq.cli.groups.narrowing import narrowed
from kq.cli.groups.selection import require_existing
from kq.cli.output.render import NONE, Column, Row, table_text
from kq.cli.output.units import first_few
from kq.cli.run.failures import NotFound, Unfinished
from kq.client.lag.asking import GroupStanding, Survey
from kq.client.lag.unread import Place, Unread, read_unread

if TYPE_CHECKING:
    from kq.cli.run.call import Call
    from kq.client import Cluster, TopicPartition
    from kq.record.batch import Record

COLUMNS = [
    Column("PARTITION"),
    Column("OFFSET", "count"),
    Column("TIME", "time"),
    Column("KEY", "text"),
    Column("VALUE", "text", cut=True),
]
RECORDS = 3  # of each partition
PATIENCE_S = 5.0

Found = dict["TopicPartition", Unread]


def run(call: Call, group: str, *, topics: list[str], count: int | None) -> None:
    wanted = narrowed(topics)

    async def work(cluster: Cluster) -> tuple[GroupStanding, Found]:
        found = (await Survey(cluster, ages=False).of([group], wanted=wanted))[group]
        await require_existing(cluster, call, [found.description])
        places = {
            pair: Place(one.place, one.end)
            for pair, one in found.standings.items()
            if one.is_unread and one.place is not None and one.end is not None
        }
        count_each = RECORDS if count is None else count
        return found, await read_unread(cluster, places, count=count_each, patience_s=PATIENCE_S)

    standing, unread = call.run(work)
    if topics and not standing.standings:
        raise NotFound(f"group {group} has nothing to do with {first_few(topics)}", code="NO_COMMIT")
    _print(call, standing, unread)
    for alert in alerts_of(standing):
        call.warn(alert)
    missing = say_what_is_missing(call, [standing])
    silent = _silent(standing, unread) if count != 0 else []
    for trouble in silent:
        call.warn(trouble)
    if missing or silent:
        raise Unfinished("")


def _print(call: Call, group: GroupStanding, unread: Found) -> None:
    records = [(pair, record) for pair in sorted(unread) for record in unread[pair].records]
    if call.json:
        call.envelope(group=group.id, records=[_as_json(pair, record) for pair, record in records])
        return
    if records:
        rows = [_row(pair, record) for pair, record in records]
        # In a pipe keys and values are the bytes they are.
        call.write(table_text(COLUMNS, rows, call.form).encode("utf-8", "surrogateescape"))
    without = [pair for pair, one in group.standings.items() if one.committed is None and one.error is None]
    if without:
        verb = "has" if len(without) == 1 else "have"
        names = first_few([f"{topic}:{partition}" for topic, partition in without])
        call.note_always(f"{names} {verb} no commit: auto.offset.reset of the members says where they begin")
    if not records and all(one.lag == 0 for one in group.standings.values() if one.committed is not None):
        call.note_always(
            f"{group.id} has read all that it has commits for" if group.standings else "Nothing committed."
        )


def _row(pair: TopicPartition, record: Record) -> Row:
    at_ms = record.timestamp if record.timestamp >= 0 else NONE
    return Row([f"{pair[0]}:{pair[1]}", record.offset, at_ms, _cell(record.key), _cell(record.value)])


def _cell(data: bytes | None) -> Any:
    return NONE if data is None else data.decode("utf-8", "surrogateescape")


def _as_json(pair: TopicPartition, record: Record) -> Any:
    """As `kq consume --json` spells it."""
    rows = Rows(*pair, [record.offset], [record.value], [record.key], [record.timestamp], [record.headers])
    return json.loads(json_format().render(rows))


def _silent(group: GroupStanding, unread: Found) -> list[str]:
    """What could not be read, and why."""
    troubles = []
    for pair, one in group.standings.items():
        said = unread.get(pair)
        if one.is_unread and said is None:
            troubles.append(f"{pair[0]}:{pair[1]} did not answer within {PATIENCE_S:g}s")
        elif said is not None and said.error is not None:
            troubles.append(f"{pair[0]}:{pair[1]}: {str(said.error).rstrip('.')}")
    return troubles
