"""What `kq reset-offsets` prints (CLI-OUTPUT.md): the plan as a table, what it means, and what to type next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from kq.cli.changes.outcome import sentence
from kq.cli.output.render import NONE, Both, Column, Row, table_text
from kq.cli.output.text import shown
from kq.cli.output.units import counted
from kq.cli.reset_offsets.planning import Plan
from kq.cli.reset_offsets.steps import Step, offset_of, totals, totals_words
from kq.cli.run.failures import Unfinished
from kq.cli.run.problems import error_json, failure_of

if TYPE_CHECKING:
    from kq.cli.run.call import Call
    from kq.client import TopicPartition
    from kq.errors import KafkaError

COLUMNS = [
    Column("PARTITION"),
    Column("COMMITTED", "count"),
    Column("NEW", "count"),
    Column("CHANGE", "count"),
    Column("EFFECT", "text"),
]


class Result(NamedTuple):
    plan: Plan
    executed: bool
    errors: Mapping[TopicPartition, KafkaError]  # what was refused

    @property
    def done(self) -> list[Step]:
        """The steps that move something; of an executed plan those that were taken."""
        return [step for step in self.plan.moving if step.pair not in self.errors]


def report(call: Call, result: Result, *, export: str | None) -> None:
    """Raises Unfinished when something was refused."""
    if call.json:
        _envelope(call, result)
    else:
        _table(call, result)
    _say_next(call, result, export)
    errors = dict(result.errors)
    if len(errors) == len(result.plan.moving) == 1:
        [((topic, partition), error)] = errors.items()
        failure = failure_of(error, call)
        failure.message = sentence(f"{topic}:{partition}", error)
        raise failure
    for (topic, partition), error in errors.items():
        call.warn(sentence(f"{topic}:{partition}", error))
    if errors:
        raise Unfinished(f"{len(errors)} of {len(result.plan.moving)} failed")


def _envelope(call: Call, result: Result) -> None:
    plan = result.plan
    again, skipped = totals(result.done)
    partitions = [
        {
            "topic": step.topic,
            "partition": step.partition,
            "start_offset": step.start,
            "end_offset": step.end,
            "committed_offset": offset_of(step.before),
            "new_offset": offset_of(step.after),
            "change": step.change,
            "effect": step.effect,
            "read_again": step.read_again,
            "skipped": step.skipped,
            "error": error_json(result.errors.get(step.pair)),
        }
        for step in plan.steps
    ]
    call.envelope(
        group=plan.group,
        state=plan.state or None,
        executed=result.executed,
        undoes=None if plan.undoes is None else plan.undoes.entry,
        partitions=partitions,
        moved=len(result.done),
        read_again=again,
        skipped=skipped,
    )


def _table(call: Call, result: Result) -> None:
    plan = result.plan
    rows = [_row(step, result) for step in plan.steps]
    if call.form.plain or call.form.names:
        call.table(COLUMNS, rows)
        return
    verb = "moved" if result.executed else "move"
    of = f"{len(result.done):,} of {counted(len(plan.steps), 'partition')}"
    call.print(shown(f"group {plan.group} ({plan.state or 'new'}): {verb} {of} {plan.words}") + "\n\n")
    call.print(table_text(COLUMNS, rows, call.form))


def _row(step: Step, result: Result) -> Row:
    change = NONE if step.change is None else Both(f"{step.change:+,}" if step.change else "0", str(step.change))
    error = result.errors.get(step.pair)
    effect = Both("refused", "refused") if error else Both(step.words, _plain_effect(step))
    cells = [step.name, _cell(offset_of(step.before)), _cell(offset_of(step.after)), change, effect]
    return Row(cells, "red" if error else "")


def _cell(offset: int | None) -> object:
    return NONE if offset is None else offset


def _plain_effect(step: Step) -> str:
    match step.effect:
        case "reads_again":
            return f"reads_again={step.read_again}"
        case "skips":
            return f"skips={step.skipped}" + (f",gone={step.gone}" if step.gone else "")
    return step.effect


def _say_next(call: Call, result: Result, export: str | None) -> None:
    """Words on stderr: what it means and what to type next."""
    if not (call.json or call.form.plain):
        call.note_always("")
    words = totals_words(result.done)
    if result.executed:
        call.note_always(words)
        if result.done and result.plan.undoes is None:
            call.note_always(f"Undo: {call.instead(result.plan.group, '--undo')}")
        return
    call.note_always(f"{words} Nothing has been changed.")
    if result.done or result.plan.undoes is not None:
        group = result.plan.group
        again = call.instead(group, "--from-file", export, "--execute") if export else call.again("--execute")
        call.note_always(f"To do it:  {again}")
