"""The one "did you mean" of kq: the known name nearest to a mistyped one."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like `name`, or None when nothing is alike; case and `_`, `-`, `.` count as the same."""
    import difflib  # here: 4 ms, and needed only on the way to an error

    spelled = {_plain(candidate): candidate for candidate in sorted(known)}
    found = difflib.get_close_matches(_plain(name), spelled, n=1, cutoff=0.75)
    return spelled[found[0]] if found else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of an error sentence: ` (did you mean X?)`, or nothing."""
    found = nearest(name, known)
    return f" (did you mean {found}?)" if found else ""


def _plain(name: str) -> str:
    return name.lower().replace("_", ".").replace("-", ".")
