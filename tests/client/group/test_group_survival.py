"""A broker that dies under its groups and comes back: members go on, and what was committed holds."""

from __future__ import annotations

import asyncio

import pytest

from kq.client import Admin, connect
from kq.testing import Broker
from tests.client.group.members import Member, Ownership, expected, fill, more
from tests.client.support import asynchronous, settings, until


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["range", "cooperative-sticky"])
@asynchronous
async def test_the_broker_is_killed_while_the_group_shares_out(name: str, strategy: str) -> None:
    with Broker({"group.initial.rebalance.delay.ms": "0"}) as broker:
        member = settings(
            broker.bootstrap,
            auto_offset_reset="earliest",
            heartbeat_interval_ms=100,
            session_timeout_ms=6000,
            auto_commit_interval_ms=100,
            partition_assignment_strategy=strategy,
        )
        ownership, values = Ownership(), list[bytes | None]()
        async with connect(settings(broker.bootstrap)) as cluster:
            await fill(cluster, name, 50)
            members = [Member(cluster, name, [name], member, ownership, values) for _ in range(2)]

            async def settled() -> bool:
                assert not any(one.task.done() for one in members), [one.task for one in members if one.task.done()]
                return sorted(p for one in members for _, p in one.consumer.assignment) == list(range(12))

            await until(settled, "they share")
            for round_ in range(1, 4):
                # One more comes: the group begins to share out, and the broker dies within.
                members.append(Member(cluster, name, [name], member, ownership, values))
                await asyncio.sleep(0.05 * round_)
                await asyncio.to_thread(broker.kill)
                await asyncio.to_thread(broker.start)
                await more(cluster, name, 50 * round_, 50 * round_ + 50)
                await until(settled, "they share again")

            async def all_read() -> bool:
                return set(values) == expected(0, 200)

            await until(all_read, "every record is read")
            for one in members:
                await one.leave()
            committed = await Admin(cluster).group_offsets(name)
            assert {at.offset for at in committed.values()} == {200}
