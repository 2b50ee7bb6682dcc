"""`kq wait`: its arguments and help."""

from __future__ import annotations

from typing import Annotated

import typer

from kq.cli.tree import flags
from kq.cli.tree.command import PLAIN_TYPER, KqCommand

app = typer.Typer(**PLAIN_TYPER)


@app.command(
    "wait",
    cls=KqCommand,
    epilog="kq wait topic=orders --timeout 30\nkq wait -g billing lag==0 'members>=2' --timeout 60",
)
def wait(
    ctx: typer.Context,
    conditions: Annotated[
        list[str] | None,
        flags.argument(
            "CONDITION…", "topic=NAME; of the group: lag==0, members==2 (== != < <= > >=, the latter quoted)"
        ),
    ] = None,
    group: flags.Group = None,
    timeout: flags.Timeout = None,
) -> None:
    """Wait until every condition holds at once. Quiet success; exit 4 when the time ends, saying what did not hold.

    topic=NAME: the topic exists and each partition has a leader. lag: records to the high watermark, of all partitions
    that the group has committed or been assigned; a partition with records and no commit leaves it unknown, and an
    unknown value holds no condition. members: of a group that does not exist it is 0. A broker that does not answer is
    waited for, too."""
    from kq.cli.wait import waiting

    waiting.run(ctx.obj, conditions or [], group=group, timeout_s=timeout)
