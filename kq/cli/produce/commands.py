"""`kq produce`: lines, files or JSON lines into a topic."""

from __future__ import annotations

from typing import Annotated

import typer

from kq.cli.tree import flags
from kq.cli.tree.command import PLAIN_TYPER, KqCommand

app = typer.Typer(**PLAIN_TYPER)


@app.command(
    "produce",
    cls=KqCommand,
    epilog="kq produce orders -K: -z zstd < orders.txt\n"
    "kq consume orders --json -e | kq produce orders-copy --json --create",
)
def produce(
    ctx: typer.Context,
    topic: Annotated[
        str | None, flags.argument("[TOPIC]", "topic; with --json or %t the records may name theirs")
    ] = None,
    files: Annotated[
        list[str] | None, flags.argument("[FILE]…", "files to read, - is stdin; stdin without one")
    ] = None,
    topic_flag: flags.Topic = None,
    partition: Annotated[
        str | None, flags.option("partition", help="for all records; -1: keys decide, also where --json names one")
    ] = None,
    key: flags.Key = None,
    key_delimiter: flags.KeyDelimiter = None,
    delimiter: flags.Delimiter = None,
    header: flags.Headers = None,
    tombstones: flags.Tombstones = False,
    timestamp: Annotated[
        str | None, flags.own("--timestamp", metavar="TIME", help="for all records; as after @ in -o")
    ] = None,
    format_: flags.Format = None,
    compression: flags.Compression = None,
    acks: flags.Acks = None,
    count: flags.Count = None,
    rate: Annotated[
        float | None, flags.own("--rate", metavar="N", help="at most N records a second", parser=flags.above_zero)
    ] = None,
    whole: Annotated[bool, flags.own("--whole", help="each file is one record")] = False,
    create: Annotated[bool, flags.own("--create", help="create the topic if it is not there")] = False,
    partitions: flags.NewPartitions = None,
    report: Annotated[
        str | None, flags.own("--report", metavar="FORMAT", help="json or a format: a line a record on stdout")
    ] = None,
) -> None:
    """Send each line of stdin, or of files, as a record.

    -K splits key and value, --json reads what consume --json writes, -f reads by a format ('%k\\t%v\\n').
    A line that is too large is named on stderr, the rest is sent, and the exit code is 1."""
    from kq.cli.produce import sending
    from kq.cli.produce.order import Order

    sending.produce(
        ctx.obj,
        Order(
            topic=topic,
            topic_flags=topic_flag or [],
            files=files or [],
            partition=partition,
            key=key,
            key_delimiter=key_delimiter,
            delimiter=delimiter,
            headers=header or [],
            tombstones=tombstones,
            timestamp=timestamp,
            format=format_,
            compression=compression,
            acks=acks,
            count=count,
            rate=rate,
            whole=whole,
            create=create,
            partitions=partitions,
            report=report,
        ),
    )
