"""What is not a load: how soon the port answers, how much memory a broker holds."""

from __future__ import annotations

import time

from bench import processes
from bench.drivers import Figures
from bench.stats import Bar
from bench.subjects import Subject

# Absolute: a start under half a second, 80 MB idle, 150 MB at the most under load.
BARS = {
    "start_s": Bar(0.5, more_is_better=False),
    "idle_mb": Bar(80, more_is_better=False),
    "load_mb": Bar(150, more_is_better=False),
}


def start_and_idle(subject: Subject, times: int) -> list[Figures]:
    """Starts it anew so many times and leaves it running, untouched by any load."""
    taken = []
    for turn in range(times):
        if turn:
            subject.stop()
        subject.start()
        time.sleep(1.5)  # what it still does after the port answers is part of its idle size
        taken.append({"start_s": subject.start_seconds, "idle_mb": processes.resident_mb(subject.pid)})
    return taken
