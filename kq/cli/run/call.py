"""One run of one command: the common flags, how it prints, and the way to the cluster."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from kq.cli.output.render import Column, Form, Row, envelope_text, table_text
from kq.cli.output.text import shown, wants_color

if TYPE_CHECKING:
    from kq.cli.profile.settings import Settings
    from kq.client import Cluster

T = TypeVar("T")


def write_all(descriptor: int, data: bytes) -> None:
    """All of it, also where a pipe takes less than that at a time."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


@dataclass(slots=True)
class Call:
    """What a command function finds in `ctx.obj`."""

    command: str
    args: list[str]  # the whole command line, as it was typed
    json: bool
    quiet: bool
    verbose: int
    form: Form
    error_color: bool
    bootstrap: list[str] = field(default_factory=list)
    profile: str | None = None
    client_settings: list[str] = field(default_factory=list)
    _settings: Settings | None = None

    @classmethod
    def of(cls, command: str, args: list[str], common: dict[str, Any]) -> Call:
        colored = wants_color(no_color=common["no_color"])
        terminal = sys.stdout.isatty()
        names = bool(common.get("names"))
        form = Form(
            plain=bool(common.get("plain")) or (not terminal and not common.get("table")),
            color=terminal and colored,
            header=not common.get("no_header"),
            names=names,
            utc=bool(common.get("utc")),
            width=shutil.get_terminal_size((80, 24)).columns,
        )
        return cls(
            command=command,
            args=args,
            json=common["json"],
            quiet=common["quiet"],
            verbose=common["verbose"],
            form=form,
            error_color=sys.stderr.isatty() and colored,
            bootstrap=list(common.get("bootstrap") or ()),
            profile=common.get("profile"),
            client_settings=list(common.get("client_settings") or ()),
        )

    # -- what to type next ---------------------------------------------------------------------------------------

    def again(self, *more: str) -> str:
        """This command line with more behind it, to be pasted."""
        return shlex.join(["kq", *self.args, *more])

    def instead(self, *words: str) -> str:
        """The same command about something else, for the same cluster."""
        where = [word for server in self.bootstrap for word in ("-b", server)]
        where += ["-C", self.profile] if self.profile else []
        where += [word for setting in self.client_settings for word in ("-X", setting)]
        return shlex.join(["kq", *self.command.split(), *words, *where])

    # -- printing ------------------------------------------------------------------------------------------------

    def print(self, text: str) -> None:
        sys.stdout.write(text)

    def write(self, data: bytes) -> None:
        """Bytes to stdout as they are, at once."""
        sys.stdout.flush()
        write_all(1, data)

    def table(self, columns: list[Column], rows: list[Row]) -> None:
        self.print(table_text(columns, rows, self.form))

    def envelope(self, **body: Any) -> None:
        self.print(envelope_text(self.command, body))

    def note(self, text: str) -> None:
        """A summary or a hint: stderr, on a terminal only, and not under -q."""
        if sys.stdout.isatty() and sys.stderr.isatty():
            self.note_always(text)

    def note_always(self, text: str) -> None:
        """Words that also scripts may want in their logs; not under -q."""
        if not self.quiet:
            self.warn_raw(text)

    def warn(self, text: str) -> None:
        """Something the user must know, always: `kq: …` on stderr."""
        self.warn_raw(f"kq: {text.removesuffix('.')}")

    def warn_raw(self, text: str) -> None:
        sys.stdout.flush()
        sys.stderr.write((shown(text) if sys.stderr.isatty() else text) + "\n")
        sys.stderr.flush()

    # -- the cluster ---------------------------------------------------------------------------------------------

    @property
    def settings(self) -> Settings:
        if self._settings is None:
            from kq.cli.profile.settings import from_process

            self._settings = from_process(self.bootstrap, self.profile, self.client_settings)
        return self._settings

    def run(
        self,
        work: Callable[[Cluster], Awaitable[T]],
        *,
        overrides: Mapping[str, str] | None = None,
        defaults: Mapping[str, str] | None = None,
        many_records: bool = False,
    ) -> T:
        """Connects, does the work, disconnects (`reach.py`). Failures of the client become sentences."""
        from kq.cli.run.reach import run

        return run(self, work, overrides=overrides, defaults=defaults, many_records=many_records)
