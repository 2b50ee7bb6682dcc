from __future__ import annotations
import typer
from kq.cli import flags
from kq.cli.groups import noun_app, TableCommand

app = noun_app("topic", "Topics and their partitions.", "kq topic list", alone="list")


@app.command("list", cls=TableCommand, epilog="kq topic list\nkq topic ls 'test-*'")
def list_(ctx: typer.Context, regex: flags.Regex = False) -> None:
    """List topics."""
    print(ctx.obj)


@app.command("describe", cls=TableCommand, epilog="kq topic list\nkq topic ls 'test-*'")
def describe(ctx: typer.Context, topic: flags.Topic = None) -> None:
    """List topics."""
    print(ctx.obj, topic)
