"""One group as a table: by partition, by topic, or by member; and groups as rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kq.cli.groups.cells import LAG, TREND, Figures, figures
from kq.cli.groups.looking import Look
from kq.cli.groups.members import member_names
from kq.cli.output.render import NONE, Column, Row
from kq.cli.run.failures import Usage, did_you_mean
from kq.client.lag.asking import GroupStanding
from kq.client.lag.standing import Standing

if TYPE_CHECKING:
    from kq.client import GroupMember, TopicPartition

BY = ("partition", "topic", "member", "group")
PARTITION = [Column("PARTITION"), Column("COMMITTED", "count"), Column("END", "count"), *LAG, Column("MEMBER", "text")]
TOPIC = [Column("TOPIC"), Column("PARTITIONS", "count"), *LAG, Column("MEMBERS", "count")]
MEMBER = [
    Column("MEMBER"),
    Column("HOST", "text"),
    Column("PARTITIONS", "text", cut=True),
    *LAG,
    Column("CLIENT", "text", drop=2),
    Column("ID", "text", drop=1),
]
GROUP = [
    Column("GROUP"),
    Column("STATE", "text"),
    Column("TYPE", "text"),
    Column("PROTOCOL", "text"),
    Column("GENERATION", "number"),
    Column("COORDINATOR", "number"),
    Column("MEMBERS", "count"),
    Column("PARTITIONS", "count"),
    *LAG,
]
COLUMNS = {"partition": PARTITION, "topic": TOPIC, "member": MEMBER, "group": GROUP}


@dataclass(slots=True)
class Line:
    """A row, with what it is sorted and chosen by; `values` are parallel to the cells."""

    cells: list[Any]
    values: Sequence[Any]
    figures: Figures

    @property
    def row(self) -> Row:
        return Row(self.cells, self.figures.alert)


def parse_by(text: str) -> str:
    if text not in BY:
        raise Usage(f"--by {text}: write {', '.join(BY[:-1])} or {BY[-1]}{did_you_mean(text, BY)}")
    return text


def columns_of(by: str, *, has_trend: bool) -> list[Column]:
    return [*COLUMNS[by], *(TREND if has_trend else [])]


def lines(look: Look, group: GroupStanding, by: str) -> list[Line]:
    return {"partition": _partitions, "topic": _topics, "member": _members, "group": _group}[by](look, group)


def _line(columns: list[Column], head: list[Any], tail: list[Any], numbers: Figures) -> Line:
    """A row whose lag stands between `head` and `tail`."""
    cells = [*head, *numbers.cells, *tail, *numbers.trend_cells]
    of_lag, of_trend = numbers.sort_values[: len(LAG)], numbers.sort_values[len(LAG) :]
    return Line(cells, [*head, *of_lag, *tail, *of_trend], numbers)


def _partitions(look: Look, group: GroupStanding) -> list[Line]:
    names, owners = member_names(group.description.members), group.owners
    found = []
    for pair, one in group.standings.items():
        owner = owners.get(pair)
        head = [f"{pair[0]}:{pair[1]}", committed_cell(one), end_cell(one)]
        tail = [NONE if owner is None else names[owner.member_id]]
        found.append(_line(PARTITION, head, tail, figures(look, group, [pair])))
    return found


def committed_cell(standing: Standing) -> Any:
    if standing.committed is not None:
        return standing.committed
    return None if standing.error is not None else NONE


def end_cell(standing: Standing) -> Any:
    return standing.end if standing.exists else NONE


def _topics(look: Look, group: GroupStanding) -> list[Line]:
    owners = group.owners
    found = []
    for topic in sorted({topic for topic, _ in group.standings}):
        pairs = [pair for pair in group.standings if pair[0] == topic]
        readers = {owners[pair].member_id for pair in pairs if pair in owners}
        found.append(_line(TOPIC, [topic, len(pairs)], [len(readers)], figures(look, group, pairs)))
    return found


def _members(look: Look, group: GroupStanding) -> list[Line]:
    """Also members that have nothing to read, and at the end what nobody reads."""
    found = []
    owners = group.owners
    for member in group.description.members:
        pairs = [pair for pair in member.assignment if pair in group.standings]
        head = [member_name(member, group), member.host, spelled(pairs) or NONE]
        found.append(_line(MEMBER, head, [member.client_id, member.member_id], figures(look, group, pairs)))
    nobody = [pair for pair in group.standings if pair not in owners]
    if nobody:
        found.append(_line(MEMBER, [NONE, NONE, spelled(nobody)], [NONE, NONE], figures(look, group, nobody)))
    return found


def member_name(member: GroupMember, group: GroupStanding) -> str:
    """Without its host, which has a column of its own."""
    return member_names(group.description.members)[member.member_id].removesuffix(f" @ {member.host}")


def spelled(pairs: Sequence[TopicPartition]) -> str:
    """`clicks:0,3 orders:1`."""
    by_topic: dict[str, list[str]] = {}
    for topic, partition in sorted(pairs):
        by_topic.setdefault(topic, []).append(str(partition))
    return " ".join(f"{topic}:{','.join(partitions)}" for topic, partitions in by_topic.items())


def _group(look: Look, group: GroupStanding) -> list[Line]:
    said = group.description
    head = [
        group.id,
        said.state,
        said.type,
        said.protocol or NONE,
        said.epoch,
        said.coordinator,
        len(said.members),
        len(group.standings),
    ]
    return [_line(GROUP, head, [], figures(look, group))]
