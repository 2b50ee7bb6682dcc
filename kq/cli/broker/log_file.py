"""Prints a log file, its end, or what is added to it."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from kq.cli.output.text import shown_lines
from kq.cli.run.failures import Usage

POLL_S = 0.2
CHUNK_BYTES = 1 << 20


def print_log(path: Path, *, tail: int | None, follow: bool) -> None:
    """Ends quietly on Ctrl-C while it follows."""
    if tail is not None and tail < 0:
        raise Usage(f"--tail {tail}: not negative")
    with path.open("rb") as log:
        if tail is not None:
            log.seek(_start_of_last_lines(log.read(), tail))
        try:
            while True:
                data = log.read(CHUNK_BYTES)
                if data:
                    sys.stdout.buffer.write(shown_lines(data) if sys.stdout.isatty() else data)
                    sys.stdout.flush()
                elif follow:
                    time.sleep(POLL_S)
                else:
                    return
        except KeyboardInterrupt:
            return


def _start_of_last_lines(data: bytes, lines: int) -> int:
    pos = len(data)
    for _ in range(lines):
        pos = data.rfind(b"\n", 0, max(pos - 1, 0)) + 1
        if pos == 0:
            break
    return pos
