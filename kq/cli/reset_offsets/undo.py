"""`--undo`: from the journal's last reset to the steps that take it back.

Rules
- A commit that was there before comes back as it was, with its metadata; where there was none, it is removed.
- What happened since is told: commits that moved on, topics that were deleted or made anew. The latter are left out: an
  offset of the old topic means nothing in the new one.
- An undo settles its reset even where nothing is to be moved any more: the next one goes a step further back.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from kq.cli.output.units import first_few, local_text
from kq.cli.partitions.selection import Choice, Selected, Wanted, select
from kq.cli.reset_offsets import journal
from kq.cli.reset_offsets.planning import MOST_TOLD, Plan, Undoes, commits_of, measured, steps_of, tell_moved
from kq.cli.reset_offsets.steps import offset_of
from kq.cli.run.failures import NotFound
from kq.wire.primitives import uuid_text

if TYPE_CHECKING:
    from pathlib import Path

    from kq.cli.run.call import Call
    from kq.client import Cluster, TopicPartition


async def plan_undo(cluster: Cluster, call: Call, group: str, choice: Choice, state: str) -> Plan:
    directory = await journal_directory(cluster, group)
    entry = journal.last(directory)
    if entry is None:
        raise NotFound(f"no reset of group {group} is left to undo in {directory}", code="NO_RESET")
    moves = {pair: move for pair, move in entry.moves.items() if _wanted(choice, pair)}
    if not moves:
        raise NotFound(f"the last reset of group {group} moved nothing of that", code="NO_RESET")
    commits = await commits_of(cluster, group)
    topics = await _still_there(cluster, call, sorted({topic for topic, _ in moves}))
    there = {topic.name: topic for topic in topics}
    kept = [pair for pair, move in moves.items() if _same(there.get(pair[0]), pair, move.topic_id)]
    anew = sorted({pair[0] for pair in moves if pair[0] in there} - {pair[0] for pair in kept})
    if anew:
        call.warn(f"left out, since it was made anew after that reset: {first_few(anew, MOST_TOLD)}")
    tell_moved(call, {pair: offset_of(moves[pair].after) for pair in kept}, commits, "since that reset")
    measures = await measured(cluster, call, kept)
    at = local_text(entry.at_ms, utc=call.form.utc)
    steps = steps_of(measures, commits, {pair: moves[pair].before for pair in kept})
    return Plan(group, state, f"back to before the reset of {at}", steps, Undoes(entry.name, moves))


async def journal_directory(cluster: Cluster, group: str) -> Path:
    metadata = await cluster.metadata([])
    return journal.journal_of(os.environ, metadata.cluster_id or "unknown", group)


def _wanted(choice: Choice, pair: TopicPartition) -> bool:
    topic, partition = pair
    return not choice.wanted or any(
        (topic == text if pattern is None else pattern.search(topic))
        and (partitions is None or partition in partitions)
        for text, pattern, partitions in choice.wanted
    )


async def _still_there(cluster: Cluster, call: Call, names: list[str]) -> list[Selected]:
    choice = Choice([Wanted(name, None, None) for name in names], None)
    topics = await select(cluster, call, choice, internal=True, skip_missing=True)
    if deleted := sorted(set(names) - {topic.name for topic in topics}):
        call.warn(f"left out, since it was deleted after that reset: {first_few(deleted, MOST_TOLD)}")
    return topics


def _same(topic: Selected | None, pair: TopicPartition, topic_id: str) -> bool:
    return topic is not None and pair[1] in topic.partitions and uuid_text(topic.topic.id) == topic_id
