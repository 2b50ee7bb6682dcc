"""The partitions that one broker is asked about, and which question an answer belongs to.

Rules
- An answer speaks of the places that the last request told the broker, not of what was put here since: the two are kept
  apart until `plan` makes the next request.
- Nothing walks over all partitions but `readers`: a request costs as much as was put or removed since the last one.
"""

from __future__ import annotations

from typing import NamedTuple

from kq.client.metadata import NO_ID, Topic
from kq.client.reading import Reader
from kq.client.sessions import FetchPlan, FetchSession, Place, Reading

__all__ = ["Question", "Watch"]


class Question(NamedTuple):
    """A partition as it was when a request about it left."""

    reader: Reader
    turn: int
    place: int

    @property
    def stands(self) -> bool:
        """Nobody has moved the reader since: the answer is about where it is."""
        return self.reader.turn == self.turn and self.reader.place == self.place


class Watch:
    def __init__(self) -> None:
        self.session = FetchSession()
        self._readings: dict[Reader, Reading] = {}
        self._without_id: set[Reader] = set()
        # By the topic's name and by its id, as answers name it by either.
        self._asked: dict[tuple[str | bytes, int], Question] = {}
        self._next: dict[tuple[str | bytes, int], Question | None] = {}  # what the next request makes of `_asked`

    def __bool__(self) -> bool:
        """Whether there is anything to ask."""
        return bool(self._readings)

    @property
    def readers(self) -> list[Reader]:
        return list(self._readings)

    @property
    def by_id(self) -> bool:
        """Whether all topics can be named by their ids."""
        return not self._without_id

    def put(self, reader: Reader, topic: Topic, place: Place) -> None:
        """Asks about this partition from now on, or from now on so."""
        reading = (topic.name, topic.id), reader.partition
        if self._readings.get(reader, reading) != reading:
            self.remove(reader)
        self._readings[reader] = reading
        if topic.id == NO_ID:
            self._without_id.add(reader)
        self.session.want(reading, place)
        self._note(reading, Question(reader, reader.turn, place.offset))

    def remove(self, reader: Reader) -> None:
        """Asks about this partition no more."""
        reading = self._readings.pop(reader)
        self._without_id.discard(reader)
        self.session.drop(reading)
        self._note(reading, None)

    def plan(self) -> FetchPlan:
        """The next request; from now on `question` speaks of it."""
        for key, question in self._next.items():
            if question is None:
                self._asked.pop(key, None)
            else:
                self._asked[key] = question
        self._next.clear()
        return self.session.plan()

    def question(self, topic: str | bytes, partition: int) -> Question | None:
        """What the last request asked about a partition; None for one that nobody asked about."""
        return self._asked.get((topic, partition))

    def _note(self, reading: Reading, question: Question | None) -> None:
        (name, topic_id), partition = reading
        self._next[name, partition] = question
        if topic_id != NO_ID:
            self._next[topic_id, partition] = question
