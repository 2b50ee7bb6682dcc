"""kq's members beside those of other clients in one group, with every assignor that both know: each is led by the other
once, gets its share, hands it over when it leaves, and nothing is missed. Those of the consumer protocol (KIP-848) turn
the group into one of theirs, in which kq's member goes on."""

from __future__ import annotations

import asyncio

import pytest

from kq.client import Admin, connect
from tests.client.group.members import Member, Ownership, expected, fill, more
from tests.client.group.strangers import STRANGERS
from tests.client.support import asynchronous, settings, until

PARTITIONS = 6
CASES = [
    pytest.param(make, strategy, marks=[pytest.mark.java] if make.startswith("java") else [])
    for make, stranger in STRANGERS.items()
    for strategy in stranger.strategies
]


@pytest.mark.slow
@pytest.mark.interop
@pytest.mark.parametrize("kq_leads", [True, False], ids=["kq-leads", "kq-follows"])
@pytest.mark.parametrize(("make", "strategy"), CASES)
@asynchronous
async def test_both_share_and_nothing_is_missed(
    bootstrap: str, name: str, make: str, strategy: str, kq_leads: bool
) -> None:
    member = settings(
        bootstrap,
        auto_offset_reset="earliest",
        heartbeat_interval_ms=200,
        session_timeout_ms=6000,
        auto_commit_interval_ms=200,
        partition_assignment_strategy=strategy,
    )
    ours: list[bytes | None] = []
    async with connect(settings(bootstrap)) as cluster:
        admin = Admin(cluster)
        await fill(cluster, name, 50, PARTITIONS)

        async def shares(members: int) -> bool:
            group = (await admin.describe_groups([name]))[name]
            sizes = [len(one.assignment) for one in group.members]
            return len(sizes) == members and sum(sizes) == PARTITIONS and max(sizes) - min(sizes) <= 1

        async def settled(members: int) -> None:
            await until(lambda: shares(members), f"{members} share {PARTITIONS} partitions", timeout_s=40)

        def join() -> Member:
            return Member(cluster, name, [name], member, Ownership(), ours)

        if kq_leads:
            kq = join()
            await settled(1)
            stranger = STRANGERS[make](bootstrap, name, name, strategy)
        else:
            stranger = STRANGERS[make](bootstrap, name, name, strategy)
            await settled(1)
            kq = join()
        await settled(2)
        await more(cluster, name, 50, 100, PARTITIONS)

        async def seen(end: int) -> bool:
            return {*ours, *stranger.values} >= expected(0, end, PARTITIONS)

        await until(lambda: seen(100), "every record is read by one of them")
        if kq_leads:
            await kq.leave()
        else:
            await asyncio.to_thread(stranger.leave)
        await settled(1)
        await more(cluster, name, 100, 110, PARTITIONS)
        await until(lambda: seen(110), "whoever is left reads everything")
        if kq_leads:
            await asyncio.to_thread(stranger.leave)
        else:
            await kq.leave()
        assert stranger.failure is None
        await settled_empty(admin, name)


async def settled_empty(admin: Admin, group: str) -> None:
    async def empty() -> bool:
        return (await admin.describe_groups([group]))[group].members == ()

    await until(empty, "both have left", timeout_s=40)
