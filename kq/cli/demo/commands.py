"""`kq demo`: a broker of its own, a topic, a text file in and out again. Shows each command and its real output."""

from __future__ import annotations

from typing import Annotated

import typer

from kq.cli.tree import flags
from kq.cli.tree.command import PLAIN_TYPER, LocalCommand

app = typer.Typer(**PLAIN_TYPER)


@app.command("demo", cls=LocalCommand, epilog="kq demo\nkq demo notes.txt --keep")
def demo(
    ctx: typer.Context,
    file: Annotated[str | None, flags.argument("[FILE]", "the text to send; kq's own README without one")] = None,
    keep: Annotated[bool, flags.own("--keep", help="leave the broker running and its directory in place")] = False,
) -> None:
    """See it work: nothing but this command is needed, and nothing is left behind.

    Exit 1, with the difference, when what comes out is not what went in."""
    from kq.cli.demo import steps

    steps.run(ctx.obj, file, keep=keep)
