"""`kq cluster api-versions`: which requests each broker knows, in which versions, and its features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kq.cli.cluster.api_names import api_name
from kq.cli.cluster.brokers import choose_brokers
from kq.cli.output.render import Column, Row
from kq.cli.run.failures import Failure
from kq.cli.run.problems import error_json
from kq.client import Admin

if TYPE_CHECKING:
    from kq.cli.run.call import Call
    from kq.client import BrokerApiVersions, Cluster

COLUMNS = [
    Column("BROKER"),
    Column("KEY", "number"),
    Column("API", "text"),
    Column("MIN", "number"),
    Column("MAX", "number"),
]


def run(call: Call, broker: int | None) -> None:
    async def work(cluster: Cluster) -> None:
        nodes = await choose_brokers(cluster, broker)
        answers = await Admin(cluster).api_versions(nodes)
        if call.json:
            call.envelope(brokers=[_as_json(answers[node]) for node in nodes])
        else:
            rows = [
                Row([node, api.key, api_name(api.key), api.min_version, api.max_version])
                for node in nodes
                for api in sorted(answers[node].apis.values())
            ]
            call.table(COLUMNS, rows)
        failed = [str(answer.error) for answer in answers.values() if answer.error is not None]
        if failed:
            raise Failure("; ".join(failed))

    call.run(work)


def _as_json(answer: BrokerApiVersions) -> dict[str, Any]:
    return {
        "broker": answer.node_id,
        "apis": [
            {"key": api.key, "name": api_name(api.key), "min_version": api.min_version, "max_version": api.max_version}
            for api in sorted(answer.apis.values())
        ],
        "features": {name: list(levels) for name, levels in answer.features.items()},
        "finalized_features": {name: list(levels) for name, levels in answer.finalized.items()},
        "error": error_json(answer.error),
    }
