"""How settings of topics and brokers are written on the command line: to set, to add, to take away, to unset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from kq.cli.run.failures import Usage, require_utf8
from kq.client import AlterOp, ConfigChange


def parse_pairs(pairs: Sequence[str], flag: str = "") -> list[tuple[str, str]]:
    """`key=value` behind `flag`, or without one where they are arguments."""
    before = flag + " " if flag else ""
    parsed = []
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip(" +-"):
            raise Usage(f"{before}{pair}: write {before}key=value")
        parsed.append((require_utf8(key.strip(), "setting"), require_utf8(value, key)))
    return parsed


def parse_changes(pairs: Sequence[str], unset: Sequence[str], flag: str = "") -> list[ConfigChange]:
    """`key=value` sets, `key+=value` adds to a list, `key-=value` takes from it; `unset` goes back to what is
    inherited."""
    changes = []
    for key, value in parse_pairs(pairs, flag):
        op = {"+": AlterOp.APPEND, "-": AlterOp.SUBTRACT}.get(key[-1:], AlterOp.SET)
        changes.append(ConfigChange(key if op is AlterOp.SET else key[:-1], value, op))
    for key in unset:
        if not key:
            raise Usage("--unset: which setting?")
        changes.append(ConfigChange(require_utf8(key, "setting"), None, AlterOp.DELETE))
    for name, times in Counter(change.name for change in changes).items():
        if times > 1:
            raise Usage(f"{name} is changed twice")
    return changes
