"""The promises of `kq.engine.disk`, kept by the real disk and by the one in memory alike."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from threading import Thread

import pytest

from kq.engine import disk as disk_module
from kq.engine.disk import Disk, File, Locked, OsDisk, create_anew
from tests.support.memory_disk import MemoryDisk


@pytest.fixture(params=["real", "memory"])
def disk(request: pytest.FixtureRequest) -> Disk:
    return OsDisk() if request.param == "real" else MemoryDisk()


@pytest.fixture
def room(disk: Disk, tmp_path: Path) -> str:
    path = f"{tmp_path}/room"
    disk.make_directory(path)
    return path


def test_a_file_is_written_and_read_at_any_place(disk: Disk, room: str) -> None:
    file = disk.create(f"{room}/a")
    file.write(0, b"hello")
    file.write(3, memoryview(bytearray(b"p!")))
    file.write(8, b"end")
    assert file.read(0, 100) == b"help!\0\0\0end"
    assert file.read(3, 2) == b"p!"
    assert file.read(11, 5) == file.read(99, 5) == b""
    assert file.size() == 11
    file.truncate(4)
    file.truncate(6)
    assert disk.read(f"{room}/a") == b"help\0\0"


def test_a_file_is_made_once_and_opened_only_if_it_is_there(disk: Disk, room: str) -> None:
    disk.create(f"{room}/a").write(0, b"x")
    with pytest.raises(FileExistsError):
        disk.create(f"{room}/a")
    missing = disk.open(f"{room}/b")
    with pytest.raises(FileNotFoundError):
        missing.read(0, 1)
    with pytest.raises(FileNotFoundError):
        missing.write(0, b"x")
    assert not disk.exists(f"{room}/b")
    assert create_anew(disk, f"{room}/a").size() == 0
    assert create_anew(disk, f"{room}/b").size() == 0


def test_what_a_directory_holds(disk: Disk, room: str) -> None:
    disk.create(f"{room}/a").write(0, b"12345")
    disk.make_directory(f"{room}/deep/below")
    disk.make_directory(f"{room}/deep/below")
    assert sorted((one.name, one.is_directory) for one in disk.entries(room)) == [("a", False), ("deep", True)]
    assert {one.name: one.size for one in disk.entries(room)}["a"] == 5
    with pytest.raises(FileNotFoundError):
        disk.entries(f"{room}/nowhere")
    disk.remove_tree(f"{room}/deep")
    disk.remove_tree(f"{room}/deep")
    disk.rename(f"{room}/a", f"{room}/b")
    assert [one.name for one in disk.entries(room)] == ["b"]
    disk.unlink(f"{room}/b")
    assert disk.entries(room) == []
    with pytest.raises(FileNotFoundError):
        disk.unlink(f"{room}/b")


@pytest.mark.parametrize("sync", [False, True])
def test_replacing_a_small_file(disk: Disk, room: str, sync: bool) -> None:
    for content in (b"first, and longer", b"second", b""):
        disk.replace(f"{room}/a", content, sync=sync)
        assert disk.read(f"{room}/a") == content
    assert [one.name for one in disk.entries(room)] == ["a"]
    assert disk.usage(room)[0] >= disk.usage(room)[1] > 0


def test_a_region_outlives_rename_unlink_and_close(disk: Disk, room: str) -> None:
    file = disk.create(f"{room}/a")
    file.write(0, b"0123456789")
    region = file.region(2, 5)
    assert (len(region), region.position, region.length) == (5, 2, 5)
    file.rename(f"{room}/a.deleted")
    assert region.read() == b"23456"
    file.close()
    file.unlink()
    assert disk.entries(room) == []
    assert region.read() == b"23456"
    with region.open() as fd:
        assert os.pread(fd, region.length, region.position) == b"23456"
    assert region.read() == b"23456"


def test_a_region_outlives_its_directory(disk: Disk, room: str) -> None:
    disk.make_directory(f"{room}/t-0")
    file = disk.create(f"{room}/t-0/a")
    file.write(0, b"0123456789")
    region = file.region(0, 3)
    file.close()
    file.forget()
    disk.rename(f"{room}/t-0", f"{room}/t-0-delete")
    disk.remove_tree(f"{room}/t-0-delete")
    assert region.read() == b"012"


def test_one_lock_at_a_time(disk: Disk, room: str) -> None:
    lock = disk.lock(f"{room}/.lock")
    with pytest.raises(Locked):
        disk.lock(f"{room}/.lock")
    lock.release()
    disk.lock(f"{room}/.lock").release()


def test_the_death_of_a_process_frees_its_lock(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; from kq.engine.disk import OsDisk; OsDisk().lock(sys.argv[1]); print(); input()",
            str(tmp_path / "lock"),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    with pytest.raises(Locked):
        OsDisk().lock(str(tmp_path / "lock"))
    holder.kill()
    holder.wait()
    OsDisk().lock(str(tmp_path / "lock")).release()


# ---- the pool of descriptors


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


on_linux = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts descriptors in /proc")


def files(disk: OsDisk, room: Path, count: int) -> Iterator[File]:
    for number in range(count):
        file = disk.create(str(room / str(number)))
        file.write(0, b"%d" % number)
        yield file


@on_linux
def test_many_files_few_descriptors(tmp_path: Path) -> None:
    disk = OsDisk(open_files=10)
    before = open_descriptors()
    made = list(files(disk, tmp_path, 300))
    for order in range(3):
        for number, file in enumerate(made):
            assert file.read(0, 10) == b"%d" % number
            file.write(0, b"%d" % number)
            assert open_descriptors() <= before + 10, order
    assert disk.open_files == 10
    for file in made:
        file.close()
    assert (disk.open_files, open_descriptors()) == (0, before)


def test_a_pinned_descriptor_is_never_closed(tmp_path: Path) -> None:
    disk = OsDisk(open_files=3)
    made = list(files(disk, tmp_path, 20))
    regions = [file.region(0, 1) for file in made[:6]]
    pins = [region.open() for region in regions]
    descriptors = [pin.__enter__() for pin in pins]
    assert len(set(descriptors)) == 6
    for file in made[6:]:
        file.read(0, 1)
    for number, fd in enumerate(descriptors):
        assert os.pread(fd, 10, 0) == b"%d" % number
    assert disk.open_files <= 7
    for pin in pins:
        pin.__exit__(None, None, None)
    for file in made:
        file.read(0, 1)
    assert disk.open_files <= 3


def test_an_evicted_file_that_was_renamed_is_found_again(tmp_path: Path) -> None:
    disk = OsDisk(open_files=2)
    made = list(files(disk, tmp_path, 5))
    made[0].rename(str(tmp_path / "elsewhere"))
    for file in made[1:]:
        file.read(0, 1)
    assert made[0].read(0, 10) == b"0"


@on_linux
def test_an_unlinked_file_is_closed_with_its_last_region(tmp_path: Path) -> None:
    disk = OsDisk(open_files=2)
    before = open_descriptors()
    made = list(files(disk, tmp_path, 8))
    regions = [file.region(0, 1) for file in made[:4]]
    for file in made:
        file.unlink()
    assert disk.open_files == 4
    assert [region.read() for region in regions] == [b"0", b"1", b"2", b"3"]
    del regions
    assert (disk.open_files, open_descriptors()) == (0, before)


@on_linux
def test_a_file_that_vanished_is_an_error_and_no_leak(tmp_path: Path) -> None:
    disk = OsDisk(open_files=2)
    before = open_descriptors()
    file = disk.create(str(tmp_path / "a"))
    file.close()
    (tmp_path / "a").unlink()
    for deed in (lambda: file.read(0, 1), lambda: file.write(0, b"x"), file.size, file.sync, lambda: file.truncate(0)):
        with pytest.raises(FileNotFoundError):
            deed()
    assert open_descriptors() == before


def test_when_the_process_is_out_of_descriptors_the_pool_gives_way(tmp_path: Path) -> None:
    script = """
import os, resource, sys
from kq.engine.disk import OsDisk
disk = OsDisk(open_files=1000)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
files = [disk.create(f"{sys.argv[1]}/{n}") for n in range(200)]
for n, file in enumerate(files):
    file.write(0, b"%d" % n)
assert [file.read(0, 9) for file in files] == [b"%d" % n for n in range(200)]
assert disk.open_files < 64
"""
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_threads_never_meet_in_each_others_files(tmp_path: Path) -> None:
    """A descriptor that is closed too early belongs to another file a moment later."""
    disk = OsDisk(open_files=4)
    made = []
    for number in range(24):
        file = disk.create(str(tmp_path / str(number)))
        file.write(0, bytes([number]) * 64)
        made.append(file)
    wrong: list[str] = []

    def work(seed: int) -> None:
        rng = Random(seed)
        for _ in range(1500):
            number = rng.randrange(24)
            at = rng.randrange(60)
            if rng.random() < 0.3:
                made[number].write(at, bytes([number]) * 4)
            elif rng.random() < 0.2:
                with made[number].region(at, 4).open() as fd:
                    if os.pread(fd, 4, at) != bytes([number]) * 4:
                        wrong.append(f"region of {number}")
            elif made[number].read(at, 4) != bytes([number]) * 4:
                wrong.append(f"read of {number}")

    threads = [Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert [file.read(0, 99) for file in made] == [bytes([number]) * 64 for number in range(24)]
    assert disk.open_files <= 10


def test_a_full_disk_is_an_error_not_a_crash(tmp_path: Path) -> None:
    script = """
import resource, signal, sys
from kq.engine.disk import OsDisk
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
file = OsDisk().create(sys.argv[1])
file.write(0, b"x" * 900)
try:
    file.write(900, b"y" * 300)
except OSError as error:
    assert 900 <= file.size() <= 1000
    file.truncate(900)
    print(error.errno, file.size())
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "a")], capture_output=True, text=True, check=False
    )
    assert done.stdout == f"{errno.EFBIG} 900\n", done.stderr


# ---- what the disk in memory loses


def lives(after: Callable[[MemoryDisk], None]) -> Iterator[MemoryDisk]:
    for seed in range(60):
        disk = MemoryDisk()
        disk.make_directory("/d")
        disk.sync_directory("/")
        after(disk)
        yield disk.crash(Random(seed))


def test_memory_keeps_what_was_synced_and_loses_the_rest_in_every_way() -> None:
    def write(disk: MemoryDisk) -> None:
        file = disk.create("/d/a")
        file.write(0, b"synced")
        file.sync()
        disk.sync_directory("/d")
        file.write(6, b"-unsynced")

    found = {disk.read("/d/a") for disk in lives(write)}
    assert all(content.startswith(b"synced") for content in found)
    assert {b"synced", b"synced-unsynced"} < found
    assert any(content.endswith(b"\0") for content in found)
    assert any(b"\0" in content and content.endswith(b"d") for content in found)


def test_memory_may_lose_names_that_were_not_synced() -> None:
    def write(disk: MemoryDisk) -> None:
        disk.create("/d/old").sync()
        disk.sync_directory("/d")
        disk.rename("/d/old", "/d/new")
        disk.create("/d/other").sync()

    found = {tuple(sorted(one.name for one in disk.entries("/d"))) for disk in lives(write)}
    assert found == {("old",), ("new",), ("old", "other"), ("new", "other")}


def test_memory_forgets_what_a_failed_sync_was_for() -> None:
    def write(disk: MemoryDisk) -> None:
        file = disk.create("/d/a")
        disk.sync_directory("/d")
        file.write(0, b"doomed")
        disk.fail("sync")
        with pytest.raises(OSError, match="error"):
            file.sync()
        file.sync()
        assert file.read(0, 9) == b"doomed"

    assert {disk.read("/d/a") for disk in lives(write)} == {b""}


@pytest.mark.parametrize(("refusal", "synced"), [(None, 0), (errno.ENOTSUP, 1), (errno.EINVAL, 1)])
def test_where_the_drive_must_be_told_to_flush(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusal: int | None, synced: int
) -> None:
    """macOS, acted: F_FULLFSYNC, and fsync only where the file system does not know that."""
    told, synced_by_fsync = _as_on_macos(monkeypatch, refusal)
    file = OsDisk().create(f"{tmp_path}/a")
    file.write(0, b"x")
    file.sync()
    OsDisk().sync_directory(str(tmp_path))
    assert len(told) == 2
    assert len(synced_by_fsync) == 2 * synced


def test_a_drive_that_fails_to_flush_is_not_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, synced_by_fsync = _as_on_macos(monkeypatch, errno.EIO)
    file = OsDisk().create(f"{tmp_path}/a")
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        file.sync()
    assert not synced_by_fsync


def _as_on_macos(monkeypatch: pytest.MonkeyPatch, refusal: int | None) -> tuple[list[int], list[int]]:
    full_sync = 51
    told: list[int] = []
    synced: list[int] = []

    def told_to(fd: int, command: int) -> int:
        assert command == full_sync
        told.append(fd)
        if refusal is not None:
            raise OSError(refusal, os.strerror(refusal))
        return 0

    monkeypatch.setattr(disk_module, "FULL_SYNC", full_sync)
    monkeypatch.setattr(fcntl, "fcntl", told_to)
    monkeypatch.setattr(os, "fsync", synced.append)
    return told, synced
