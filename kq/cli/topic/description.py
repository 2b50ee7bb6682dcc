"""`kq topic describe`: what a topic is, partition by partition, and the settings in force."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kq.cli.config.table import COLUMNS as SETTING_COLUMNS
from kq.cli.config.table import is_worth_showing, setting_json, setting_row
from kq.cli.output.render import NONE, Both, Column, Row, table_text
from kq.cli.output.text import shown
from kq.cli.output.units import count_text, counted
from kq.cli.partitions.health import (
    Health,
    health_of,
    is_compacted,
    is_under_min_isr,
    is_under_replicated,
    min_isr_of,
    settings_of,
)
from kq.cli.partitions.measures import Measures, measure
from kq.cli.partitions.selection import Selected, choose, required_names, select
from kq.cli.run.failures import Usage
from kq.wire.primitives import uuid_text

if TYPE_CHECKING:
    from kq.cli.run.call import Call
    from kq.client import Broker, Cluster, ConfigEntry, Partition

COLUMNS = [
    Column("PARTITION"),
    Column("LEADER", "number"),
    Column("EPOCH", "number", drop=1),
    Column("REPLICAS", "text"),
    Column("ISR", "text"),
    Column("START", "count"),
    Column("END", "count"),
    Column("RECORDS", "count"),
    Column("SIZE", "size"),
]
SECTIONS = ("partitions", "settings")


def run(call: Call, names: list[str], *, regex: bool, every_setting: bool, section: str) -> None:
    if section not in SECTIONS:
        raise Usage(f"--section {section}: write partitions or settings")
    choice = choose(required_names(names, call.command), regex=regex)

    async def work(cluster: Cluster) -> None:
        topics = await select(cluster, call, choice, internal=True)
        settings = await settings_of(cluster, [topic.name for topic in topics], None)
        measures = await measure(cluster, [pair for topic in topics for pair in topic.pairs])
        blocks = [_Block(topic, settings.get(topic.name, {}), measures, cluster.known.brokers) for topic in topics]
        if call.json:
            call.envelope(topics=[block.as_json(every_setting) for block in blocks])
        elif call.form.plain:
            _print_plain(call, blocks, section, every_setting)
        else:
            call.print("\n".join(block.text(call, every_setting) for block in blocks))
        measures.end(call)

    call.run(work)


def _print_plain(call: Call, blocks: list[_Block], section: str, every_setting: bool) -> None:
    topic = Column("TOPIC")
    if section == "settings":
        rows = [Row([block.name, *row.cells]) for block in blocks for row in block.setting_rows(every_setting)]
        call.table([topic, *SETTING_COLUMNS], rows)
    else:
        rows = [Row([block.name, *row.cells], row.alert) for block in blocks for row in block.partition_rows()]
        call.table([topic, *COLUMNS], rows)


class _Block:
    """One topic's part of the output."""

    def __init__(
        self, topic: Selected, settings: dict[str, ConfigEntry], measures: Measures, brokers: Mapping[int, Broker]
    ) -> None:
        self.name = topic.name
        self._topic = topic
        self._settings = settings
        self._measures = measures
        self._brokers = brokers
        self._min_isr = min_isr_of(settings)

    @property
    def health(self) -> Health:
        return health_of(self._topic.topic, self._min_isr)

    def text(self, call: Call, every_setting: bool) -> str:
        lines = [self._heading()]
        lines += [f"! {alert}" for alert in self._alerts()]
        text = "\n".join(lines) + "\n\n" + table_text(COLUMNS, self.partition_rows(), call.form)
        rows = self.setting_rows(every_setting)
        if rows:
            settings = table_text(SETTING_COLUMNS, rows, call.form)
            hidden = len(self._settings) - len(rows)
            more = f"        (--all shows {hidden} more)" if hidden else ""
            text += "\n" + settings.removesuffix("\n") + more + "\n"
        return text

    def _heading(self) -> str:
        topic = self._topic.topic
        replicas = sorted({len(partition.replicas) for partition in topic.partitions.values()})
        parts = [
            counted(len(topic.partitions), "partition"),
            counted(replicas[0], "replica") if len(replicas) == 1 else f"{replicas[0]}-{replicas[-1]} replicas",
        ]
        if self._min_isr is not None:
            parts.append(f"min ISR {self._min_isr}")
        if any(topic.id):
            parts.append(f"id {uuid_text(topic.id)}")
        return f"{shown(self.name)}   {', '.join(parts)}"

    def _alerts(self) -> list[str]:
        of_all = f"of {counted(len(self._topic.topic.partitions), 'partition')}"
        health = self.health
        alerts = []
        if health.offline:
            alerts.append(f"{health.offline} {of_all} offline: no leader")
        if health.under_min_isr:
            alerts.append(f"{health.under_min_isr} {of_all} under min ISR: acks=all is refused")
        if health.under_replicated:
            alerts.append(f"{health.under_replicated} {of_all} under-replicated{self._who_is_out()}")
        return alerts

    def _who_is_out(self) -> str:
        out = sorted({node for p in self._topic.topic.partitions.values() for node in p.replicas if node not in p.isr})
        word = "is" if len(out) == 1 else "are"
        state = "behind" if all(node in self._brokers for node in out) else "out"
        return f": broker{'' if len(out) == 1 else 's'} {', '.join(map(str, out))} {word} {state}" if out else ""

    def partition_rows(self) -> list[Row]:
        return [self._partition_row(self._topic.topic.partitions[index]) for index in self._topic.partitions]

    def _partition_row(self, partition: Partition) -> Row:
        part = self._measures.partitions[(self.name, partition.index)]
        alert = ""
        if partition.leader < 0 or is_under_min_isr(partition, self._min_isr):
            alert = "red"
        elif is_under_replicated(partition):
            alert = "yellow"
        gaps = is_compacted(self._settings) and part.records
        return Row(
            [
                partition.index,
                NONE if partition.leader < 0 else partition.leader,
                None if partition.leader_epoch < 0 else partition.leader_epoch,
                ",".join(map(str, partition.replicas)) or NONE,
                ",".join(map(str, partition.isr)) or NONE,
                part.start,
                part.end,
                Both(f"~{count_text(part.records or 0)}", str(part.records)) if gaps else part.records,
                part.size_bytes,
            ],
            alert=alert,
        )

    def setting_rows(self, every_setting: bool) -> list[Row]:
        return [
            setting_row(entry)
            for name, entry in sorted(self._settings.items())
            if every_setting or is_worth_showing(entry)
        ]

    def as_json(self, every_setting: bool) -> dict[str, Any]:
        topic = self._topic.topic
        return {
            "name": self.name,
            "id": uuid_text(topic.id) if any(topic.id) else None,
            "internal": topic.internal,
            "min_insync_replicas": self._min_isr,
            **self.health.as_json(),
            "partitions": [self._partition_json(topic.partitions[index]) for index in self._topic.partitions],
            "settings": [
                setting_json(entry)
                for name, entry in sorted(self._settings.items())
                if every_setting or is_worth_showing(entry)
            ],
        }

    def _partition_json(self, partition: Partition) -> dict[str, Any]:
        part = self._measures.partitions[(self.name, partition.index)]
        return {
            "partition": partition.index,
            "leader": partition.leader if partition.leader >= 0 else None,
            "leader_epoch": partition.leader_epoch if partition.leader_epoch >= 0 else None,
            "replicas": list(partition.replicas),
            "isr": list(partition.isr),
            "offline": list(partition.offline),
            "start_offset": part.start,
            "end_offset": part.end,
            "records": part.records,
            "size_bytes": part.size_bytes,
        }
