"""Settings as a table: the value as Kafka spells it, a reading aid in brackets on a terminal, and where it comes
from."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from kq.cli.output.render import NONE, Both, Column, Row
from kq.cli.output.units import duration_text, size_text
from kq.client import ConfigSource

if TYPE_CHECKING:
    from kq.client import ConfigEntry

COLUMNS = [Column("SETTING"), Column("VALUE", "text", cut=True), Column("FROM", "text")]

_FROM = {
    ConfigSource.TOPIC: "topic",
    ConfigSource.BROKER: "broker",
    ConfigSource.CLUSTER: "cluster",
    ConfigSource.STATIC: "file",
    ConfigSource.DEFAULT: "default",
    ConfigSource.GROUP: "group",
    ConfigSource.CLIENT_METRICS: "client metrics",
    ConfigSource.BROKER_LOGGER: "logger",
}
NEVER = 2**63 - 1
ALWAYS_SHOWN = ("retention.ms",)


def source_name(source: ConfigSource) -> str:
    """`topic`, `broker` (set while it runs), `cluster` (for all brokers), `file`, `default`."""
    return _FROM.get(source, "unknown")


def is_worth_showing(entry: ConfigEntry) -> bool:
    return not entry.is_default or entry.name in ALWAYS_SHOWN


def setting_row(entry: ConfigEntry) -> Row:
    return Row([entry.name, _value_cell(entry), source_name(entry.source)])


def _value_cell(entry: ConfigEntry) -> Any:
    if entry.sensitive:
        return Both("(hidden)", "(hidden)")
    if entry.value is None:
        return NONE
    aid = reading_aid(entry.name, entry.value)
    return Both(f"{entry.value} ({aid})", entry.value) if aid else entry.value or Both('""', '""')


def reading_aid(name: str, value: str) -> str:
    """`7d` for retention.ms=604800000, `1.0 GB` for segment.bytes=1073741824; empty where the number needs none."""
    if not re.fullmatch(r"-?[0-9]{1,19}", value):
        return ""
    number = int(value)
    if number == NEVER:
        return "never" if name.endswith(".ms") else "no limit"
    if name.endswith(".ms"):
        if number == -1:
            return "no limit"
        return "" if number < 1000 else re.sub(r"(?<=[dhm])0+[hms]$", "", duration_text(number))
    if name.endswith(".bytes"):
        if number == -1:
            return "no limit"
        return "" if number < 1024 else size_text(number)
    return ""


def setting_json(entry: ConfigEntry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "value": None if entry.sensitive else entry.value,
        "from": source_name(entry.source),
        "default": entry.is_default,
        "read_only": entry.read_only,
        "sensitive": entry.sensitive,
    }
