"""`kq groups history`: what happened in each generation, from the kq broker that coordinates the group, or, with
--watch, as it looks from here."""

from __future__ import annotations

import asyncio
import dataclasses
import re
import sys
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from kq.cli.groups.admin_port import status_of
from kq.cli.groups.frames import HOME_AND_CLEAR, redraws
from kq.cli.groups.generations import Generation, Watcher
from kq.cli.groups.rhythm import Rhythm
from kq.cli.groups.selection import missing_group
from kq.cli.output.render import NONE, Both, Column, Row, table_text
from kq.cli.output.units import duration_text, utc_text
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
    Column("JOINED", "text", drop=1),
    Column("LEFT", "text", drop=2),
    Column("REASON", "text", cut=True),
]

_UUID = re.compile(r"\b([0-9a-f]{8})-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")

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
            shown += news
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
        call.print(table_text(COLUMNS, [_row(one, source) for one in news], form))
    else:  # columns are as wide as all that is known needs
        before = HOME_AND_CLEAR if rhythm.every_s is not None and redraws(call) else "" if first else "\n"
        call.print(before + table_text(COLUMNS, [_row(one, source) for one in shown], call.form))
    sys.stdout.flush()


def _row(one: Generation, source: str) -> Row:
    return Row(
        [
            one.generation,
            one.at_ms,
            NONE if one.moved_partitions is None else one.moved_partitions,
            _stood(one, source),
            _named(",".join(one.joined)),
            _named(",".join(one.left)),
            _named(one.reason),
        ]
    )


def _named(text: str) -> Any:
    """For people the UUID in a member id ends after what tells it from the others."""
    return Both(_UUID.sub(r"\1…", text), text) if text else NONE


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
