"""The machine a result was taken on: without it a table of figures says nothing."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import time
from pathlib import Path


def describe(room: Path) -> dict[str, str]:
    """What it is, what it runs, and how fast it writes to the disk of `room`."""
    return {
        "taken": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "kernel": platform.release(),
        "load before": f"{os.getloadavg()[0]:.2f}",
        "disk": f"{_file_system(room)}, {_write_rate(room):.0f} MB/s written to the page cache, in pieces of 1 MiB",
        "python": platform.python_version(),
        "librdkafka": _librdkafka(),
        "java": _first_line("java", "-version"),
        "kcat": (re.findall(r"Version (\S+)", _output("kcat", "-V")) or ["none"])[0],
        "kq": _first_line("git", "describe", "--always", "--dirty"),
    }


def _processor() -> str:
    try:
        return re.findall(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())[0].strip()
    except (OSError, IndexError):
        return platform.processor() or platform.machine()


def _librdkafka() -> str:
    header = Path("/usr/include/librdkafka/rdkafka.h")
    if not header.exists():
        return "none"
    digits = re.findall(r"#define RD_KAFKA_VERSION\s+0x(\w{8})", header.read_text())[0]
    return ".".join(str(int(digits[i : i + 2], 16)) for i in (0, 2, 4))


def _file_system(room: Path) -> str:
    return _first_line("stat", "-f", "-c", "%T", str(room))


def _write_rate(room: Path, size_mb: int = 256) -> float:
    """MB/s of plain write() calls: what bounds rows of 1 KB records."""
    path, piece = room / "write-rate", os.urandom(1 << 20)
    started = time.perf_counter()
    with path.open("wb", buffering=0) as file:
        for _ in range(size_mb):
            file.write(piece)
    took = time.perf_counter() - started
    path.unlink()
    return size_mb * len(piece) / took / 1e6


def _first_line(*command: str) -> str:
    return (_output(*command).strip().splitlines() or ["none"])[0]


def _output(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except OSError:
        return ""
    return done.stdout + done.stderr
