"""`kq reset-offsets`: its arguments and help."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kq.cli.tree import flags
from kq.cli.tree.command import PLAIN_TYPER, TableCommand

if TYPE_CHECKING:
    from kq.cli.run.call import Call

app = typer.Typer(**PLAIN_TYPER)


@app.command(
    "reset-offsets",
    cls=TableCommand,
    epilog="kq reset-offsets billing --to-earliest\nkq reset-offsets billing -t orders:0,2 --to @-1h --execute\n"
    "kq reset-offsets billing --undo",
)
def reset_offsets(
    ctx: typer.Context,
    names: Annotated[list[str] | None, flags.argument("GROUP", "the group; it may have no members meanwhile")] = None,
    group: flags.Group = None,
    topic: flags.Topic = None,
    regex: flags.Regex = False,
    to: Annotated[
        str | None,
        flags.own("--to", metavar="OFFSET", help="start, end, N, +N, -N (the last N), @TIME, @-1h"),
    ] = None,
    to_earliest: Annotated[bool, flags.own("--to-earliest", help="to the first record")] = False,
    to_latest: Annotated[bool, flags.own("--to-latest", help="past the last record")] = False,
    to_offset: Annotated[
        int | None, flags.own("--to-offset", metavar="N", help="to this offset", parser=flags.whole(0))
    ] = None,
    to_current: Annotated[
        bool, flags.own("--to-current", help="where it stands; without a commit: past the last record")
    ] = False,
    to_datetime: Annotated[
        str | None,
        flags.own("--to-datetime", metavar="TIME", help="2026-11-21T14:00:00.000; UTC unless it says otherwise"),
    ] = None,
    by_duration: Annotated[
        str | None, flags.own("--by-duration", metavar="DURATION", help="so long before now: P1DT12H, 90m, 7d")
    ] = None,
    shift_by: Annotated[
        int | None,
        flags.own(
            "--shift-by", metavar="N", help="from the commit, back if below 0", parser=flags.whole(-flags.INT64_MAX)
        ),
    ] = None,
    from_group: Annotated[
        str | None, flags.own("--from-group", metavar="GROUP", help="to where another group stands")
    ] = None,
    from_file: Annotated[
        str | None, flags.option("from_file", help="do exactly what an exported plan (JSON or Kafka's CSV) says")
    ] = None,
    undo: Annotated[bool, flags.own("--undo", help="back to before the last executed reset")] = False,
    wait_empty: Annotated[bool, flags.own("--wait-empty", help="wait until the group has no members")] = False,
    timeout: Annotated[
        float | None, flags.option("timeout", help="longest wait of --wait-empty (exit 4)", parser=flags.seconds)
    ] = None,
    execute: flags.Execute = False,
    export: Annotated[
        str | None, flags.option("export", help="write the plan to a file: Kafka's CSV for FILE.csv, else JSON")
    ] = None,
) -> None:
    """Move the commits of a group. Shows the plan; --execute acts on it, --undo takes the last reset back.

    Without -t: all partitions of every topic that the group has committed in. An active group is refused, as on Apache
    Kafka. Each executed reset is kept in ~/.local/state/kq/resets (XDG_STATE_HOME) before it is sent."""
    from kq.cli.groups.selection import one_group
    from kq.cli.reset_offsets import resetting

    call: Call = ctx.obj
    ways = {
        "--to": to,
        "--to-earliest": to_earliest,
        "--to-latest": to_latest,
        "--to-offset": to_offset,
        "--to-current": to_current,
        "--to-datetime": to_datetime,
        "--by-duration": by_duration,
        "--shift-by": shift_by,
        "--from-group": from_group,
        "--from-file": from_file,
        "--undo": undo,
    }
    resetting.run(
        call,
        resetting.Order(
            group=one_group([*(names or ()), *([] if group is None else [group])], call.command),
            topics=topic or [],
            regex=regex,
            ways={flag: value for flag, value in ways.items() if value is not None and value is not False},
            wait_empty=wait_empty,
            timeout_s=timeout,
            execute=execute,
            export=export,
        ),
    )
