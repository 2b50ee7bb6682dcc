"""One data directory, one broker - also where the other one is Apache Kafka, which locks `.lock` the Java way."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from kq.engine.disk import Locked, OsDisk
from kq.testing import Broker, StartFailed
from tests.support import peers

RECORD_LOCK = """
import fcntl, sys
file = open(sys.argv[1], "a")
try:
    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError:
    print("refused", flush=True)
else:
    print("locked", flush=True)
    input()
"""


def java_like(path: Path) -> subprocess.Popen[str]:
    """A process that takes a POSIX record lock, as Java's FileChannel does, and holds it until its input ends."""
    return subprocess.Popen(
        [sys.executable, "-c", RECORD_LOCK, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_record_lock_excludes_ours_and_is_excluded_by_it(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with java_like(path) as other:
        assert said(other) == "locked"
        with pytest.raises(Locked):
            OsDisk().lock(str(path))
        other.communicate("\n")
    lock = OsDisk().lock(str(path))
    path.read_bytes()  # a record lock of ours would be lost when this process closes the file again
    with java_like(path) as other:
        assert said(other) == "refused"
    lock.release()
    with java_like(path) as other:
        assert said(other) == "locked"
        other.communicate("\n")


def test_a_broker_holds_it_against_a_record_lock_all_its_life(tmp_path: Path) -> None:
    with Broker(data_dir=tmp_path / "data") as broker:
        broker.create_topic("t")
        with java_like(broker.data_dir / ".lock") as other:
            assert said(other) == "refused"


def test_a_broker_is_refused_while_a_record_lock_is_held_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with java_like(tmp_path / ".lock") as other:
        assert said(other) == "locked"
        with pytest.raises(StartFailed, match="is in use by another process"):
            Broker(data_dir=tmp_path).start()
        assert [path.name for path in tmp_path.iterdir()] == [".lock"]
        other.communicate("\n")


@pytest.mark.java
@pytest.mark.slow
def test_apache_kafka_and_kq_exclude_each_other(tmp_path: Path) -> None:
    with peers.running(tmp_path / "kafka") as kafka:
        settings = {"node.id": "1"}
        with pytest.raises(StartFailed, match="is in use by another process"):
            Broker(settings, data_dir=kafka.data_dir).start()
        kafka.stop()
        with Broker(settings, data_dir=kafka.data_dir), pytest.raises(AssertionError):
            kafka.start()
        kafka.start()
