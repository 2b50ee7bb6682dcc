"""The two forms of one table, and the JSON envelope (rules 1-5 and 11 of CLI-OUTPUT.md).

On a terminal: aligned by rich, header bold, numbers rounded for people. Elsewhere: the same columns in the same order,
tab-separated, exact values, never cut, never coloured; rich is not imported. `·` is unknown (plain `?`), `-` is none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from kq.cli.output.text import shown
from kq.cli.output.units import count_text, duration_text, local_text, size_text, utc_text


class _None:
    """Nothing there, and that is known: no rack, no commit."""

    def __repr__(self) -> str:
        return "NONE"


NONE = _None()


class Both(NamedTuple):
    """A cell whose two forms do not follow from one value (`4 under-replicated`, `under_replicated=4`)."""

    human: str
    plain: str


@dataclass(frozen=True, slots=True)
class Column:
    """`kind` decides alignment and both spellings. `drop` > 0: optional, the smallest goes first. `cut`: may end in
    `…`."""

    name: str
    kind: str = "name"
    drop: int = 0
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Form:
    """How this run prints: decided once, from the flags and from what stdout is."""

    plain: bool = True
    color: bool = False
    header: bool = True
    names: bool = False
    utc: bool = False
    width: int = 80


@dataclass(slots=True)
class Row:
    """Cells, and whether the row needs attention: "red" data or service at risk, "yellow" degraded."""

    cells: Sequence[Any]
    alert: str = ""


_HUMAN: dict[str, Callable[[Any, Form], str]] = {
    "name": lambda v, form: shown(str(v)),
    "text": lambda v, form: shown(str(v)),
    "number": lambda v, form: str(v),
    "count": lambda v, form: count_text(v),
    "size": lambda v, form: size_text(v),
    "duration": lambda v, form: duration_text(v),
    "latency": lambda v, form: f"{v:.2f} ms" if v < 1000 else duration_text(v),
    "time": lambda v, form: local_text(v, utc=form.utc),
}
_RIGHT = {"number", "count", "size", "duration", "latency"}
_BREAKS = str.maketrans({"\t": "\\t", "\n": "\\n", "\r": "\\r"})


def human_cell(value: Any, kind: str, form: Form) -> str:
    if value is None:
        return "·"
    if value is NONE:
        return "-"
    if isinstance(value, Both):
        return shown(value.human)
    return _HUMAN[kind](value, form)


def plain_cell(value: Any, kind: str) -> str:
    if value is None:
        return "?"
    if value is NONE:
        return "-"
    if isinstance(value, Both):
        return value.plain.translate(_BREAKS)
    if kind == "time":
        return utc_text(value)
    if kind == "latency":
        return f"{value:.3f}"
    return str(value).translate(_BREAKS)


def table_text(columns: Sequence[Column], rows: Iterable[Row], form: Form) -> str:
    """The whole table with its last line end; empty when there is nothing to say."""
    if form.names:
        return "".join(plain_cell(row.cells[0], columns[0].kind) + "\n" for row in rows)
    return _plain_table(columns, rows, form) if form.plain else _terminal_table(columns, list(rows), form)


def _plain_table(columns: Sequence[Column], rows: Iterable[Row], form: Form) -> str:
    lines = ["\t".join(column.name for column in columns)] if form.header else []
    kinds = [column.kind for column in columns]
    lines += ["\t".join(map(plain_cell, row.cells, kinds)) for row in rows]
    return "".join(line + "\n" for line in lines)


GUTTER = 2  # columns of `! ` before the first cell
GAP = 2  # spaces between columns


def _terminal_table(columns: Sequence[Column], rows: list[Row], form: Form) -> str:
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    texts = [
        [human_cell(cell, column.kind, form) for cell, column in zip(row.cells, columns, strict=True)] for row in rows
    ]
    widths = [
        max([cell_len(column.name) if form.header else 0, *(cell_len(line[i]) for line in texts)])
        for i, column in enumerate(columns)
    ]
    kept = fit(columns, widths, form.width)
    table = Table(box=None, show_header=form.header, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for place, i in enumerate(kept):
        first = place == 0
        right = columns[i].kind in _RIGHT and not first
        table.add_column(
            Text(("  " if first else "") + columns[i].name),
            width=widths[i] + (GUTTER if first else 0),
            justify="right" if right else "left",
            no_wrap=True,
            overflow="ellipsis",
        )
    for row, line in zip(rows, texts, strict=True):
        cells = [Text(line[i], style="green" if line[i] == "ok" else "") for i in kept]
        cells[0] = Text.assemble(("! ", row.alert) if row.alert else "  ", cells[0])
        table.add_row(*cells)
    total = GUTTER + sum(widths[i] + GAP for i in kept)
    console = Console(
        width=total,
        force_terminal=form.color,
        color_system="standard" if form.color else None,
        highlight=False,
        legacy_windows=False,
    )
    with console.capture() as capture:
        console.print(table, soft_wrap=False)
    return "".join(_without_trailing_blanks(line) + "\n" for line in capture.get().splitlines())


def fit(columns: Sequence[Column], widths: list[int], available: int) -> list[int]:
    """Which columns stay; may narrow the last one that can be cut, in `widths`. What still does not fit wraps."""
    kept = list(range(len(columns)))

    def total() -> int:
        return GUTTER + sum(widths[i] for i in kept) + GAP * (len(kept) - 1)

    for i in sorted((i for i in kept if columns[i].drop), key=lambda i: columns[i].drop):
        if total() <= available:
            break
        kept.remove(i)
    excess = total() - available
    cuttable = [i for i in kept if columns[i].cut]
    if excess > 0 and cuttable:
        last = cuttable[-1]
        widths[last] = max(widths[last] - excess, len(columns[last].name))
    return kept


_TRAILING = re.compile(r"(?: |\x1b\[[0-9;]*m)+$")


def _without_trailing_blanks(line: str) -> str:
    return _TRAILING.sub(lambda match: match.group().replace(" ", ""), line)


def envelope_text(command: str, body: dict[str, Any]) -> str:
    """The one JSON object of a command (rule 11): versioned, exact, null for unknown."""
    envelope = {"_command": command, "_version": 1, **body}
    return json.dumps(envelope, ensure_ascii=False, separators=(",", ":")) + "\n"
