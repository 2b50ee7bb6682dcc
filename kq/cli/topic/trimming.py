"""`kq topic trim`: the records before a position are deleted. A plan first; `--execute` acts on it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from kq.cli.changes.outcome import sentence
from kq.cli.changes.permission import refuse_deletion
from kq.cli.changes.plans import read_plan, write_plan
from kq.cli.output.render import Column, Row, table_text
from kq.cli.output.text import shown
from kq.cli.output.units import counted
from kq.cli.partitions.measures import measure
from kq.cli.partitions.offsets import parse_position
from kq.cli.partitions.positions import resolve
from kq.cli.partitions.selection import Choice, choose, required_names, select
from kq.cli.run.failures import Unfinished, Usage
from kq.client import Admin

if TYPE_CHECKING:
    from kq.cli.run.call import Call
    from kq.client import Cluster, TopicPartition

COLUMNS = [
    Column("PARTITION"),
    Column("START", "count"),
    Column("NEW START", "count"),
    Column("END", "count"),
    Column("DELETED", "count"),
]


FIELDS = {"topic": str, "partition": int, "start_offset": int, "new_start_offset": int, "end_offset": int}


class Step(NamedTuple):
    """One partition of the plan; in the file an object of these `FIELDS`."""

    topic: str
    partition: int
    start_offset: int
    new_start_offset: int
    end_offset: int

    @property
    def pair(self) -> TopicPartition:
        return self.topic, self.partition

    @property
    def deleted(self) -> int:
        return max(self.new_start_offset - self.start_offset, 0)


def run(
    call: Call,
    names: list[str],
    *,
    partition: str | None,
    offset: str | None,
    regex: bool,
    execute: bool,
    export: str | None,
    from_file: str | None,
) -> None:
    if from_file is not None:
        if names or offset or partition:
            raise Usage(f"{call.command} --from-file does what the file says; leave topics, -o and -p out")
        steps = _steps_of_file(from_file)
    else:
        choice = choose(required_names(names, call.command), partition=partition, regex=regex)
        if offset is None:
            raise Usage(f"{call.command}: -o is missing: delete the records before which offset or time?")
        steps = _plan(call, choice, offset)
    if export is not None:
        write_plan(export, "topic trim", [step._asdict() for step in steps])
    if execute:
        refuse_deletion(call)
        errors = _execute(call, steps)
    else:
        errors = {}
    _print(call, steps, offset, executed=execute, errors=errors)
    if not execute and any(step.deleted for step in steps):
        call.note_always("Nothing has been changed.")
        words = call.instead("--from-file", export, "--execute") if export else call.again("--execute")
        call.note_always(f"To do it:  {words}")
    if errors:
        for (topic, index), error in errors.items():
            call.warn(sentence(f"{topic}:{index}", error))
        raise Unfinished(f"{len(errors)} of {len(steps)} failed")


def _plan(call: Call, choice: Choice, offset: str) -> list[Step]:
    position = parse_position(offset, now_ms=round(time.time() * 1000))

    async def work(cluster: Cluster) -> list[Step]:
        topics = await select(cluster, call, choice)
        measures = await measure(cluster, [pair for topic in topics for pair in topic.pairs], sizes=False)
        places = await resolve(cluster, position, measures)
        measures.warn(call)
        if measures.offsets_missing:
            raise Unfinished("not every partition answers; nothing has been changed")
        return [
            Step(topic, index, part.start or 0, max(places[(topic, index)], part.start or 0), part.end or 0)
            for (topic, index), part in measures.partitions.items()
        ]

    return call.run(work)


def _steps_of_file(path: str) -> list[Step]:
    steps = []
    for item in read_plan(path, "topic trim"):
        if {name: type(value) for name, value in item.items()} != FIELDS:
            raise Usage(f"{path}: not a plan of kq topic trim")
        steps.append(Step(**item))
    return steps


def _execute(call: Call, steps: list[Step]) -> dict[TopicPartition, Any]:
    async def work(cluster: Cluster) -> dict[TopicPartition, Any]:
        wanted = {step.pair: step.new_start_offset for step in steps if step.deleted}
        answers = await Admin(cluster).delete_records(wanted) if wanted else {}
        return {pair: answer.error for pair, answer in answers.items() if answer.error is not None}

    return call.run(work)


def _print(
    call: Call, steps: list[Step], offset: str | None, *, executed: bool, errors: dict[TopicPartition, Any]
) -> None:
    deleted = sum(step.deleted for step in steps if step.pair not in errors)
    if call.json:
        partitions = [{**step._asdict(), "deleted": step.deleted} for step in steps]
        call.envelope(executed=executed, partitions=partitions, deleted=deleted)
        return
    rows = [
        Row([f"{s.topic}:{s.partition}", s.start_offset, s.new_start_offset, s.end_offset, s.deleted]) for s in steps
    ]
    if call.form.plain:
        call.table(COLUMNS, rows)
        return
    topics = sorted({step.topic for step in steps})
    affected = sum(step.deleted > 0 for step in steps)
    before = f" before {offset}" if offset else ""
    names = f"topic {shown(topics[0])}" if len(topics) == 1 else counted(len(topics), "topic")
    verb = "deleted" if executed else "delete"
    call.print(f"{names}: {verb} the records{before} in {affected} of {counted(len(steps), 'partition')}\n\n")
    call.print(table_text(COLUMNS, rows, call.form))
    gone = ("is" if deleted == 1 else "are") + " gone" if executed else "would be gone for good"
    call.print(f"\n{counted(deleted, 'record')} {gone}.\n")
