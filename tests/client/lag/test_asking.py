"""Where groups stand, asked of kq and of Apache Kafka."""

from __future__ import annotations

import time

import pytest

from kq.client import Admin, Cluster, GroupOffset, NewTopic, Producer, connect
from kq.client.lag.asking import Survey, survey
from kq.client.lag.unread import Place, read_unread
from kq.errors import Err
from tests.client.support import asynchronous

OLD_MS = 600_000


async def filled(cluster: Cluster, topic: str, count: int, *, step_ms: int) -> int:
    """A topic of one partition whose records are `step_ms` apart; the time of the first."""
    made = await Admin(cluster).create_topics([NewTopic(topic, 1)])
    assert made[topic].error is None
    first_ms = time.time_ns() // 1_000_000 - OLD_MS
    async with Producer(cluster) as producer:
        stamps = [first_ms + number * step_ms for number in range(count)]
        await producer.send_columns(topic, [b"%d" % n for n in range(count)], timestamps_ms=stamps, partition=0)
        await producer.flush()
    return first_ms


async def stands(cluster: Cluster, group: str, topic: str, offset: int) -> None:
    said = await Admin(cluster).alter_group_offsets(group, {(topic, 0): GroupOffset(offset, metadata="by hand")})
    assert said == {(topic, 0): None}


@asynchronous
async def test_groups_in_one_partition_are_read_in_turns(bootstrap: str, name: str) -> None:
    async with connect({"bootstrap.servers": bootstrap}) as cluster:
        first_ms = await filled(cluster, name, 100, step_ms=10)
        for offset in (0, 40, 99, 100):
            await stands(cluster, f"{name}-{offset}", name, offset)
        found = await survey(cluster, [f"{name}-{offset}" for offset in (0, 40, 99, 100)])
        stood = {group: one.standings[name, 0] for group, one in found.items()}
        assert [one.next_at_ms for one in stood.values()] == [first_ms, first_ms + 400, first_ms + 990, None]
        assert [one.lag for one in stood.values()] == [100, 60, 1, 0]
        assert {one.metadata for one in stood.values()} == {"by hand"}
        assert stood[f"{name}-100"].behind_ms(first_ms + OLD_MS) == 0


@asynchronous
async def test_what_is_not_read_in_time_is_interpolated(bootstrap: str, name: str) -> None:
    async with connect({"bootstrap.servers": bootstrap}) as cluster:
        await filled(cluster, name, 10, step_ms=10)
        await stands(cluster, name, name, 4)
        hasty = Survey(cluster, patience_s=0)
        unknown = (await hasty.of([name]))[name].standings[name, 0]
        assert (unknown.lag, unknown.next_at_ms, unknown.behind_ms(10**15)) == (6, None, None)
        guessed = (await hasty.of([name], written_at_ms=lambda pair, offset: 1000 + offset))[name]
        assert guessed.standings[name, 0].interpolated
        assert guessed.standings[name, 0].next_at_ms == 1004
        assert guessed.total(5004).interpolated


@asynchronous
async def test_a_commit_that_moves_on_is_read_anew(bootstrap: str, name: str) -> None:
    async with connect({"bootstrap.servers": bootstrap}) as cluster:
        first_ms = await filled(cluster, name, 10, step_ms=10)
        watching = Survey(cluster)
        for offset in (2, 2, 7):
            await stands(cluster, name, name, offset)
            one = (await watching.of([name]))[name].standings[name, 0]
            assert one.next_at_ms == first_ms + offset * 10


@asynchronous
async def test_groups_that_are_not_there(bootstrap: str, name: str) -> None:
    async with connect({"bootstrap.servers": bootstrap}) as cluster:
        await filled(cluster, name, 1, step_ms=1)
        await stands(cluster, name, name, 1)
        found = await survey(cluster, [name, f"{name}-not"])
        assert found[name].description.error is None
        missing = found[f"{name}-not"].description.error
        assert missing is not None
        assert missing.code == Err.GROUP_ID_NOT_FOUND
        assert found[f"{name}-not"].standings == {}
        assert await survey(cluster, []) == {}


@asynchronous
async def test_records_before_a_stop(bootstrap: str, name: str) -> None:
    async with connect({"bootstrap.servers": bootstrap}) as cluster:
        await filled(cluster, name, 10, step_ms=1)
        for place, count, expected in [
            (Place(3, 10), 2, [3, 4]),
            (Place(8, 10), 5, [8, 9]),
            (Place(3, 5), 5, [3, 4]),
        ]:
            said = await read_unread(cluster, {(name, 0): place}, count=count)
            assert [record.offset for record in said[name, 0].records] == expected
        beyond = await read_unread(cluster, {(name, 0): Place(50, 60)})
        error = beyond[name, 0].error
        assert error is not None
        assert error.code == Err.OFFSET_OUT_OF_RANGE
        assert await read_unread(cluster, {}, count=1) == {}


@pytest.mark.parametrize("gone", [True, False])
@asynchronous
async def test_a_topic_that_is_gone(bootstrap: str, name: str, gone: bool) -> None:
    """Kafka forgets such commits by and by; until then they are shown as what they are."""
    async with connect({"bootstrap.servers": bootstrap}) as cluster:
        await filled(cluster, name, 3, step_ms=1)
        await stands(cluster, name, name, 1)
        if gone:
            await Admin(cluster).delete_topics([name])
        standings = (await survey(cluster, [name]))[name].standings
        assert all(one.exists == (not gone) and one.error is None for one in standings.values())
        assert gone or standings
