"""`kq cluster info`, `api-versions`, `log-dirs`: the cluster as its brokers describe it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kq.cli.cluster.api_names import api_name
from kq.cli.output.render import NONE, Column, Row, table_text
from kq.cli.run.failures import Failure, NotFound
from kq.cli.tree import flags
from kq.cli.tree.nouns import TableCommand, noun_app

if TYPE_CHECKING:
    from kq.cli.run.call import Call
    from kq.client import BrokerApiVersions, BrokerLogDirs, Cluster, ClusterMetadata

app = noun_app("cluster", "The cluster as a whole.", "kq cluster info\nkq cluster info -b 127.0.0.1:9093", alone="info")

INFO_COLUMNS = [
    Column("BROKER"),
    Column("ADDRESS"),
    Column("RACK", "text", drop=1),
    Column("LEADS", "count"),
    Column("REPLICAS", "count"),
    Column("DISK USED", "size"),
    Column("DISK FREE", "size"),
]
OneBroker = Annotated[int | None, flags.own("--broker", metavar="ID", help="this broker only")]


@app.command("info", cls=TableCommand, epilog="kq cluster info\nkq cluster info --json -b 127.0.0.1:9093")
def info(ctx: typer.Context) -> None:
    """Brokers, what they lead and hold, and the health of all partitions."""
    from kq.cli.partitions.measures import min_isr_of, settings_of
    from kq.client import Admin

    call: Call = ctx.obj

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
    def __init__(
        self, metadata: ClusterMetadata, min_isr: dict[str, int | None], dirs: dict[int, BrokerLogDirs]
    ) -> None:
        from kq.cli.partitions.measures import health_of

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
            call.table(INFO_COLUMNS, self._rows())
        else:
            call.print(self._heading() + "\n\n" + table_text(INFO_COLUMNS, self._rows(), call.form))

    def _heading(self) -> str:
        cluster, count = self._metadata.cluster_id or "·", len(self.nodes)
        alive = len(self._metadata.brokers)
        brokers = f"{alive} of {count} brokers answer" if count != 1 else f"{alive} broker answers"
        controller = self._metadata.controller_id
        marks = "" if self.under_replicated + self.under_min_isr + self.offline == 0 else "! "
        topics = len(self._metadata.topics)
        trouble = (
            f"{self.under_replicated} under-replicated, {self.under_min_isr} under min ISR, {self.offline} offline"
        )
        return (
            f"cluster {cluster}   {brokers}, controller {controller if controller >= 0 else '·'}\n"
            f"{topics} topic{'' if topics == 1 else 's'}, {len(self._partitions)} partitions: {marks}{trouble}"
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


API_COLUMNS = [
    Column("BROKER"),
    Column("KEY", "number"),
    Column("API", "text"),
    Column("MIN", "number"),
    Column("MAX", "number"),
]


@app.command(
    "api-versions", cls=TableCommand, epilog="kq cluster api-versions\nkq cluster api-versions --broker 1 --json"
)
def api_versions(ctx: typer.Context, broker: OneBroker = None) -> None:
    """Which requests each broker knows, in which versions, and its features."""
    from kq.client import Admin

    call: Call = ctx.obj

    async def work(cluster: Cluster) -> None:
        nodes = await _chosen(cluster, broker)
        answers = await Admin(cluster).api_versions(nodes)
        failed = [str(answer.error) for answer in answers.values() if answer.error is not None]
        if call.json:
            call.envelope(brokers=[_versions_json(answers[node]) for node in nodes])
        else:
            rows = [
                Row([node, api.key, api_name(api.key), api.min_version, api.max_version])
                for node in nodes
                for api in sorted(answers[node].apis.values())
            ]
            call.table(API_COLUMNS, rows)
        if failed:
            raise Failure("; ".join(failed))

    call.run(work)


def _versions_json(answer: BrokerApiVersions) -> dict[str, Any]:
    return {
        "broker": answer.node_id,
        "apis": [
            {"key": api.key, "name": api_name(api.key), "min_version": api.min_version, "max_version": api.max_version}
            for api in sorted(answer.apis.values())
        ],
        "features": {name: list(levels) for name, levels in answer.features.items()},
        "finalized_features": {name: list(levels) for name, levels in answer.finalized.items()},
        "error": str(answer.error) if answer.error else None,
    }


DIR_COLUMNS = [
    Column("BROKER"),
    Column("PARTITION", "name"),
    Column("SIZE", "size"),
    Column("BEHIND", "count", drop=1),
    Column("DIRECTORY", "text", cut=True),
]


@app.command("log-dirs", cls=TableCommand, epilog="kq cluster log-dirs\nkq cluster log-dirs -t orders --broker 1")
def log_dirs(ctx: typer.Context, topic: flags.Topic = None, broker: OneBroker = None) -> None:
    """Size and directory of every replica; BEHIND counts the records a replica lacks."""
    from kq.cli.partitions.selection import select
    from kq.client import Admin

    call: Call = ctx.obj

    async def work(cluster: Cluster) -> None:
        nodes = await _chosen(cluster, broker)
        selected = await select(cluster, call, topic or [], internal=True)
        pairs = [pair for one in selected for pair in one.pairs]
        answers = await Admin(cluster).describe_log_dirs(nodes, partitions=pairs if topic else None)
        if call.json:
            call.envelope(brokers=[_dirs_json(answer) for answer in answers.values()])
        else:
            call.table(DIR_COLUMNS, _dir_rows(answers.values()))
        failed = [str(answer.error) for answer in answers.values() if answer.error is not None]
        failed += [
            f"broker {answer.node_id}: {directory.path}: {directory.error}"
            for answer in answers.values()
            for directory in answer.dirs
            if directory.error is not None
        ]
        if failed:
            raise Failure("; ".join(failed))

    call.run(work)


def _dir_rows(answers: Iterable[BrokerLogDirs]) -> list[Row]:
    return [
        Row([answer.node_id, f"{topic}:{partition}", replica.size_bytes, replica.lag, directory.path])
        for answer in answers
        for directory in answer.dirs
        for (topic, partition), replica in sorted(directory.replicas.items())
    ]


def _dirs_json(answer: BrokerLogDirs) -> dict[str, Any]:
    return {
        "broker": answer.node_id,
        "error": str(answer.error) if answer.error else None,
        "directories": [
            {
                "path": directory.path,
                "total_bytes": directory.total_bytes,
                "usable_bytes": directory.usable_bytes,
                "error": str(directory.error) if directory.error else None,
                "replicas": [
                    {
                        "topic": topic,
                        "partition": partition,
                        "size_bytes": replica.size_bytes,
                        "lag": replica.lag,
                        "future": replica.is_future,
                    }
                    for (topic, partition), replica in sorted(directory.replicas.items())
                ],
            }
            for directory in answer.dirs
        ],
    }


async def _chosen(cluster: Cluster, broker: int | None) -> list[int]:
    """All brokers that are alive, or the one that was asked for."""
    alive = sorted((await cluster.metadata([], max_age_ms=0)).brokers)
    if broker is None:
        return alive
    if broker not in alive:
        raise NotFound(f"no broker {broker} is alive; there are {', '.join(map(str, alive))}")
    return [broker]
