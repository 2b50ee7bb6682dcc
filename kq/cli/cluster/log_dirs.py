"""`kq cluster log-dirs`: size and directory of every replica."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from kq.cli.cluster.brokers import choose_brokers
from kq.cli.output.render import Column, Row
from kq.cli.partitions.selection import choose, select
from kq.cli.run.failures import Failure
from kq.cli.run.problems import error_json
from kq.client import Admin

if TYPE_CHECKING:
    from kq.cli.run.call import Call
    from kq.client import BrokerLogDirs, Cluster

COLUMNS = [
    Column("BROKER"),
    Column("PARTITION", "name"),
    Column("SIZE", "size"),
    Column("BEHIND", "count", drop=1),
    Column("DIRECTORY", "text", cut=True),
]


def run(call: Call, topics: list[str], broker: int | None) -> None:
    choice = choose(topics)

    async def work(cluster: Cluster) -> None:
        nodes = await choose_brokers(cluster, broker)
        pairs = None
        if topics:
            pairs = [pair for topic in await select(cluster, call, choice, internal=True) for pair in topic.pairs]
        answers = await Admin(cluster).describe_log_dirs(nodes, partitions=pairs)
        if call.json:
            call.envelope(brokers=[_as_json(answer) for answer in answers.values()])
        else:
            call.table(COLUMNS, _rows(answers.values()))
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


def _rows(answers: Iterable[BrokerLogDirs]) -> list[Row]:
    return [
        Row([answer.node_id, f"{topic}:{partition}", replica.size_bytes, replica.lag, directory.path])
        for answer in answers
        for directory in answer.dirs
        for (topic, partition), replica in sorted(directory.replicas.items())
    ]


def _as_json(answer: BrokerLogDirs) -> dict[str, Any]:
    return {
        "broker": answer.node_id,
        "error": error_json(answer.error),
        "directories": [
            {
                "path": directory.path,
                "total_bytes": directory.total_bytes,
                "usable_bytes": directory.usable_bytes,
                "error": error_json(directory.error),
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
