"""Which brokers a command asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kq.cli.run.failures import NotFound

if TYPE_CHECKING:
    from kq.client import Cluster


async def choose_brokers(cluster: Cluster, broker: int | None) -> list[int]:
    """All brokers that are alive, or the one that was asked for."""
    alive = sorted((await cluster.metadata([], max_age_ms=0)).brokers)
    if broker is None:
        return alive
    if broker not in alive:
        there = f"there {'is broker' if len(alive) == 1 else 'are brokers'} {', '.join(map(str, alive))}"
        raise NotFound(f"no broker {broker} answers; {there}")
    return [broker]
