"""`kq groups delete`, `delete-offsets`: groups with all they have committed, or some of a group's commits.

What is in use is refused, with the names of those who use it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kq.cli.changes.confirm import confirm_deletion
from kq.cli.changes.outcome import Done, report_done
from kq.cli.changes.permission import refuse_deletion
from kq.cli.groups.members import active_words, member_names
from kq.cli.groups.narrowing import narrowed
from kq.cli.groups.selection import choose_groups, require_existing, required_groups, select_groups
from kq.cli.groups.views import committed_cell, end_cell
from kq.cli.output.render import NONE, Column, Row
from kq.cli.output.units import first_few
from kq.cli.run.failures import NotFound, Usage, did_you_mean
from kq.client import Admin
from kq.client.lag.asking import GroupStanding, Survey
from kq.errors import Err, KafkaError

if TYPE_CHECKING:
    from kq.cli.run.call import Call
    from kq.client import Cluster, TopicPartition

GROUPS = [
    Column("GROUP"),
    Column("STATE", "text"),
    Column("MEMBERS", "count"),
    Column("TOPICS", "count"),
    Column("COMMITS", "count"),
]
COMMITS = [Column("PARTITION"), Column("COMMITTED", "count"), Column("END", "count"), Column("LAG", "count")]


def delete(call: Call, names: list[str], *, regex: bool, if_exists: bool, yes: bool, dry_run: bool) -> None:
    choice = choose_groups(required_groups(names, call.command), regex=regex)
    refuse_deletion(call)

    async def find(cluster: Cluster) -> list[GroupStanding]:
        try:
            ids = await select_groups(cluster, call, choice)
        except NotFound:
            if not if_exists:
                raise
            ids = []
        found = await Survey(cluster, ages=False).of(ids)
        groups = [found[group] for group in ids]
        if if_exists:
            groups = [group for group in groups if not _is_missing(group)]
        await require_existing(cluster, call, [group.description for group in groups])
        return groups

    async def remove(cluster: Cluster) -> dict[str, KafkaError | None]:
        return await Admin(cluster).delete_groups(idle)

    groups = call.run(find)
    active = {group.id: _active_error(group) for group in groups if group.description.active}
    idle = [group.id for group in groups if group.id not in active]
    if dry_run and not call.json:
        call.table(GROUPS, [_group_row(group) for group in groups if group.id in idle])
    if idle and not dry_run:
        confirm_deletion(call, idle, "group" if len(idle) == 1 else "groups", yes=yes)
    errors: dict[str, KafkaError | None] = dict.fromkeys(idle)
    if idle and not dry_run:
        errors = call.run(remove)
    errors |= active
    report_done(
        call,
        "groups",
        [
            Done(
                group.id, errors[group.id], {"deleted": errors[group.id] is None and not dry_run}, f"deleted {group.id}"
            )
            for group in groups
        ],
        dry_run=dry_run,
    )


def _is_missing(group: GroupStanding) -> bool:
    return group.description.error is not None and group.description.error.code == Err.GROUP_ID_NOT_FOUND


def _active_error(group: GroupStanding) -> KafkaError:
    words = f"{active_words(group.id, group.description.members)}; stop them first"
    return KafkaError(Err.NON_EMPTY_GROUP, words)


def _group_row(group: GroupStanding) -> Row:
    commits = [pair for pair, one in group.standings.items() if one.committed is not None]
    state, members = group.description.state, len(group.description.members)
    return Row([group.id, state, members, len({topic for topic, _ in commits}), len(commits)])


# -- commits ----------------------------------------------------------------------------------------------------------


def delete_offsets(call: Call, group: str, topics: list[str], *, yes: bool, dry_run: bool) -> None:
    if not topics:
        raise Usage(f"{call.command}: TOPIC is missing: the commits in which topics? '*' is all of them")
    narrowed(topics)  # what makes no sense is said before anything is asked
    refuse_deletion(call)

    async def find(cluster: Cluster) -> GroupStanding:
        found = (await Survey(cluster, ages=False).of([group]))[group]
        await require_existing(cluster, call, [found.description])
        if found.error is not None:
            raise found.error
        return found

    async def remove(cluster: Cluster) -> dict[TopicPartition, KafkaError | None]:
        try:
            return await Admin(cluster).delete_group_offsets(group, chosen)
        except KafkaError as error:
            return dict.fromkeys(chosen, error)

    found = call.run(find)
    chosen = _chosen(found, topics)
    if dry_run:
        if not call.json:
            call.table(COMMITS, [_commit_row(found, pair) for pair in chosen])
        errors: dict[TopicPartition, KafkaError | None] = dict.fromkeys(chosen)
    else:
        names = [_spelled(pair) for pair in chosen]
        what = f"commit{'' if len(names) == 1 else 's'} of group {group}"
        confirm_deletion(call, names, what, yes=yes)
        errors = call.run(remove)
    done = []
    for pair in chosen:
        error = _in_words(found, pair, errors.get(pair))
        facts = {
            "topic": pair[0],
            "partition": pair[1],
            "committed_offset": found.standings[pair].committed,
            "deleted": error is None and not dry_run,
        }
        done.append(Done(_spelled(pair), error, facts, f"deleted the commit in {_spelled(pair)}"))
    report_done(call, "partitions", done, dry_run=dry_run)


def _chosen(group: GroupStanding, words: Sequence[str]) -> list[TopicPartition]:
    """The commits that are meant; each word must mean one."""
    committed = [pair for pair, one in group.standings.items() if one.committed is not None]
    for word in words:
        if not any(map(narrowed([word]), committed)):
            name = word.partition(":")[0]
            others = {topic for topic, _ in committed if topic != name}
            raise NotFound(
                f"group {group.id} has no commit in '{word}'{did_you_mean(name, others)}",
                code="NO_COMMIT",
            )
    return [pair for pair in committed if narrowed(words)(pair)]


def _spelled(pair: TopicPartition) -> str:
    return f"{pair[0]}:{pair[1]}"


def _commit_row(group: GroupStanding, pair: TopicPartition) -> Row:
    one = group.standings[pair]
    return Row([_spelled(pair), committed_cell(one), end_cell(one), one.lag if one.exists else NONE])


def _in_words(group: GroupStanding, pair: TopicPartition, error: KafkaError | None) -> KafkaError | None:
    if error is None or error.code != Err.GROUP_SUBSCRIBED_TO_TOPIC:
        return error
    names = first_few(list(member_names(group.description.members).values()))
    return KafkaError(error.code, f"{_spelled(pair)}: group {group.id} reads {pair[0]}: {names}; stop them first")
