"""`kq config list`, `describe`, `alter`: settings of topics and brokers in the cluster."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kq.cli.output.render import NONE, Column, Row
from kq.cli.run.failures import NotFound, Usage, did_you_mean
from kq.cli.tree import flags
from kq.cli.tree.command import TableCommand
from kq.cli.tree.nouns import noun_app

if TYPE_CHECKING:
    from kq.cli.run.call import Call
    from kq.client import Cluster, ConfigEntry, Resource, ResourceConfig

app = noun_app(
    "config",
    "Settings of topics and brokers, in the cluster. (kq's own: kq profile.)",
    "kq config describe topic orders\nkq config alter broker 1 log.retention.ms=86400000",
    alone="list",
)


class Kind(StrEnum):
    topic = "topic"
    broker = "broker"


KindArgument = Annotated[Kind, flags.argument("topic|broker", "whose settings")]
NameArgument = Annotated[
    str, flags.argument("NAME", "topic, or broker id; for a broker also 'default', for all of them")
]
COLUMNS = [
    Column("KIND"),
    Column("NAME"),
    Column("SETTING"),
    Column("VALUE", "text", cut=True),
    Column("FROM", "text"),
]


def resource_of(kind: Kind, name: str) -> Resource:
    from kq.client import Resource

    if kind is Kind.topic:
        return Resource.topic(name)
    if name == "default":
        return Resource.broker()
    if not name.isdecimal():
        raise Usage(f"'{name}' is not a broker id; write a number, or default for all brokers")
    return Resource.broker(int(name))


@app.command("list", cls=TableCommand, epilog="kq config list\nkq config list --json")
def list_settings(ctx: typer.Context) -> None:
    """Every setting that was set: on topics, on brokers, for all brokers."""
    from kq.cli.config.table import setting_json, setting_row
    from kq.client import Admin, ConfigSource, Resource, ResourceType

    call: Call = ctx.obj

    async def work(cluster: Cluster) -> None:
        metadata = await cluster.metadata(None, max_age_ms=0)
        topics = [Resource.topic(name) for name, topic in sorted(metadata.topics.items()) if not topic.internal]
        brokers = [Resource.broker(), *(Resource.broker(node) for node in sorted(metadata.brokers))]
        answers = await Admin(cluster).describe_configs([*topics, *brokers])
        own = {
            ResourceType.TOPIC: {ConfigSource.TOPIC},
            ResourceType.BROKER: {ConfigSource.BROKER, ConfigSource.STATIC, ConfigSource.CLUSTER},
        }
        found: list[tuple[Resource, ConfigEntry]] = []
        for resource in (*topics, *brokers):
            answer = answers[resource]
            if answer.error is not None:
                call.warn(f"{_spoken(resource)}: {answer.error}")
            sources = own[resource.type] - ({ConfigSource.CLUSTER} if resource.name else set())
            found += [(resource, e) for _, e in sorted(answer.entries.items()) if e.source in sources]
        if call.json:
            call.envelope(settings=[{**_whose(resource), **setting_json(entry)} for resource, entry in found])
        else:
            rows = [
                Row([resource.type.name.lower(), resource.name or "default", *setting_row(entry).cells])
                for resource, entry in found
            ]
            call.table(COLUMNS, rows)

    call.run(work)


def _whose(resource: Resource) -> dict[str, str]:
    return {"kind": resource.type.name.lower(), "of": resource.name or "default"}


def _spoken(resource: Resource) -> str:
    return f"{resource.type.name.lower()} {resource.name or 'default'}"


@app.command(
    "describe",
    cls=TableCommand,
    epilog="kq config describe topic orders\nkq config describe broker 1 log.retention.ms --docs",
)
def describe(
    ctx: typer.Context,
    kind: KindArgument,
    name: NameArgument,
    keys: Annotated[list[str] | None, flags.argument("[KEY]…", "these settings only")] = None,
    every_setting: Annotated[bool, flags.own("--all", help="defaults too")] = False,
    docs: Annotated[bool, flags.own("--docs", help="what each setting means, in a column more")] = False,
) -> None:
    """The settings of a topic or a broker: those that were set, with --all every one."""
    from kq.cli.config.table import COLUMNS as SETTING_COLUMNS
    from kq.cli.config.table import is_worth_showing, setting_json, setting_row, source_name
    from kq.client import Admin

    call: Call = ctx.obj
    resource = resource_of(kind, name)

    async def work(cluster: Cluster) -> None:
        answer = (await Admin(cluster).describe_configs([resource], documentation=docs or call.json))[resource]
        if answer.error is not None:
            await refuse(cluster, call, answer)
        entries = _chosen(answer.entries, keys or [], every_setting=every_setting, worth=is_worth_showing)
        if call.json:
            settings = [
                {
                    **setting_json(entry),
                    "type": entry.type.name.lower(),
                    "documentation": entry.documentation,
                    "synonyms": [
                        {"name": s.name, "value": s.value, "from": source_name(s.source)} for s in entry.synonyms
                    ],
                }
                for entry in entries
            ]
            call.envelope(**_whose(resource), settings=settings)
            return
        extra = [Column("MEANING", "text", cut=True)] if docs else []
        rows = [
            Row([*setting_row(e).cells, *([_plain_text(e.documentation) or NONE] if docs else [])]) for e in entries
        ]
        call.table([*SETTING_COLUMNS, *extra], rows)
        hidden = len(answer.entries) - len(entries)
        if hidden and not keys:
            call.note(f"--all shows {hidden} more")

    call.run(work)


def _chosen(entries: Any, keys: list[str], *, every_setting: bool, worth: Any) -> list[ConfigEntry]:
    for key in keys:
        if key not in entries:
            raise NotFound(f"no setting '{key}'{did_you_mean(key, list(entries))}")
    chosen = keys or [key for key in sorted(entries) if every_setting or worth(entries[key])]
    return [entries[key] for key in chosen]


def _plain_text(documentation: str | None) -> str:
    """Kafka's documentation strings hold HTML."""
    import html
    import re

    return html.unescape(re.sub(r"<[^>]+>", "", documentation or "")).replace("\n", " ")


async def refuse(cluster: Cluster, call: Call, answer: ResourceConfig) -> None:
    from kq.cli.partitions.names import no_topic
    from kq.cli.run.problems import MISSING, failure_of
    from kq.client import ResourceType

    error, resource = answer.error, answer.resource
    if error is None:
        return
    if resource.type is ResourceType.TOPIC and error.code in MISSING:
        raise no_topic(resource.name, (await cluster.metadata(None)).topics, call.settings.bootstrap)
    raise failure_of(error, call)


@app.command(
    "alter",
    cls=TableCommand,
    epilog="kq config alter topic orders retention.ms=86400000\n"
    "kq config alter broker default --unset log.retention.ms",
)
def alter(
    ctx: typer.Context,
    kind: KindArgument,
    name: NameArgument,
    pairs: Annotated[
        list[str] | None, flags.argument("[KEY=VALUE]…", "KEY+=VALUE adds to a list, KEY-=VALUE takes away")
    ] = None,
    unset: Annotated[
        list[str] | None, flags.own("--unset", metavar="KEY", help="back to the inherited value; repeat")
    ] = None,
    dry_run: flags.DryRun = False,
) -> None:
    """Change settings while the cluster runs: all of the given ones, or none."""
    from kq.cli.changes.outcome import Done, parse_changes, report_done
    from kq.cli.run.reach import refuse_change
    from kq.client import Admin
    from kq.client.admin.types import ResourceConfig

    call: Call = ctx.obj
    resource = resource_of(kind, name)
    changes = parse_changes(pairs or [], unset or [], "")
    if not changes:
        raise Usage(f"{call.command}: say what to change: key=value, or --unset key")
    refuse_change(call)

    async def work(cluster: Cluster) -> list[Done]:
        error = (await Admin(cluster).alter_configs({resource: changes}, validate_only=dry_run))[resource]
        if error is not None and kind is Kind.topic:
            await refuse(cluster, call, ResourceConfig(resource, error=error))
        facts = {
            "kind": kind.value,
            "changes": [{"name": c.name, "op": c.op.name.lower(), "value": c.value} for c in changes],
        }
        return [Done(_spoken(resource), error, facts, words=f"altered {_spoken(resource)}")]

    report_done(call, "resources", call.run(work), dry_run=dry_run)
