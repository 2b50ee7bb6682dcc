"""`kq groups list`: every group with its state, members and lag."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kq.cli.groups.cells import LAG, TREND, Figures, figures
from kq.cli.groups.description import say_what_is_missing
from kq.cli.groups.filters import in_order, parse_lag, sort_place
from kq.cli.groups.frames import print_frame
from kq.cli.groups.looking import Look, looks
from kq.cli.groups.narrowing import narrowed
from kq.cli.groups.rhythm import Rhythm
from kq.cli.groups.selection import READABLE, choose_groups, list_all, matching
from kq.cli.groups.views import Line
from kq.cli.output.render import Column, Row
from kq.cli.output.units import counted
from kq.cli.run.failures import Unfinished, Usage, did_you_mean
from kq.client import GroupDescription
from kq.client.lag.asking import GroupStanding

if TYPE_CHECKING:
    from kq.cli.run.call import Call
    from kq.client import Cluster, GroupListing

COLUMNS = [
    Column("GROUP"),
    Column("STATE", "text"),
    Column("TYPE", "text", drop=2),
    Column("MEMBERS", "count"),
    Column("TOPICS", "count", drop=1),
    *LAG,
]
STATES = (
    "Stable",
    "Empty",
    "PreparingRebalance",
    "CompletingRebalance",
    "Assigning",
    "Reconciling",
    "NotReady",
    "Dead",
)
TYPES = ("classic", "consumer", "share", "streams")
NOTHING = "No groups. One appears when someone reads with a group: kq consume orders -g try"


def run(
    call: Call,
    names: list[str],
    *,
    topics: list[str],
    regex: bool,
    states: list[str],
    types: list[str],
    lag: str | None,
    sort: str | None,
    rhythm: Rhythm,
) -> None:
    columns = [*COLUMNS, *(TREND if rhythm.has_trend else [])]
    place = sort_place(sort, columns)
    is_meant = parse_lag(lag)
    choice = choose_groups(names, regex=regex)
    wanted = narrowed(topics)
    states = [_known(state, STATES, "--state") for state in states]
    types = [_known(name, TYPES, "--type") for name in types]

    async def work(cluster: Cluster) -> None:
        listed: dict[str, GroupListing] = {}
        gaps = False

        async def ids() -> list[str]:
            nonlocal gaps
            listings = await list_all(cluster, call, states, types)
            gaps = bool(listings.errors)
            listed.clear()
            listed.update(
                {name: listings.groups[name] for name in matching(choice, listings.groups, call.settings.bootstrap)}
            )
            return [name for name, listing in listed.items() if listing.type in READABLE]

        if call.form.names and not call.json and not (topics or lag or sort or rhythm.has_trend):
            await ids()
            call.table(COLUMNS, [Row([name]) for name in listed])
            if gaps:
                raise Unfinished("")
            return
        missing = False
        async for look in looks(cluster, call, rhythm, ids, wanted):
            seen = {group.id: group for group in look.groups}
            lines = [_line(look, listing, seen.get(name)) for name, listing in sorted(listed.items())]
            if topics:
                lines = [line for line in lines if line.cells[0] in seen and seen[line.cells[0]].standings]
            if is_meant is not None:
                lines = [line for line in lines if is_meant(line.figures.lag)]
            if place:
                lines = in_order(lines, lambda line: line.values[place])
            if call.json:
                body = [_as_json(look, listed[line.cells[0]], seen.get(line.cells[0])) for line in lines]
                print_frame(call, look, rhythm, groups=body)
            elif lines or rhythm.repeats:
                print_frame(call, look, rhythm, columns=columns, rows=[line.row for line in lines])
            else:
                of = f"Of {counted(len(listed), 'group')} none is meant." if listed else NOTHING
                call.note_always(of)
            missing = say_what_is_missing(call, look.groups)
        if missing or gaps:
            raise Unfinished("")

    call.run(work)


def _known(word: str, words: tuple[str, ...], flag: str) -> str:
    for known in words:
        if known.lower() == word.lower():
            return known
    raise Usage(f"{flag} {word}: write {', '.join(words)}{did_you_mean(word, words)}")


def _line(look: Look, listing: GroupListing, group: GroupStanding | None) -> Line:
    head: list[Any] = [listing.id, listing.state or None, listing.type or None]
    if group is None or group.description.error is not None:
        numbers = figures(look, GroupStanding(GroupDescription(listing.id)))
        cells = [*head, None, None, None, None, *([None] * len(numbers.trend_cells))]
        return Line(cells, cells, numbers)
    numbers = figures(look, group)
    topics = len({topic for topic, _ in group.standings})
    head = [listing.id, group.description.state, listing.type or None, len(group.description.members), topics]
    return Line([*head, *numbers.cells, *numbers.trend_cells], [*head, *numbers.sort_values], numbers)


def _as_json(look: Look, listing: GroupListing, group: GroupStanding | None) -> dict[str, Any]:
    readable = group is not None and group.description.error is None
    numbers: Figures | None = figures(look, group) if group is not None and readable else None
    return {
        "name": listing.id,
        "state": listing.state or None,
        "type": listing.type or None,
        "protocol_type": listing.protocol_type or None,
        "members": len(group.description.members) if group is not None and readable else None,
        "topics": sorted({topic for topic, _ in group.standings}) if group is not None and readable else None,
        **(numbers.as_json() if numbers else {"lag": None, "behind_ms": None, "behind_is_interpolated": False}),
        "worst_partition": _spelled(numbers),
    }


def _spelled(numbers: Figures | None) -> str | None:
    worst = None if numbers is None else numbers.total.worst
    return None if worst is None else f"{worst[0]}:{worst[1]}"
