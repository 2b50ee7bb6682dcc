"""Directories of test brokers whose starters were killed."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kq.testing import Broker, rooms
from kq.testing.rooms import Room
from tests.support.patience import until

KILLED = """
import os, signal
from kq.testing import Broker
broker = Broker()
broker.start()
print(broker.pid, broker.data_dir.parent, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary directory of one's own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    yield tmp_path
    rooms._swept.discard(str(tmp_path))


def nobody() -> int:
    """The number of a process that is gone."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_what_a_killed_run_left_is_removed_by_the_next_one(parent: Path) -> None:
    starter = subprocess.run([sys.executable, "-c", KILLED], capture_output=True, text=True, timeout=30, check=False)
    pid, path = starter.stdout.split()
    left = Path(path)
    assert left.parent == parent
    assert left.exists()
    until(lambda: not rooms._lives(int(pid)), "the broker of the killed run has ended")
    with Broker() as broker:
        assert not left.exists()
        assert broker.data_dir.parent.parent == parent
    assert list(parent.iterdir()) == []


def test_only_what_is_surely_abandoned_goes(parent: Path) -> None:
    """A live starter's, one whose number means another process elsewhere, and what only looks like a room, stay."""
    gone = nobody()
    abandoned, locked, unlocked = (parent / f"kq-{gone}-{name}" for name in ("abandone", "lockedbb", "unlocked"))
    others = [parent / "kq-demo-abcdefgh", parent / f"kq-{gone}-x", parent / f"kq-{os.getpid()}-abcdefgh"]
    for path in (abandoned, locked, unlocked, *others):
        path.mkdir()
        (path / "data").mkdir()
    link = parent / f"kq-{gone}-alinkxyz"
    link.symlink_to(others[0])
    for path in (abandoned, locked, *others):
        (path / rooms.LOCK).touch()
    with (locked / rooms.LOCK).open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        room = Room()
        assert {path.name for path in parent.iterdir()} == {
            path.name for path in (locked, unlocked, link, *others, room.path)
        }
        room.close()
    assert not room.path.exists()


def test_of_another_user(parent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = parent / f"kq-{nobody()}-abcdefgh"
    path.mkdir()
    (path / rooms.LOCK).touch()
    monkeypatch.setattr(rooms.os, "geteuid", lambda: os.getuid() + 1)
    rooms.sweep(str(parent))
    assert path.exists()
    monkeypatch.undo()
    rooms.sweep(str(parent))
    assert not path.exists()
