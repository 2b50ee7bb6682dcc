"""Temporary directories of test brokers, `kq-PID-XXXXXXXX`, and what killed test runs left of theirs.

A broker ends with its starter, but nobody removes the directory of a run that was ended by SIGKILL. So the first start
of a later run does. A directory goes only when it is this user's, the process in its name is gone, and nobody holds its
lock: process numbers alone say nothing where containers share a temporary directory.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import stat
import tempfile
from pathlib import Path

LOCK = "starter"
SOCKET_PATH_BYTES = 103  # and a zero: macOS; Linux allows 4 more
NAME = re.compile(r"kq-([0-9]+)-[a-z0-9_]{8}")
LONGEST = "/kq-4194304-12345678/faults"  # the largest process number of Linux

_swept: set[str] = set()  # by this process


class Room:
    """One directory, this process's until `close`."""

    def __init__(self) -> None:
        parent = _parent()
        if parent not in _swept:
            _swept.add(parent)
            sweep(parent)
        self.path = Path(tempfile.mkdtemp(prefix=f"kq-{os.getpid()}-", dir=parent))
        self._lock = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def close(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def sweep(parent: str) -> None:
    """Removes what starters who are gone left behind."""
    with contextlib.suppress(OSError), os.scandir(parent) as entries:
        for entry in entries:
            named = NAME.fullmatch(entry.name)
            if named and not _lives(int(named[1])) and _is_mine(entry):
                _remove_if_abandoned(Path(entry.path))


def _parent() -> str:
    """The temporary directory, or /tmp where the path of a unix socket would not fit into that."""
    chosen = tempfile.gettempdir()
    return "/tmp" if len(os.fsencode(chosen)) > SOCKET_PATH_BYTES - len(LONGEST) else chosen


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _is_mine(entry: os.DirEntry[str]) -> bool:
    try:
        info = entry.stat(follow_symlinks=False)
    except OSError:  # gone meanwhile
        return False
    return stat.S_ISDIR(info.st_mode) and info.st_uid == os.geteuid()


def _remove_if_abandoned(room: Path) -> None:
    try:
        lock = os.open(room / LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:  # not one of ours
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(room, ignore_errors=True)
    except BlockingIOError:  # its starter lives, where its number is another
        return
    finally:
        os.close(lock)
