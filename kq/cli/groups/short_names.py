"""What members are called in a table that has no room for their ids: by the client id that their id begins with; with
the head of the rest where that would name two of them, or where nothing else is there."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_WITH_UUID = re.compile(rf"(?:(.+)-)?({_UUID})")
_BASE64 = re.compile(r"[A-Za-z0-9_-]{22}")  # a UUID as Java's clients of the consumer protocol write it


def short_names(names: Iterable[str]) -> dict[str, str]:
    """By name; no two get the same."""
    names = set(names)
    clear = _unambiguous(names, _client)
    clear |= _unambiguous(names - clear.keys(), _with_head)
    return {name: clear.get(name, name) for name in names}


def _unambiguous(names: Iterable[str], spelled: Callable[[str], str]) -> dict[str, str]:
    short = {name: spelled(name) for name in names}
    times = Counter(short.values())
    return {name: said for name, said in short.items() if times[said] == 1}


def _client(name: str) -> str:
    found = _WITH_UUID.fullmatch(name)
    return found[1] if found is not None and found[1] else _with_head(name)


def _with_head(name: str) -> str:
    found = _WITH_UUID.fullmatch(name)
    if found is not None:
        return f"{found[1]}-{found[2][:4]}" if found[1] else found[2][:8]
    return name[:8] if _BASE64.fullmatch(name) else name


def few(names: Sequence[str], short: Mapping[str, str], width: int) -> str:
    """`a,b`, and where there is no room for all `a +3`; a name that is too long by itself keeps both its ends."""
    said = [short[name] for name in names]
    for count in range(len(said), 0, -1):
        more = f" +{len(said) - count}" if count < len(said) else ""
        text = ",".join(said[:count]) + more
        if len(text) <= width:
            return text
    if not said:
        return ""
    more = f" +{len(said) - 1}" if len(said) > 1 else ""
    head, tail = (width - len(more) - 1) // 2, (width - len(more)) // 2
    return f"{said[0][:head]}…{said[0][-tail:]}{more}"


def rest_of(reason: str, told: Sequence[str], short: Mapping[str, str]) -> str:
    """The reason, without what a table says already that shows who came and who left."""
    parts = []
    for part in reason.split(", "):
        who = next((name for name in told if part == name or part.startswith(f"{name} ")), None)
        said = part if who is None else part.removeprefix(who).strip()
        if said not in ("", "joined", "left"):
            parts.append(said)
    rest = ", ".join(parts)
    for name, called in short.items():
        rest = rest.replace(name, called)
    return rest
