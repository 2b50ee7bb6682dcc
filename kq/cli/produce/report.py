"""`produce --report`: a line on stdout for each record that was sent, in the order of the input.

`json` gives one object a line, also for those that failed; a format string (`%t %p %o %T %k %v`) those that were sent.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from kq.cli.formats.rows import Rows
from kq.cli.formats.writing import Format, compile_format
from kq.cli.run.failures import Usage
from kq.cli.run.problems import error_json
from kq.errors import KafkaError

if TYPE_CHECKING:
    from kq.cli.produce.shapes import Shipment
    from kq.client.delivery import Accepted, Delivered

Report = Callable[["Shipment", "Accepted"], Awaitable[bytes]]


def compile_report(text: str) -> Report:
    if text == "json":
        return _json_report
    if "%" not in text:
        raise Usage(f"--report {text}: write json or a format such as '%p %o\\n'")
    compiled = compile_format(text)
    if "batches" in compiled.needs:
        raise Usage(f"--report {text}: %e %x %y %a are not known of a record that was sent")

    async def report(shipment: Shipment, accepted: Accepted) -> bytes:
        lines = await _outcomes(shipment, accepted, lambda row, end: _formatted(compiled, shipment, row, end))
        return b"".join(lines)

    return report


async def _json_report(shipment: Shipment, accepted: Accepted) -> bytes:
    lines = await _outcomes(shipment, accepted, lambda row, end: _as_json(shipment, row, end))
    return b"".join(lines)


async def _outcomes(
    shipment: Shipment, accepted: Accepted, spell: Callable[[int, Delivered | KafkaError], bytes]
) -> list[bytes]:
    found = [(row, spell(row, error)) for row, error in accepted.rejected]
    for part in accepted.slices:
        found += [(row, spell(row, end)) for row, end in zip(part.rows, await part.each(), strict=True)]
    return [line for _, line in sorted(found)]


def _formatted(compiled: Format, shipment: Shipment, row: int, end: Delivered | KafkaError) -> bytes:
    if isinstance(end, KafkaError):
        return b""
    rows = Rows(
        end.topic,
        end.partition,
        [end.offset],
        values=[shipment.values[row]],
        keys=[shipment.keys[row] if shipment.keys else None],
        timestamps=[end.timestamp_ms],
        headers=[shipment.headers[row] if shipment.headers else ()],
    )
    return compiled.render(rows)


def _as_json(shipment: Shipment, row: int, end: Delivered | KafkaError) -> bytes:
    line: dict[str, Any] = {"number": shipment.numbers[row], "topic": shipment.topic}
    if isinstance(end, KafkaError):
        line |= {"partition": None, "offset": None, "timestamp_ms": None}
        line["error"] = error_json(end)
    else:
        offset = end.offset if end.offset >= 0 else None
        line |= {"partition": end.partition, "offset": offset, "timestamp_ms": end.timestamp_ms, "error": None}
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
