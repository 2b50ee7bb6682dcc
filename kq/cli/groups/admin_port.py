"""The status JSON of the kq broker that coordinates a group, where its admin port can be reached from here.

A broker keeps the address in its data directory, which it names as its log directory: on the same machine that is
certain, also where the port was taken and another one chosen. Elsewhere its setting kq.admin.listener says it. An
answer counts only if it is that broker's, of that cluster.
"""

from __future__ import annotations

import asyncio
import json
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from kq.cli.broker.running import find_running
from kq.client import Admin, Resource
from kq.errors import KafkaError

if TYPE_CHECKING:
    from kq.client import Cluster

SETTING = "kq.admin.listener"
TIMEOUT_S = 2.0
ANYWHERE = ("", "0.0.0.0", "::")


async def status_of(cluster: Cluster, node_id: int) -> dict[str, Any] | None:
    """What broker `node_id` says of itself; None: it is not kq's, or its admin port is out of reach."""
    metadata = await cluster.metadata([])
    broker = metadata.brokers.get(node_id)
    if broker is None:
        return None
    for url in [
        *await _registered(cluster, node_id, metadata.cluster_id),
        *await _configured(cluster, node_id, broker.host),
    ]:
        status = await asyncio.to_thread(_get, url)
        if status is not None and (status.get("node_id"), status.get("cluster_id")) == (node_id, metadata.cluster_id):
            return status
    return None


async def _registered(cluster: Cluster, node_id: int, cluster_id: str | None) -> list[str]:
    """By the file in its directory, if that is on this machine."""
    answer = (await Admin(cluster).describe_log_dirs([node_id]))[node_id]
    found = [find_running(Path(directory.path)) for directory in answer.dirs]
    return [
        one.admin
        for one in found
        if one is not None and one.admin and (one.node_id, one.cluster_id) == (node_id, cluster_id)
    ]


async def _configured(cluster: Cluster, node_id: int, host: str) -> list[str]:
    resource = Resource.broker(node_id)
    try:
        answer = (await Admin(cluster).describe_configs([resource], names=[SETTING]))[resource]
    except KafkaError:
        return []
    entry = answer.entries.get(SETTING)
    if entry is None or not entry.value:
        return []
    listens, _, port = entry.value.rpartition(":")
    if listens.strip("[]") in ANYWHERE:
        listens = f"[{host}]" if ":" in host else host
    return [f"http://{listens}:{port}"]


def _get(url: str) -> dict[str, Any] | None:
    try:
        where = urlsplit(url)
        connection = HTTPConnection(where.hostname or "", where.port, timeout=TIMEOUT_S)
        try:
            connection.request("GET", "/v1/status")
            status = json.loads(connection.getresponse().read())
        finally:
            connection.close()
    except (OSError, HTTPException, ValueError):
        return None
    return status if isinstance(status, dict) else None
