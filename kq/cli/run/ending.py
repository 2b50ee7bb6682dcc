"""How a run ends: every failure becomes its line on stderr and its exit code; nothing ends in a traceback unless
`-vv`."""

from __future__ import annotations

import json
import os
import re
import sys
from typing import TYPE_CHECKING

from kq.cli.app import INTERRUPTED, TERMINATED
from kq.cli.output.text import shown, wants_color
from kq.cli.run.failures import Failure, Hint, Terminated, Usage, did_you_mean, os_reason

if TYPE_CHECKING:
    from typer._click.exceptions import ClickException

LABEL_WIDTH = 14  # `ask another:  ` is the longest


def run_to_the_end(args: list[str]) -> int:
    """Runs a command line; raises at most a KeyboardInterrupt that comes while it is ending."""
    from typer._click.exceptions import ClickException
    from typer.main import get_command

    from kq.cli.root import app
    from kq.cli.tree.command import PipeClosed
    from kq.cli.tree.nouns import HelpWanted

    try:
        try:
            code = get_command(app).main(args, prog_name="kq", standalone_mode=False, obj=args)
            sys.stdout.flush()
            return code if isinstance(code, int) else 0
        except HelpWanted as wanted:
            print(wanted)
            sys.stdout.flush()
            return 0
        except ClickException as fault:
            return report(usage_of(fault, args), args)
        except Failure as failure:
            return report(failure, args)
        except Terminated:
            return TERMINATED
        except KeyboardInterrupt:
            return INTERRUPTED
    except (PipeClosed, BrokenPipeError):
        return close_quietly()
    except OSError as fault:
        return report(Failure(_os_sentence(fault), code="OS_ERROR"), args)
    except Exception as fault:  # a mistake of ours: still one sentence, and the way to the stack
        return report(_own_fault(fault, args), args)


def close_quietly() -> int:
    """The reader of our pipe has gone: that is how `| head` ends, so not a failure. Python must not flush into it."""
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, sys.stdout.fileno())
    os.close(sink)
    return 0


def report(failure: Failure, args: list[str]) -> int:
    """Prints a failure in the form that was asked for."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        close_quietly()
    if not failure.message:  # each failed item has had its own line
        return failure.exit_code
    if "--json" in args:
        sys.stderr.write(json_text(failure, command_of(args)))
    else:
        color = sys.stderr.isatty() and wants_color(no_color="--no-color" in args)
        sys.stderr.write(failure_text(failure, color=color))
    if _verbosity(args) > 1:
        import traceback

        traceback.print_exception(failure.__cause__ or failure)
    sys.stderr.flush()
    return failure.exit_code


def failure_text(failure: Failure, *, color: bool = False) -> str:
    lines = [f"kq: {shown(failure.message)}"]
    width = max([LABEL_WIDTH, *(len(hint.label) + 3 for hint in failure.hints)])
    for hint in failure.hints:
        line = f"    {hint.label + ':':<{width}}{shown(hint.command)}"
        lines.append(f"\x1b[90m{line}\x1b[0m" if color else line)
    return "".join(line + "\n" for line in lines)


def json_text(failure: Failure, command: str) -> str:
    error = {
        "code": failure.code,
        "message": failure.message,
        "hints": [hint.command for hint in failure.hints],
        "exit": failure.exit_code,
    }
    body = {"_command": command, "_version": 1, "error": error}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")) + "\n"


def _verbosity(args: list[str]) -> int:
    return sum(len(arg) - 1 for arg in args if arg.startswith("-v") and set(arg[1:]) == {"v"}) + args.count("--verbose")


def command_of(args: list[str]) -> str:
    """`topic list` for a command line that may have failed before it was understood."""
    from kq.cli.root import NOUNS
    from kq.cli.tree.nouns import VERB_ALIASES

    words = _words(args)
    first, second = [*words, "", ""][:2]
    for noun, entry in NOUNS.items():
        if first in (noun, *entry.aliases):
            verb = "" if entry.single else VERB_ALIASES.get(second, second) or entry.alone or ""
            return f"{noun} {verb}".strip()
    return "kq"


def _words(args: list[str]) -> list[str]:
    """What is neither a flag nor the value of one."""
    from kq.cli.tree.flags import TAKES_VALUE

    return [
        arg
        for before, arg in zip(["", *args], args, strict=False)
        if not arg.startswith("-") and not TAKES_VALUE.get(before, False)
    ]


def usage_of(fault: ClickException, args: list[str]) -> Failure:
    """Typer's complaint in our words."""
    from typer._click import exceptions as click

    from kq.cli.tree.command import without_program

    ctx = getattr(fault, "ctx", None)
    path = without_program(ctx.command_path) if ctx is not None else command_of(args)
    see = Hint("see", "kq --help" if path == "kq" else f"kq {path} --help")
    if isinstance(fault, click.NoSuchOption):
        known = [opt for param in ctx.command.params for opt in param.opts] if ctx is not None else []
        return Usage(f"{path} has no option {fault.option_name}{did_you_mean(fault.option_name, known)}", see)
    if isinstance(fault, click.MissingParameter) and fault.param is not None:
        return Usage(f"{path}: {fault.param.human_readable_name} is missing", see)
    if isinstance(fault, click.BadOptionUsage):
        return Usage(f"{path}: {fault.option_name} needs a value", see)
    if isinstance(fault, click.BadParameter) and fault.param is not None:
        name = fault.param.opts[0] if fault.param.param_type_name == "option" else fault.param.human_readable_name
        return Usage(f"{path} {name}: {_as_clause(_number_words(fault.message))}", see)
    if isinstance(fault, click.UsageError):
        if extra := re.search(r"unexpected extra argument\S* \((.*)\)", fault.message):
            return Usage(f"{path} takes no further word: {extra[1]}", see)
        return Usage(f"{path}: {_as_clause(fault.format_message())}", see)
    return Failure(_as_clause(fault.format_message()))


def _own_fault(fault: Exception, args: list[str]) -> Failure:
    import shlex

    failure = Failure(
        f"a fault in kq itself: {type(fault).__name__}: {fault}",
        Hint("show where", shlex.join(["kq", *args, "-vv"])),
        code="INTERNAL",
    )
    failure.__cause__ = fault
    return failure


def _number_words(message: str) -> str:
    for kind, words in (("int", "a whole number"), ("float", "a number")):
        message = re.sub(rf"is not a valid {kind}\w*", f"is not {words}", message)
    return message


def _as_clause(sentence: str) -> str:
    sentence = sentence.rstrip(".")
    return sentence[:1].lower() + sentence[1:]


def _os_sentence(fault: OSError) -> str:
    name = f"{fault.filename}: " if fault.filename else ""
    return f"{name}{os_reason(fault)}"
