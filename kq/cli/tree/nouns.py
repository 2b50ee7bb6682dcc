"""The groups of the command tree, over Typer: nouns load when they are used, shared flags may stand before the
subcommand, and `ls`, `rm`, `desc` and plurals are understood."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import typer
from typer.core import TyperGroup

from kq.cli.run.failures import Hint, Usage, did_you_mean
from kq.cli.tree.command import PLAIN_TYPER, examples, without_program
from kq.cli.tree.flags import SHARED, TAKES_VALUE

if TYPE_CHECKING:
    from typer._click.core import Command, Context
    from typer._click.formatting import HelpFormatter

VERB_ALIASES = {"ls": "list", "rm": "delete", "desc": "describe", "delete-records": "trim"}


class Noun(NamedTuple):
    """A top-level command before its module is imported."""

    module: str
    aliases: tuple[str, ...] = ()
    alone: str | None = None  # the subcommand a noun alone stands for
    single: bool = False  # a command itself, without subcommands


class NounGroup(TyperGroup):
    """A group of commands. `alone` is the one that the noun alone stands for; `nouns` are loaded when first asked
    for."""

    alone: str | None = None
    nouns: dict[str, Noun] = {}  # noqa: RUF012  a table, filled by the root alone
    elsewhere: dict[str, Noun] = {}  # noqa: RUF012  other spellings of commands that are no part of this group

    def list_commands(self, ctx: Context) -> list[str]:
        return list(self.nouns) or list(self.commands)

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        name = self.canonical(cmd_name)
        if name in self.nouns and name not in self.commands:
            self.commands[name] = load(name, self.nouns[name])
        if name in self.elsewhere:
            return load(name, self.elsewhere[name])
        return self.commands.get(name)

    def canonical(self, name: str) -> str:
        for noun, entry in self.nouns.items():
            if name in entry.aliases:
                return noun
        return VERB_ALIASES.get(name, name) if name not in self.commands else name

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Shared flags before the subcommand move behind it; a noun alone becomes its subcommand."""
        moved: list[str] = []
        rest = list(args)
        mine = {opt for param in self.get_params(ctx) for opt in param.opts}
        while rest and rest[0].startswith("-") and rest[0] not in mine:
            moved += self._take_flag(rest, ctx)
        if rest and rest[0] in mine:
            return super().parse_args(ctx, rest)
        if not rest:
            if self.alone is None:
                raise HelpWanted(ctx.get_help())
            rest = [self.alone]
        return super().parse_args(ctx, [rest[0], *moved, *rest[1:]])

    def _take_flag(self, rest: list[str], ctx: Context) -> list[str]:
        token = rest.pop(0)
        opt, _, attached = token.partition("=") if token.startswith("--") else (token[:2], "", token[2:])
        takes_value = TAKES_VALUE.get(opt)
        if takes_value is None:
            raise Usage(
                f"{without_program(ctx.command_path)} has no option {opt}{did_you_mean(opt, list(TAKES_VALUE))}",
                Hint("see", f"{ctx.command_path} --help"),
            )
        if not takes_value or attached or "=" in token[2:]:
            return [token]
        if not rest:
            raise Usage(f"{opt} needs a value: {opt} {_metavar(opt)}")
        return [token, rest.pop(0)]

    def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str | None, Command | None, list[str]]:
        command = self.get_command(ctx, args[0])
        if command is None:
            self._unknown(ctx, args[0])
        return self.canonical(args[0]), command, args[1:]

    def _unknown(self, ctx: Context, word: str) -> NoReturn:
        known = self.list_commands(ctx)
        spellings = [*known, *(alias for noun in self.nouns.values() for alias in noun.aliases)]
        raise Usage(
            f"{without_program(ctx.command_path)} has no command '{word}'{did_you_mean(word, spellings)}",
            Hint("see", f"{ctx.command_path} --help"),
        )

    def format_usage(self, ctx: Context, formatter: HelpFormatter) -> None:
        formatter.write_usage(ctx.command_path, "COMMAND [FLAGS]")

    def format_help_text(self, ctx: Context, formatter: HelpFormatter) -> None:
        formatter.write(f"\n{self.help}\n")

    def format_options(self, ctx: Context, formatter: HelpFormatter) -> None:
        self.format_commands(ctx, formatter)

    def format_epilog(self, ctx: Context, formatter: HelpFormatter) -> None:
        if lines := examples(self):
            formatter.write("\nExamples:\n")
            for line in lines:
                formatter.write(f"  {line}\n")


class HelpWanted(Exception):
    """A group without a default command was called alone: its help is the answer, exit 0."""


def _metavar(opt: str) -> str:
    return next(flag.metavar or "" for flag in SHARED.values() if opt in flag.opts)


def noun_app(
    name: str, help: str, epilog: str, *, alone: str | None = None, elsewhere: dict[str, Noun] | None = None
) -> typer.Typer:
    """The Typer of one noun with several commands."""
    cls = type(f"{name.title()}Group", (NounGroup,), {"alone": alone, "elsewhere": elsewhere or {}})
    return typer.Typer(name=name, help=help, epilog=epilog, cls=cls, **PLAIN_TYPER)


def load(name: str, noun: Noun) -> Command:
    """Imports a noun's module and builds its commands."""
    from typer.main import get_command

    command = get_command(importlib.import_module(noun.module).app)
    command.name = name
    return command
