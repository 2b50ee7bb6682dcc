"""From input to records: lines with keys, JSON lines, a reverse format string, or whole files. Sans-IO.

A shape takes chunks and gives shipments: records for one topic and one choice of partition, by the column, each with
the number of the line (or record, or file) it came from, so that a failure can name it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from kq.cli.formats.jsonlines import JsonRecord, read_lines
from kq.cli.formats.reading import BadInput, Reader
from kq.cli.formats.rows import Headers
from kq.cli.produce.intake import Cutter
from kq.cli.run.failures import Failure

Refuse = Callable[[int, str], None]  # line number, why


@dataclass(slots=True)
class Shipment:
    """Records that are sent with one call. Columns that nothing is known of are None."""

    topic: str
    values: Sequence[bytes | None]
    numbers: Sequence[int]
    keys: Sequence[bytes | None] | None = None
    headers: Sequence[Headers] | None = None
    timestamps_ms: int | Sequence[int] | None = None
    partition: int | None = None

    def part(self, start: int, stop: int) -> Shipment:
        stamps = self.timestamps_ms
        return Shipment(
            self.topic,
            self.values[start:stop],
            self.numbers[start:stop],
            None if self.keys is None else self.keys[start:stop],
            None if self.headers is None else self.headers[start:stop],
            stamps if stamps is None or isinstance(stamps, int) else stamps[start:stop],
            self.partition,
        )

    @property
    def size_bytes(self) -> int:
        """Of keys and values."""
        return _length(self.values) + _length(self.keys or ())


def _length(column: Sequence[bytes | None]) -> int:
    try:
        return sum(map(len, column))  # type: ignore[arg-type]
    except TypeError:  # a null among them
        return sum(map(len, filter(None, column)))


@dataclass(frozen=True, slots=True)
class Common:
    """What the flags say about every record."""

    topic: str | None
    key: bytes | None = None
    headers: Headers = ()
    tombstones: bool = False
    partition: int | None = None
    by_key: bool = False
    """The partitions that records name do not count: their keys decide, or whose turn it is."""
    timestamp_ms: int | None = None

    def partition_of(self, record: JsonRecord) -> int | None:
        if self.by_key:
            return None
        return record.partition if self.partition is None else self.partition


class Shape(Protocol):
    unit: str  # what `numbers` count: "line", "record" or "file"

    def feed(self, data: bytes) -> list[Shipment]:
        """The records that are complete now."""
        ...

    def finish(self) -> list[Shipment]:
        """Those that the end of the input completes."""
        ...


class Lines:
    """A record a line (or between other delimiters), with or without a key before a delimiter."""

    unit = "line"

    def __init__(
        self, common: Common, refuse: Refuse, *, topic: str, delimiter: bytes, key_delimiter: bytes | None, limit: int
    ) -> None:
        self._common = common
        self._refuse = refuse
        self._topic = topic
        self._key_delimiter = key_delimiter
        self._limit = limit
        self._cutter = Cutter(delimiter, limit)
        self._next = 1

    def feed(self, data: bytes) -> list[Shipment]:
        return self._shaped(self._cutter.feed(data))

    def finish(self) -> list[Shipment]:
        return self._shaped(self._cutter.finish())

    def _shaped(self, lines: list[bytes]) -> list[Shipment]:
        for _, size in self._cutter.oversized:
            self._refuse(self._next, f"{size:,} bytes, over max.message.bytes {self._limit:,}")
            self._next += 1
        if not lines:
            return []
        numbers = range(self._next, self._next + len(lines))
        self._next += len(lines)
        common = self._common
        values: Sequence[bytes | None] = lines
        keys: Sequence[bytes | None] | None = None
        if self._key_delimiter is not None:
            keys, found, values = zip(*[line.partition(self._key_delimiter) for line in lines], strict=True)
            if b"" in found:  # some lines have no key
                values = [value if had else key for key, had, value in zip(keys, found, values, strict=True)]
                keys = [key if had else common.key for key, had in zip(keys, found, strict=True)]
        elif common.key is not None:
            keys = [common.key] * len(lines)
        if common.tombstones:
            values = [value or None for value in values]
        headers = [common.headers] * len(lines) if common.headers else None
        return [Shipment(self._topic, values, numbers, keys, headers, common.timestamp_ms, common.partition)]


class JsonLines:
    """A JSON object a line, as `consume --json` writes them."""

    unit = "line"

    def __init__(self, common: Common, refuse: Refuse, *, limit: int) -> None:
        self._common = common
        self._refuse = refuse
        self._cutter = Cutter(b"\n", limit * 8)  # base64 and escapes need room: a byte is at most six in JSON
        self._limit = limit
        self._next = 1

    def feed(self, data: bytes) -> list[Shipment]:
        return self._shaped(self._cutter.feed(data))

    def finish(self) -> list[Shipment]:
        return self._shaped(self._cutter.finish())

    def _shaped(self, lines: list[bytes]) -> list[Shipment]:
        for _, size in self._cutter.oversized:
            self._refuse(self._next, f"{size:,} bytes, over max.message.bytes {self._limit:,}")
            self._next += 1
        first = self._next
        self._next += len(lines)
        refused: set[int] = set()

        def refuse(index: int, why: str) -> None:
            refused.add(index)
            self._refuse(first + index, why)

        present = [index for index, line in enumerate(lines) if line.strip()]
        records = read_lines([lines[index] for index in present], lambda place, why: refuse(present[place], why))
        numbers = [first + index for index in present if index not in refused]
        return grouped(records, numbers, self._common, self._refuse)


class Formatted:
    """Records by a reverse format string."""

    unit = "record"

    def __init__(self, common: Common, refuse: Refuse, reader: Reader) -> None:
        self._common = common
        self._refuse = refuse
        self._reader = reader

    def feed(self, data: bytes) -> list[Shipment]:
        return self._shaped(lambda: self._reader.feed(data))

    def finish(self) -> list[Shipment]:
        return self._shaped(self._reader.finish)

    def _shaped(self, read: Callable[[], list[JsonRecord]]) -> list[Shipment]:
        first = self._reader.records_read + 1
        try:
            records = read()
        except BadInput as fault:
            raise Failure(f"the input does not fit the format: {fault}") from None
        return grouped(records, range(first, first + len(records)), self._common, self._refuse)


class WholeFiles:
    """Each source is one record."""

    unit = "file"

    def __init__(self, common: Common, *, topic: str) -> None:
        self._common = common
        self._topic = topic
        self._held: list[bytes] = []
        self._next = 1

    def feed(self, data: bytes) -> list[Shipment]:
        self._held.append(data)
        return []

    def finish(self) -> list[Shipment]:
        value: bytes | None = b"".join(self._held)
        self._held = []
        common = self._common
        if common.tombstones:
            value = value or None
        number = self._next
        self._next += 1
        keys = None if common.key is None else [common.key]
        headers = [common.headers] if common.headers else None
        return [Shipment(self._topic, [value], [number], keys, headers, common.timestamp_ms, common.partition)]


def grouped(records: Sequence[JsonRecord], numbers: Sequence[int], common: Common, refuse: Refuse) -> list[Shipment]:
    """Records that name their own topic and partition, as shipments; order holds within each of them."""
    if (alike := _all_alike(records, common)) is not None:
        return [_shipment(*alike, records, numbers, common)]
    groups: dict[tuple[str, int | None, bool], list[int]] = {}
    for place, record in enumerate(records):
        topic = common.topic or record.topic
        if topic is None:
            refuse(numbers[place], "names no topic, and none was given")
            continue
        partition = common.partition_of(record)
        stamped = record.timestamp_ms is not None and common.timestamp_ms is None
        groups.setdefault((topic, partition, stamped), []).append(place)
    return [
        _shipment(topic, partition, stamped, [records[place] for place in places], [numbers[p] for p in places], common)
        for (topic, partition, stamped), places in groups.items()
    ]


def _all_alike(records: Sequence[JsonRecord], common: Common) -> tuple[str, int | None, bool] | None:
    """Where all of them go, if that is one place."""
    topics = {common.topic} if common.topic else {record.topic for record in records}
    partitions = {common.partition_of(record) for record in records}
    stamped = {record.timestamp_ms is not None and common.timestamp_ms is None for record in records}
    if len(topics) != 1 or len(partitions) != 1 or len(stamped) != 1 or None in topics:
        return None
    return topics.pop() or "", partitions.pop(), stamped.pop()


def _shipment(
    topic: str,
    partition: int | None,
    stamped: bool,
    records: Sequence[JsonRecord],
    numbers: Sequence[int],
    common: Common,
) -> Shipment:
    values = [record.value for record in records]
    if common.tombstones:
        values = [value or None for value in values]
    keys = [record.key for record in records]
    if common.key is not None:
        keys = [common.key if key is None else key for key in keys]
    headers = [record.headers for record in records]
    if common.headers:
        headers = [(*common.headers, *own) for own in headers]
    stamps = [record.timestamp_ms or 0 for record in records] if stamped else common.timestamp_ms
    return Shipment(topic, values, numbers, keys, headers if any(headers) else None, stamps, partition)
