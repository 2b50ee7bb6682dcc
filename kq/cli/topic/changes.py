"""`kq topic create`, `alter`, `delete`: many topics at once, one line on stderr for each that failed, the others
done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from kq.cli.changes.confirm import confirm_deletion
from kq.cli.changes.outcome import Done, report_done
from kq.cli.changes.permission import refuse_change, refuse_deletion
from kq.cli.config.pairs import parse_changes, parse_pairs
from kq.cli.output.render import Both, Column, Row
from kq.cli.output.units import counted
from kq.cli.partitions.health import settings_of
from kq.cli.partitions.selection import Selected, choose, required_names, select, whole_topics
from kq.cli.run.failures import Usage, require_utf8
from kq.client import Admin, AlterOp, ConfigChange, NewPartitions, NewTopic, Resource
from kq.errors import Err, KafkaError
from kq.wire.primitives import uuid_text

if TYPE_CHECKING:
    from kq.cli.run.call import Call
    from kq.client import Cluster, ConfigEntry

CREATE_COLUMNS = [
    Column("TOPIC"),
    Column("PARTITIONS", "count"),
    Column("RF", "number"),
    Column("SETTINGS", "text", cut=True),
]


def create(
    call: Call,
    names: list[str],
    *,
    partitions: int | None,
    replication_factor: int | None,
    settings: list[str],
    if_not_exists: bool,
    dry_run: bool,
) -> None:
    wanted = [require_utf8(name, "topic") for name in dict.fromkeys(required_names(names, call.command))]
    configs = dict(parse_pairs(settings, "-c"))
    refuse_change(call)

    async def work(cluster: Cluster) -> list[Done]:
        topics = [NewTopic(name, partitions or -1, replication_factor or -1, configs=configs) for name in wanted]
        made = await Admin(cluster).create_topics(topics, validate_only=dry_run)
        done = []
        for name in wanted:
            answer = made[name]
            there = answer.error is not None and answer.error.code == Err.TOPIC_ALREADY_EXISTS
            error = None if there and if_not_exists else answer.error
            facts = {
                "id": uuid_text(answer.id) if any(answer.id) and not dry_run else None,
                "partitions": answer.partitions if answer.partitions > 0 else partitions,
                "replication_factor": answer.replication_factor
                if answer.replication_factor > 0
                else replication_factor,
                "created": answer.error is None and not dry_run,
            }
            done.append(Done(name, error, facts, words=_created_words(name, facts, there=there)))
        return done

    done = call.run(work)
    if dry_run and not call.json:
        spelled = ",".join(settings)
        rows = [
            Row(
                [
                    item.name,
                    item.facts["partitions"],
                    item.facts["replication_factor"],
                    Both(spelled or "-", spelled or "-"),
                ]
            )
            for item in done
            if item.error is None
        ]
        call.table(CREATE_COLUMNS, rows)
    report_done(call, "topics", done, dry_run=dry_run)


def _created_words(name: str, facts: Mapping[str, Any], *, there: bool) -> str:
    if there:
        return f"{name} is there already"
    count, factor = facts["partitions"], facts["replication_factor"]
    shape = f": {counted(count, 'partition')}, replication factor {factor}" if count and factor else ""
    return f"created {name}{shape}"


ALTER_COLUMNS = [Column("TOPIC"), Column("WHAT", "text"), Column("NOW", "text"), Column("NEW", "text", cut=True)]


def alter(
    call: Call,
    names: list[str],
    *,
    partitions: int | None,
    settings: list[str],
    unset: list[str],
    regex: bool,
    dry_run: bool,
) -> None:
    choice = whole_topics(choose(required_names(names, call.command), regex=regex), call.command)
    changes = parse_changes(settings, unset, "-c")
    if partitions is None and not changes:
        raise Usage(f"{call.command}: say what to change: -p N, -c key=value or --unset key")
    refuse_change(call)

    async def work(cluster: Cluster) -> list[Done]:
        topics = await select(cluster, call, choice, internal=True)
        admin = Admin(cluster)
        steps: list[tuple[str, Callable[[], Awaitable[dict[str, KafkaError | None]]]]] = []
        chosen = [topic.name for topic in topics]
        if changes:
            steps.append(("settings", lambda: _alter_settings(admin, chosen, changes, dry_run)))
        if partitions is not None:
            totals = dict.fromkeys(chosen, NewPartitions(partitions))
            steps.append(("partitions", lambda: admin.create_partitions(totals, validate_only=dry_run)))
        errors: dict[str, KafkaError | None] = dict.fromkeys(chosen)
        for _, step in steps:  # a topic whose settings are refused gets no partitions either
            left = [name for name in chosen if errors[name] is None]
            answered = await step() if left else {}
            errors.update({name: error for name, error in answered.items() if name in left})
        if dry_run and not call.json:
            now = await settings_of(cluster, chosen, [change.name for change in changes])
            rows = [
                Row([topic.name, *cells])
                for topic in topics
                if errors[topic.name] is None
                for cells in _plan(topic, now.get(topic.name, {}), partitions, changes)
            ]
            call.table(ALTER_COLUMNS, rows)
        return [Done(name, error, {}, words=f"altered {name}") for name, error in errors.items()]

    report_done(call, "topics", call.run(work), dry_run=dry_run)


async def _alter_settings(
    admin: Admin, names: list[str], changes: list[ConfigChange], dry_run: bool
) -> dict[str, KafkaError | None]:
    answers = await admin.alter_configs({Resource.topic(name): changes for name in names}, validate_only=dry_run)
    return {resource.name: error for resource, error in answers.items()}


def _plan(
    topic: Selected, settings: dict[str, ConfigEntry], partitions: int | None, changes: list[ConfigChange]
) -> list[list[Any]]:
    rows: list[list[Any]] = []
    if partitions is not None:
        rows.append(["partitions", str(len(topic.topic.partitions)), str(partitions)])
    for change in changes:
        now = settings.get(change.name)
        rows.append([change.name, None if now is None or now.value is None else now.value or '""', _spelled(change)])
    return rows


def _spelled(change: ConfigChange) -> str:
    signs = {AlterOp.APPEND: "+ ", AlterOp.SUBTRACT: "- "}
    return "(inherited)" if change.op is AlterOp.DELETE else signs.get(change.op, "") + (change.value or '""')


def delete(call: Call, names: list[str], *, regex: bool, if_exists: bool, yes: bool, dry_run: bool) -> None:
    choice = whole_topics(choose(required_names(names, call.command), regex=regex), call.command)
    refuse_deletion(call)

    async def find(cluster: Cluster) -> list[str]:
        return [topic.name for topic in await select(cluster, call, choice, skip_missing=if_exists)]

    async def remove(cluster: Cluster) -> list[Done]:
        errors = await Admin(cluster).delete_topics(chosen)
        return [Done(name, errors[name], {"deleted": errors[name] is None}, words=f"deleted {name}") for name in chosen]

    chosen = call.run(find)
    if dry_run:
        if not call.json:
            call.table([Column("TOPIC")], [Row([name]) for name in chosen])
        done = [Done(name, None, {"deleted": False}, words="") for name in chosen]
        report_done(call, "topics", done, dry_run=True)
        return
    if chosen:
        confirm_deletion(call, chosen, "topic" if len(chosen) == 1 else "topics", yes=yes)
        report_done(call, "topics", call.run(remove), dry_run=False)
    else:
        report_done(call, "topics", [], dry_run=False)
