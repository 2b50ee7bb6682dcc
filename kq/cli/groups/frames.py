"""One look on the screen or in the pipe. Looks of `--watch` follow each other: on a terminal each replaces the last,
in a pipe each appends its rows with their time, as JSON each is an object in a line of its own."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kq.cli.groups.looking import Look
from kq.cli.groups.rhythm import Rhythm
from kq.cli.output.render import Column, Row, table_text
from kq.cli.output.units import utc_text

if TYPE_CHECKING:
    from kq.cli.run.call import Call

HOME_AND_CLEAR = "\x1b[H\x1b[2J\x1b[3J"
AT = Column("AT", "time")


def print_frame(
    call: Call,
    look: Look,
    rhythm: Rhythm,
    *,
    columns: Sequence[Column] = (),
    rows: Sequence[Row] = (),
    text: str = "",
    **body: Any,
) -> None:
    """A table, a text, or (under --json) the members of the envelope."""
    if call.json:
        call.envelope(at=utc_text(look.now_ms), **body)
    elif not rhythm.repeats:
        call.print(text or table_text(columns, rows, call.form))
    elif call.form.plain or call.form.names:
        form = call.form if look.number == 0 else dataclasses.replace(call.form, header=False)
        call.print(table_text([*columns, AT], [Row([*row.cells, look.now_ms]) for row in rows], form))
    else:
        frame = text or table_text(columns, rows, call.form)
        if redraws(call):
            frame = HOME_AND_CLEAR + frame
        elif look.number:
            frame = "\n" + frame
        call.print(frame)
    sys.stdout.flush()


def redraws(call: Call) -> bool:
    """Whether a look may take the place of the one before it."""
    return sys.stdout.isatty() and not call.form.plain and os.environ.get("TERM") != "dumb"
