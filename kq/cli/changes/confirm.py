"""Deleting asks on a terminal, for the name or, when it is several, for their count; elsewhere it needs `--yes`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kq.cli.output.text import shown
from kq.cli.run.failures import Failure, Hint, Usage

if TYPE_CHECKING:
    from kq.cli.run.call import Call


def confirm_deletion(call: Call, names: Sequence[str], what: str, *, yes: bool) -> None:
    """Returns when the deletion is meant; raises otherwise."""
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise Usage(
            f"{call.command} asks before it deletes, and there is no terminal to ask on",
            Hint("without asking", call.again("--yes")),
        )
    expected = names[0] if len(names) == 1 else str(len(names))
    for name in names:
        sys.stderr.write(f"  {shown(name)}\n")
    wanted = "its name" if len(names) == 1 else "how many they are"
    sys.stderr.write(f"{'This' if len(names) == 1 else 'These'} {what} will be deleted. Type {wanted} to go on: ")
    sys.stderr.flush()
    if sys.stdin.readline().strip() != expected:
        raise Failure("nothing has been deleted", code="NOT_CONFIRMED")
