"""Changes to several things at once: how settings are written, and what is said about each thing that was changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from kq.cli.run.failures import NotFound, Unfinished, Usage
from kq.cli.run.problems import MISSING, error_json, failure_of
from kq.client import AlterOp, ConfigChange

if TYPE_CHECKING:
    from kq.cli.run.call import Call
    from kq.errors import KafkaError


class Done(NamedTuple):
    """What became of one thing. `facts` go into the JSON; `words` to a person."""

    name: str
    error: KafkaError | None
    facts: Mapping[str, Any]
    words: str


def report_done(call: Call, plural: str, done: Sequence[Done], *, dry_run: bool) -> None:
    """One line a failed item, the others done, `2 of 14 failed` at the end, exit 1 (3 when the only one is missing)."""
    if call.json:
        items = [{"name": item.name, **item.facts, "error": error_json(item.error)} for item in done]
        call.envelope(**{plural: items, "dry_run": dry_run})
    failed = [item for item in done if item.error is not None]
    for item in done:
        if item.error is None and item.words and not dry_run:
            call.note(item.words)
    if dry_run and not call.json:
        call.note("Nothing has been changed.")
    if len(failed) == 1 and len(done) == 1 and failed[0].error is not None:
        error = failed[0].error
        failure = failure_of(error, call)
        failure.message = sentence(failed[0].name, error)
        raise failure
    for item in failed:
        if item.error is not None:
            call.warn(sentence(item.name, item.error))
    if failed:
        if all(item.error is not None and item.error.code in MISSING for item in done):
            raise NotFound(f"{len(failed)} of {len(done)} failed")
        raise Unfinished(f"{len(failed)} of {len(done)} failed")


def sentence(name: str, error: KafkaError) -> str:
    """`orders: Topic 'orders' already exists`, without saying the name twice."""
    text = str(error).rstrip(".")
    return text if name in text else f"{name}: {text}"


def parse_pairs(pairs: Sequence[str], flag: str) -> list[tuple[str, str]]:
    parsed = []
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise Usage(f"{flag} {pair}: write {flag} key=value".replace("  ", " "))
        parsed.append((key.strip(), value))
    return parsed


def parse_changes(pairs: Sequence[str], unset: Sequence[str], flag: str) -> list[ConfigChange]:
    """`key=value` sets, `key+=value` adds to a list, `key-=value` takes from it; `unset` goes back to what is
    inherited."""
    changes = []
    for key, value in parse_pairs(pairs, flag):
        op = {"+": AlterOp.APPEND, "-": AlterOp.SUBTRACT}.get(key[-1:], AlterOp.SET)
        changes.append(ConfigChange(key if op is AlterOp.SET else key[:-1], value, op))
    changes += [ConfigChange(key, None, AlterOp.DELETE) for key in unset]
    names = [change.name for change in changes]
    for name in names:
        if names.count(name) > 1:
            raise Usage(f"{name} is changed twice")
    return changes
