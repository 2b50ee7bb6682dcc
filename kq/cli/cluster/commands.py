"""`kq cluster` and its commands: their arguments and help. What they do lies beside, a module each."""

from __future__ import annotations

from typing import Annotated

import typer

from kq.cli.tree import flags
from kq.cli.tree.command import TableCommand
from kq.cli.tree.nouns import noun_app

app = noun_app("cluster", "The cluster as a whole.", "kq cluster info\nkq cluster info -b 127.0.0.1:9093", alone="info")

OneBroker = Annotated[int | None, flags.own("--broker", metavar="ID", help="this broker only", parser=flags.whole(0))]


@app.command("info", cls=TableCommand, epilog="kq cluster info\nkq cluster info --json -b 127.0.0.1:9093")
def show_info(ctx: typer.Context) -> None:
    """Brokers, what they lead and hold, and the health of all partitions."""
    from kq.cli.cluster import info

    info.run(ctx.obj)


@app.command(
    "api-versions", cls=TableCommand, epilog="kq cluster api-versions\nkq cluster api-versions --broker 1 --json"
)
def show_api_versions(ctx: typer.Context, broker: OneBroker = None) -> None:
    """Which requests each broker knows, in which versions, and its features."""
    from kq.cli.cluster import api_versions

    api_versions.run(ctx.obj, broker)


@app.command("log-dirs", cls=TableCommand, epilog="kq cluster log-dirs\nkq cluster log-dirs -t orders --broker 1")
def show_log_dirs(ctx: typer.Context, topic: flags.Topic = None, broker: OneBroker = None) -> None:
    """Size and directory of every replica; BEHIND counts the records a replica lacks."""
    from kq.cli.cluster import log_dirs

    log_dirs.run(ctx.obj, topic or [], broker)
