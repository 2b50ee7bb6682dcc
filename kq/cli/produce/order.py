"""What was asked of `kq produce`: as it was written, and read and found to make sense."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kq.cli.formats.layout import parse_bytes
from kq.cli.formats.reading import Reader
from kq.cli.partitions.names import parse_partitions, parse_topic
from kq.cli.partitions.offsets import parse_time
from kq.cli.produce.intake import STDIN
from kq.cli.produce.report import Report, compile_report
from kq.cli.produce.settings import producer_settings
from kq.cli.produce.shapes import Common, Formatted, JsonLines, Lines, Refuse, Shape, WholeFiles
from kq.cli.run.failures import Hint, Usage, did_you_mean, require_utf8

if TYPE_CHECKING:
    from kq.cli.run.call import Call

WORDS = ("json", "raw")
BY_KEY = "-1"  # kcat's and kcl's word for no partition


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What was asked of `kq produce`, as it was written."""

    topic: str | None
    topic_flags: list[str]
    files: list[str]
    partition: str | None
    key: str | None
    key_delimiter: str | None
    delimiter: str | None
    headers: list[str]
    tombstones: bool
    timestamp: str | None
    format: str | None
    compression: str | None
    acks: str | None
    count: int | None
    rate: float | None
    whole: bool
    create: bool
    partitions: int | None
    report: str | None


class Checked:
    """An order that makes sense, with its texts read."""

    def __init__(self, call: Call, order: Order) -> None:
        self.order = order
        topic, self.sources = _topic_and_sources(order)
        by_key = order.partition == BY_KEY
        self.topic, partition = _place(topic, None if by_key else order.partition)
        if by_key and partition is not None:
            raise Usage(f"{topic} names a partition, and -p {BY_KEY} none; give one")
        self.is_json = call.json or order.format == "json"
        self.reader = _reader(order.format)
        self.delimiter = parse_bytes(order.delimiter, flag="-D") if order.delimiter is not None else b"\n"
        self.key_delimiter = parse_bytes(order.key_delimiter, flag="-K") if order.key_delimiter is not None else None
        self._refuse_nonsense(call.command)
        self.settings = producer_settings(order.compression, order.acks)
        self.report: Report | None = None if order.report is None else compile_report(order.report)
        self.common = Common(
            topic=self.topic,
            key=order.key.encode("utf-8", "surrogateescape") if order.key is not None else None,
            headers=tuple(_header(text) for text in order.headers),
            tombstones=order.tombstones,
            partition=partition,
            by_key=by_key,
            timestamp_ms=_timestamp(order.timestamp),
        )

    def _refuse_nonsense(self, command: str) -> None:
        order = self.order
        if not self.delimiter or self.key_delimiter == b"":
            raise Usage(f"{command}: a delimiter cannot be empty")
        given = (("--json", self.is_json), ("-f", self.reader is not None), ("--whole", order.whole))
        shapes = [flag for flag, wanted in given if wanted]
        if len(shapes) > 1:
            raise Usage(f"{command}: {' and '.join(shapes)} contradict each other")
        if shapes and (order.delimiter or order.key_delimiter):
            raise Usage(f"{command}: -D and -K cut lines; they do not go with {shapes[0]}")
        if self.topic is None and not self.is_json and not (self.reader and self.reader.names_topic):
            raise Usage(f"{command}: TOPIC is missing", Hint("write", f"kq {command} TOPIC"))
        if order.count == 0:
            raise Usage(f"{command} -n 0: nothing would be sent")

    def shape(self, refuse: Refuse, limit: int) -> Shape:
        if self.is_json:
            return JsonLines(self.common, refuse, limit=limit)
        if self.reader is not None:
            return Formatted(self.common, refuse, self.reader)
        topic = self.topic or ""
        if self.order.whole:
            return WholeFiles(self.common, topic=topic)
        return Lines(
            self.common,
            refuse,
            topic=topic,
            delimiter=self.delimiter,
            key_delimiter=self.key_delimiter,
            limit=limit,
        )


def _reader(text: str | None) -> Reader | None:
    """For a format string; lines (also as `raw`) and JSON need none."""
    if text is None or text in WORDS:
        return None
    if "%" not in text:
        hint = did_you_mean(text, WORDS)
        raise Usage(f"-f {text}: not a format{hint}; write json, raw or a format as '%k %v\\n'")
    return Reader(text)


def _topic_and_sources(order: Order) -> tuple[str | None, list[str]]:
    """With -t the positional words are all files."""
    if not order.topic_flags:
        return order.topic, order.files or [STDIN]
    if len(order.topic_flags) > 1:
        raise Usage("produce takes one topic; -t was given more than once")
    files = [*([order.topic] if order.topic is not None else []), *order.files]
    return order.topic_flags[0], files or [STDIN]


def _place(topic: str | None, partition: str | None) -> tuple[str | None, int | None]:
    """Topic and partition, which may be written `orders:1` or after -p."""
    name, partitions = (None, None) if topic is None else parse_topic(topic)
    if partition is not None:
        if partitions is not None:
            raise Usage(f"{topic} and -p {partition} both name the partition; give one")
        partitions = parse_partitions(partition)
    if partitions is not None and len(partitions) != 1:
        raise Usage(f"{topic if partition is None else f'-p {partition}'}: produce takes one partition")
    return name, partitions[0] if partitions else None


def _header(text: str) -> tuple[str, bytes | None]:
    name, equals, value = text.partition("=")
    if not name:
        raise Usage(f"-H {text}: write NAME=VALUE, or NAME alone for a null")
    return require_utf8(name, "-H"), value.encode("utf-8", "surrogateescape") if equals else None


def _timestamp(text: str | None) -> int | None:
    if text is None:
        return None
    at_ms = int(text) if re.fullmatch("[0-9]{1,9}", text) else parse_time(text.removeprefix("@"), now_ms=_now_ms())
    if at_ms is None:
        raise Usage(f"--timestamp {text}: not a time; write 2026-11-21, 14:00, -1h or 1700000000000")
    if not 0 <= at_ms < 2**63:
        raise Usage(f"--timestamp {text}: a record's time is 1970 or later")
    return at_ms


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
