"""`kq consume`: records to stdout, a file or a command, by assignment or as a member of a group."""

from __future__ import annotations

from typing import Annotated

import typer

from kq.cli.tree import flags
from kq.cli.tree.command import PLAIN_TYPER, KqCommand

app = typer.Typer(**PLAIN_TYPER)


@app.command(
    "consume",
    cls=KqCommand,
    epilog="kq consume orders -o @-1h -e -G 'k:user-7'\n"
    "kq consume orders:0 -o -10 -f '%o %T %k %v\\n'\n"
    "kq consume orders -g billing -e",
)
def consume_command(
    ctx: typer.Context,
    topics: Annotated[
        list[str] | None, flags.argument("TOPIC…", "topics or globs; orders:0,2-4 for partitions")
    ] = None,
    topic: flags.Topic = None,
    partition: flags.Partition = None,
    regex: flags.Regex = False,
    offset: flags.Offset = None,
    group: flags.Group = None,
    count: flags.Count = None,
    until_end: flags.Exit = False,
    timeout: flags.Timeout = None,
    grep: flags.Grep = None,
    format_: flags.Format = None,
    key_delimiter: flags.KeyDelimiter = None,
    delimiter: flags.Delimiter = None,
    decode: Annotated[
        list[str] | None,
        flags.own(
            "--decode", metavar="[key=|value=]HOW", help="json, msgpack, int32, double, … or a pack string ('>iq')"
        ),
    ] = None,
    output: Annotated[str | None, flags.own("--output", metavar="FILE", help="into a file instead of stdout")] = None,
    exec_: Annotated[
        str | None, flags.own("--exec", metavar="CMD", help="a shell command for each record, its value on stdin")
    ] = None,
    into: Annotated[
        str | None,
        flags.own(
            "--into", metavar="DATABASE", help="SQL that CMD prints, once a record: an SQLite file, postgresql://…"
        ),
    ] = None,
) -> None:
    """Print values, a line each, from the start (or -o) and then what comes; -e, -n, a range or --timeout end it.

    -g shares the topics with the other members of a group, goes on where it has committed and commits what was printed.
    read_committed is the default: -X isolation.level=read_uncommitted shows open transactions too.
    -f json, raw, table or a format: %t topic, %p partition, %o offset, %k key, %v value, %T time in ms,
    %d{strftime[%F %T]}, %h{%k=%v } headers, %K %V lengths."""
    from kq.cli.consume.order import Order, consume

    consume(
        ctx.obj,
        Order(
            topics=flags.merged(topics, topic),
            partition=partition,
            regex=regex,
            offset=offset,
            group=group,
            count=count,
            until_end=until_end,
            timeout_s=timeout,
            grep=grep or [],
            format=format_,
            key_delimiter=key_delimiter,
            delimiter=delimiter,
            decode=decode or [],
            output=output,
            exec=exec_,
            into=into,
        ),
    )
