"""Plans of resets in files: JSON with all that kq knows, or the CSV of Apache's kafka-consumer-groups.

The CSV has no header: `topic,partition,offset`, or of several groups `group,topic,partition,offset`. Both tools read
what the other wrote. Which of the two a file is shows in its first character, and in the name of one that is written.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from kq.cli.changes.plans import read_plan, write_plan
from kq.cli.reset_offsets.steps import Step, offset_of
from kq.cli.run.failures import Usage, os_reason
from kq.cli.tree.flags import INT32_MAX, INT64_MAX
from kq.client import GroupOffset, TopicPartition

COMMAND = "reset-offsets"
NUMBER_OR_NONE = (int, type(None))
FIELDS: dict[str, tuple[type, ...]] = {
    "group": (str,),
    "topic": (str,),
    "partition": (int,),
    "committed_offset": NUMBER_OR_NONE,
    "new_offset": NUMBER_OR_NONE,
    "new_leader_epoch": (int,),
    "new_metadata": (str,),
}


class Planned(NamedTuple):
    """Of one partition. `knew` tells whether the file says where the commit stood when it was written."""

    after: GroupOffset | None
    knew: bool = False
    before: int | None = None


def write(path: str, group: str, steps: Sequence[Step]) -> None:
    if path.endswith(".csv"):
        Path(path).write_text(csv_text(steps), encoding="utf-8")
    else:
        write_plan(path, COMMAND, [_as_json(group, step) for step in steps])


def csv_text(steps: Sequence[Step]) -> str:
    if removed := next((step.name for step in steps if step.effect == "removed"), None):
        raise Usage(f"a CSV cannot say that the commit of {removed} is removed; export to a .json")
    out = io.StringIO()
    rows = [(step.topic, step.partition, step.after.offset) for step in steps if step.after is not None]
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def _as_json(group: str, step: Step) -> dict[str, Any]:
    after = step.after or GroupOffset()
    return {
        "group": group,
        "topic": step.topic,
        "partition": step.partition,
        "committed_offset": offset_of(step.before),
        "new_offset": offset_of(step.after),
        "new_leader_epoch": after.leader_epoch,
        "new_metadata": after.metadata,
    }


def read(path: str, group: str) -> dict[TopicPartition, Planned]:
    """What the file says about this group. Raises Usage where that makes no sense."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise Usage(f"--from-file {path}: not text") from None
    except OSError as fault:
        raise Usage(f"--from-file {path}: {os_reason(fault)}") from None
    plan = _from_json(path, group) if text.lstrip().startswith("{") else _from_csv(path, text, group)
    if not plan:
        raise Usage(f"--from-file {path}: there is nothing in it")
    return plan


def _from_json(path: str, group: str) -> dict[TopicPartition, Planned]:
    plan: dict[TopicPartition, Planned] = {}
    for item in read_plan(path, COMMAND):
        if not _is_step(item):
            raise Usage(f"{path}: not a plan of kq {COMMAND}")
        if item["group"] != group:
            raise Usage(f"{path}: a plan for group {item['group']}, not for {group}")
        new = item["new_offset"]
        after = None if new is None else GroupOffset(new, item["new_leader_epoch"], item["new_metadata"])
        plan[item["topic"], item["partition"]] = Planned(after, True, item["committed_offset"])
    return plan


def _is_step(item: dict[str, Any]) -> bool:
    return (
        item.keys() == FIELDS.keys()
        and all(type(item[name]) in types for name, types in FIELDS.items())
        and item["partition"] >= 0
        and (item["new_offset"] is None or item["new_offset"] >= 0)
    )


def _from_csv(path: str, text: str, group: str) -> dict[TopicPartition, Planned]:
    plan: dict[TopicPartition, Planned] = {}
    others: dict[str, None] = {}
    for number, row in enumerate(csv.reader(io.StringIO(text)), 1):
        if not row:
            continue
        if len(row) not in (3, 4):
            raise Usage(f"{path}, line {number}: write topic,partition,offset")
        if len(row) == 4 and row[0] != group:
            others[row[0]] = None
            continue
        topic, partition, offset = row[-3:]
        pair = topic, _number(partition, INT32_MAX, "partition", path, number)
        if pair in plan:
            raise Usage(f"{path}, line {number}: {topic}:{partition} stands there twice")
        plan[pair] = Planned(GroupOffset(_number(offset, INT64_MAX, "offset", path, number)))
    if not plan and others:
        raise Usage(f"{path}: nothing about group {group}; it is about {', '.join(others)}")
    return plan


def _number(text: str, most: int, what: str, path: str, line: int) -> int:
    word = text.strip()
    if not (word.isascii() and word.isdigit() and int(word) <= most):
        raise Usage(f"{path}, line {line}: '{word}' is not {'an' if what == 'offset' else 'a'} {what}")
    return int(word)
