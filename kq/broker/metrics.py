"""What the broker counts of itself: requests and their latencies, bytes, loop stalls.

Counted on the loop with plain integers, read by the status server when it is asked.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left

LATENCY_BUCKETS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
STALL_PROBE_S = 0.1
STALL_S = 0.01  # a probe that comes this much late counts as a stall: everyone waited for that long


class RequestStats:
    """Of one API: how many, how long from the frame's arrival to the reply, and its distribution over the buckets."""

    __slots__ = ("buckets", "count", "seconds")

    def __init__(self) -> None:
        self.count = 0
        self.seconds = 0.0
        self.buckets = [0] * (len(LATENCY_BUCKETS_S) + 1)

    def add(self, seconds: float) -> None:
        self.count += 1
        self.seconds += seconds
        self.buckets[bisect_left(LATENCY_BUCKETS_S, seconds)] += 1

    def quantile_s(self, q: float) -> float | None:
        """The upper bound of the bucket that holds the quantile; None before the first request."""
        if not self.count:
            return None
        rank, seen = q * self.count, 0
        for bound, number in zip(LATENCY_BUCKETS_S, self.buckets, strict=False):
            seen += number
            if seen >= rank:
                return bound
        return float("inf")


class LoopWatch:
    """Measures how late the loop comes to a timer: the time during which nobody is served."""

    def __init__(self) -> None:
        self.stalls = 0
        self.stalled_s = 0.0
        self.worst_s = 0.0
        self._loop = asyncio.get_running_loop()
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._due = self._loop.time() + STALL_PROBE_S
        self._timer = self._loop.call_at(self._due, self._probe)

    def _probe(self) -> None:
        late_s = self._loop.time() - self._due
        if late_s > STALL_S:
            self.stalls += 1
            self.stalled_s += late_s
            self.worst_s = max(self.worst_s, late_s)
        self.start()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


class Metrics:
    def __init__(self) -> None:
        self.requests: dict[str, RequestStats] = {}
        self.bytes_in = 0  # of record batches that were appended
        self.bytes_out = 0  # of record batches that were fetched
        self.loop = LoopWatch()

    def of(self, api_name: str) -> RequestStats:
        stats = self.requests.get(api_name)
        if stats is None:
            stats = self.requests[api_name] = RequestStats()
        return stats
