"""Topics through kills: random changes, and the broker dies between any two steps of store and disk; after the restart
each change has happened wholly or not at all, and no partition shows what belongs to another topic of its name."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kq.broker.broker import Broker
from kq.broker.topic_plans import plan_growth, plan_topic
from kq.config.alter import Change, Op, alter_broker, alter_topic
from kq.coordination.sqlite import SqliteStore
from kq.coordination.store import Unavailable
from kq.engine.disk import OsDisk
from kq.errors import Err, KafkaError
from kq.machines.image import TopicImage
from kq.record.batch import Record, decode_records, encode_batch, parse_header
from tests.support import brokers

NAMES = ("a", "b.c", "d")
Model = dict[str, tuple[bytes, int, dict[str, str]]]  # by name: id, partitions, settings


class Killed(Exception):
    """The process is dead: nothing that it still does reaches the store or the disk."""


class Guillotine:
    """Falls before the n-th step from `arm` on. Every change of the store or of a name on the disk is a step."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left: int | None = None
        self._patch(monkeypatch, SqliteStore, "transact")
        for name in ("make_directory", "rename", "sync_directory", "replace", "create", "remove_tree", "unlink"):
            self._patch(monkeypatch, OsDisk, name)

    def arm(self, steps: int) -> None:
        self.left = steps

    def lift(self) -> None:
        self.left = None

    def _patch(self, monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> None:
        real: Callable[..., Any] = getattr(owner, name)

        def step(*args: Any, **kwargs: Any) -> Any:
            if self.left is not None:
                self.left -= 1
                if self.left <= 0:
                    raise Killed
            return real(*args, **kwargs)

        monkeypatch.setattr(owner, name, step)


def model_of(broker: Broker) -> Model:
    return {t.name: (t.id, len(t.partitions), dict(t.settings)) for t in broker.image.topics.values()}


def write_own_id(broker: Broker, topic: TopicImage) -> None:
    """So that a log tells whose it is."""
    for partition in broker.partitions.of_topic(topic.name):
        assert partition is not None
        batch = encode_batch([Record(0, broker.now_ms(), None, topic.id)])
        partition.append(memoryview(batch), parse_header(batch), broker.now_ms())


def check(broker: Broker, data_dir: Path) -> None:
    """Every partition is served and holds its own topic's records; on disk is what the metadata says."""
    for topic in broker.image.topics.values():
        slots = broker.partitions.of_topic(topic.name)
        assert len(slots) == len(topic.partitions)
        for partition in slots:
            assert partition is not None
            region = partition.read(0, 1 << 20, 0, at_least_one=True)
            if region is not None:
                assert {r.value for r in decode_records(region.read()[: len(region)], limit=1 << 20)} == {topic.id}
    expected = {f"{t.name}-{i}" for t in broker.image.topics.values() for i in range(len(t.partitions))}
    there = {p.name for p in data_dir.iterdir() if p.is_dir() and not p.name.endswith("-delete")}
    assert there == expected


async def change_something(broker: Broker, chance: random.Random) -> Model:
    """The model after it."""
    after = model_of(broker)
    name = chance.choice(NAMES)
    topic = broker.image.topics.get(name)
    if topic is None:
        planned = [plan_topic(broker, n, num_partitions=chance.randint(1, 4)) for n in NAMES if n not in after]
        planned = [one for one in planned if one.name == name or chance.random() < 0.3]
        after |= {one.name: (one.id, len(one.partitions), {}) for one in planned}
        work = broker.topics.create(planned)
    elif (choice := chance.random()) < 0.4:
        del after[name]
        work = broker.topics.delete([name])
    elif choice < 0.7:
        count = len(topic.partitions) + chance.randint(1, 2)
        after[name] = (topic.id, count, after[name][2])
        work = broker.topics.grow([plan_growth(broker, name, count, None, most_new=10)])
    else:
        settings = {"retention.ms": str(chance.randrange(1, 10**9))}
        after[name] = (topic.id, after[name][1], settings)
        await broker.topics.alter_settings(name, lambda now: settings)
        return after
    assert not await work
    return after


async def live(data_dir: Path, guillotine: Guillotine, chance: random.Random, deaths: int) -> None:
    allowed: list[Model] = [{}]
    for _ in range(deaths):
        broker = brokers.made(data_dir)
        if chance.random() < 0.3:
            guillotine.arm(chance.randint(1, 12))
            try:
                await broker.start()
            except Killed:
                guillotine.lift()
                continue
            await brokers.kill(broker)
            guillotine.lift()
            continue
        await broker.start()
        assert model_of(broker) in allowed
        check(broker, data_dir)
        for topic in broker.image.topics.values():
            write_own_id(broker, topic)
        before = model_of(broker)
        guillotine.arm(chance.randint(1, 25))
        try:
            while True:
                before = await change_something(broker, chance)
        except Killed:
            pass
        finally:
            guillotine.lift()
        allowed = [before, await _as_committed(broker)]
        assert _differ_by_one_change(*allowed)
        await brokers.kill(broker)
    async with brokers.running(data_dir) as broker:
        assert model_of(broker) in allowed
        check(broker, data_dir)


async def _as_committed(broker: Broker) -> Model:
    image = await broker.in_metadata_thread(broker.catalog.read, broker.node_id)
    return {t.name: (t.id, len(t.partitions), dict(t.settings)) for t in image.topics.values()}


def _differ_by_one_change(one: Model, other: Model) -> bool:
    """Creations of one request belong together; everything else touches one topic."""
    changed = {name for name in one.keys() | other.keys() if one.get(name) != other.get(name)}
    return len(changed) <= 1 or not changed & one.keys()


@pytest.mark.parametrize("seed", range(8))
def test_kills_between_any_two_steps(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    guillotine = Guillotine(monkeypatch)
    asyncio.run(live(tmp_path / "data", guillotine, random.Random(seed), deaths=10))


def fail(monkeypatch: pytest.MonkeyPatch, owner: type, name: str, error: Exception, *, after: bool = False) -> None:
    """The next call of a method fails, before or after it has done its work."""
    real: Callable[..., Any] = getattr(owner, name)

    def failing(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(owner, name, real)
        if after:
            real(*args, **kwargs)
        raise error

    monkeypatch.setattr(owner, name, failing)


NO_SPACE = OSError(28, "No space left on device")


@pytest.mark.parametrize("step", ["make_directory", "sync_directory"])
def test_a_topic_that_found_no_space_gets_its_logs_when_there_is_some(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with brokers.running(tmp_path) as broker:
            fail(monkeypatch, OsDisk, step, NO_SPACE)
            assert await broker.topics.create([plan_topic(broker, "t", num_partitions=2)]) == {}
            assert "t" in broker.image.topics, "it is committed"
            with pytest.raises(KafkaError) as refused:
                broker.partitions.resolve("t", 0)
            assert refused.value.code == Err.KAFKA_STORAGE_ERROR
            await broker.topics.catch_up()
            assert broker.partitions.resolve("t", 0).log.log_end_offset == 0
            assert broker.partitions.resolve("t", 1).log.log_end_offset == 0

    asyncio.run(story())


@pytest.mark.parametrize("step", ["rename", "sync_directory"])
def test_a_deletion_that_the_disk_refused_is_finished_later_and_hurts_no_new_topic(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with brokers.running(tmp_path) as broker:
            await broker.topics.create([plan_topic(broker, "t", num_partitions=3)])
            old = broker.image.topics["t"]
            write_own_id(broker, old)
            fail(monkeypatch, OsDisk, step, NO_SPACE)
            assert await broker.topics.delete(["t"]) == {}, "it is committed: no crash brings it back"
            assert list(broker.catalog.pending_deletions()) == [old.id]
            await broker.topics.create([plan_topic(broker, "t", num_partitions=1)])
            new = broker.image.topics["t"]
            assert broker.partitions.resolve("t", 0).log.log_end_offset == 0, "nothing of the old topic"
            write_own_id(broker, new)
            await broker.topics.delete(["t"])
            await broker.topics.catch_up()
            assert broker.catalog.pending_deletions() == {}

    asyncio.run(story())
    assert not [path for path in tmp_path.glob("t-*") if not path.name.endswith(("-delete", "-stray"))]


def test_a_change_whose_confirmation_was_lost_has_happened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with brokers.running(tmp_path) as broker:
            topics = broker.topics
            for work in (
                lambda: topics.create([plan_topic(broker, "t")]),
                lambda: topics.grow([plan_growth(broker, "t", 2, None, most_new=5)]),
                lambda: topics.alter_settings("t", lambda now: {"retention.ms": "1"}),
                lambda: broker.alter_settings(None, lambda now: {"num.partitions": "3"}),
                lambda: topics.delete(["t"]),
            ):
                fail(monkeypatch, SqliteStore, "transact", Unavailable("the disk was slow"), after=True)
                assert not await work()
            assert broker.image.topics == {}
            assert broker.settings.num_partitions == 3

    asyncio.run(story())


def test_a_change_that_the_store_refused_has_not_happened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with brokers.running(tmp_path) as broker:
            fail(monkeypatch, SqliteStore, "transact", Unavailable("the disk is full"))
            with pytest.raises(KafkaError) as refused:
                await broker.topics.create([plan_topic(broker, "t")])
            assert refused.value.code == Err.KAFKA_STORAGE_ERROR
            assert broker.image.topics == {}
            assert await broker.topics.create([plan_topic(broker, "t")]) == {}

    asyncio.run(story())


def test_who_hangs_up_does_not_cut_a_change_in_two(tmp_path: Path) -> None:
    async def story() -> None:
        async with brokers.running(tmp_path) as broker:
            asking = asyncio.create_task(broker.topics.create([plan_topic(broker, "t", num_partitions=5)]))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            asking.cancel()
            waiting = asyncio.create_task(broker.topics.create([plan_topic(broker, "never")]))
            await asyncio.sleep(0)
            waiting.cancel()
            failures = await broker.topics.create([plan_topic(broker, "u")])
            assert not failures
            assert sorted(broker.image.topics) == ["t", "u"]
            assert len(broker.partitions.of_topic("t")) == 5

    asyncio.run(story())


def test_settings_changed_at_one_moment_are_all_kept(tmp_path: Path) -> None:
    def of_topic(broker: Broker, op: Op, name: str, value: str | None) -> Any:
        changes = [Change(name, op, value)]
        return broker.topics.alter_settings("t", lambda now: alter_topic(now.settings, changes, broker.layers))

    def of_all(broker: Broker, op: Op, name: str, value: str | None) -> Any:
        changes = [Change(name, op, value)]
        return broker.alter_settings(None, lambda now: alter_broker(changes, now, for_all=True))

    async def story() -> None:
        async with brokers.running(tmp_path) as broker:
            settings = {"segment.ms": "5000", "cleanup.policy": "delete"}
            await broker.topics.create([plan_topic(broker, "t", settings=settings)])
            await asyncio.gather(
                of_topic(broker, Op.SET, "retention.ms", "1"),
                of_topic(broker, Op.APPEND, "cleanup.policy", "compact"),
                of_topic(broker, Op.SUBTRACT, "cleanup.policy", "delete"),
                of_topic(broker, Op.DELETE, "segment.ms", None),
                of_all(broker, Op.SET, "log.retention.ms", "7"),
                of_all(broker, Op.APPEND, "log.cleanup.policy", "compact"),
                of_all(broker, Op.SUBTRACT, "log.cleanup.policy", "delete"),
            )
            for image in (broker.image, broker.catalog.read(broker.node_id)):
                assert image.topics["t"].settings == {"retention.ms": "1", "cleanup.policy": "compact"}
                assert image.broker_settings[None] == {"log.retention.ms": "7", "log.cleanup.policy": "compact"}

    asyncio.run(story())


def test_settings_that_cannot_be_are_refused_in_their_turn_and_change_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        async with brokers.running(tmp_path) as broker:
            await broker.topics.create([plan_topic(broker, "t")])
            compact = [Change("min.compaction.lag.ms", Op.SET, "5000")]
            at_once = [Change("max.compaction.lag.ms", Op.SET, "4000")]
            lower, upper = await asyncio.gather(
                *(
                    broker.topics.alter_settings("t", lambda now, c=c: alter_topic(now.settings, c, broker.layers))
                    for c in (compact, at_once)
                ),
                return_exceptions=True,
            )
            assert lower is None
            assert isinstance(upper, KafkaError), "each is well alone: together they contradict each other"
            assert broker.image.topics["t"].settings == {"min.compaction.lag.ms": "5000"}
            with pytest.raises(KafkaError):
                await broker.topics.alter_settings("missing", lambda now: {})

    asyncio.run(story())


def test_settings_with_which_no_broker_would_start_are_not_kept(tmp_path: Path) -> None:
    async def story() -> None:
        async with brokers.running(tmp_path) as broker:
            zero = [Change("log.retention.ms", Op.SET, "0")]
            with pytest.raises(KafkaError):
                await broker.alter_settings(None, lambda now: alter_broker(zero, now, for_all=True))
            assert broker.catalog.read(broker.node_id).broker_settings == {}

    asyncio.run(story())


def test_names_wanted_by_many_clients_are_created_once_and_not_without_bound(tmp_path: Path) -> None:
    async def story() -> None:
        async with brokers.running(tmp_path) as broker:
            for _ in range(5):
                broker.auto_creation.want(["a", "b", "not possible"])
            creator = broker.auto_creation._task
            assert creator is not None
            await creator
            assert sorted(broker.image.topics) == ["a", "b"]
            broker.auto_creation.want([f"t{i}" for i in range(100_000)])
            assert len(broker.auto_creation._wanted) == 1000
            broker.auto_creation._wanted.clear()

    asyncio.run(story())
