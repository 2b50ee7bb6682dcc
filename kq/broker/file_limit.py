"""How many files and sockets this process may hold open: as many as the system lets it."""

from __future__ import annotations

import resource
from contextlib import suppress

MACOS_OPEN_MAX = 10_240
UNLIMITED = 1 << 20  # what counts as no limit


def now() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft if soft != resource.RLIM_INFINITY else UNLIMITED


def make_the_most() -> None:
    """To the hard limit. macOS calls that unlimited and refuses it, but takes its OPEN_MAX (`man setrlimit`)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in () if soft == hard else (hard, max(soft, MACOS_OPEN_MAX)):
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            return
