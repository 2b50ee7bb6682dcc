"""Profiles that may not change anything, and those whose name must be said before something is deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kq.cli.run.failures import Failure, Hint

if TYPE_CHECKING:
    from kq.cli.run.call import Call


def refuse_change(call: Call) -> None:
    """Called by every command before it changes anything."""
    settings = call.settings
    if settings.read_only:
        raise Failure(
            f"{settings.values['read_only'].source} is read_only: {call.command} would change the cluster",
            Hint("use another", f"kq {call.command} -C NAME"),
            code="READ_ONLY",
        )


def refuse_deletion(call: Call) -> None:
    """As `refuse_change`; with a production profile the command must name it, so that a forgotten `use` deletes
    nothing."""
    refuse_change(call)
    settings = call.settings
    if settings.production and not settings.profile_was_named:
        raise Failure(
            f"{settings.values['production'].source} is production: {call.command} must name the profile",
            Hint("if you mean it", f"kq {call.command} -C {settings.profile or 'NAME'}"),
            code="PRODUCTION",
        )
