"""From fetches to bytes: filters, decoders and the format, chosen once; on a terminal, control characters are shown.

Without filter, decoder and format a fetch goes out as one piece that the client joined: nothing is done per record
here.
"""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from kq.cli.consume.decode import Decoders
from kq.cli.consume.grep import Filter
from kq.cli.formats.layout import parse_bytes
from kq.cli.formats.rows import Rows, Watermarks
from kq.cli.formats.writing import Format, compile_format, lines_format
from kq.cli.output.text import shown_lines
from kq.cli.output.units import counted
from kq.cli.run.failures import Usage, did_you_mean

if TYPE_CHECKING:
    from kq.cli.run.call import Call
    from kq.client.fetched import Fetched

WORDS = ("json", "raw", "table")


class Share(NamedTuple):
    """What was dealt with of a fetch: so many records more, and all before this offset."""

    records: int
    next_offset: int


def whole_rows(fetched: Fetched) -> Rows:
    """Everything about each record of a fetch."""
    columns = fetched.columns()
    return Rows(
        fetched.topic,
        fetched.partition,
        columns.offsets,
        columns.values,
        columns.keys,
        columns.timestamps,
        columns.headers,
    )


def wanted_rows(rows: Rows, fetched: Fetched, filters: Filter | None, left: int | None) -> tuple[Rows, Share]:
    """Those that pass, at most `left`."""
    if filters is not None:
        rows = rows.picked(filters.places(rows))
    if left is None or len(rows) < left:
        return rows, Share(len(rows), fetched.next_offset)
    rows = rows.first(left)
    return rows, Share(left, rows.offsets[-1] + 1 if left else fetched.first_offset)


class Printing:
    def __init__(
        self,
        compiled: Format | None,
        *,
        delimiter: bytes,
        filters: Filter | None,
        decoders: Decoders | None,
        escape: bool,
        head: bytes = b"",
    ) -> None:
        self._compiled = compiled  # None: values and the delimiter
        self._delimiter = delimiter
        self._filters = filters
        self._decoders = decoders
        self._escape = escape
        self._head = head
        self._needs = frozenset(
            (compiled.needs if compiled else {"values"})
            | (filters.needs if filters else set())
            | (decoders.needs if decoders else set())
        )
        self.watermarks: Callable[[Fetched], Watermarks] | None = None

    def head(self) -> bytes:
        """What comes before the first record."""
        return self._head

    def render(self, fetched: Fetched, left: int | None) -> tuple[bytes, Share]:
        """The bytes of at most `left` records, and what they are of the fetch."""
        untouched = self._compiled is None and self._filters is None and self._decoders is None
        if untouched and (left is None or fetched.records_at_most <= left):
            data, count = fetched.joined(self._delimiter)
            return self._safe(data), Share(count, fetched.next_offset)
        rows, share = wanted_rows(self._rows(fetched, offsets=left is not None), fetched, self._filters, left)
        if not len(rows):
            return b"", share
        if self._decoders is not None:
            rows = self._decoders.apply(rows)
        compiled = self._compiled or lines_format(None, self._delimiter)
        return self._safe(compiled.render(rows)), share

    def _safe(self, data: bytes) -> bytes:
        return shown_lines(data) if self._escape and data else data

    def _rows(self, fetched: Fetched, *, offsets: bool) -> Rows:
        if self._needs <= {"values"} and not offsets:
            values = fetched.values()
            return Rows(fetched.topic, fetched.partition, range(len(values)), values)  # nobody asks for the offsets
        rows = whole_rows(fetched)
        return replace(
            rows,
            batches=_batches(fetched, rows.offsets) if "batches" in self._needs else (),
            watermarks=self.watermarks(fetched) if self.watermarks else Watermarks(),
        )

    def report_faults(self, call: Call) -> None:
        if self._decoders is not None and self._decoders.faults:
            faults = self._decoders.faults
            call.warn(
                f"{counted(faults, 'field')} could not be decoded, the first because: "
                f"{self._decoders.first_fault}; shown as they are"
            )


def _batches(fetched: Fetched, offsets: Sequence[int]) -> list[object]:
    """The header of each record's batch."""
    headers = [batch.header for batch in fetched.batches]
    starts = [header.base_offset for header in headers]
    return [headers[bisect_right(starts, offset) - 1] for offset in offsets]


def choose_printing(
    call: Call,
    text: str | None,
    *,
    key_delimiter: str | None,
    delimiter: str | None,
    decode: Sequence[str],
    filters: Filter | None,
    to_file: bool,
) -> Printing:
    """What `--json`, `-f`, `-K`, `-D` and `--decode` ask for; refuses what contradicts."""
    if call.json and text not in (None, "json"):
        raise Usage(f"--json and -f {text} contradict each other")
    name = "json" if call.json else text
    cuts = key_delimiter is not None or delimiter is not None
    if name is not None and cuts and (name != "raw" or key_delimiter is not None):
        raise Usage(f"-K and -D are for lines; they do not go with {'--json' if call.json else f'-f {name}'}")
    escape = sys.stdout.isatty() and not to_file and name != "raw"
    end = parse_bytes(delimiter, flag="-D") if delimiter is not None else b"\n"
    head = b""
    compiled: Format | None
    if name == "json":
        from kq.cli.formats.jsonlines import json_format

        compiled = json_format(decoded=bool(decode))
    elif name == "table":
        from kq.cli.consume.table import record_table

        compiled, head = record_table(call)
    elif name == "raw" or name is None:
        compiled = None if key_delimiter is None else lines_format(parse_bytes(key_delimiter, flag="-K"), end)
    elif "%" in name or "\\" in name:
        compiled = compile_format(name)
    else:
        raise Usage(
            f"-f {name}: not a format{did_you_mean(name, WORDS)}; write json, raw, table or a format as '%k %v\\n'"
        )
    return Printing(
        compiled,
        delimiter=end,
        filters=filters,
        decoders=Decoders(decode, as_text=name != "json") if decode else None,
        escape=escape,
        head=head,
    )
