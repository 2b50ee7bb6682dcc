"""The root command and the table of nouns, each imported when it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kq import __version__
from kq.cli.app import HELP
from kq.cli.tree.command import PLAIN_TYPER
from kq.cli.tree.nouns import Noun, NounGroup

if TYPE_CHECKING:
    from typer._click.core import Context

NOUNS = {
    "broker": Noun("kq.cli.broker.commands", ("brokers",), alone="status"),
    "demo": Noun("kq.cli.demo.commands", single=True),
    "produce": Noun("kq.cli.produce.commands", single=True),
    "consume": Noun("kq.cli.consume.commands", single=True),
    "topic": Noun("kq.cli.topic.commands", ("topics",), alone="list"),
    "groups": Noun("kq.cli.groups.commands", ("group",), alone="list"),
    "reset-offsets": Noun("kq.cli.reset_offsets.commands", single=True),
    "wait": Noun("kq.cli.wait.commands", single=True),
    "bench": Noun("kq.cli.bench.commands"),
    "cluster": Noun("kq.cli.cluster.commands", ("clusters",), alone="info"),
    "config": Noun("kq.cli.config.commands", ("configs",), alone="list"),
    "profile": Noun("kq.cli.profile.commands", ("profiles",), alone="list"),
    "completion": Noun("kq.cli.completion.commands", single=True),
}


class Root(NounGroup):
    nouns = NOUNS

    def get_help(self, ctx: Context) -> str:
        return HELP.rstrip("\n")


app = typer.Typer(name="kq", cls=Root, **PLAIN_TYPER)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"kq {__version__}")
        raise typer.Exit


def _print_tree(wanted: bool) -> None:
    if wanted:
        from kq.cli.tree.help_json import print_tree

        print_tree()
        raise typer.Exit


@app.callback()
def kq(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="kq's version")
    ] = False,
    help_json: Annotated[
        bool, typer.Option("--help-json", is_eager=True, callback=_print_tree, help="every command and flag as JSON")
    ] = False,
) -> None:
    """Kafka without the JVM."""
