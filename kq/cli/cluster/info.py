"""`kq cluster info`: brokers, what they lead and hold, and the health of all partitions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kq.cli.output.render import NONE, Column, Row, table_text
from kq.cli.output.units import counted
from kq.cli.partitions.health import health_of, min_isr_of, settings_of
from kq.client import Admin

if TYPE_CHECKING:
    from kq.cli.run.call import Call
    from kq.client import BrokerLogDirs, Cluster, ClusterMetadata

COLUMNS = [
    Column("BROKER"),
    Column("ADDRESS"),
    Column("RACK", "text", drop=1),
    Column("LEADS", "count"),
    Column("REPLICAS", "count"),
    Column("DISK USED", "size"),
    Column("DISK FREE", "size"),
]


def run(call: Call) -> None:
    async def work(cluster: Cluster) -> None:
        metadata = await cluster.metadata(None, max_age_ms=0)
        settings = await settings_of(cluster, list(metadata.topics), ["min.insync.replicas"])
        min_isr = {name: min_isr_of(settings.get(name)) for name in metadata.topics}
        dirs = await Admin(cluster).describe_log_dirs(sorted(metadata.brokers))
        overview = _Overview(metadata, min_isr, dirs)
        for node, answer in dirs.items():
            if answer.error is not None:
                call.warn(f"{answer.error}: disk figures of broker {node} are missing")
        overview.print(call)

    call.run(work)


class _Overview:
    """What `info` shows, of one look at the cluster."""

    def __init__(
        self, metadata: ClusterMetadata, min_isr: dict[str, int | None], dirs: dict[int, BrokerLogDirs]
    ) -> None:
        self._metadata = metadata
        self._dirs = dirs
        topics = metadata.topics.values()
        self._partitions = [partition for topic in topics for partition in topic.partitions.values()]
        healths = [health_of(topic, min_isr[topic.name]) for topic in topics]
        self.under_replicated = sum(health.under_replicated for health in healths)
        self.under_min_isr = sum(health.under_min_isr for health in healths)
        self.offline = sum(health.offline for health in healths)
        mentioned = {node for partition in self._partitions for node in partition.replicas}
        self.nodes = sorted(mentioned | set(metadata.brokers))

    def print(self, call: Call) -> None:
        if call.json:
            call.envelope(**self._as_json())
        elif call.form.plain or call.form.names:
            call.table(COLUMNS, self._rows())
        else:
            call.print(self._heading() + "\n\n" + table_text(COLUMNS, self._rows(), call.form))

    def _heading(self) -> str:
        cluster, count = self._metadata.cluster_id or "·", len(self.nodes)
        alive = len(self._metadata.brokers)
        brokers = "1 broker answers" if alive == count == 1 else f"{alive} of {counted(count, 'broker')} answer"
        controller = self._metadata.controller_id
        marks = "" if self.under_replicated + self.under_min_isr + self.offline == 0 else "! "
        held = f"{counted(len(self._metadata.topics), 'topic')}, {counted(len(self._partitions), 'partition')}"
        trouble = (
            f"{self.under_replicated} under-replicated, {self.under_min_isr} under min ISR, {self.offline} offline"
        )
        return (
            f"cluster {cluster}   {brokers}, controller {controller if controller >= 0 else '·'}\n"
            f"{held}: {marks}{trouble}"
        )

    def _rows(self) -> list[Row]:
        return [self._row(node) for node in self.nodes]

    def _row(self, node: int) -> Row:
        broker = self._metadata.brokers.get(node)
        return Row(
            [
                node,
                broker.address if broker else None,
                (broker.rack or NONE) if broker else None,
                self._leads(node),
                self._replicas(node),
                self._disk(node)[0],
                self._disk(node)[1],
            ],
            alert="" if broker else "red",
        )

    def _leads(self, node: int) -> int:
        return sum(partition.leader == node for partition in self._partitions)

    def _replicas(self, node: int) -> int:
        return sum(node in partition.replicas for partition in self._partitions)

    def _disk(self, node: int) -> tuple[int | None, int | None]:
        """Bytes that its replicas take, and that its volumes still have."""
        answer = self._dirs.get(node)
        if answer is None or answer.error is not None:
            return None, None
        used = sum(replica.size_bytes for directory in answer.dirs for replica in directory.replicas.values())
        free = [directory.usable_bytes for directory in answer.dirs]
        return used, sum(size or 0 for size in free) if free and None not in free else None

    def _as_json(self) -> dict[str, Any]:
        brokers = []
        for node in self.nodes:
            broker = self._metadata.brokers.get(node)
            used, free = self._disk(node)
            brokers.append(
                {
                    "broker": node,
                    "alive": broker is not None,
                    "address": broker.address if broker else None,
                    "rack": broker.rack if broker else None,
                    "leads": self._leads(node),
                    "replicas": self._replicas(node),
                    "disk_used_bytes": used,
                    "disk_free_bytes": free,
                }
            )
        return {
            "cluster_id": self._metadata.cluster_id,
            "controller": self._metadata.controller_id if self._metadata.controller_id >= 0 else None,
            "topics": len(self._metadata.topics),
            "partitions": len(self._partitions),
            "under_replicated": self.under_replicated,
            "under_min_isr": self.under_min_isr,
            "offline": self.offline,
            "brokers": brokers,
        }
