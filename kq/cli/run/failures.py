"""What a command raises when it cannot do what it was asked, and the exit codes of the contract (CLI.md).

0 ok; 1 failure, also when one item of many failed; 2 usage; 3 not found; 4 condition not met in time; 130 Ctrl-C; 143
SIGTERM.
A failure is one sentence (what, where, why) and at most three hints, each a command that can be pasted.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from kq.nearest import nearest

FAILED = 1
USAGE = 2
NOT_FOUND = 3
NOT_IN_TIME = 4

MAX_HINTS = 3


class Hint(NamedTuple):
    """One line under an error: what it is for, and the command."""

    label: str
    command: str


class Failure(Exception):
    """Ends the command with one sentence on stderr and this exit code."""

    exit_code = FAILED
    code = "FAILED"

    def __init__(self, message: str, *hints: Hint, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hints = hints[:MAX_HINTS]
        if code is not None:
            self.code = code


class Terminated(BaseException):
    """SIGTERM: the work has come to its end as after Ctrl-C. No KeyboardInterrupt: of that Typer makes 130."""


class Usage(Failure):
    """The command line itself is wrong."""

    exit_code = USAGE
    code = "USAGE"


class NotFound(Failure):
    """The named thing does not exist."""

    exit_code = NOT_FOUND
    code = "NOT_FOUND"


class NotInTime(Failure):
    """What was waited for did not happen before the time was up."""

    exit_code = NOT_IN_TIME
    code = "NOT_IN_TIME"


class Unfinished(Failure):
    """Some items failed; each has had its own line on stderr already. Without a message nothing more is said."""

    code = "PARTLY_FAILED"


def os_reason(fault: OSError) -> str:
    """`no such file or directory`: what the system says, as the end of a sentence."""
    return (fault.strerror or str(fault)).lower()


def require_utf8(word: str, what: str) -> str:
    """The word, if Kafka can be told it: what is text there cannot be any bytes."""
    try:
        word.encode()
    except UnicodeEncodeError:
        raise Usage(f"{what} '{word}' is not UTF-8") from None
    return word


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'orders'?`, or nothing."""
    candidates = list(known)
    started = (candidate for candidate in candidates if len(word) > 2 and candidate.startswith(word))
    match = next(started, None) or nearest(word, candidates)
    return f"; did you mean '{match}'?" if match else ""
