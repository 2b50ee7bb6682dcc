"""One command over Typer: it gets the flags that every command has, as a `Call`, and a help in plain text (no rich)
that ends with two real examples and is the same in a pipe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typer.core import TyperCommand, TyperOption

from kq.cli.run.failures import Hint, Usage
from kq.cli.tree.flags import SHARED

if TYPE_CHECKING:
    from typer._click.core import Command, Context, Parameter
    from typer._click.formatting import HelpFormatter

CONNECTION = ("bootstrap", "profile", "client_settings")
ALWAYS = ("json", "quiet", "verbose", "no_color")
REPEATED = ("bootstrap", "client_settings")
TABLES = ("plain", "table", "no_header", "names", "utc")


PLAIN_TYPER: dict[str, Any] = {
    "add_completion": False,
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}


def _common_option(name: str) -> TyperOption:
    flag = SHARED[name]
    is_counted, takes_value = name == "verbose", flag.metavar is not None
    is_switch = not is_counted and not takes_value
    return TyperOption(
        param_decls=[*flag.opts, f"common_{name}"],  # a command may have a parameter `names` of its own
        type=bool if is_switch else None,
        is_flag=is_switch,
        count=is_counted,
        multiple=name in REPEATED,
        default=False if is_switch else 0 if is_counted else None,
        metavar=flag.metavar,
        help=flag.help,
    )


class KqCommand(TyperCommand):
    """A command: its own parameters plus the common flags, which it receives as a `Call` in `ctx.obj`. Before that the
    object is the whole command line, a list of words."""

    common: tuple[str, ...] = CONNECTION + ALWAYS

    def __init__(self, name: str | None, **attributes: Any) -> None:
        super().__init__(name, **attributes)
        self.own_params = list(self.params)
        self.params = [*self.params, *(_common_option(flag) for flag in self.common)]

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Of a flag that takes one value a second one would silently replace the first."""
        _, _, given = self.make_parser(ctx).parse_args(list(args))
        for place, param in enumerate(given):
            if param.param_type_name == "option" and _takes_one(param) and param in given[:place]:
                raise Usage(
                    f"{without_program(ctx.command_path)}: {param.opts[0]} is given more than once",
                    Hint("see", f"{ctx.command_path} --help"),
                )
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Context) -> Any:
        from kq.cli.run.call import Call

        common = {name: ctx.params.pop(f"common_{name}") for name in self.common}
        ctx.obj = Call.of(without_program(ctx.command_path), ctx.obj, common)
        try:
            return super().invoke(ctx)
        except BrokenPipeError as closed:
            raise PipeClosed from closed

    def format_options(self, ctx: Context, formatter: HelpFormatter) -> None:
        own = [help_row(param) for param in self.own_params if not getattr(param, "hidden", False)]
        formatter.write_paragraph()
        formatter.indent()
        if own:
            formatter.write_dl(own)
            formatter.write_paragraph()
        formatter.dedent()
        formatter.write("Flags of every such command, also before the subcommand:\n")
        formatter.indent()
        formatter.write_dl([help_row(param) for param in self.params[len(self.own_params) :]])
        formatter.dedent()

    def format_usage(self, ctx: Context, formatter: HelpFormatter) -> None:
        formatter.write_usage(ctx.command_path, " ".join(self.collect_usage_pieces(ctx)))

    def collect_usage_pieces(self, ctx: Context) -> list[str]:
        return [*(piece for param in self.params for piece in param.get_usage_pieces(ctx)), "[FLAGS]"]

    def format_help_text(self, ctx: Context, formatter: HelpFormatter) -> None:
        formatter.write_paragraph()
        for paragraph in (self.help or "").split("\n\n"):
            formatter.write_text(paragraph.replace("\n", " "))

    def format_epilog(self, ctx: Context, formatter: HelpFormatter) -> None:
        formatter.write("\nExamples:\n")
        for line in examples(self):
            formatter.write(f"  {line}\n")


def _takes_one(param: Parameter) -> bool:
    return not (param.multiple or getattr(param, "is_flag", False) or getattr(param, "count", False))


def help_row(param: Parameter) -> tuple[str, str]:
    """A parameter's line in a help: how it is written, and what it means."""
    text: str = getattr(param, "help", None) or ""
    if param.param_type_name == "argument":
        return param.human_readable_name, text
    metavar = (
        "" if getattr(param, "is_flag", False) or getattr(param, "count", False) else f" {param.metavar or 'VALUE'}"
    )
    return ", ".join([*param.opts, *param.secondary_opts]) + metavar, text


class TableCommand(KqCommand):
    """A command whose answer is a table."""

    common = CONNECTION + ALWAYS + TABLES


class LocalCommand(KqCommand):
    """A command about this machine: it talks to no cluster."""

    common = ALWAYS


class LocalTableCommand(KqCommand):
    common = ALWAYS + TABLES


def examples(command: Command) -> list[str]:
    """The real examples that end a command's help."""
    return [line.strip() for line in (command.epilog or "").splitlines() if line.strip()]


class PipeClosed(Exception):
    """The reader of our stdout has gone. A BrokenPipeError itself would be Typer's, which exits 1."""


def without_program(command_path: str) -> str:
    """`topic list` of `kq topic list`."""
    return command_path.removeprefix("kq ")
