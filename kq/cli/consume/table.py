"""`consume -f table`: time, partition, offset, key and value in columns. A stream, so widths are set beforehand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kq.cli.formats.rows import Rows
from kq.cli.formats.writing import Format
from kq.cli.output.text import shown
from kq.cli.output.units import local_text, utc_text

if TYPE_CHECKING:
    from kq.cli.run.call import Call

NAMES = ("TIME", "PARTITION", "OFFSET", "KEY", "VALUE")
PARTITION_WIDTH = 12
OFFSET_WIDTH = 10
KEY_WIDTH = 16
NEEDS = frozenset({"offsets", "timestamps", "keys", "values"})


def record_table(call: Call) -> tuple[Format, bytes]:
    """The format and its header line. Plain in a pipe: tab-separated, exact; on a terminal cut at its width."""
    import sys

    if not sys.stdout.isatty():
        return Format(NEEDS, _plain), ("\t".join(NAMES) + "\n").encode()
    utc = call.form.utc
    width = call.form.width
    stamp = 24 if utc else 23

    def line(time: str, partition: str, offset: str, key: str, value: str) -> str:
        text = f"{time:<{stamp}}  {partition:<{PARTITION_WIDTH}}  {offset:>{OFFSET_WIDTH}}  {key:<{KEY_WIDTH}}  {value}"
        return text if len(text) <= width else text[: width - 1] + "…"

    def render(rows: Rows) -> bytes:
        place = f"{rows.topic}:{rows.partition}"
        lines = [
            line(_time(at_ms, utc=utc), place, str(offset), _cell(key), _cell(value))
            for offset, at_ms, key, value in zip(rows.offsets, rows.timestamps, rows.keys, rows.values, strict=True)
        ]
        return "".join(text + "\n" for text in lines).encode("utf-8", "backslashreplace")

    return Format(NEEDS, render), (line(*NAMES).rstrip() + "\n").encode()


def _time(at_ms: int, *, utc: bool) -> str:
    return "-" if at_ms < 0 else local_text(at_ms, utc=utc)


def _cell(data: bytes | None) -> str:
    return "-" if data is None else shown(data)


def _plain(rows: Rows) -> bytes:
    place = f"{rows.topic}:{rows.partition}".encode()
    lines = [
        b"%b\t%b\t%d\t%b\t%b\n"
        % (utc_text(at_ms).encode() if at_ms >= 0 else b"-", place, offset, _exact(key), _exact(value))
        for offset, at_ms, key, value in zip(rows.offsets, rows.timestamps, rows.keys, rows.values, strict=True)
    ]
    return b"".join(lines)


def _exact(data: bytes | None) -> bytes:
    if data is None:
        return b"-"
    return data.replace(b"\t", b"\\t").replace(b"\n", b"\\n").replace(b"\r", b"\\r")
