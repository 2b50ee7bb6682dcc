"""Which broker runs on a data directory: the broker keeps `kq-broker.json` there for as long as it lives."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

STATE_FILE = "kq-broker.json"
LOG_FILE = "kq-broker.log"
PROC = Path("/proc")
KERNEL_THREADS = "2"  # the parent of those, which have no command line either


@dataclass(frozen=True, slots=True)
class Running:
    """A broker that runs now."""

    pid: int
    address: str
    node_id: int
    cluster_id: str
    version: str
    started_ms: int
    admin: str | None

    def is_alive(self) -> bool:
        return is_broker(self.pid)


def data_directory(given: str | None) -> Path:
    """--data-dir, KQ_DATA_DIR, or the XDG data directory."""
    named = named_directory(given)
    return default_directory() if named is None else named[0]


def named_directory(given: str | None) -> tuple[Path, str] | None:
    """--data-dir or KQ_DATA_DIR, and which of them."""
    for chosen, source in ((given, "--data-dir"), (os.environ.get("KQ_DATA_DIR"), "KQ_DATA_DIR")):
        if chosen:
            return Path(chosen).expanduser().absolute(), source
    return None


def default_directory() -> Path:
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "kq"


def home_short(path: Path) -> str:
    """`~/.local/share/kq` for people."""
    try:
        return f"~/{path.relative_to(Path.home())}"
    except ValueError:
        return str(path)


def find_running(directory: Path) -> Running | None:
    """The broker of this directory, or None. A file that a killed broker left behind counts for nothing."""
    try:
        state = json.loads((directory / STATE_FILE).read_text(encoding="utf-8"))
        running = Running(
            pid=state["pid"],
            address=state["bootstrap"],
            node_id=state["node_id"],
            cluster_id=state["cluster_id"],
            version=state["version"],
            started_ms=state["started_ms"],
            admin=state.get("admin"),
        )
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        return None
    is_pid = type(running.pid) is int and running.pid > 0  # 0 and -1 would be whole groups of processes
    return running if is_pid and running.is_alive() else None


def is_broker(pid: int) -> bool:
    """Whether this process lives and is a kq broker: the number may long be another's."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # lives, as another user
        return True
    words = _command_line(pid)
    return "kq.broker" in words if words else _is_ending(pid)


def _is_ending(pid: int) -> bool:
    """A process that is being taken down has no command line any more, but still holds its files and its lock."""
    try:
        state, parent = (PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()[:2]
    except (OSError, ValueError):
        return False
    return state not in "ZX" and parent != KERNEL_THREADS


def _command_line(pid: int) -> str:
    try:
        return (PROC / str(pid) / "cmdline").read_text(errors="replace")
    except OSError:
        if (PROC / "self" / "cmdline").exists():
            return ""  # gone meanwhile
        import subprocess  # no /proc (macOS)

        asked = subprocess.run(["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True)
        return asked.stdout
