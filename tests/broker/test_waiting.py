"""What waits on the loop: parked fetches, flushes, jobs, turns. In the test's own process, nothing is timed."""

from __future__ import annotations

import asyncio
import logging
import threading
from pathlib import Path
from typing import Any

import pytest

from kq.broker.parking import Parking
from kq.broker.topic_plans import plan_topic
from kq.broker.turn import Turn
from kq.broker.upkeep import Upkeep
from kq.engine.disk import OsFile
from kq.errors import Err, KafkaError
from kq.record.batch import Record, encode_batch, parse_header
from tests.support import brokers
from tests.support.patience import until_async

FSYNC = {"kq_log_fsync_before_ack": "true"}


def append(broker: Any, partition: Any) -> int:
    """The offset after it."""
    batch = encode_batch([Record(0, broker.now_ms(), None, b"x")])
    appended = partition.append(memoryview(batch), parse_header(batch), broker.now_ms())
    return int(appended.last_offset) + 1


async def _true(value: object) -> object:
    return value


# parking


def test_what_comes_between_parking_and_awaiting_counts() -> None:
    async def story() -> None:
        parking = Parking()
        waiting = parking.park(["p"], missing_bytes=10, timeout_ms=60_000)  # type: ignore[list-item]
        parking.appended("p", 10)  # type: ignore[arg-type]
        await asyncio.wait_for(waiting, 10)
        assert len(parking.waits) == 0

    asyncio.run(story())


def test_deadlines_end_waits_in_any_order_with_one_timer() -> None:
    async def story() -> None:
        parking = Parking()
        ended: list[int] = []

        async def wait(timeout_ms: int) -> None:
            await parking.park(["p"], missing_bytes=1, timeout_ms=timeout_ms)  # type: ignore[list-item]
            ended.append(timeout_ms)

        await asyncio.gather(*(wait(timeout_ms) for timeout_ms in (90, 1, 200, 40, 0)))
        assert ended == [0, 1, 40, 90, 200]
        assert parking.waits.next_deadline_ms is None

    asyncio.run(story())


def test_who_gives_up_is_forgotten() -> None:
    async def story() -> None:
        parking = Parking()
        waiting = asyncio.ensure_future(
            parking.park(["p", "q"], missing_bytes=1, timeout_ms=2**31)  # type: ignore[list-item]
        )
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert len(parking.waits) == 0
        assert not parking.waits.wake("p")  # type: ignore[arg-type]

    asyncio.run(story())


# flushes


def test_who_waits_for_a_sync_shares_it_and_nobody_returns_too_early(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    syncs: list[str] = []
    gate = threading.Event()
    real = OsFile.sync

    def slow(self: OsFile) -> None:
        syncs.append(self.path)
        assert gate.wait(20)
        real(self)

    async def story() -> None:
        async with brokers.running(tmp_path, **FSYNC) as broker:
            await broker.topics.create([plan_topic(broker, "t")])
            partition = broker.partitions.resolve("t", 0)
            monkeypatch.setattr(OsFile, "sync", slow)
            first = asyncio.create_task(broker.flusher.sync(partition, append(broker, partition)))
            await until_async(lambda: _true(syncs), "the first sync has begun")
            later = [asyncio.create_task(broker.flusher.sync(partition, append(broker, partition))) for _ in range(20)]
            await asyncio.sleep(0)
            assert partition.high_watermark == 0, "nobody reads what a power cut could take back"
            later[0].cancel()
            gate.set()
            await asyncio.gather(first, *later[1:])
            assert partition.high_watermark == 21
            assert len([path for path in syncs if path.endswith(".log")]) == 2

    asyncio.run(story())


def test_a_failed_sync_is_told_to_all_and_logged_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(self: OsFile) -> None:
        raise OSError(5, "Input/output error")

    async def story() -> None:
        broker = brokers.made(tmp_path, **FSYNC)
        await broker.start()
        await broker.topics.create([plan_topic(broker, "t")])
        partition = broker.partitions.resolve("t", 0)
        monkeypatch.setattr(OsFile, "sync", broken)
        end = append(broker, partition)
        outcomes = await asyncio.gather(
            *(broker.flusher.sync(partition, end) for _ in range(3)), return_exceptions=True
        )
        assert [type(one) for one in outcomes] == [KafkaError] * 3
        assert {one.code for one in outcomes if isinstance(one, KafkaError)} == {Err.KAFKA_STORAGE_ERROR}
        assert partition.high_watermark == 0
        with pytest.raises(KafkaError):
            await broker.stop()  # not a clean one
        assert not broker.server.connections

    asyncio.run(story())
    assert len([r for r in caplog.records if r.message.startswith("a flush failed")]) == 1
    assert not (tmp_path / ".kafka_cleanshutdown").exists()


# jobs


def test_a_job_that_fails_goes_on_and_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    runs: list[int] = []

    async def sweep() -> None:
        runs.append(1)
        if len(runs) in (1, 2, 3, 5):
            raise OSError(28, "No space left on device")
        if len(runs) == 6:
            raise ZeroDivisionError

    async def story() -> None:
        upkeep = Upkeep()
        upkeep.every(0.001, sweep)
        await until_async(lambda: _true(len(runs) >= 8), "the job has run eight times")
        await upkeep.stop()
        count = len(runs)
        await asyncio.sleep(0.01)
        assert len(runs) == count

    asyncio.run(story())
    told = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [bool(record.exc_info) for record in told] == [False, False, True], "full twice, with a good run between"


def test_stop_waits_for_a_job_that_cleans_up() -> None:
    ended: list[str] = []
    begun = asyncio.Event()

    async def job() -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.01)
            ended.append("job")

    async def story() -> None:
        upkeep = Upkeep()
        upkeep.every(0, job)
        await begun.wait()
        await upkeep.stop()
        assert ended == ["job"]

    asyncio.run(story())


# turns


def test_turns_come_one_after_the_other_whatever_fails_or_is_cancelled(caplog: pytest.LogCaptureFixture) -> None:
    log: list[str] = []

    async def change(name: str, error: Exception | None = None) -> str:
        log.append(f"{name} begins")
        await asyncio.sleep(0.01)
        log.append(f"{name} ends")
        if error is not None:
            raise error
        return name

    async def story() -> None:
        turn = Turn()
        a = asyncio.create_task(turn.take(change, "a"))
        b = asyncio.create_task(turn.take(change, "b", KafkaError(Err.INVALID_REQUEST)))
        c = asyncio.create_task(turn.take(change, "c"))
        d = asyncio.create_task(turn.take(change, "d", ZeroDivisionError()))
        await asyncio.sleep(0.001)
        a.cancel()  # it has begun: it ends all the same
        c.cancel()  # it has not: it never begins
        outcomes = await asyncio.gather(a, b, c, d, return_exceptions=True)
        assert [type(one).__name__ for one in outcomes] == [
            "CancelledError",
            "KafkaError",
            "CancelledError",
            "ZeroDivisionError",
        ]
        await turn.close()
        late = asyncio.create_task(turn.take(change, "late"))
        await asyncio.sleep(0.02)
        assert not late.done()
        late.cancel()

    asyncio.run(story())
    assert log == ["a begins", "a ends", "b begins", "b ends", "d begins", "d ends"]
    assert [record.message for record in caplog.records] == ["a change failed in a way it must not"]
