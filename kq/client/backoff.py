"""How long to wait before trying again: doubling pauses with a spread, as Kafka's ExponentialBackoff (KIP-580)."""

from __future__ import annotations

import random
from typing import NamedTuple

__all__ = ["Backoff"]

SPREAD = 0.2  # each pause is moved by up to a fifth, so that many clients do not come back at the same moment


class Backoff(NamedTuple):
    first_ms: int
    most_ms: int

    def delay_ms(self, failures: int, rng: random.Random) -> float:
        """The pause after so many failures in a row (1 is the first)."""
        pause = min(self.first_ms << min(failures - 1, 30), self.most_ms)
        return pause * rng.uniform(1 - SPREAD, 1 + SPREAD)
