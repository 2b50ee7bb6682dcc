"""Subscriptions by regular expression: which topics they match, without a client's pattern stopping the loop.

Rules
1. Patterns are RE2's (no backtracking: time is linear in the length of a name) and match whole names, as in Kafka.
2. What a pattern may cost is bounded three times: its length, the memory of its automaton, and the work of one slice.
   A resolution that needs more goes on in the next slice, and the loop serves others in between.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import re2  # type: ignore[import-untyped]

from kq.errors import Err, KafkaError

# Kafka has no bound. A name has at most 249 characters; this holds several hundred names side by side.
MOST_CHARACTERS = 16_384
# RE2's own default is 8 MiB. Past this budget it leaves the automaton for a slower search: 0.5 ms a name at worst.
MOST_MEMORY_BYTES = 256 * 1024
# Of one slice, in instructions x characters: about 50 of them pass in a microsecond of the slowest search, so that a
# slice is over in 20 ms whatever the pattern, and 1,500 plain names are in it.
SLICE = 1_000_000
_CALL = 400  # the cost of asking at all, in the same unit


def compiled(pattern: str) -> Any:
    """KafkaError(INVALID_REGULAR_EXPRESSION) says what is wrong with the pattern."""
    if len(pattern) > MOST_CHARACTERS:
        raise KafkaError(
            Err.INVALID_REGULAR_EXPRESSION,
            f"SubscribedTopicRegex has {len(pattern)} characters; at most {MOST_CHARACTERS} are taken.",
        )
    options = re2.Options()
    options.max_mem = MOST_MEMORY_BYTES
    options.never_capture = True
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0].decode("utf-8", "replace") if error.args else "it does not compile"
        raise KafkaError(
            Err.INVALID_REGULAR_EXPRESSION, f"SubscribedTopicRegex `{pattern}` is not a valid RE2 pattern: {reason}."
        ) from None


class Resolution:
    """One pass of patterns over the names of all topics, slice by slice."""

    def __init__(self, patterns: Iterable[str], topics: Iterable[str]) -> None:
        self.matched: dict[str, list[str]] = {pattern: [] for pattern in sorted(patterns)}
        self._topics = sorted(topics)
        self._todo = [(pattern, compiled(pattern)) for pattern in reversed(self.matched)]
        self._next = 0

    @property
    def done(self) -> bool:
        return not self._todo

    def advance(self, budget: int = SLICE) -> bool:
        """One slice; True if all is matched."""
        while self._todo and budget > 0:
            pattern, automaton = self._todo[-1]
            matched = self.matched[pattern]
            size: int = automaton.programsize
            for place in range(self._next, len(self._topics)):
                name = self._topics[place]
                if automaton.fullmatch(name) is not None:
                    matched.append(name)
                budget -= _CALL + size * len(name)
                if budget <= 0:
                    self._next = place + 1
                    return self.done
            self._todo.pop()
            self._next = 0
        return self.done
