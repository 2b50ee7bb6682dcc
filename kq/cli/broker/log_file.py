"""Prints a log file, its end, or what is added to it."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import BinaryIO

from kq.cli.output.text import shown_lines

POLL_S = 0.2
CHUNK_BYTES = 1 << 20


def print_log(path: Path, *, tail: int | None, follow: bool) -> None:
    """Ends quietly on Ctrl-C while it follows."""
    safe = sys.stdout.isatty()
    with path.open("rb") as log:
        if tail is not None:
            log.seek(_start_of_last_lines(log, tail))
        try:
            while True:
                data = log.read(CHUNK_BYTES)
                if safe and len(data) == CHUNK_BYTES:
                    data += log.readline()  # a letter must not be cut in two
                if data:
                    sys.stdout.buffer.write(shown_lines(data) if safe else data)
                    sys.stdout.flush()
                elif follow:
                    time.sleep(POLL_S)
                else:
                    return
        except KeyboardInterrupt:
            return


def _start_of_last_lines(log: BinaryIO, lines: int) -> int:
    """Read from the end: a log may be large."""
    begin = log.seek(0, os.SEEK_END)
    log.seek(max(begin - 1, 0))
    ends = 0 if log.read(1) == b"\n" else 1  # the last line may be without its end so far
    while begin > 0 and lines > 0:
        size = min(CHUNK_BYTES, begin)
        begin -= size
        log.seek(begin)
        block = log.read(size)
        stop = size
        while (place := block.rfind(b"\n", 0, stop)) >= 0:
            ends += 1
            if ends > lines:
                return begin + place + 1
            stop = place
    return begin
