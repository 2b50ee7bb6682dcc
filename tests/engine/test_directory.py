"""The data directory on a real disk: who holds it, whose it is, and what its marker and checkpoints promise."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kq.engine import checkpoint
from kq.engine.directory import DataDirectory, DirectoryInUse, ForeignDirectory
from kq.engine.disk import OsDisk

CLUSTER = "0gOTsVVCTvKp3NVsNyh_Gw"

HOLDER = """
import sys, time
from kq.engine.directory import DataDirectory
from kq.engine.disk import OsDisk
held = DataDirectory.open(OsDisk(), sys.argv[1], node_id=1, cluster_id=sys.argv[2])
print("held", flush=True)
time.sleep(60)
"""


def open_directory(path: Path, *, node_id: int = 1, cluster_id: str = CLUSTER) -> DataDirectory:
    return DataDirectory.open(OsDisk(), str(path), node_id=node_id, cluster_id=cluster_id)


@contextmanager
def another_process(path: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path), CLUSTER], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def test_a_second_process_is_told_the_directory_and_the_pid(tmp_path: Path) -> None:
    with another_process(tmp_path) as process, pytest.raises(DirectoryInUse) as caught:
        open_directory(tmp_path)
    assert (caught.value.path, caught.value.pid) == (str(tmp_path), process.pid)
    assert str(caught.value) == f"The data directory {tmp_path} is in use by process {process.pid}."


def test_the_directory_is_free_once_its_holder_is_killed(tmp_path: Path) -> None:
    with another_process(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        open_directory(tmp_path).release()


def test_a_stopped_process_still_holds_it(tmp_path: Path) -> None:
    with another_process(tmp_path) as process:
        process.send_signal(signal.SIGSTOP)
        with pytest.raises(DirectoryInUse):
            open_directory(tmp_path)


def test_one_process_cannot_open_it_twice_and_failing_does_not_free_it(tmp_path: Path) -> None:
    first = open_directory(tmp_path)
    for _ in range(2):
        with pytest.raises(DirectoryInUse):
            open_directory(tmp_path)
    first.release()
    open_directory(tmp_path).release()


@pytest.mark.parametrize("content", [b"", b"not a pid", b"9" * 400])
def test_a_holder_that_wrote_no_pid_is_just_another_process(tmp_path: Path, content: bytes) -> None:
    lock = OsDisk().lock(str(tmp_path / ".lock"))
    (tmp_path / ".lock").write_bytes(content)
    with pytest.raises(DirectoryInUse, match=r"in use by (another process|process 9{20})\."):
        open_directory(tmp_path)
    lock.release()


def test_the_pid_is_not_mixed_with_that_of_an_earlier_holder(tmp_path: Path) -> None:
    (tmp_path / ".lock").write_bytes(b"12345678901234567\n")
    with another_process(tmp_path) as process, pytest.raises(DirectoryInUse) as caught:
        open_directory(tmp_path)
    assert caught.value.pid == process.pid


def test_a_new_directory_is_made_with_its_parents_and_claimed(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "data"
    made = open_directory(path, node_id=7)
    assert not made.was_clean
    meta = checkpoint.decode_meta_properties((path / "meta.properties").read_bytes())
    assert meta == made.meta
    assert meta[:2] == (CLUSTER, 7)
    assert len(checkpoint.id_bytes(meta.directory_id)) == 16
    made.release()
    before = (path / "meta.properties").stat()
    again = open_directory(path, node_id=7)
    assert again.meta == meta
    assert (path / "meta.properties").stat().st_ino == before.st_ino
    again.release()


def test_two_directories_have_two_ids(tmp_path: Path) -> None:
    held = [open_directory(tmp_path / name) for name in ("a", "b")]
    held.append(open_directory(tmp_path / "c", node_id=2))
    assert len({each.meta.directory_id for each in held}) == 3
    for each in held:
        each.release()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"version=1\nnode.id=1\ncluster.id=AAAAAAAAAAAAAAAAAAAAAQ\n", "belongs to cluster AAAAAAAAAAAAAAAAAAAAAQ"),
        (b"version=1\nnode.id=4\ncluster.id=0gOTsVVCTvKp3NVsNyh_Gw\n", "belongs to node 4, this broker is node 1"),
        (b"", "cannot be read"),
        (b"\xff\xfe", "it is not text"),
        (b"version=0\nbroker.id=1\ncluster.id=0gOTsVVCTvKp3NVsNyh_Gw\n", "version '0'"),
    ],
)
def test_a_foreign_or_damaged_owner_file_is_named_and_left_alone(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "meta.properties").write_bytes(content)
    for _ in range(2):  # the second time shows that the first one freed the lock
        with pytest.raises(ForeignDirectory, match=says) as caught:
            open_directory(tmp_path)
        assert str(tmp_path) in str(caught.value)
    assert (tmp_path / "meta.properties").read_bytes() == content


def test_the_marker_is_seen_once(tmp_path: Path) -> None:
    first = open_directory(tmp_path)
    first.write_marker(12)
    first.release()
    assert (tmp_path / ".kafka_cleanshutdown").read_bytes() == b'{"version":0,"brokerEpoch":12}'
    second = open_directory(tmp_path)
    assert second.was_clean
    second.release()  # before anything was touched: the marker stays
    third = open_directory(tmp_path)
    assert third.was_clean
    third.remove_marker()
    third.remove_marker()
    third.release()
    fourth = open_directory(tmp_path)
    assert not fourth.was_clean
    fourth.release()


@pytest.mark.parametrize("content", [b"", b"garbage"])
def test_the_marker_counts_by_being_there(tmp_path: Path, content: bytes) -> None:
    (tmp_path / ".kafka_cleanshutdown").write_bytes(content)
    directory = open_directory(tmp_path)
    assert directory.was_clean
    directory.release()


def test_offsets_come_back_and_an_unchanged_file_is_not_written_again(tmp_path: Path) -> None:
    directory = open_directory(tmp_path)
    path = tmp_path / checkpoint.RECOVERY_POINTS
    offsets = {("a", 0): 5, ("b.c", 12): 1 << 40}
    assert directory.read_offsets(checkpoint.RECOVERY_POINTS) == {}
    directory.write_offsets(checkpoint.RECOVERY_POINTS, offsets)
    assert directory.read_offsets(checkpoint.RECOVERY_POINTS) == offsets
    inode = path.stat().st_ino
    directory.write_offsets(checkpoint.RECOVERY_POINTS, dict(offsets))
    assert path.stat().st_ino == inode
    directory.write_offsets(checkpoint.RECOVERY_POINTS, {})
    assert directory.read_offsets(checkpoint.RECOVERY_POINTS) == {}
    directory.release()


def test_a_damaged_checkpoint_says_nothing(tmp_path: Path) -> None:
    (tmp_path / checkpoint.LOG_STARTS).write_bytes(b"0\n2\na 0 7\n")
    directory = open_directory(tmp_path)
    assert directory.read_offsets(checkpoint.LOG_STARTS) == {}
    directory.release()


def test_a_file_in_its_place_is_the_systems_own_error(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("not a directory")
    with pytest.raises(OSError, match="data"):
        open_directory(tmp_path / "data")
