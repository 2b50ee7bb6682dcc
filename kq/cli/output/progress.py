"""One line of progress on stderr: from the first second on, four times a second, redrawn in place; on a terminal
only."""

from __future__ import annotations

import sys
import time

from kq.cli.output.units import count_text, counted, duration_text, rate_text, size_text

FIRST_S = 1.0
EVERY_S = 0.25


class Progress:
    """`total_bytes` is the size of the input, where that is known."""

    def __init__(self, label: str, *, total_bytes: int | None, enabled: bool) -> None:
        self._label = label
        self._total = total_bytes
        self._enabled = enabled
        self._began_s = time.monotonic()
        self._next_s = self._began_s + FIRST_S
        self._drawn = False

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self._began_s

    def update(self, *, records: int, size_bytes: int, done_bytes: int, failed: int) -> None:
        now_s = time.monotonic()
        if not self._enabled or now_s < self._next_s:
            return
        self._next_s = now_s + EVERY_S
        self._drawn = True
        text = progress_text(
            self._label,
            records=records,
            size_bytes=size_bytes,
            elapsed_s=now_s - self._began_s,
            done=done_bytes / self._total if self._total else None,
            failed=failed,
        )
        sys.stderr.write(f"\r\x1b[2K{text}")
        sys.stderr.flush()

    def clear(self) -> None:
        """Makes room for a line of another kind."""
        if self._drawn:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()
            self._drawn = False


def progress_text(
    label: str, *, records: int, size_bytes: int, elapsed_s: float, done: float | None, failed: int
) -> str:
    """`orders  812,004 records  79.3 MB  402 k/s  39.3 MB/s  42%  4s left  1 not sent`."""
    parts = [
        label,
        counted(records, "record"),
        size_text(size_bytes),
        rate_text(records / elapsed_s),
        f"{size_text(size_bytes / elapsed_s)}/s",
    ]
    if done is not None:
        parts.append(f"{min(done, 1.0):.0%}")
        if done > 0:
            parts.append(f"{duration_text(max(round(elapsed_s / done - elapsed_s), 0) * 1000)} left")
    if failed:
        parts.append(f"{count_text(failed)} not sent")
    return "  ".join(parts)


def summary_text(label: str, *, records: int, size_bytes: int, elapsed_s: float, failed: int) -> str:
    """`orders: 1,204,517 records, 117.6 MB in 2.9s; 1 not sent`."""
    lost = f"; {count_text(failed)} not sent" if failed else ""
    sent = f"{counted(records, 'record')}, {size_text(size_bytes)}"
    return f"{label}: {sent} in {duration_text(elapsed_s * 1000)}{lost}"
