"""Changes to several things at once: what is said about each, and how the run ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from kq.cli.run.failures import NotFound, Unfinished
from kq.cli.run.problems import MISSING, error_json, failure_of

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
    """One line a failed item, the others done, `2 of 14 failed` at the end; exit 1, or 3 when all are missing."""
    if call.json:
        items = [{"name": item.name, **item.facts, "error": error_json(item.error)} for item in done]
        call.envelope(**{plural: items, "dry_run": dry_run})
    failed = [(item.name, item.error) for item in done if item.error is not None]
    for item in done:
        if item.error is None and item.words and not dry_run:
            call.note(item.words)
    if dry_run and not call.json:
        call.note("Nothing has been changed.")
    if len(failed) == len(done) == 1:
        [(name, error)] = failed
        failure = failure_of(error, call)
        failure.message = sentence(name, error)
        raise failure
    for name, error in failed:
        call.warn(sentence(name, error))
    if failed:
        words = f"{len(failed)} of {len(done)} failed"
        missing = [name for name, error in failed if error.code in MISSING]
        raise NotFound(words) if len(missing) == len(done) else Unfinished(words)


def sentence(name: str, error: KafkaError) -> str:
    """`orders: Topic 'orders' already exists`, without saying the name twice."""
    text = str(error).rstrip(".")
    return text if name in text else f"{name}: {text}"
