"""A partition that takes no records because of its disk, as the log of the broker tells it.

Clients hear of each refusal and retry in silence, often for minutes, so the operator must read of it here: once when
it begins, once a minute while it lasts and somebody still writes, once when it is over. Another cause is said at once.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

log = logging.getLogger(__name__)

REMIND_MS = 60_000


@dataclass(slots=True)
class Trouble:
    """Of one partition, from the first refused append to the first that succeeds."""

    cause: str
    since_ms: int
    said_ms: int
    refused: int = 1

    def goes_on(self, place: object, cause: str, now_ms: int) -> None:
        """One more append was refused."""
        self.refused += 1
        if cause != self.cause or now_ms - self.said_ms >= REMIND_MS:
            self.cause = cause
            self.said_ms = now_ms
            seconds = (now_ms - self.since_ms) // 1000
            log.warning(
                "%s takes no records: %s %d writes refused in %d s", place, _ended(cause), self.refused, seconds
            )

    def is_over(self, place: object, now_ms: int) -> None:
        seconds = (now_ms - self.since_ms) // 1000
        log.warning("%s takes records again; %d writes were refused in %d s", place, self.refused, seconds)


def begun(place: object, cause: str, now_ms: int) -> Trouble:
    """The first append was refused."""
    log.warning("%s takes no records: %s", place, _ended(cause))
    return Trouble(cause, now_ms, now_ms)


def _ended(sentence: str) -> str:
    return sentence.rstrip(".") + "."
