"""What an ack promises survives SIGKILL; one directory has one broker; a full disk is told, survived and forgotten."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from kq.errors import Err
from kq.testing import Broker
from kq.wire.apis.metadata import METADATA
from kq.wire.apis.offsets import DELETE_RECORDS
from kq.wire.apis.topics import CREATE_TOPICS, DELETE_TOPICS
from tests.support import asking, topics
from tests.support.missing import need_command
from tests.support.patience import until
from tests.support.status import status
from tests.support.wire import Wire

MB = 1 << 20


def produce(wire: Wire, topic: str, *values: bytes) -> Any:
    return asking.produce(wire, topic, asking.batch(*values))


def end_offset(broker: Broker, topic: str, *, spec: int = -1) -> int:
    with Wire(broker.bootstrap) as wire:
        answer = asking.list_offset(wire, topic, spec)
    assert answer.error_code == Err.NONE
    return int(answer.offset)


def test_no_acknowledged_record_is_lost_or_doubled_by_kills() -> None:
    """An idempotent librdkafka producer writes numbers while the broker is killed five times and comes back."""
    acked: list[int] = []
    with Broker() as broker:
        topics.create(broker.bootstrap, "numbers")
        producer = Producer(
            {
                "bootstrap.servers": broker.bootstrap,
                "enable.idempotence": True,
                "linger.ms": 2,
                "reconnect.backoff.max.ms": 100,
                "log_level": 0,
            }
        )
        sending = threading.Event()

        def send() -> None:
            number = 0
            while not sending.is_set():
                producer.produce(
                    "numbers",
                    b"%d" % number,
                    on_delivery=lambda error, message: None if error else acked.append(int(message.value())),
                )
                number += 1
                producer.poll(0)
                time.sleep(0.0005)

        thread = threading.Thread(target=send)
        thread.start()
        for _ in range(5):
            time.sleep(0.4)
            broker.kill()
            broker.start()
        time.sleep(0.4)
        sending.set()
        thread.join()
        assert producer.flush(30) == 0
        there = [int(record.value) for record in broker.records("numbers")]
    assert len(acked) > 500
    assert there == sorted(set(there)), "doubled or out of order"
    assert set(acked) <= set(there)


def test_what_is_committed_about_topics_survives_a_kill() -> None:
    with Broker() as broker:
        with Wire(broker.bootstrap) as wire:
            topic = CREATE_TOPICS.Request.Topic(
                name="kept",
                num_partitions=3,
                replication_factor=1,
                configs=[CREATE_TOPICS.Request.Config(name="retention.ms", value="12345678")],
            )
            gone = CREATE_TOPICS.Request.Topic(name="gone", num_partitions=3, replication_factor=1)
            created = wire.call(CREATE_TOPICS, 7, CREATE_TOPICS.Request(topics=[topic, gone]))
            topic_id = created.topics[0].topic_id
            wire.call(DELETE_TOPICS, 5, DELETE_TOPICS.Request(topic_names=["gone"]))
        broker.kill()
        broker.start()
        with Wire(broker.bootstrap) as wire:
            answer = wire.call(METADATA, 12, METADATA.Request(topics=None))
        assert [(t.name, t.topic_id, len(t.partitions)) for t in answer.topics] == [("kept", topic_id, 3)]
        assert {p.leader_epoch for p in answer.topics[0].partitions} == {1}, "a start is a new leader epoch"
        assert not list(broker.data_dir.glob("gone-[0-9]"))


def test_deleted_records_stay_deleted_after_a_kill() -> None:
    with Broker() as broker:
        topics.create(broker.bootstrap, "t")
        with Wire(broker.bootstrap) as wire:
            for _ in range(10):
                produce(wire, "t", b"x")
            part = DELETE_RECORDS.Request.Partition(index=0, offset=7)
            named = [DELETE_RECORDS.Request.Topic(name="t", partitions=[part])]
            answer = wire.call(DELETE_RECORDS, 2, DELETE_RECORDS.Request(topics=named))
            assert answer.topics[0].partitions[0].low_watermark == 7
        broker.kill()
        broker.start()
        assert end_offset(broker, "t", spec=-2) == 7


def test_a_clean_stop_leaves_the_marker_and_needs_no_recovery() -> None:
    with Broker() as broker:
        topics.create(broker.bootstrap, "t")
        with Wire(broker.bootstrap) as wire:
            produce(wire, "t", b"x")
        broker.stop()
        assert (broker.data_dir / ".kafka_cleanshutdown").exists()
        assert not (broker.data_dir / "kq-broker.json").exists()
        broker.start()
        assert not (broker.data_dir / ".kafka_cleanshutdown").exists()
        assert json.loads((broker.data_dir / "kq-broker.json").read_text())["clean"] is True
        assert end_offset(broker, "t") == 1


def test_a_second_broker_on_a_directory_is_refused() -> None:
    with Broker() as broker:
        command = [sys.executable, "-m", "kq.broker", "--data-dir", str(broker.data_dir), "--listen", "127.0.0.1:0"]
        second = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
        assert second.returncode == 1
        assert second.stderr.count("\n") == 1
        assert str(broker.data_dir) in second.stderr
        assert f"process {broker.pid}" in second.stderr
        assert broker.running


def test_fsync_before_ack_syncs_before_the_answer(tmp_path: Path) -> None:
    """strace sees the fdatasync of the segment between the write of the batch and the answer."""
    need_command("strace", "strace")
    with Broker({"log.flush.interval.messages": "1"}) as broker:
        topics.create(broker.bootstrap, "t")
        trace = tmp_path / "trace"
        calls = "trace=pwrite64,fdatasync,fsync,sendmsg,sendto"
        tracer = subprocess.Popen(
            ["strace", "-f", "-p", str(broker.pid), "-s", "200", "-e", calls, "-o", str(trace)],
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert tracer.stderr is not None
            assert "attached" in tracer.stderr.readline()
            with Wire(broker.bootstrap) as wire:
                assert produce(wire, "t", b"needle").error_code == Err.NONE
        finally:
            tracer.terminate()
            tracer.communicate()
        lines = trace.read_text().splitlines()
    written = next(i for i, line in enumerate(lines) if "pwrite64" in line and "needle" in line)
    answered = next(i for i, line in enumerate(lines) if i > written and ("sendmsg(" in line or "sendto(" in line))
    assert any("fdatasync(" in line for line in lines[written:answered]), lines


def _is_root_on_linux() -> bool:
    return sys.platform == "linux" and os.geteuid() == 0


@pytest.mark.skipif(not _is_root_on_linux(), reason="mounting a small file system needs root on Linux")
def test_a_full_disk_is_told_and_forgotten_when_there_is_space(tmp_path: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "kq-test", str(tmp_path)], check=True)
    try:
        with Broker(data_dir=tmp_path / "data") as broker:
            topics.create(broker.bootstrap, "t")
            ballast = tmp_path / "ballast"
            with Wire(broker.bootstrap) as wire:
                assert produce(wire, "t", b"before").error_code == Err.NONE
                ballast.write_bytes(bytes(8 * MB))
                codes = [produce(wire, "t", bytes(900_000)).error_code for _ in range(12)]
                assert codes[-1] == Err.KAFKA_STORAGE_ERROR
                assert set(codes) == {Err.NONE, Err.KAFKA_STORAGE_ERROR}
                ballast.unlink()
                answer = produce(wire, "t", b"after")
                assert answer.error_code == Err.NONE
                assert answer.base_offset == 1 + codes.count(Err.NONE), "a failed append uses no offset"
            values = [record.value for record in broker.records("t")]
            assert values[0] == b"before"
            assert values[-1] == b"after"
            warnings = [line for line in broker.log_tail().splitlines() if "WARNING" in line and "t:0" in line]
            assert len(warnings) == 2, "one when it begins, however many writes are refused, and one when it is over"
            assert "t:0 takes no records: Could not " in warnings[0]
            assert warnings[0].endswith("No space left on device.")
            refused = len(codes) - codes.count(Err.NONE)
            assert f"t:0 takes records again; {refused} writes were refused in " in warnings[1]
            broker.kill()
            broker.start()
            assert end_offset(broker, "t") == len(values)
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def test_status_counts_what_happened() -> None:
    with Broker() as broker:
        topics.create(broker.bootstrap, "t", 2)
        with Wire(broker.bootstrap) as wire:
            for _ in range(3):
                produce(wire, "t", b"one", b"two")
            told = status(broker)
            with urllib.request.urlopen(f"{broker.admin}/metrics") as page:
                metrics = page.read().decode()
        (topic,) = told["topics"]
        assert [p["log_end_offset"] for p in topic["partitions"]] == [6, 0]
        assert topic["partitions"][0]["segments"][0]["base_offset"] == 0
        assert told["requests"]["Produce"]["count"] == 3
        assert 'kq_request_seconds_count{api="Produce"} 3.0' in metrics
        assert 'kq_log_end_offset{partition="0",topic="t"} 6.0' in metrics


def test_a_broker_of_tests_ends_with_its_starter(tmp_path: Path) -> None:
    """A test run that is killed leaves no broker behind."""
    script = (
        "import os, signal\nfrom kq.testing import Broker\nbroker = Broker()\nbroker.start()\n"
        "print(broker.pid, flush=True)\nos.kill(os.getpid(), signal.SIGKILL)"
    )
    starter = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)
    pid = int(starter.stdout)
    until(lambda: has_ended(pid), "the broker has ended with the test run that started it")


def has_ended(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False
