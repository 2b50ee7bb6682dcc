"""What a member does about every error that a coordinator may answer: against one that errs on demand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from kq.client import Cluster, Err, GroupConsumer, GroupOffset, KafkaError, connect
from kq.client.admin.types import TopicPartition
from kq.wire.api import Api
from kq.wire.apis.commits import OFFSET_COMMIT, OFFSET_FETCH
from kq.wire.apis.groups import FIND_COORDINATOR, HEARTBEAT, JOIN_GROUP, LEAVE_GROUP, SYNC_GROUP
from tests.client.group.coordinator import ModelCoordinator, Trouble
from tests.client.model import Cut
from tests.client.support import asynchronous, settings, until

BOTH = [("t", 0), ("t", 1)]
PASSING: list[Trouble] = [
    Err.COORDINATOR_LOAD_IN_PROGRESS,
    Err.COORDINATOR_NOT_AVAILABLE,
    Err.NOT_COORDINATOR,
    Cut,
]
FOR_GOOD = [Err.GROUP_AUTHORIZATION_FAILED, Err.FENCED_INSTANCE_ID, Err.INVALID_SESSION_TIMEOUT]


class Watched:
    """A consumer, and what its callbacks were told."""

    def __init__(self, cluster: Cluster, **named: object) -> None:
        self.told: list[tuple[str, list[TopicPartition]]] = []
        self.consumer = GroupConsumer(
            cluster,
            "g",
            ["t"],
            settings(cluster.settings.bootstrap_servers[0], heartbeat_interval_ms=20, **named),
            on_assigned=lambda partitions: self.told.append(("assigned", partitions)),
            on_revoked=lambda partitions: self.told.append(("revoked", partitions)),
            on_lost=lambda partitions: self.told.append(("lost", partitions)),
        )

    async def until(self, condition: Callable[[], object], what: str) -> None:
        for _ in range(300):
            await self.consumer.fetch(timeout_ms=20)
            if condition():
                return
        raise AssertionError(f"it did not come true that {what}: {self.told}")

    async def assigned(self) -> None:
        await self.until(lambda: self.consumer.assignment == BOTH, "both partitions are assigned")


@pytest.mark.parametrize("trouble", PASSING)
@pytest.mark.parametrize("api", [FIND_COORDINATOR, JOIN_GROUP, SYNC_GROUP, OFFSET_FETCH])
@asynchronous
async def test_on_the_way_in_what_passes_is_waited_out(api: Api, trouble: Trouble) -> None:
    async with ModelCoordinator() as broker, connect(settings(broker.bootstrap)) as cluster:
        broker.errors[api.key] += [trouble, trouble]
        watched = Watched(cluster)
        await watched.assigned()
        await watched.consumer.close()
        assert broker.left


@pytest.mark.parametrize("trouble", PASSING)
@asynchronous
async def test_a_coordinator_that_moves_costs_no_partition(trouble: Trouble) -> None:
    async with ModelCoordinator() as broker, connect(settings(broker.bootstrap)) as cluster:
        watched = Watched(cluster)
        await watched.assigned()
        broker.errors[HEARTBEAT.key] += [trouble, trouble]
        beats = broker.calls.count("Heartbeat")
        await watched.until(lambda: broker.calls.count("Heartbeat") > beats + 4, "it heartbeats again")
        assert watched.told == [("assigned", BOTH)]
        assert watched.consumer.generation == 1
        await watched.consumer.close()


@pytest.mark.parametrize("code", [Err.UNKNOWN_MEMBER_ID, Err.ILLEGAL_GENERATION])
@asynchronous
async def test_who_is_out_has_lost_its_partitions_and_joins_anew(code: Err) -> None:
    async with ModelCoordinator() as broker, connect(settings(broker.bootstrap)) as cluster:
        watched = Watched(cluster)
        await watched.assigned()
        broker.errors[HEARTBEAT.key].append(code)
        await watched.until(lambda: len(watched.told) == 3, "it is in again")
        assert watched.told == [("assigned", BOTH), ("lost", BOTH), ("assigned", BOTH)]
        assert watched.consumer.member_id == ("m2" if code == Err.UNKNOWN_MEMBER_ID else "m1")
        await watched.consumer.close()


@pytest.mark.parametrize("api", [JOIN_GROUP, SYNC_GROUP])
@pytest.mark.parametrize("code", [Err.UNKNOWN_MEMBER_ID, Err.ILLEGAL_GENERATION, Err.REBALANCE_IN_PROGRESS])
@asynchronous
async def test_a_round_that_fails_is_followed_by_another(api: Api, code: Err) -> None:
    async with ModelCoordinator() as broker, connect(settings(broker.bootstrap)) as cluster:
        broker.errors[api.key].append(code)
        watched = Watched(cluster)
        await watched.assigned()
        await watched.consumer.close()


@pytest.mark.parametrize("strategy", ["range", "cooperative-sticky"])
@asynchronous
async def test_a_rebalance(strategy: str) -> None:
    async with ModelCoordinator() as broker, connect(settings(broker.bootstrap)) as cluster:
        watched = Watched(cluster, partition_assignment_strategy=strategy)
        await watched.assigned()
        broker.errors[HEARTBEAT.key].append(Err.REBALANCE_IN_PROGRESS)
        await watched.until(
            lambda: watched.consumer.generation == 2 and len(watched.told) > 1, "there is another round"
        )
        eager = [("assigned", BOTH), ("revoked", BOTH), ("assigned", BOTH)]
        await watched.until(lambda: len(watched.told) == (3 if strategy == "range" else 2), "it is over")
        assert watched.told == (eager if strategy == "range" else [("assigned", BOTH), ("assigned", [])])
        await watched.consumer.close()


@pytest.mark.parametrize("api", [FIND_COORDINATOR, JOIN_GROUP, SYNC_GROUP, HEARTBEAT, OFFSET_FETCH])
@pytest.mark.parametrize("code", FOR_GOOD)
@asynchronous
async def test_what_does_not_pass_is_raised_every_time(api: Api, code: Err) -> None:
    async with ModelCoordinator() as broker, connect(settings(broker.bootstrap)) as cluster:
        broker.errors[api.key].append(code)
        watched = Watched(cluster)
        for _ in range(2):
            with pytest.raises(KafkaError) as raised:
                await watched.until(lambda: False, "it fails")
            assert raised.value.code == code
        await watched.consumer.close()
        assert [what for what, _ in watched.told if what == "revoked"] == []


@asynchronous
async def test_a_member_id_that_is_asked_for_is_brought() -> None:
    async with ModelCoordinator() as broker, connect(settings(broker.bootstrap)) as cluster:
        watched = Watched(cluster)
        await watched.assigned()
        assert [join.member_id for join in broker.joins] == ["m1"]
        assert broker.calls.count("JoinGroup") == 2
        await watched.consumer.close()
        assert broker.left == ["m1"]


@asynchronous
async def test_a_static_member_stays_when_it_closes_unless_told_to_go() -> None:
    async with ModelCoordinator() as broker, connect(settings(broker.bootstrap)) as cluster:
        for leave in (None, True):
            watched = Watched(cluster, group_instance_id="one")
            await watched.assigned()
            assert broker.joins[-1].group_instance_id == "one"
            await watched.consumer.close(leave=leave)
        assert broker.left == ["m2"]


@asynchronous
async def test_who_does_not_ask_for_records_gives_way_and_comes_back() -> None:
    async with ModelCoordinator() as broker, connect(settings(broker.bootstrap)) as cluster:
        watched = Watched(cluster, max_poll_interval_ms=200)
        await watched.assigned()
        beats = broker.calls.count("Heartbeat")

        async def gone() -> bool:
            return bool(broker.left)

        await until(gone, "it has left")
        assert broker.calls.count("Heartbeat") > beats + 2  # while the user was busy
        assert watched.told == [("assigned", BOTH)]
        await watched.until(lambda: len(watched.told) == 3, "it is in again")
        assert watched.told[1:] == [("lost", BOTH), ("assigned", BOTH)]
        await watched.consumer.close()


@asynchronous
async def test_waiting_for_records_is_asking_for_them() -> None:
    async with ModelCoordinator() as broker, connect(settings(broker.bootstrap)) as cluster:
        watched = Watched(cluster, max_poll_interval_ms=200)
        await watched.assigned()
        assert await watched.consumer.fetch(timeout_ms=700) == []
        assert broker.left == []
        await watched.consumer.close()


@asynchronous
async def test_commits_are_tried_again_while_it_may_help() -> None:
    async with ModelCoordinator() as broker, connect(settings(broker.bootstrap)) as cluster:
        watched = Watched(cluster, enable_auto_commit=False)
        await watched.assigned()
        broker.errors[OFFSET_COMMIT.key] += [*PASSING, Err.REQUEST_TIMED_OUT]
        await watched.consumer.commit({("t", 0): 5})
        assert broker.commits == {("t", 0): 5}
        broker.errors[OFFSET_COMMIT.key].append(Err.NOT_COORDINATOR)
        with pytest.raises(KafkaError):
            await watched.consumer.commit_soon({("t", 0): 6})  # once
        await asyncio.gather(watched.consumer.commit_soon({("t", 0): 7}), watched.consumer.commit_soon({("t", 0): 8}))
        assert broker.commits == {("t", 0): 8}
        broker.errors[OFFSET_COMMIT.key].append(Err.OFFSET_METADATA_TOO_LARGE)
        with pytest.raises(KafkaError, match="t:0"):
            await watched.consumer.commit({("t", 0): 9})
        await watched.consumer.close()
        assert broker.commits == {("t", 0): 8}


@pytest.mark.parametrize("code", [Err.UNKNOWN_MEMBER_ID, Err.ILLEGAL_GENERATION])
@asynchronous
async def test_a_commit_that_comes_too_late_is_refused_and_the_partitions_are_lost(code: Err) -> None:
    async with ModelCoordinator() as broker, connect(settings(broker.bootstrap)) as cluster:
        watched = Watched(cluster)
        await watched.assigned()
        broker.errors[OFFSET_COMMIT.key].append(code)
        with pytest.raises(KafkaError, match="given this consumer's partitions to others") as raised:
            await watched.consumer.commit({("t", 0): 5})
        assert raised.value.code == code
        await watched.until(lambda: len(watched.told) == 3, "it is in again")
        assert watched.told[1] == ("lost", BOTH)
        await watched.consumer.close()


@asynchronous
async def test_nobody_commits_who_is_not_in_the_group() -> None:
    async with ModelCoordinator() as broker, connect(settings(broker.bootstrap)) as cluster:
        watched = Watched(cluster)
        with pytest.raises(KafkaError, match="not a member"):
            await watched.consumer.commit({("t", 0): 5})
        await watched.consumer.close()
        assert "LeaveGroup" not in broker.calls


@asynchronous
async def test_reading_begins_when_transactions_have_decided() -> None:
    async with ModelCoordinator() as broker, connect(settings(broker.bootstrap)) as cluster:
        broker.commits = {("t", 0): 7, ("t", 1): 9}
        broker.errors[OFFSET_FETCH.key] += [Err.UNSTABLE_OFFSET_COMMIT] * 3
        watched = Watched(cluster)
        await watched.assigned()
        assert [watched.consumer.position(partition) for partition in BOTH] == [7, 9]
        await watched.consumer.close()


@asynchronous
async def test_close_is_not_held_up_by_a_coordinator_that_is_gone() -> None:
    async with ModelCoordinator() as broker, connect(settings(broker.bootstrap)) as cluster:
        watched = Watched(cluster)
        await watched.assigned()
        broker.errors[LEAVE_GROUP.key].append(Cut)
        await watched.consumer.close()
        assert watched.told == [("assigned", BOTH), ("revoked", BOTH)]
        with pytest.raises(KafkaError, match="closed"):
            await watched.consumer.fetch()


@asynchronous
async def test_a_broker_of_long_ago() -> None:
    async with ModelCoordinator() as broker:
        broker.ranges = {
            FIND_COORDINATOR.key: (0, 2),
            JOIN_GROUP.key: (0, 3),
            SYNC_GROUP.key: (0, 2),
            HEARTBEAT.key: (0, 2),
            LEAVE_GROUP.key: (0, 2),
            OFFSET_COMMIT.key: (2, 5),
            OFFSET_FETCH.key: (1, 5),
        }
        async with connect(settings(broker.bootstrap)) as cluster:
            watched = Watched(cluster)
            await watched.assigned()
            await watched.consumer.commit({("t", 0): GroupOffset(5, 3, "said")})
            await watched.consumer.close()
            assert (broker.commits["t", 0], broker.left) == (5, ["m1"])
            assert "OffsetFetch" in broker.calls
