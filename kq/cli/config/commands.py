"""`kq config` and its commands: their arguments and help. What they do lies beside, a module each."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from kq.cli.tree import flags
from kq.cli.tree.command import TableCommand
from kq.cli.tree.nouns import noun_app

app = noun_app(
    "config",
    "Settings of topics and brokers, in the cluster. (kq's own: kq profile.)",
    "kq config describe topic orders\nkq config alter broker 1 log.retention.ms=86400000",
    alone="list",
)


class Kind(StrEnum):
    topic = "topic"
    broker = "broker"


KindArgument = Annotated[Kind, flags.argument("topic|broker", "whose settings")]
NameArgument = Annotated[
    str, flags.argument("NAME", "topic, or broker id; for a broker also 'default', for all of them")
]


@app.command("list", cls=TableCommand, epilog="kq config list\nkq config list --json")
def list_settings(ctx: typer.Context) -> None:
    """Every setting that was set: on topics, on brokers, for all brokers."""
    from kq.cli.config import listing

    listing.run(ctx.obj)


@app.command(
    "describe",
    cls=TableCommand,
    epilog="kq config describe topic orders\nkq config describe broker 1 log.retention.ms --docs",
)
def describe(
    ctx: typer.Context,
    kind: KindArgument,
    name: NameArgument,
    keys: Annotated[list[str] | None, flags.argument("[KEY]…", "these settings only")] = None,
    every_setting: Annotated[bool, flags.own("--all", help="defaults too")] = False,
    docs: Annotated[bool, flags.own("--docs", help="what each setting means, in a column more")] = False,
) -> None:
    """The settings of a topic or a broker: those that were set, with --all every one."""
    from kq.cli.config import description

    description.run(ctx.obj, kind.value, name, keys or [], every_setting=every_setting, docs=docs)


@app.command(
    "alter",
    cls=TableCommand,
    epilog="kq config alter topic orders retention.ms=86400000\n"
    "kq config alter broker default --unset log.retention.ms",
)
def alter(
    ctx: typer.Context,
    kind: KindArgument,
    name: NameArgument,
    pairs: Annotated[
        list[str] | None, flags.argument("[KEY=VALUE]…", "KEY+=VALUE adds to a list, KEY-=VALUE takes away")
    ] = None,
    unset: Annotated[
        list[str] | None, flags.own("--unset", metavar="KEY", help="back to the inherited value; repeat")
    ] = None,
    dry_run: flags.DryRun = False,
) -> None:
    """Change settings while the cluster runs: all of the given ones, or none."""
    from kq.cli.config import changes

    changes.run(ctx.obj, kind.value, name, pairs=pairs or [], unset=unset or [], dry_run=dry_run)
