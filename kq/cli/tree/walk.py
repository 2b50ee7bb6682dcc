"""The whole command tree as data, for `--help-json` and the completions: made by walking Typer's commands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from typer.core import TyperOption

from kq.cli.tree.command import examples, help_row
from kq.cli.tree.flags import ACKS, CODECS
from kq.cli.tree.nouns import VERB_ALIASES, NounGroup

if TYPE_CHECKING:
    from typer._click.core import Command, Parameter

CHOICES = {
    "--compression": CODECS,
    "--acks": ACKS,
    "--section": ("partitions", "settings"),
}


@dataclass(frozen=True, slots=True)
class Option:
    """`metavar` None: a switch."""

    opts: tuple[str, ...]
    metavar: str | None
    help: str
    repeats: bool
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Argument:
    metavar: str
    help: str
    required: bool
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Node:
    """A command or a noun with its commands."""

    path: tuple[str, ...]  # ("kq", "topic", "list")
    help: str
    aliases: tuple[str, ...]
    alone: str | None
    arguments: tuple[Argument, ...] = ()
    options: tuple[Option, ...] = ()
    examples: tuple[str, ...] = ()
    commands: tuple[Node, ...] = field(default_factory=tuple)

    def walk(self) -> Iterator[Node]:
        yield self
        for command in self.commands:
            yield from command.walk()


def command_tree() -> Node:
    from typer.main import get_command

    from kq.cli.root import app

    return _node(get_command(app), ("kq",), ())


def _node(command: Command, path: tuple[str, ...], aliases: tuple[str, ...]) -> Node:
    options = tuple(_option(param) for param in command.params if isinstance(param, TyperOption) and not param.hidden)
    arguments = tuple(_argument(param) for param in command.params if param.param_type_name == "argument")
    commands: tuple[Node, ...] = ()
    alone = None
    if isinstance(command, NounGroup):
        alone = command.alone
        commands = tuple(
            _node(_loaded(command, name), (*path, name), _aliases(command, name))
            for name in command.list_commands(_NOWHERE)
        )
    text = (command.help or "").split("\n\n")[0].replace("\n", " ")
    return Node(path, text, aliases, alone, arguments, options, tuple(examples(command)), commands)


_NOWHERE: Any = None  # our groups list and find their commands without a context


def _loaded(group: NounGroup, name: str) -> Command:
    command = group.get_command(_NOWHERE, name)
    if command is None:
        raise LookupError(name)
    return command


def _aliases(group: NounGroup, name: str) -> tuple[str, ...]:
    if name in group.nouns:
        return group.nouns[name].aliases
    return tuple(alias for alias, verb in VERB_ALIASES.items() if verb == name)


def _option(param: Parameter) -> Option:
    opts = (*param.opts, *param.secondary_opts)
    switch = bool(getattr(param, "is_flag", False) or getattr(param, "count", False))
    metavar = None if switch else param.metavar or "VALUE"
    repeats = bool(param.multiple or getattr(param, "count", False))
    return Option(opts, metavar, help_row(param)[1], repeats, CHOICES.get(opts[-1], ()))


def _argument(param: Parameter) -> Argument:
    metavar = param.human_readable_name
    choices = tuple(getattr(param.type, "choices", ()))
    return Argument(metavar, help_row(param)[1], param.required, tuple(getattr(c, "value", c) for c in choices))
