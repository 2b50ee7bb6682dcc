"""`kq groups` and its commands: their arguments and help. What they do lies beside, a module each, loaded when used."""

from __future__ import annotations

from typing import Annotated

import typer

from kq.cli.groups.rhythm import WatchCommand, parse_rhythm
from kq.cli.tree import flags
from kq.cli.tree.nouns import noun_app

app = noun_app(
    "groups", "Consumer groups and how far behind they are.", "kq groups list\nkq groups describe billing", alone="list"
)

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


@app.command("list", cls=WatchCommand, epilog="kq groups list --sort lag\nkq groups list 'bill*' --lag '>1000'")
def list_groups(
    ctx: typer.Context,
    names: Names = None,
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
        names or [],
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
        names or [],
        topics=topic or [],
        regex=regex,
        by=by,
        lag=lag,
        sort=sort,
        rhythm=parse_rhythm(watch, sample, count),
    )
