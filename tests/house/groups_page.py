"""The diagrams in docs/groups.md, drawn from the tables of the code: `classic.TRANSITIONS`, and for the consumer
protocol, whose states follow from epochs, the tables that its modules open with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from kq.machines.group import classic, consumer, reconciliation
from kq.machines.group.consumer_offsets import State
from tests.house.tree import ROOT

PAGE = ROOT / "docs" / "groups.md"


class Row(NamedTuple):
    start: str
    when: str
    end: str


def classic_rows() -> Iterator[Row]:
    for start, causes in classic.TRANSITIONS.items():
        for cause, end in causes.items():
            yield Row(start.value, cause.value, end.value)


def consumer_rows() -> Iterator[Row]:
    """`any` is every state with members but the one it leads to."""
    for row in _written(consumer.__doc__, "Transitions of the group"):
        starts = [row.start] if row.start != "any" else [one for one in State if one not in (State.EMPTY, row.end)]
        yield from (row._replace(start=str(start)) for start in starts)


def member_rows() -> Iterator[Row]:
    return _written(reconciliation.__doc__, "Transitions")


def _written(doc: str | None, heading: str) -> Iterator[Row]:
    """The rows under a heading, whose columns stand two spaces apart."""
    lines = (doc or "").partition(f"\n{heading}\n")[2].splitlines()
    for line in lines[1:]:  # the first names the columns
        if not line.startswith("    "):
            return
        yield Row(*re.split(r" {2,}", line.strip()))


def diagram(rows: Iterator[Row]) -> str:
    lines = "".join(f"    {row.start} --> {row.end}: {row.when}\n" for row in rows)
    return f"```mermaid\nstateDiagram-v2\n    [*] --> Empty\n{lines}```\n"


def table(rows: Iterator[Row]) -> str:
    return "| from | when | to |\n|---|---|---|\n" + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def page() -> str:
    """The page as it should be."""
    text = PAGE.read_text()
    drawn = {
        "classic": diagram(classic_rows()),
        "consumer": diagram(consumer_rows()),
        "member": table(member_rows()),
    }
    for name, picture in drawn.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        head, found, rest = text.partition(begin)
        assert found, f"docs/groups.md has no place for {name}"
        text = head + begin + "\n" + picture + "\n" + end + rest.partition(end)[2]
    return text


if __name__ == "__main__":
    PAGE.write_text(page())
