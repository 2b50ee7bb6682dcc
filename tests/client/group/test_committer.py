"""What is committed when: against a list of what the user has done."""

from __future__ import annotations

import asyncio
import random

import pytest

from kq.client import GroupOffset
from kq.client.admin.types import TopicPartition
from kq.client.cluster import Cluster
from kq.client.committed import RawBatch
from kq.client.fetched import Fetched
from kq.client.group.calls import Calls
from kq.client.group.committer import Committer
from kq.client.group.membership import Membership
from kq.client.settings import parse_settings
from kq.errors import Err, KafkaError
from kq.record.batch import Record, encode_batch, parse_header
from tests.client.support import asynchronous

P: list[TopicPartition] = [("t", 0), ("t", 1), ("t", 2)]


class Shelf(Calls):
    """A coordinator in memory; every fifth commit fails, every tenth was made all the same."""

    def __init__(self, cluster: Cluster, membership: Membership, rng: random.Random) -> None:
        super().__init__(cluster, "g", membership)
        self.rng = rng
        self.held: dict[TopicPartition, GroupOffset] = {}

    async def commit(self, offsets: object) -> dict[TopicPartition, KafkaError | None]:
        assert isinstance(offsets, dict)
        await asyncio.sleep(0)
        luck = self.rng.random()
        if luck < 0.9:
            self.held |= offsets
        if luck < 0.8:
            return dict.fromkeys(offsets)
        raise KafkaError(Err.REQUEST_TIMED_OUT)


def fetched(partition: TopicPartition, first: int, end: int) -> Fetched:
    data = memoryview(encode_batch([Record(first, 0, None, b"v", ())], base_offset=first, leader_epoch=first % 7))
    return Fetched(*partition, first, end, [RawBatch(parse_header(data), data)])


@pytest.mark.parametrize("seed", range(40))
@asynchronous
async def test_nothing_in_work_is_committed_and_at_the_end_nothing_is_left_out(seed: int) -> None:
    rng = random.Random(seed)
    cluster = Cluster(parse_settings({}))
    membership = Membership(heartbeat_interval_ms=1, max_poll_interval_ms=1)
    membership.prepared()
    membership.joined(Err.NONE, "me", 1, "other")
    membership.synced(Err.NONE, 0)
    shelf = Shelf(cluster, membership, rng)
    position: dict[TopicPartition, int] = dict.fromkeys(P, 0)
    committer = Committer(cluster, shelf, membership, position.get)
    committer.begun(dict.fromkeys(P, GroupOffset(0)))
    safe = dict(position)  # what the user is done with
    for _ in range(60):
        match rng.choice(["fetch", "fetch", "skip", "tick"]):
            case "fetch":
                committer.processed()
                safe = dict(position)
                items = []
                for partition in rng.sample(P, rng.randint(0, 3)):
                    first = position[partition]
                    position[partition] += rng.randint(1, 5)
                    items.append(fetched(partition, first, position[partition]))
                committer.returned(items)
            case "skip":  # a marker, which is nobody's record, behind what is not in work
                partition = rng.choice(P)
                if safe[partition] == position[partition]:
                    position[partition] += 1
                    safe[partition] += 1
            case "tick":
                await committer.commit_due(None, 0)
        assert all(at.offset <= safe[partition] for partition, at in shelf.held.items())
    committer.processed()
    while committer.due():
        await committer.commit_due(None, 0)
    assert {p: shelf.held[p].offset if p in shelf.held else 0 for p in P} == position


@asynchronous
async def test_what_the_user_commits_is_the_last_word_until_he_reads_on() -> None:
    cluster = Cluster(parse_settings({}))
    membership = Membership(heartbeat_interval_ms=1, max_poll_interval_ms=1)
    membership.prepared()
    membership.joined(Err.NONE, "me", 1, "other")
    shelf = Shelf(cluster, membership, random.Random(0))
    shelf.rng.random = lambda: 0.0  # type: ignore[method-assign]
    position = {P[0]: 0}
    committer = Committer(cluster, shelf, membership, position.get)
    committer.begun({P[0]: GroupOffset()})
    position[P[0]] = 10
    committer.returned([fetched(P[0], 0, 10)])
    committer.processed()
    assert committer.due() == {P[0]: GroupOffset(10, 0)}
    await committer.commit({P[0]: GroupOffset(4)}, 0)
    assert committer.due() == {}
    position[P[0]] = 12
    committer.returned([fetched(P[0], 10, 12)])
    committer.processed()
    assert committer.due() == {P[0]: GroupOffset(12, 3)}
    committer.dropped(P[:1])
    assert committer.due() == {}
