"""From what was asked to a plan: which partitions are meant, and where each of them is to stand.

Rules
- Without words all partitions of every topic that the group has a commit in (with --from-group: the other group). A
  glob narrows these topics; a name may be that of any topic, and of a group without commits so may a glob.
- An offset that lies outside of a log becomes its start or end, and stderr says so, as in Apache's tool.
- Where there is no commit to shift or to copy, nothing is committed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, NamedTuple

from kq.cli.groups.selection import missing_group
from kq.cli.output.units import first_few
from kq.cli.partitions.measures import Measures, measure
from kq.cli.partitions.offsets import END, Base, Position
from kq.cli.partitions.positions import resolve
from kq.cli.partitions.selection import Choice, Selected, Wanted, select
from kq.cli.reset_offsets.files import Planned
from kq.cli.reset_offsets.steps import Step, offset_of
from kq.cli.reset_offsets.targets import Kind, Target
from kq.cli.run.failures import Failure, Hint, NotFound, Unfinished
from kq.client import Admin, GroupOffset

if TYPE_CHECKING:
    from kq.cli.reset_offsets.journal import Move
    from kq.cli.run.call import Call
    from kq.client import Cluster, TopicPartition

MOST_TOLD = 5
Commits = Mapping["TopicPartition", GroupOffset]


class Undoes(NamedTuple):
    """The reset that a plan takes back: the name of the journal's entry, and what the plan settles of it, also where
    nothing is to be moved (any more)."""

    entry: str
    moves: Mapping[TopicPartition, Move]


class Plan(NamedTuple):
    group: str
    state: str  # as the broker calls it; "": there is no such group yet
    words: str  # where to: end of `move 3 of 3 partitions`
    steps: list[Step]
    undoes: Undoes | None = None

    @property
    def moving(self) -> list[Step]:
        return [step for step in self.steps if step.moves]


async def commits_of(cluster: Cluster, group: str) -> dict[TopicPartition, GroupOffset]:
    """Partitions without a commit are left out; an error about one ends the command."""
    found = await Admin(cluster).group_offsets(group)
    for (topic, partition), commit in found.items():
        if commit.error is not None:
            raise Failure(f"{topic}:{partition}: {str(commit.error).rstrip('.')}", code=commit.error.code.name)
    return {pair: commit for pair, commit in found.items() if commit.offset != -1}


async def plan_steps(
    cluster: Cluster, call: Call, group: str, choice: Choice, target: Target, *, exists: bool
) -> list[Step]:
    """The steps to a target that is neither a file nor an undo."""
    commits = await commits_of(cluster, group)
    if target.kind is Kind.GROUP:
        source = await commits_of(cluster, target.value)
        if not source:
            raise await _no_commits(cluster, call, target.value)
    else:
        source = commits
    topics = await _scope(cluster, call, group, choice, {topic for topic, _ in source}, exists=exists)
    pairs = [pair for topic in topics for pair in topic.pairs]
    measures = await measured(cluster, call, pairs)
    match target.kind:
        case Kind.POSITION:
            return await _to_position(cluster, call, measures, commits, target.value)
        case Kind.CURRENT:
            ends = await _places(cluster, call, measures, END)
            new = {pair: commits.get(pair) or GroupOffset(ends[pair]) for pair in pairs}
            return steps_of(measures, commits, new)
        case Kind.SHIFT:
            moved = {
                pair: GroupOffset(commits[pair].offset + target.value) if pair in commits else None for pair in pairs
            }
            return within(call, steps_of(measures, commits, moved))
    copied = {pair: source.get(pair) or commits.get(pair) for pair in pairs}
    return within(call, steps_of(measures, commits, copied))


async def steps_of_file(
    cluster: Cluster, call: Call, group: str, planned: Mapping[TopicPartition, Planned]
) -> list[Step]:
    """Exactly the file's; what has moved since it was written is told."""
    by_topic: dict[str, list[int]] = {}
    for topic, partition in sorted(planned):
        by_topic.setdefault(topic, []).append(partition)
    choice = Choice([Wanted(topic, None, partitions) for topic, partitions in by_topic.items()], None)
    topics = await select(cluster, call, choice, internal=True)
    commits = await commits_of(cluster, group)
    measures = await measured(cluster, call, [pair for topic in topics for pair in topic.pairs])
    expected = {pair: one.before for pair, one in planned.items() if one.knew}
    tell_moved(call, expected, commits, "since the plan was made")
    return within(call, steps_of(measures, commits, {pair: one.after for pair, one in planned.items()}))


async def _scope(
    cluster: Cluster, call: Call, group: str, choice: Choice, topics: Collection[str], *, exists: bool
) -> list[Selected]:
    if not topics and not choice.wanted:
        raise await _no_commits(cluster, call, group) if not exists else _say_topics(call, group)
    if not topics:
        return await select(cluster, call, choice)
    if not choice.wanted:
        everything = Choice([Wanted(topic, None, None) for topic in sorted(topics)], None)
        found = await select(cluster, call, everything, internal=True, skip_missing=True)
        _tell_deleted(call, sorted(set(topics) - {topic.name for topic in found}))
        return found
    words: list[Wanted] = []
    for one in choice.wanted:
        hits = [topic for topic in sorted(topics) if one.pattern is not None and one.pattern.search(topic)]
        if one.pattern is not None and not hits:
            raise NotFound(f"group {group} has no commit in a topic that matches '{one.text}'")
        words += [Wanted(hit, None, one.partitions) for hit in hits] or [one]
    return await select(cluster, call, Choice(words, None), internal=True)


async def _no_commits(cluster: Cluster, call: Call, group: str) -> Exception:
    from kq.cli.reset_offsets.rest import describe

    described = await describe(cluster, group)
    if described.error is None:
        return _say_topics(call, group)
    missing = await missing_group(cluster, call, group)
    if isinstance(missing, Failure):
        missing.hints = (Hint("a new one", "kq reset-offsets GROUP -t TOPIC --to-earliest"),)
    return missing


def _say_topics(call: Call, group: str) -> Failure:
    return Failure(
        f"group {group} has committed nothing; say which topics",
        Hint("say them", call.again("-t", "TOPIC")),
        code="NO_COMMITS",
    )


def _tell_deleted(call: Call, topics: list[str]) -> None:
    if topics:
        call.warn(f"left out, since it does not exist any more: {first_few(topics, MOST_TOLD)}")


async def measured(cluster: Cluster, call: Call, pairs: list[TopicPartition]) -> Measures:
    """Where each log begins and ends, or the end of the command."""
    measures = await measure(cluster, pairs, sizes=False)
    _require_offsets(call, measures)
    return measures


def _require_offsets(call: Call, measures: Measures) -> None:
    if measures.offsets_missing:
        measures.warn(call)
        raise Unfinished("not every partition answers; nothing has been changed")


async def _places(cluster: Cluster, call: Call, measures: Measures, position: Position) -> dict[TopicPartition, int]:
    places = await resolve(cluster, position, measures)
    _require_offsets(call, measures)
    return places


async def _to_position(
    cluster: Cluster, call: Call, measures: Measures, commits: Commits, position: Position
) -> list[Step]:
    if position.base is Base.OFFSET:
        asked = dict.fromkeys(measures.partitions, GroupOffset(position.value))
        return within(call, steps_of(measures, commits, asked))
    places = await _places(cluster, call, measures, position)
    return steps_of(measures, commits, {pair: GroupOffset(offset) for pair, offset in places.items()})


def steps_of(measures: Measures, commits: Commits, new: Mapping[TopicPartition, GroupOffset | None]) -> list[Step]:
    return [
        Step(*pair, part.start or 0, part.end or 0, commits.get(pair), new[pair])
        for pair, part in sorted(measures.partitions.items())
    ]


def within(call: Call, steps: list[Step]) -> list[Step]:
    """Offsets that lie outside of their logs are moved into them, and named."""
    outside: dict[str, list[str]] = {}
    kept = []
    for step in steps:
        if step.after is not None and step.moves and not step.start <= step.after.offset <= step.end:
            low = step.after.offset < step.start
            words = "the earliest is taken, lower ones are gone" if low else "the latest is taken, it goes no further"
            outside.setdefault(words, []).append(step.name)
            step = step._replace(after=GroupOffset(step.start if low else step.end, metadata=step.after.metadata))
        kept.append(step)
    for words, names in outside.items():
        call.warn(f"{first_few(names, MOST_TOLD)}: {words}")
    return kept


def tell_moved(call: Call, expected: Mapping[TopicPartition, int | None], commits: Commits, since: str) -> None:
    """Names the commits that are not where they are expected."""
    moved = [
        f"{topic}:{partition} went from {_where(was)} to {_where(now)}"
        for (topic, partition), was in sorted(expected.items())
        if (now := offset_of(commits.get((topic, partition)))) != was
    ]
    if moved:
        call.warn(f"{since}: {first_few(moved, MOST_TOLD)}")


def _where(offset: int | None) -> str:
    return "no commit" if offset is None else f"{offset:,}"
