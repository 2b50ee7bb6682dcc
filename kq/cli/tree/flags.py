"""The shared flags: one spelling and one meaning everywhere (the table of CLI.md; a test compares every command with
it).

A command takes a flag by annotating a parameter with one of the types below. Every shared flag may stand before or
after the subcommand: `nouns.py` moves it, and needs only `TAKES_VALUE` for that.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Annotated, Any, NamedTuple

import typer

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
ACKS = ("0", "1", "all")


class Flag(NamedTuple):
    """One shared flag. `metavar` None: it takes no value."""

    opts: tuple[str, ...]
    metavar: str | None
    help: str


SHARED: dict[str, Flag] = {
    "bootstrap": Flag(("-b", "--bootstrap"), "HOST:PORT,…", "brokers to ask (KQ_BOOTSTRAP; 127.0.0.1:9092)"),
    "profile": Flag(("-C", "--profile"), "NAME", "profile to use (KQ_PROFILE)"),
    "client_settings": Flag(("-X",), "KEY=VALUE", "client setting under its Kafka name; repeat"),
    "json": Flag(("--json",), None, "one JSON object; on produce and consume: JSON lines"),
    "quiet": Flag(("-q", "--quiet"), None, "no progress and no summary"),
    "verbose": Flag(("-v", "--verbose"), None, "each request on stderr; -vv stacks too"),
    "no_color": Flag(("--no-color",), None, "no colours (as NO_COLOR, TERM=dumb)"),
    "plain": Flag(("--plain",), None, "tab-separated, as in a pipe"),
    "table": Flag(("--table",), None, "aligned, as on a terminal"),
    "no_header": Flag(("--no-header",), None, "leave the header line out"),
    "names": Flag(("--names",), None, "the first column alone"),
    "utc": Flag(("--utc",), None, "UTC instead of local time"),
    "topic": Flag(("-t", "--topic"), "TOPIC[:P,…]", "topic, with partitions as in orders:0,2-4; repeat"),
    "partition": Flag(("-p", "--partition"), "LIST", "partitions, as in 0,2-4"),
    "partitions": Flag(("--partitions",), "N", "how many partitions, the total"),
    "replication_factor": Flag(("-r", "--replication-factor"), "N", "copies of each partition"),
    "topic_setting": Flag(("-c",), "KEY=VALUE", "topic setting; repeat"),
    "broker_setting": Flag(("-s",), "KEY=VALUE", "broker setting; repeat"),
    "offset": Flag(("-o", "--offset"), "OFFSET", "start, end, N, +N, -N, N:M, :end, @TIME, @T1:T2, @-1h"),
    "key": Flag(("-k", "--key"), "KEY", "key for all records"),
    "key_delimiter": Flag(("-K", "--key-delimiter"), "DELIMITER", "between key and value"),
    "delimiter": Flag(("-D", "--delimiter"), "DELIMITER", "between records"),
    "header": Flag(("-H", "--header"), "NAME=VALUE", "header; repeat"),
    "tombstones": Flag(("-Z", "--tombstones"), None, "an empty value is null"),
    "compression": Flag(("-z", "--compression"), "CODEC", "none, gzip, snappy, lz4 or zstd"),
    "acks": Flag(("--acks",), "0|1|all", "who must have a record before it counts as sent"),
    "format": Flag(("-f", "--format"), "FORMAT", "json, raw, table or a format string (%t %p %o %k %v …)"),
    "group": Flag(("-g", "--group"), "GROUP", "consumer group"),
    "count": Flag(("-n", "--count"), "N", "stop after N"),
    "exit": Flag(("-e", "--exit"), None, "stop at the end"),
    "timeout": Flag(("--timeout",), "SECONDS", "give up after this long (exit 4)"),
    "grep": Flag(("-G", "--grep"), "PATTERN", "k:… v:… hk:… hv:… h:NAME=… t:…; ! negates; repeat for AND"),
    "regex": Flag(("--regex",), None, "names and every PATTERN are regular expressions, not globs"),
    "data_dir": Flag(("--data-dir",), "DIR", "the broker's directory"),
    "yes": Flag(("--yes",), None, "delete without asking"),
    "dry_run": Flag(("--dry-run",), None, "show what would be done"),
    "execute": Flag(("--execute",), None, "do what the plan says"),
    "export": Flag(("--export",), "FILE", "write the plan to a file"),
    "from_file": Flag(("--from-file",), "FILE", "do exactly what an exported plan says"),
}

TAKES_VALUE: dict[str, bool] = {opt: flag.metavar is not None for flag in SHARED.values() for opt in flag.opts}


def option(name: str, *also: str, help: str | None = None, parser: Any = None) -> Any:
    """The typer option of a shared flag; `also` adds a short form, `help` says what it means for this command."""
    flag = SHARED[name]
    return typer.Option(
        *also, *flag.opts, metavar=flag.metavar, help=help or flag.help, show_default=False, parser=parser
    )


def own(*opts: str, help: str, metavar: str | None = None, hidden: bool = False, parser: Any = None) -> Any:
    """An option of one command only."""
    return typer.Option(*opts, help=help, metavar=metavar, show_default=False, hidden=hidden, parser=parser)


def argument(metavar: str, help: str) -> Any:
    return typer.Argument(metavar=metavar, help=help, show_default=False)


def merged(arguments: Sequence[str] | None, topics: Sequence[str] | None) -> list[str]:
    """The positional topics and those of `-t`: they mean the same."""
    return [*(arguments or ()), *(topics or ())]


# -- what a value may be: a BadParameter becomes `kq: topic create -p: 0 is too small; write 1 or more` ----------------

INT16_MAX = 2**15 - 1
INT32_MAX = 2**31 - 1
INT64_MAX = 2**63 - 1


def whole(least: int, most: int = INT64_MAX) -> Callable[[str], int]:
    """A parser of whole numbers from `least` to `most`."""

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise typer.BadParameter(f"'{text}' is not a whole number") from None
        if number < least:
            raise typer.BadParameter(f"{number} is too small; write {least} or more")
        if number > most:
            raise typer.BadParameter(f"{number} is too large; write {most} or less")
        return number

    return parse


def seconds(text: str) -> float:
    """0 or more; `nan` and `inf`, which Python would take, are no time that can be waited."""
    number = _finite(text)
    if number < 0:
        raise typer.BadParameter(f"{text} is too small; write 0 or more seconds")
    return number


def above_zero(text: str) -> float:
    number = _finite(text)
    if number <= 0:
        raise typer.BadParameter(f"{text} is too small; write a number above 0")
    return number


def _finite(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise typer.BadParameter(f"'{text}' is not a number")
    return number


Topic = Annotated[list[str] | None, option("topic")]
Partition = Annotated[str | None, option("partition")]
Offset = Annotated[str | None, option("offset")]
Regex = Annotated[bool, option("regex")]
Key = Annotated[str | None, option("key")]
KeyDelimiter = Annotated[str | None, option("key_delimiter")]
Delimiter = Annotated[str | None, option("delimiter")]
Headers = Annotated[list[str] | None, option("header")]
Tombstones = Annotated[bool, option("tombstones")]
Compression = Annotated[str | None, option("compression")]
Acks = Annotated[str | None, option("acks")]
Format = Annotated[str | None, option("format")]
Group = Annotated[str | None, option("group")]
Count = Annotated[int | None, option("count", parser=whole(0))]
Exit = Annotated[bool, option("exit")]
Timeout = Annotated[float | None, option("timeout", parser=seconds)]
Grep = Annotated[list[str] | None, option("grep")]
DataDir = Annotated[str | None, option("data_dir")]
TopicSettings = Annotated[list[str] | None, option("topic_setting")]
BrokerSettings = Annotated[list[str] | None, option("broker_setting")]
ReplicationFactor = Annotated[int | None, option("replication_factor", parser=whole(1, INT16_MAX))]
PartitionCount = Annotated[int | None, option("partitions", "-p", parser=whole(1, INT32_MAX))]
NewPartitions = Annotated[
    int | None, option("partitions", help="of the topic that is made", parser=whole(1, INT32_MAX))
]
Yes = Annotated[bool, option("yes")]
DryRun = Annotated[bool, option("dry_run")]
Execute = Annotated[bool, option("execute")]
Export = Annotated[str | None, option("export")]
FromFile = Annotated[str | None, option("from_file")]
