"""How `kq wait` waits: one look after the other until all conditions hold in the same one, or the time ends.

Rules
- The last look is taken when the time ends, not before. No answer is waited for longer than what is left, but every
  look has LEAST_S: `--timeout 0` looks once.
- What passes (a broker that is not there yet, one that loads a group) is waited for; what does not (a refused login)
  ends the command.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from kq.cli.output.units import duration_text
from kq.cli.run.failures import Failure, NotInTime
from kq.cli.wait.conditions import Condition, Observed, parse
from kq.cli.wait.observing import observe
from kq.client.errors import is_retriable
from kq.errors import KafkaError

if TYPE_CHECKING:
    from kq.cli.run.call import Call
    from kq.client import Cluster

EVERY_S = 0.5  # between two looks
LEAST_S = 1.0
# What keeps a connection from being made for longer than there is time; each has its own default without a --timeout.
PATIENCE = ("socket.connection.setup.timeout.ms", "request.timeout.ms", "default.api.timeout.ms")


class Clock:
    def __init__(self, timeout_s: float | None) -> None:
        self._began_s = time.monotonic()
        self.timeout_s = timeout_s

    @property
    def waited_ms(self) -> int:
        return round((time.monotonic() - self._began_s) * 1000)

    @property
    def left_s(self) -> float | None:
        """None: no end."""
        return None if self.timeout_s is None else max(self._began_s + self.timeout_s - time.monotonic(), 0.0)

    @property
    def is_over(self) -> bool:
        return self.left_s == 0

    @property
    def patience_s(self) -> float | None:
        return None if self.left_s is None else max(self.left_s, LEAST_S)

    @property
    def pause_s(self) -> float:
        return EVERY_S if self.left_s is None else min(self.left_s, EVERY_S)


def run(call: Call, words: Sequence[str], *, group: str | None, timeout_s: float | None) -> None:
    conditions = parse(words, group)
    clock = Clock(timeout_s)

    async def work(cluster: Cluster) -> list[Observed]:
        while True:
            is_last = clock.is_over
            seen = await _look(cluster, conditions, group, clock.patience_s)
            if all(one.holds for one in seen):
                return seen
            if is_last:
                raise _not_in_time(conditions, seen, clock)
            await asyncio.sleep(clock.pause_s)

    seen = _connected(call, work, conditions, clock)
    if call.json:
        said = [
            {"condition": condition.text, "value": one.value, "holds": one.holds}
            for condition, one in zip(conditions, seen, strict=True)
        ]
        call.envelope(conditions=said, waited_ms=clock.waited_ms)


def _connected(
    call: Call, work: Callable[[Cluster], Awaitable[list[Observed]]], conditions: Sequence[Condition], clock: Clock
) -> list[Observed]:
    """The work's answer; a cluster that cannot be reached yet is waited for."""
    told = False
    while True:
        is_last = clock.is_over
        try:
            return call.run(work, overrides=_patience(clock.patience_s))
        except Failure as failure:
            cause = failure.__cause__
            if not isinstance(cause, KafkaError) or not is_retriable(cause):
                raise
            if is_last:
                raise _not_in_time(conditions, _unseen(conditions, failure.message), clock) from failure
            if not told:
                # Without an end in sight nobody would ever learn why nothing happens.
                (call.note_always if clock.timeout_s is None else call.note)(f"kq: {failure.message}; waiting")
                told = True
        time.sleep(clock.pause_s)


def _patience(patience_s: float | None) -> dict[str, str]:
    return {} if patience_s is None else dict.fromkeys(PATIENCE, str(round(patience_s * 1000)))


async def _look(
    cluster: Cluster, conditions: Sequence[Condition], group: str | None, patience_s: float | None
) -> list[Observed]:
    try:
        async with asyncio.timeout(patience_s):
            return await observe(cluster, conditions, group)
    except TimeoutError:
        return _unseen(conditions, "no answer in time")
    except KafkaError as error:
        if not is_retriable(error):
            raise
        return _unseen(conditions, str(error).rstrip("."))


def _unseen(conditions: Sequence[Condition], words: str) -> list[Observed]:
    return [Observed(None, words) for _ in conditions]


def _not_in_time(conditions: Sequence[Condition], seen: Sequence[Observed], clock: Clock) -> NotInTime:
    failing = [
        f"{condition.text} does not hold ({one.words})"
        for condition, one in zip(conditions, seen, strict=True)
        if not one.holds
    ]
    return NotInTime(f"after {duration_text((clock.timeout_s or 0) * 1000)}: {'; '.join(failing)}")
