"""`kq profile list`, `use`, `show`, `edit`: which cluster the commands speak to, and how they log in."""

from __future__ import annotations

import os
import shlex
import subprocess
from typing import TYPE_CHECKING, Annotated

import typer

from kq.cli.output.render import NONE, Both, Column, Row
from kq.cli.profile import profiles
from kq.cli.profile.settings import BOOTSTRAP, DEFAULT_BOOTSTRAP, SWITCHES, Sourced, is_on
from kq.cli.run.failures import Failure, Unfinished
from kq.cli.tree import flags
from kq.cli.tree.command import LocalCommand, LocalTableCommand, TableCommand
from kq.cli.tree.nouns import noun_app

if TYPE_CHECKING:
    from kq.cli.run.call import Call

app = noun_app(
    "profile",
    "Which cluster the commands speak to, and how they log in.",
    "kq profile edit prod\nkq profile use prod",
    alone="list",
)
ProfileName = Annotated[str, flags.argument("NAME", "profile")]
LIST_COLUMNS = [
    Column("PROFILE"),
    Column("BOOTSTRAP", "text", cut=True),
    Column("SECURITY", "text"),
    Column("MODE", "text"),
    Column("IN USE", "text"),
]


@app.command("list", cls=LocalTableCommand, epilog="kq profile list\nkq profile list --names")
def list_profiles(ctx: typer.Context) -> None:
    """All profiles, and which one is in use."""
    call: Call = ctx.obj
    used = os.environ.get("KQ_PROFILE") or profiles.profile_in_use(os.environ)
    found = {name: _read(name, call) for name in profiles.profile_names(os.environ)}
    if call.json:
        call.envelope(
            profiles=[
                {
                    "name": name,
                    "bootstrap": values.get("bootstrap", DEFAULT_BOOTSTRAP),
                    "security_protocol": values.get("security.protocol", "PLAINTEXT"),
                    **{switch: is_on(values.get(switch, "")) for switch in SWITCHES},
                    "in_use": name == used,
                }
                for name, values in found.items()
                if values is not None
            ]
        )
    elif not found:
        call.note_always("No profiles. Make one: kq profile edit prod")
    else:
        call.table(LIST_COLUMNS, [_row(name, values, name == used) for name, values in found.items()])
    if None in found.values():
        raise Unfinished("")


def _read(name: str, call: Call) -> dict[str, str] | None:
    """None: it cannot be read, which is said; the others still can."""
    try:
        return profiles.read_flat(profiles.profile_path(name, os.environ))
    except Failure as failure:
        call.warn(failure.message)
        return None


def _row(name: str, values: dict[str, str] | None, in_use: bool) -> Row:
    used = "yes" if in_use else "no"
    if values is None:
        return Row([name, None, None, None, used], alert="yellow")
    modes = [switch for switch in SWITCHES if is_on(values.get(switch, ""))]
    return Row(
        [
            name,
            values.get("bootstrap", DEFAULT_BOOTSTRAP),
            values.get("security.protocol", "PLAINTEXT"),
            ",".join(modes) or NONE,
            used,
        ]
    )


@app.command("use", cls=LocalCommand, epilog="kq profile use prod\nkq profile use local")
def use(ctx: typer.Context, name: ProfileName) -> None:
    """Use this profile from now on, where neither -C nor KQ_PROFILE names another."""
    call: Call = ctx.obj
    profiles.use_profile(name, os.environ)
    if call.json:
        call.envelope(profile=name)
    call.note(f"profile {name} is in use")


SHOW_COLUMNS = [Column("SETTING"), Column("VALUE", "text", cut=True)]


@app.command("show", cls=TableCommand, epilog="kq profile show --sources\nkq profile show prod")
def show(
    ctx: typer.Context,
    name: Annotated[str | None, flags.argument("[NAME]", "profile; the one in use without it")] = None,
    sources: Annotated[bool, flags.own("--sources", help="where each value comes from")] = False,
) -> None:
    """The settings in force: flags, KQ_*, kq.toml, profile and defaults together."""
    call: Call = ctx.obj
    if name is not None:
        call.profile = name
    settings = call.settings
    entries = sorted(settings.values.items(), key=lambda entry: (entry[0] != BOOTSTRAP, entry[0]))
    if call.json:
        call.envelope(
            profile=settings.profile,
            settings=[
                {"name": key, "value": None if _is_hidden(key, had) else had.value, "from": had.source}
                for key, had in entries
            ],
        )
        return
    rows = [Row([key, _value_cell(key, had), *([had.source] if sources else [])]) for key, had in entries]
    call.table([*SHOW_COLUMNS, Column("FROM", "text")] if sources else SHOW_COLUMNS, rows)
    call.note(f"profile {settings.profile}" if settings.profile else "no profile in use")


def _is_hidden(key: str, had: Sourced) -> bool:
    return profiles.is_secret(key) and had.way == "value"


def _value_cell(key: str, had: Sourced) -> object:
    if _is_hidden(key, had):
        return Both("(hidden)", "(hidden)")
    return f"({had.way}) {had.value}" if had.way != "value" else had.value


@app.command("edit", cls=LocalCommand, epilog="kq profile edit prod\nEDITOR=vi kq profile edit local")
def edit(ctx: typer.Context, name: ProfileName) -> None:
    """Open a profile in $VISUAL or $EDITOR; a new one begins as a commented example. Only you can read the file."""
    path = profiles.profile_path(name, os.environ)
    if not path.exists():
        profiles.write_private(path, profiles.TEMPLATE.format(name=name))
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        words = shlex.split(editor)
    except ValueError as fault:
        raise Failure(f"$VISUAL or $EDITOR, {editor}: {str(fault).lower()}") from None
    ended = subprocess.run([*words, str(path)], check=False).returncode
    if ended:
        raise Failure(f"{editor} ended with {ended}; the profile is {path}")
    profiles.read_flat(path)
