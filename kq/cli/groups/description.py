"""`kq groups describe`: who is in a group, and where it stands, partition by partition or by topic, member or group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kq.cli.groups.cells import figures, growth_text
from kq.cli.groups.filters import in_order, parse_lag, sort_place
from kq.cli.groups.frames import print_frame
from kq.cli.groups.looking import Look, looks
from kq.cli.groups.narrowing import narrowed
from kq.cli.groups.rhythm import Rhythm
from kq.cli.groups.selection import choose_groups, require_existing, required_groups, select_groups
from kq.cli.groups.standing_json import group_json
from kq.cli.groups.views import Line, columns_of, lines, parse_by
from kq.cli.output.render import Column, Row, table_text
from kq.cli.output.text import shown
from kq.cli.output.units import count_text, counted, duration_text, first_few
from kq.cli.run.failures import Unfinished
from kq.client.lag.asking import GroupStanding

if TYPE_CHECKING:
    from collections.abc import Callable

    from kq.cli.run.call import Call
    from kq.client import Cluster

MOST_ALERTS = 8


@dataclass(frozen=True, slots=True)
class View:
    """How the rows of a group are made, chosen and ordered."""

    by: str
    is_meant: Callable[[int | None], bool] | None
    place: int | None  # of the column to sort by
    columns: list[Column]

    def lines(self, look: Look, groups: Sequence[GroupStanding]) -> list[tuple[GroupStanding, Line]]:
        found = [(group, line) for group in groups for line in lines(look, group, self.by)]
        if self.is_meant is not None:
            found = [item for item in found if self.is_meant(item[1].figures.lag)]
        # The first column is what the rows are ordered by already, with partition 10 behind partition 9.
        return in_order(found, lambda item: item[1].values[self.place or 0]) if self.place else found


def run(
    call: Call,
    names: list[str],
    *,
    topics: list[str],
    regex: bool,
    by: str,
    lag: str | None,
    sort: str | None,
    rhythm: Rhythm,
) -> None:
    columns = columns_of(parse_by(by), has_trend=rhythm.has_trend)
    view = View(by, parse_lag(lag), sort_place(sort, columns), columns)
    choice = choose_groups(required_groups(names, call.command), regex=regex)
    wanted = narrowed(topics)

    async def work(cluster: Cluster) -> None:
        async def ids() -> list[str]:
            return await select_groups(cluster, call, choice)

        async def check(groups: list[GroupStanding]) -> None:
            await require_existing(cluster, call, [group.description for group in groups])

        missing = False
        async for look in looks(cluster, call, rhythm, ids, wanted, check=check):
            _print(call, look, view, rhythm)
            missing = say_what_is_missing(call, look.groups)
        if missing:
            raise Unfinished("")

    call.run(work)


def _print(call: Call, look: Look, view: View, rhythm: Rhythm) -> None:
    if call.json:
        print_frame(call, look, rhythm, groups=[group_json(look, group) for group in look.groups])
        return
    if call.form.plain or call.form.names:
        head = [] if view.by == "group" or call.form.names else [Column("GROUP")]
        rows = [Row([group.id, *line.cells] if head else line.cells) for group, line in view.lines(look, look.groups)]
        print_frame(call, look, rhythm, columns=[*head, *view.columns], rows=rows)
        for group in look.groups if look.number == 0 else ():
            for alert in alerts_of(group):
                call.warn(f"{group.id}: {alert}")
    elif view.by == "group":
        rows = [line.row for _, line in view.lines(look, look.groups)]
        print_frame(call, look, rhythm, columns=view.columns, rows=rows)
    else:
        blocks = []
        for group in look.groups:
            text = heading(look, group)
            rows = [line.row for _, line in view.lines(look, [group])]
            blocks.append(text + ("\n" + table_text(view.columns, rows, call.form) if rows else ""))
        print_frame(call, look, rhythm, text="\n".join(blocks))


def heading(look: Look, group: GroupStanding) -> str:
    """The lines above the table, with their line ends."""
    said = group.description
    kind = f"{said.type} protocol"
    if said.protocol:
        kind += f" ({shown(said.protocol)})"
    if said.protocol_type not in ("", "consumer"):
        kind += f" of {shown(said.protocol_type)}"
    facts = [said.state, kind]
    if said.epoch is not None:
        facts.append(f"generation {said.epoch}")
    facts.append(f"coordinator {said.coordinator}")
    members = counted(len(said.members), "member")
    text = f"{shown(group.id)}   {', '.join(facts)}\n"
    text += f"{members}, {counted(len(group.standings), 'partition')}: {_lag_words(look, group)}\n"
    if trend := _trend_words(look, group):
        text += f"{trend}\n"
    alerts = alerts_of(group)
    for alert in alerts[:MOST_ALERTS]:
        text += f"! {shown(alert)}\n"
    if len(alerts) > MOST_ALERTS:
        text += f"! and {len(alerts) - MOST_ALERTS} more such partitions\n"
    return text


def _lag_words(look: Look, group: GroupStanding) -> str:
    numbers = figures(look, group)
    if not numbers.has_lag:
        return "nothing committed"
    total = numbers.total
    lag = "lag ·" if total.lag is None else f"lag {counted(total.lag, 'record')}"
    behind = "·" if total.behind_ms is None else duration_text(total.behind_ms)
    worst = f" (worst: {shown(total.worst[0])}:{total.worst[1]})" if total.worst and len(group.standings) > 1 else ""
    return f"{lag}, {'~' if total.interpolated else ''}{behind} behind{worst}"


def _trend_words(look: Look, group: GroupStanding) -> str:
    numbers = figures(look, group)
    trend = numbers.trend
    if trend is None:
        return ""
    empty = "never empty" if trend.to_empty_ms is None else f"empty in {duration_text(trend.to_empty_ms)}"
    if not numbers.lag:
        empty = "empty"
    rates = f"{count_text(round(trend.written_per_s))}/s written, {count_text(round(trend.read_per_s))}/s read"
    return f"{growth_text(trend.growing_per_s)}: {rates}; {empty}"


def alerts_of(group: GroupStanding) -> list[str]:
    """A sentence for each partition where more is wrong than that the group is late."""
    alerts = []
    for (topic, partition), one in group.standings.items():
        name = f"{topic}:{partition}"
        if one.gone:
            alerts.append(
                f"{name} stands {counted(one.gone, 'record')} before the log start: "
                f"{'that one is' if one.gone == 1 else 'those are'} gone"
            )
        elif one.past_end:
            alerts.append(
                f"{name} stands {counted(one.past_end, 'record')} past the end: the log was cut back or made anew"
            )
        elif not one.exists:
            alerts.append(f"{name} does not exist any more; its commit is still kept")
    return alerts


def say_what_is_missing(call: Call, groups: Sequence[GroupStanding]) -> bool:
    """Names on stderr what was asked for and not answered; whether there was such."""
    said: dict[str, list[str]] = {}
    for group in groups:
        if group.description.error is not None or group.error is not None:
            said.setdefault(f"group {group.id}: {str(group.description.error or group.error).rstrip('.')}", [])
        else:
            for (topic, partition), one in group.standings.items():
                if one.error is not None:
                    said.setdefault(str(one.error).rstrip("."), []).append(f"{topic}:{partition}")
    for trouble, places in said.items():
        call.warn(f"{first_few(list(dict.fromkeys(places)))}: {trouble}" if places else trouble)
    return bool(said)
