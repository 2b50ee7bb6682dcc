"""kq.testing.Broker: its life, its faults, what is put in and read out."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import tempfile
import threading
from pathlib import Path
from typing import Any, cast

import pytest

from kq.errors import Err, KafkaError
from kq.testing import Broker, Record, StartFailed


def answers(bootstrap: str) -> bool:
    host, port = bootstrap.split(":")
    try:
        socket.create_connection((host, int(port)), 1).close()
    except OSError:
        return False
    return True


def test_records_go_in_and_come_out(kq_broker: Broker) -> None:
    kq_broker.create_topic("orders", partitions=2, config={"retention.ms": "12345"})
    sent = kq_broker.produce("orders", "a", b"\xff", None, key="k", partition=1, headers=[("h", "x"), ("n", None)])
    headers = (("h", b"x"), ("n", None))
    assert [(r.partition, r.offset, r.key, r.value, r.headers) for r in sent] == [
        (1, 0, b"k", b"a", headers),
        (1, 1, b"k", b"\xff", headers),
        (1, 2, b"k", None, headers),
    ]
    kq_broker.produce("orders", "first", partition=0, timestamp_ms=1_700_000_000_123)
    assert kq_broker.records("orders") == [
        Record("orders", 0, 0, 1_700_000_000_123, None, b"first", ()),
        *sent,
    ]
    assert kq_broker.records("orders", partition=1) == sent


def test_what_cannot_be_done_is_said(kq_broker: Broker) -> None:
    with pytest.raises(KafkaError) as caught:
        kq_broker.records("nowhere")
    assert caught.value.code is Err.UNKNOWN_TOPIC_OR_PARTITION
    kq_broker.create_topic("once")
    with pytest.raises(KafkaError) as caught:
        kq_broker.create_topic("once")
    assert caught.value.code is Err.TOPIC_ALREADY_EXISTS
    assert kq_broker.records("once") == []


def test_it_can_be_called_inside_a_running_loop(kq_broker: Broker) -> None:
    async def user_test() -> list[Record]:
        kq_broker.create_topic("looped")
        kq_broker.produce("looped", "x")
        return kq_broker.records("looped")

    assert [r.value for r in asyncio.run(user_test())] == [b"x"]


def test_address_and_data_outlive_restart_and_kill(kq_broker: Broker) -> None:
    address, pid = kq_broker.bootstrap, kq_broker.pid
    kq_broker.create_topic("kept")
    kq_broker.produce("kept", "one")
    kq_broker.restart()
    kq_broker.produce("kept", "two")
    kq_broker.kill()
    assert not kq_broker.running
    assert not answers(address)
    with pytest.raises(RuntimeError, match="not running"):
        kq_broker.inject("Produce", drop=True)
    kq_broker.start()
    assert kq_broker.bootstrap == address
    assert kq_broker.pid != pid
    assert [r.value for r in kq_broker.records("kept")] == [b"one", b"two"]
    kq_broker.start()  # while it runs: nothing happens
    assert answers(address)


def test_a_paused_broker_answers_after_resume(kq_broker: Broker) -> None:
    kq_broker.create_topic("slow")
    kq_broker.pause()
    stored: list[Record] = []
    producing = threading.Thread(target=lambda: stored.extend(kq_broker.produce("slow", "late")))
    producing.start()
    producing.join(0.3)
    assert producing.is_alive()
    assert stored == []
    kq_broker.resume()
    producing.join(30)
    assert [r.value for r in stored] == [b"late"]


def test_a_paused_broker_can_be_closed() -> None:
    with Broker() as broker:
        address = broker.bootstrap
        broker.pause()
    assert not answers(address)


def test_an_injected_error_is_met_and_used_up(kq_broker: Broker) -> None:
    kq_broker.create_topic("hurt")
    kq_broker.inject("Produce", error="INVALID_RECORD", times=1)
    with pytest.raises(KafkaError) as caught:
        kq_broker.produce("hurt", "refused")
    assert caught.value.code is Err.INVALID_RECORD
    assert [r.value for r in kq_broker.produce("hurt", "taken")] == [b"taken"]
    assert [r.value for r in kq_broker.records("hurt")] == [b"taken"]


def test_an_injection_for_a_topic_leaves_others_alone(kq_broker: Broker) -> None:
    kq_broker.create_topic("hurt")
    kq_broker.create_topic("well")
    kq_broker.inject("Produce", error="INVALID_RECORD", topic="hurt", times=1)
    assert kq_broker.produce("well", "x")[0].offset == 0
    with pytest.raises(KafkaError):
        kq_broker.produce("hurt", "x")


def test_retriable_errors_are_survived(kq_broker: Broker) -> None:
    kq_broker.create_topic("flaky")
    kq_broker.inject("Produce", error="NOT_ENOUGH_REPLICAS", times=3)
    assert kq_broker.produce("flaky", "x", "y")[-1].offset == 1
    assert [r.value for r in kq_broker.records("flaky")] == [b"x", b"y"]


@pytest.mark.parametrize(
    ("order", "words"),
    [({"api": "Prodouce", "drop": True}, "Prodouce"), ({"api": "Produce", "error": "OUT_OF_LUCK"}, "OUT_OF_LUCK")],
)
def test_a_wrong_injection_is_refused(kq_broker: Broker, order: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        kq_broker.inject(**order)  # type: ignore[arg-type]


def test_everything_is_removed_but_a_data_dir_that_was_given(tmp_path: Path) -> None:
    with Broker() as broker:
        own, pid = broker.data_dir, broker.pid
        assert own.exists()
    assert not own.parent.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with Broker(data_dir=tmp_path / "mine") as broker:
        broker.create_topic("kept")
        broker.produce("kept", "x")
    with Broker(data_dir=tmp_path / "mine") as broker:
        assert [r.value for r in broker.records("kept")] == [b"x"]


def test_settings_reach_the_broker() -> None:
    with Broker({"num.partitions": "4", "log.retention.ms": "777"}) as broker:
        broker.create_topic("t", partitions=-1)
        assert len({r.partition for i in range(40) for r in broker.produce("t", "x", key=str(i))}) == 4


def test_a_broker_that_cannot_start_says_why_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    broker = Broker({"node.id": "1", "broker.id": "2"})
    with pytest.raises(StartFailed, match=r"node\.id is 1 and broker\.id is 2"), broker:
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        (
            {"log.retention.mss": "1"},
            r"There is no broker setting log\.retention\.mss \(did you mean log.retention.ms\?\)",
        ),
        (
            {"retention.ms": "1"},
            r"retention\.ms is a topic's setting; for all topics of a broker it is log\.retention\.ms",
        ),
        ({"num.partitions": "many"}, r"num\.partitions cannot be 'many': it must be a whole number"),
    ],
)
def test_settings_that_are_none_are_refused_before_anything_starts(settings: dict[str, str], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Broker(settings)


def test_calls_of_its_own_are_given_up_after_timeout_s() -> None:
    with Broker(timeout_s=0.5) as broker:
        broker.create_topic("t")
        broker.pause()
        for name, call in (("records", lambda: broker.records("t")), ("produce", lambda: broker.produce("t", "x"))):
            with pytest.raises(KafkaError) as caught:
                call()
            assert caught.value.code is Err.REQUEST_TIMED_OUT
            assert str(caught.value) == (
                f"{name} was given up after 0.5 s, the timeout_s of this Broker: the broker is paused"
            )
        with pytest.raises(RuntimeError, match=r"resume\(\) it first"):
            broker.inject("Produce", drop=True)
        broker.resume()
        broker.inject("Metadata", drop=True, times=100)
        with pytest.raises(KafkaError, match=r"create_topic was given up after 0\.5 s.*the broker did not answer"):
            broker.create_topic("other")


def test_what_is_no_value_is_a_type_error(kq_broker: Broker) -> None:
    kq_broker.create_topic("t")
    bad: Any
    for bad in (5, ["a", "b"]):
        with pytest.raises(TypeError, match=rf"a value is bytes, str or None, not {type(bad).__name__}"):
            kq_broker.produce("t", bad)
    with pytest.raises(TypeError, match="a key is bytes, str or None, not int: 7"):
        kq_broker.produce("t", "x", key=cast(Any, 7))
    with pytest.raises(TypeError, match="a header's value is bytes, str or None, not int: 1"):
        kq_broker.produce("t", "x", headers=[("n", cast(Any, 1))])
    assert kq_broker.records("t") == []


def test_a_partition_that_is_not_there(kq_broker: Broker) -> None:
    kq_broker.create_topic("t")
    for call in (lambda: kq_broker.records("t", 9), lambda: kq_broker.produce("t", "x", partition=9)):
        with pytest.raises(KafkaError, match=r"topic 't' has 1 partition, numbered from 0; 9 is none"):
            call()


def test_a_failing_block_shows_the_brokers_log() -> None:
    with pytest.raises(ZeroDivisionError) as caught, Broker():
        raise ZeroDivisionError
    assert any("kq broker log" in note for note in caught.value.__notes__)


def test_two_brokers_side_by_side() -> None:
    with Broker() as one, Broker() as other:
        assert one.bootstrap != other.bootstrap
        one.create_topic("here")
        with pytest.raises(KafkaError):
            other.records("here")


def test_the_admin_url_answers(kq_broker: Broker) -> None:
    import urllib.request

    assert kq_broker.admin is not None
    with urllib.request.urlopen(f"{kq_broker.admin}/metrics", timeout=10) as answer:
        assert b"# HELP" in answer.read()


def test_nothing_is_left_open(recwarn: pytest.WarningsRecorder) -> None:
    """Projects that take warnings for errors use it too."""
    with Broker() as broker:
        broker.create_topic("t")
        broker.restart()
        broker.kill()
    del broker
    gc.collect()
    assert [str(warning.message) for warning in recwarn] == []


def test_a_deep_temporary_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A unix socket's path has about a hundred bytes; a CI job's TMPDIR can have more."""
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    with Broker() as broker:
        broker.inject("CreateTopics", error="NOT_CONTROLLER")
        broker.create_topic("t")
        assert broker.records("t") == []
