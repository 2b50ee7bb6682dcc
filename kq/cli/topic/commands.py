"""`kq topic` and its commands: their arguments and help. What they do lies beside, a module each, loaded when used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kq.cli.tree import flags
from kq.cli.tree.command import TableCommand
from kq.cli.tree.nouns import noun_app

if TYPE_CHECKING:
    from kq.cli.run.call import Call

app = noun_app("topic", "Topics and their partitions.", "kq topic list\nkq topic create orders -p 3", alone="list")

Names = Annotated[list[str] | None, flags.argument("[TOPIC]…", "topic names or globs ('test-*'); all without one")]
Some = Annotated[list[str] | None, flags.argument("TOPIC…", "topic names or globs ('test-*')")]
Internal = Annotated[bool, flags.own("--internal", help="Kafka's own topics too")]


@app.command("list", cls=TableCommand, epilog="kq topic list\nkq topic list 'test-*' --unhealthy")
def list_topics(
    ctx: typer.Context,
    names: Names = None,
    topic: flags.Topic = None,
    regex: flags.Regex = False,
    internal: Internal = False,
    unhealthy: Annotated[bool, flags.own("--unhealthy", help="only topics that are not ok")] = False,
    under_replicated: Annotated[bool, flags.own("--under-replicated", help="only with replicas missing")] = False,
    under_min_isr: Annotated[
        bool, flags.own("--under-min-isr", help="only with partitions that refuse acks=all")
    ] = False,
    offline: Annotated[bool, flags.own("--offline", help="only with partitions without a leader")] = False,
) -> None:
    """Topics with their records, size, last write and health.

    RECORDS is end minus start; `~` stands before it on a terminal where compaction leaves gaps."""
    from kq.cli.topic import listing

    filters = {"under_replicated": under_replicated, "under_min_isr": under_min_isr, "offline": offline}
    listing.run(
        ctx.obj,
        flags.merged(names, topic),
        regex=regex,
        internal=internal,
        only={name for name, wanted in filters.items() if wanted or unhealthy},
    )


@app.command(
    "describe", cls=TableCommand, epilog="kq topic describe orders\nkq topic describe orders --all --section settings"
)
def describe(
    ctx: typer.Context,
    names: Some = None,
    topic: flags.Topic = None,
    regex: flags.Regex = False,
    every_setting: Annotated[bool, flags.own("--all", help="every setting, not only those that were set")] = False,
    section: Annotated[
        str, flags.own("--section", metavar="NAME", help="in a pipe: partitions (default) or settings")
    ] = "partitions",
) -> None:
    """Partitions with leader, replicas, offsets and size; and the settings in force."""
    from kq.cli.topic import description

    description.run(ctx.obj, flags.merged(names, topic), regex=regex, every_setting=every_setting, section=section)


@app.command("offsets", cls=TableCommand, epilog="kq topic offsets orders\nkq topic offsets orders:0,2 -o @-1h")
def offsets(
    ctx: typer.Context,
    names: Some = None,
    topic: flags.Topic = None,
    partition: flags.Partition = None,
    regex: flags.Regex = False,
    offset: flags.Offset = None,
) -> None:
    """First and next offset of each partition; with -o also where that position is."""
    from kq.cli.topic import bounds

    bounds.run(ctx.obj, flags.merged(names, topic), partition=partition, regex=regex, offset=offset)


@app.command(
    "create",
    cls=TableCommand,
    epilog="kq topic create orders -p 3\nkq topic create audit -p 12 -r 3 -c retention.ms=604800000",
)
def create(
    ctx: typer.Context,
    names: Annotated[list[str] | None, flags.argument("TOPIC…", "names of the new topics")] = None,
    topic: flags.Topic = None,
    partitions: flags.PartitionCount = None,
    replication_factor: flags.ReplicationFactor = None,
    settings: flags.TopicSettings = None,
    if_not_exists: Annotated[bool, flags.own("--if-not-exists", help="not an error when it is there")] = False,
    dry_run: flags.DryRun = False,
) -> None:
    """Create topics. Counts that are not given are the broker's defaults."""
    from kq.cli.topic import changes

    changes.create(
        ctx.obj,
        flags.merged(names, topic),
        partitions=partitions,
        replication_factor=replication_factor,
        settings=settings or [],
        if_not_exists=if_not_exists,
        dry_run=dry_run,
    )


@app.command(
    "alter",
    cls=TableCommand,
    epilog="kq topic alter orders -p 6\nkq topic alter orders -c retention.ms=86400000 --unset cleanup.policy",
)
def alter(
    ctx: typer.Context,
    names: Some = None,
    topic: flags.Topic = None,
    partitions: flags.PartitionCount = None,
    settings: flags.TopicSettings = None,
    unset: Annotated[
        list[str] | None, flags.own("--unset", metavar="KEY", help="back to the inherited value; repeat")
    ] = None,
    regex: flags.Regex = False,
    dry_run: flags.DryRun = False,
) -> None:
    """Add partitions, change settings. `-c key+=value` and `-c key-=value` add to and take from a list."""
    from kq.cli.topic import changes

    changes.alter(
        ctx.obj,
        flags.merged(names, topic),
        partitions=partitions,
        settings=settings or [],
        unset=unset or [],
        regex=regex,
        dry_run=dry_run,
    )


@app.command(
    "delete",
    cls=TableCommand,
    epilog="kq topic delete orders\nkq topic list --names 'test-*' | xargs kq topic delete --yes",
)
def delete(
    ctx: typer.Context,
    names: Some = None,
    topic: flags.Topic = None,
    regex: flags.Regex = False,
    if_exists: Annotated[bool, flags.own("--if-exists", help="not an error when it is not there")] = False,
    yes: flags.Yes = False,
    dry_run: flags.DryRun = False,
) -> None:
    """Delete topics with all their records. Asks for the name on a terminal; elsewhere it needs --yes."""
    from kq.cli.topic import changes

    changes.delete(ctx.obj, flags.merged(names, topic), regex=regex, if_exists=if_exists, yes=yes, dry_run=dry_run)


@app.command("trim", cls=TableCommand, epilog="kq topic trim orders -o @-7d\nkq topic trim orders:1 -o 5000 --execute")
def trim(
    ctx: typer.Context,
    names: Some = None,
    topic: flags.Topic = None,
    partition: flags.Partition = None,
    offset: flags.Offset = None,
    regex: flags.Regex = False,
    execute: flags.Execute = False,
    export: flags.Export = None,
    from_file: flags.FromFile = None,
) -> None:
    """Delete the records before an offset or a time. Shows the plan; --execute acts on it."""
    from kq.cli.topic import trimming

    call: Call = ctx.obj
    trimming.run(
        call,
        flags.merged(names, topic),
        partition=partition,
        offset=offset,
        regex=regex,
        execute=execute,
        export=export,
        from_file=from_file,
    )
