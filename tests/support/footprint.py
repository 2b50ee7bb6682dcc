"""What a process holds, as the system tells: on Linux and macOS alike, where it can be had."""

from __future__ import annotations

import os
import subprocess


def resident_bytes(pid: int) -> int:
    asked = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=True)
    return int(asked.stdout) * 1024


def open_files(pid: int) -> int | None:
    """None where there is no /proc."""
    return len(os.listdir(f"/proc/{pid}/fd")) if os.path.isdir(f"/proc/{pid}/fd") else None
