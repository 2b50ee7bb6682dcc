"""The two that are compared: a kq broker and an Apache Kafka broker, each one process with a data directory of its own.

Both run for the whole bench, so that the JVM stays warm; an idle broker costs its neighbour next to nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bench import processes

ROOT = Path(__file__).resolve().parents[1]
PEERS = Path(os.environ.get("KQ_PEERS") or ROOT.parent / "shared" / "peers") / "kafka"


class Subject(Protocol):
    name: str
    bootstrap: str
    pid: int
    start_seconds: float  # from the start of the process until its port answers

    def start(self) -> None: ...
    def stop(self) -> None: ...


@dataclass
class Kq:
    room: Path
    settings: dict[str, str] = field(default_factory=dict)
    name: str = "kq"
    bootstrap: str = ""
    pid: int = 0
    start_seconds: float = 0.0

    def start(self) -> None:
        port = int(self.bootstrap.split(":")[1]) if self.bootstrap else _free_port()
        self.bootstrap = f"127.0.0.1:{port}"
        settings = [word for name, value in self.settings.items() for word in ("-s", f"{name}={value}")]
        command = [sys.executable, "-m", "kq.broker", "--data-dir", str(self.room / "data"), "--listen", self.bootstrap]
        with (self.room / "kq.log").open("ab") as log:
            started = time.perf_counter()
            self._child = subprocess.Popen([*command, *settings], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.pid = self._child.pid
        _await_port(port, lambda: self._child.poll() is None, f"kq; see {self.room}/kq.log")
        self.start_seconds = time.perf_counter() - started

    def stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._child.send_signal(signal.SIGTERM)
        self._child.wait(60)


@dataclass
class Kafka:
    room: Path
    name: str = "kafka"
    bootstrap: str = ""
    pid: int = 0
    start_seconds: float = 0.0

    def start(self) -> None:
        done = _peers("start", "--dir", str(self.room))
        self.bootstrap = done.stdout.split()[-1]
        self.start_seconds = float(done.stderr.split("answer after ")[1].split()[0])
        self.pid = int(json.loads((self.room / "nodes.json").read_text())[0]["pid"])

    def stop(self) -> None:
        _peers("stop", "--dir", str(self.room))


def tool(name: str, *arguments: str) -> list[str]:
    """The command line of one of Apache Kafka's own tools."""
    return [str(PEERS), name, *arguments]


def memory(subject: Subject) -> tuple[float, float]:
    """Resident and peak MB."""
    return processes.resident_mb(subject.pid), processes.peak_mb(subject.pid)


def _peers(*arguments: str) -> subprocess.CompletedProcess[str]:
    if not PEERS.exists():
        raise SystemExit(f"Apache Kafka's peers tool is not at {PEERS}: set KQ_PEERS to its folder")
    # 1 GB is what Kafka's own start script gives its broker.
    environment = {**os.environ, "KAFKA_HEAP": "1g"}
    done = subprocess.run([str(PEERS), *arguments], capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise SystemExit(f"{PEERS} {' '.join(arguments)}: {done.stderr}")
    return done


def _await_port(port: int, is_alive: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while is_alive():
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            return
        except OSError:
            time.sleep(0.002)
        if time.monotonic() > deadline:
            break
    raise SystemExit(f"{what} does not answer on port {port}")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
