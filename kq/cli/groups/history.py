"""`kq groups history`: what happened in each generation, from the kq broker that coordinates the group, or, with
--watch, as it looks from here."""

from __future__ import annotations

import asyncio
import dataclasses
import sys
import textwrap
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kq.cli.groups.admin_port import status_of
from kq.cli.groups.frames import HOME_AND_CLEAR, redraws
from kq.cli.groups.generations import Generation, Watcher
from kq.cli.groups.rhythm import Rhythm
from kq.cli.groups.selection import missing_group
from kq.cli.groups.short_names import few, rest_of, short_names
from kq.cli.output.render import GAP, GUTTER, NONE, Both, Column, Form, Row, human_cell, table_text
from kq.cli.output.units import duration_text, local_text, utc_text
from kq.cli.run.failures import Failure, Hint
from kq.client import Admin
from kq.errors import Err, KafkaError

if TYPE_CHECKING:
    from kq.cli.run.call import Call
    from kq.client import Cluster, GroupDescription

COLUMNS = [
    Column("GENERATION", "number"),
    Column("AT", "time"),
    Column("MOVED", "count"),
    Column("STOOD", "duration"),
    Column("JOINED", "text"),
    Column("LEFT", "text"),
    Column("REASON", "text", cut=True),
]

NARROWEST = 13  # the room for those who came, and for those who left

Telling = Callable[
    [], Awaitable[list[Generation] | None]
]  # all that is known so far; None: this is not the way to know


def run(call: Call, group: str, rhythm: Rhythm) -> None:
    async def work(cluster: Cluster) -> None:
        described = (await Admin(cluster).describe_groups([group]))[group]
        if described.error is not None and described.error.code != Err.GROUP_ID_NOT_FOUND:
            raise described.error
        node_id = await Admin(cluster).find_coordinator(group)
        from_broker = _broker(cluster, group, node_id)
        known = await from_broker()
        if described.error is not None and not known:
            raise await missing_group(cluster, call, group)
        if known is None and rhythm.every_s is None:
            raise Failure(
                f"broker {node_id} keeps no history of groups that can be reached from here",
                Hint("watch from now on", call.again("--watch")),
                code="NO_HISTORY",
            )
        from_here = known is None
        look = _outside(cluster, group) if from_here else from_broker
        await _show(call, group, look, rhythm, source="client" if from_here else "broker")
        if not from_here and not known and rhythm.every_s is None:
            call.note_always(f"Nothing has happened to group {group} since broker {node_id} was started.")

    call.run(work)


def _broker(cluster: Cluster, group: str, node_id: int) -> Telling:
    async def look() -> list[Generation] | None:
        status = await status_of(cluster, node_id)
        if status is None or "groups" not in status:
            return None
        told: list[dict[str, Any]] = next((one["history"] for one in status["groups"] if one["group"] == group), [])
        return [Generation.from_status(event) for event in told]

    return look


def _outside(cluster: Cluster, group: str) -> Telling:
    watcher = Watcher()
    seen: list[Generation] = []

    async def look() -> list[Generation]:
        described: GroupDescription = (await Admin(cluster).describe_groups([group]))[group]
        told = watcher.saw(described, time.time_ns() // 1_000_000)
        if told is not None:
            seen.append(told)
        return seen

    return look


async def _show(call: Call, group: str, look: Telling, rhythm: Rhythm, *, source: str) -> None:
    shown: list[Generation] = []
    number = 0
    while True:
        try:
            known = await look()
        except KafkaError as error:
            if number == 0:
                raise
            call.warn(f"{str(error).rstrip('.')}; trying again")
            known = None
        news = [one for one in known or () if one not in shown]
        if news or number == 0:
            told_more = {(one.generation, one.at_ms) for one in news}  # how long it stood is known later
            shown = [one for one in shown if (one.generation, one.at_ms) not in told_more] + news
            _print(call, group, shown, news, source=source, first=number == 0, rhythm=rhythm)
        number += 1
        if rhythm.every_s is None or (rhythm.shown is not None and number >= rhythm.shown):
            return
        await asyncio.sleep(rhythm.every_s)


def _print(
    call: Call,
    group: str,
    shown: list[Generation],
    news: list[Generation],
    *,
    source: str,
    first: bool,
    rhythm: Rhythm,
) -> None:
    if call.json:
        call.envelope(group=group, source=source, generations=[_as_json(one) for one in news])
    elif call.form.plain or call.form.names:
        form = call.form if first else dataclasses.replace(call.form, header=False)
        call.print(table_text(COLUMNS, _rows(news, source, form), form))
    else:  # columns are as wide as all that is known needs
        before = HOME_AND_CLEAR if rhythm.every_s is not None and redraws(call) else "" if first else "\n"
        call.print(before + table_text(COLUMNS, _rows(shown, source, call.form), call.form))
    sys.stdout.flush()


def _rows(told: Sequence[Generation], source: str, form: Form) -> list[Row]:
    """For people short: members by short names, today's times without the day and others without the year, of the
    reason what JOINED and LEFT do not say, on as many lines as it needs."""
    short = short_names(name for one in told for name in (*one.joined, *one.left))
    width = max(form.width // 6, NARROWEST)
    today = local_text(time.time_ns() // 1_000_000, utc=form.utc)[:10]
    rows = [_row(one, source, short, width, _when(one.at_ms, today, form)) for one in told]
    return rows if form.plain else list(_wrapped(rows, form))


def _wrapped(rows: Sequence[Row], form: Form) -> Iterator[Row]:
    """A reason for which there is no room goes on below."""
    *others, reason = COLUMNS
    texts = [
        [human_cell(cell, column.kind, form) for cell, column in zip(row.cells, COLUMNS, strict=True)] for row in rows
    ]
    taken = sum(max(len(column.name), *(len(line[i]) for line in texts), 0) + GAP for i, column in enumerate(others))
    room = max(form.width - GUTTER - taken, len(reason.name))
    for row, line in zip(rows, texts, strict=True):
        first, *more = textwrap.wrap(line[-1], room) or [""]
        yield Row([*row.cells[:-1], Both(first, "")])
        yield from (Row([Both("", "")] * len(others) + [Both(part, "")]) for part in more)


def _when(at_ms: int, today: str, form: Form) -> Both:
    text = local_text(at_ms, utc=form.utc)
    zone = "Z" if form.utc else ""
    return Both(f"{text[11:19] if text[:10] == today else text[5:16]}{zone}", utc_text(at_ms))


def _row(one: Generation, source: str, short: Mapping[str, str], width: int, at: Both) -> Row:
    return Row(
        [
            one.generation,
            at,
            NONE if one.moved_partitions is None else one.moved_partitions,
            _stood(one, source),
            _both(few(one.joined, short, width), ",".join(one.joined)),
            _both(few(one.left, short, width), ",".join(one.left)),
            _both(rest_of(one.reason, (*one.joined, *one.left), short), one.reason),
        ]
    )


def _both(human: str, plain: str) -> Any:
    return Both(human or "-", plain) if plain else NONE


def _stood(one: Generation, source: str) -> Any:
    if one.moved_partitions is None:
        return NONE
    if one.stood_ms is None or source == "broker":
        return one.stood_ms
    return Both(f"~{duration_text(one.stood_ms)}", str(one.stood_ms))


def _as_json(one: Generation) -> dict[str, Any]:
    body = one._asdict()
    at_ms = body.pop("at_ms")
    return {**body, "at": utc_text(at_ms), "joined": list(one.joined), "left": list(one.left)}
