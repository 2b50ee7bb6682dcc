"""`kq groups` and its commands: their arguments and help. What they do lies beside, a module each, loaded when used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kq.cli.groups.rhythm import WatchCommand, parse_rhythm
from kq.cli.tree import flags
from kq.cli.tree.command import TableCommand
from kq.cli.tree.nouns import Noun, noun_app

if TYPE_CHECKING:
    from kq.cli.run.call import Call

app = noun_app(
    "groups",
    "Consumer groups and how far behind they are.",
    "kq groups list\nkq groups describe billing",
    alone="list",
    elsewhere={"reset": Noun("kq.cli.reset_offsets.commands", single=True)},
)

One = Annotated[str | None, flags.argument("GROUP", "the group")]
Names = Annotated[list[str] | None, flags.argument("[GROUP]…", "groups or globs ('bill*'); all without one")]
Some = Annotated[list[str] | None, flags.argument("GROUP…", "groups or globs ('bill*')")]
Lag = Annotated[str | None, flags.own("--lag", metavar="COMPARISON", help="only where the lag is so, as in '>1000'")]
Sort = Annotated[str | None, flags.own("--sort", metavar="COLUMN", help="by lag, behind or any other column")]
Watch = Annotated[
    str | None, flags.own("--watch", metavar="[SECONDS]", help="again and again (2 s), with rates and trend")
]
Sample = Annotated[
    str | None, flags.own("--sample", metavar="DURATION", help="look twice, as in 5s: rates, trend, time to empty")
]


def _merged(names: list[str] | None, group: str | None) -> list[str]:
    """The positional groups and that of `-g`: they mean the same."""
    return [*(names or ()), *([] if group is None else [group])]


@app.command("list", cls=WatchCommand, epilog="kq groups list --sort lag\nkq groups list 'bill*' --lag '>1000'")
def list_groups(
    ctx: typer.Context,
    names: Names = None,
    group: flags.Group = None,
    topic: flags.Topic = None,
    regex: flags.Regex = False,
    state: Annotated[list[str] | None, flags.own("--state", metavar="STATE", help="only in this state; repeat")] = None,
    type_: Annotated[list[str] | None, flags.own("--type", metavar="TYPE", help="only of this type; repeat")] = None,
    lag: Lag = None,
    sort: Sort = None,
    watch: Watch = None,
    sample: Sample = None,
    count: flags.Count = None,
) -> None:
    """Groups with state, members, lag in records, and how old the next unread record is.

    Lag counts to the high watermark; with -X isolation.level=read_committed to the last stable offset."""
    from kq.cli.groups import listing

    listing.run(
        ctx.obj,
        _merged(names, group),
        topics=topic or [],
        regex=regex,
        states=state or [],
        types=type_ or [],
        lag=lag,
        sort=sort,
        rhythm=parse_rhythm(watch, sample, count),
    )


@app.command(
    "describe",
    cls=WatchCommand,
    epilog="kq groups describe billing --sort lag\nkq groups describe billing --by member --watch",
)
def describe(
    ctx: typer.Context,
    names: Some = None,
    group: flags.Group = None,
    topic: flags.Topic = None,
    regex: flags.Regex = False,
    by: Annotated[
        str, flags.own("--by", metavar="WHAT", help="a row for each partition (default), topic, member or group")
    ] = "partition",
    lag: Lag = None,
    sort: Sort = None,
    watch: Watch = None,
    sample: Sample = None,
    count: flags.Count = None,
) -> None:
    """Members, and for each partition commit, end, lag and how old the next unread record is.

    A commit before the log start says how many records are gone. No commit is -, which is not lag 0."""
    from kq.cli.groups import description

    description.run(
        ctx.obj,
        _merged(names, group),
        topics=topic or [],
        regex=regex,
        by=by,
        lag=lag,
        sort=sort,
        rhythm=parse_rhythm(watch, sample, count),
    )


@app.command("peek", cls=TableCommand, epilog="kq groups peek billing\nkq groups peek billing -t orders:3 -n 1 --json")
def peek(
    ctx: typer.Context,
    name: One = None,
    group: flags.Group = None,
    topic: flags.Topic = None,
    count: Annotated[
        int | None, flags.option("count", help="records of each partition (3)", parser=flags.whole(0))
    ] = None,
) -> None:
    """The next unread records of a group, without joining it and without committing."""
    from kq.cli.groups import peeking

    call: Call = ctx.obj
    peeking.run(call, _one(call, name, group), topics=topic or [], count=count)


@app.command("history", cls=WatchCommand, epilog="kq groups history billing\nkq groups history billing --watch 0.5")
def history(
    ctx: typer.Context,
    name: One = None,
    group: flags.Group = None,
    watch: Annotated[
        str | None, flags.own("--watch", metavar="[SECONDS]", help="and what happens from now on; looks every 2 s")
    ] = None,
    count: Annotated[int | None, flags.option("count", help="looks of --watch", parser=flags.whole(1))] = None,
) -> None:
    """What happened in each generation since the broker's start: why, who came and went, how many partitions moved, how
    long reading stood. It is kept in the broker's memory, and lost with it.

    The last 50 generations are kept, by a kq broker. Of any other Kafka it is what can be seen from here, with --watch.

    MOVED counts partitions that had an owner in the generation before and have another one now: none when a group
    begins, and none that nobody takes. STOOD is, in the consumer protocol, how long the one that stood longest was
    nobody's: unknown until all have arrived, and for good if the next generation came before."""
    from kq.cli.groups import history as past

    call: Call = ctx.obj
    past.run(call, _one(call, name, group), parse_rhythm(watch, None, count))


@app.command(
    "delete",
    cls=TableCommand,
    epilog="kq groups delete billing\nkq groups list --names 'test-*' | xargs kq groups delete --yes",
)
def delete(
    ctx: typer.Context,
    names: Some = None,
    group: flags.Group = None,
    regex: flags.Regex = False,
    if_exists: Annotated[bool, flags.own("--if-exists", help="not an error when it is not there")] = False,
    yes: flags.Yes = False,
    dry_run: flags.DryRun = False,
) -> None:
    """Delete groups without members, and all they have committed. Asks on a terminal; elsewhere it needs --yes."""
    from kq.cli.groups import deleting

    deleting.delete(ctx.obj, _merged(names, group), regex=regex, if_exists=if_exists, yes=yes, dry_run=dry_run)


@app.command(
    "delete-offsets",
    cls=TableCommand,
    epilog="kq groups delete-offsets billing orders\nkq groups delete-offsets billing orders:0,2 --yes",
)
def delete_offsets(
    ctx: typer.Context,
    words: Annotated[
        list[str] | None, flags.argument("GROUP TOPIC…", "the group, and whose commits go: orders, orders:0,2 or '*'")
    ] = None,
    group: flags.Group = None,
    topic: flags.Topic = None,
    yes: flags.Yes = False,
    dry_run: flags.DryRun = False,
) -> None:
    """Delete what a group has committed in some topics or partitions; no member may be reading them."""
    from kq.cli.groups import deleting

    call: Call = ctx.obj
    given = [*([] if group is None else [group]), *(words or [])]
    name, topics = (given[0], given[1:]) if given else (None, [])
    deleting.delete_offsets(call, _one(call, name, None), flags.merged(topics, topic), yes=yes, dry_run=dry_run)


def _one(call: Call, name: str | None, group: str | None) -> str:
    from kq.cli.groups.selection import one_group

    return one_group([word for word in (name, group) if word is not None], call.command)
