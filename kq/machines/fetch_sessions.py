"""Incremental fetch sessions (KIP-227; FetchSession, FetchManager): what a client asked for is remembered, so that
its next request names only what changed and the answer holds only what is new.

Rules
1. Epoch 0 asks for a new session, -1 for none; either ends the session named beside it.
2. Epoch n > 0 must be the one that follows the last request; otherwise INVALID_FETCH_SESSION_EPOCH, and the session
   lives on.
3. A session is by topic names or by topic ids for life (versions below 13 or from 13 on).
4. An incremental answer holds a partition when it brings records, an error, or a moved high watermark or log start;
   after an error it is repeated until it is well. What brought records goes to the end of the line, so that no
   partition starves.
5. A full cache gives way only for a session that is stale, or old and smaller than the new one; otherwise the client
   gets session id 0 and goes on without one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from kq.errors import Err, KafkaError

NO_SESSION = 0
FIRST_EPOCH = 0
FINAL_EPOCH = -1
MAX_INT32 = 2**31 - 1

TopicRef = str | bytes  # a name, or from Fetch v13 on a topic id
Key = tuple[TopicRef, int]


class Position(NamedTuple):
    """What a client wants of one partition. `max_bytes` is the cap for this partition in one answer."""

    topic: TopicRef
    partition: int
    fetch_offset: int
    max_bytes: int
    current_leader_epoch: int = -1
    last_fetched_epoch: int = -1
    log_start_offset: int = -1

    @property
    def key(self) -> Key:
        return (self.topic, self.partition)


@dataclass(slots=True)
class Answered:
    """What the client was last told about a partition; -1: tell it again in any case."""

    high_watermark: int = -1
    log_start_offset: int = -1

    def is_news(self, *, size_bytes: int, error: int, high_watermark: int, log_start_offset: int) -> bool:
        """Whether an incremental answer must hold the partition (rule 4); remembers what is told."""
        news = (
            size_bytes > 0
            or error != 0
            or high_watermark != self.high_watermark
            or log_start_offset != self.log_start_offset
        )
        self.high_watermark = -1 if error else high_watermark
        self.log_start_offset = log_start_offset
        return news


@dataclass(slots=True)
class Session:
    id: int
    by_id: bool
    created_ms: int
    used_ms: int
    next_epoch: int = 1
    positions: dict[Key, Position] = field(default_factory=dict)
    answered: dict[Key, Answered] = field(default_factory=dict)

    def update(self, positions: Iterable[Position], forgotten: Iterable[Key]) -> None:
        for position in positions:
            self.positions[position.key] = position
            self.answered.setdefault(position.key, Answered())
        for key in forgotten:
            self.positions.pop(key, None)
            self.answered.pop(key, None)

    def to_the_end_of_the_line(self, key: Key) -> None:
        if key in self.positions:
            self.positions[key] = self.positions.pop(key)


@dataclass(slots=True)
class Context:
    """One fetch within (or without) a session. `incremental` answers leave out what is no news."""

    positions: list[Position]
    session: Session | None = None
    incremental: bool = False

    @property
    def session_id(self) -> int:
        return self.session.id if self.session else NO_SESSION

    def holds(self, position: Position, **told: int) -> bool:
        """Whether the answer must hold this partition; `told` are the arguments of `Answered.is_news`."""
        session = self.session
        if session is None or (answered := session.answered.get(position.key)) is None:
            return True
        return answered.is_news(**told) or not self.incremental

    def served(self, position: Position) -> None:
        """The partition brought records."""
        if self.incremental and self.session is not None:
            self.session.to_the_end_of_the_line(position.key)


class FetchSessions:
    """The cache of sessions of one broker. Times are ms on the caller's clock."""

    def __init__(self, slots: int, random: Random, *, stale_ms: int = 120_000) -> None:
        self.slots = slots
        self.stale_ms = stale_ms
        self._random = random
        self._sessions: dict[int, Session] = {}  # in the order of use, the longest unused first

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[Session]:
        return iter(self._sessions.values())

    def topics_of(self, session_id: int) -> set[TopicRef]:
        """What the session holds; nothing if there is none of that id."""
        session = self._sessions.get(session_id)
        return set() if session is None else {position.topic for position in session.positions.values()}

    def begin(
        self,
        session_id: int,
        epoch: int,
        positions: Mapping[Key, Position],
        forgotten: Iterable[Key],
        *,
        by_id: bool,
        now_ms: int,
    ) -> Context:
        """The partitions to read for this request; raises KafkaError 70, 71 or 106 for the whole of it."""
        if epoch in (FIRST_EPOCH, FINAL_EPOCH):
            self._sessions.pop(session_id, None)
            wanted = list(positions.values())
            return Context(wanted, self._open(wanted, by_id, now_ms) if epoch == FIRST_EPOCH else None)
        session = self._sessions.get(session_id)
        if session is None:
            raise KafkaError(Err.FETCH_SESSION_ID_NOT_FOUND)
        if session.by_id != by_id:
            raise KafkaError(Err.FETCH_SESSION_TOPIC_ID_ERROR)
        if session.next_epoch != epoch:
            raise KafkaError(Err.INVALID_FETCH_SESSION_EPOCH)
        session.update(positions.values(), forgotten)
        if not session.positions:
            del self._sessions[session_id]
            return Context([])
        session.next_epoch = 1 if epoch == MAX_INT32 else epoch + 1
        session.used_ms = now_ms
        self._sessions[session_id] = self._sessions.pop(session_id)
        return Context(list(session.positions.values()), session, incremental=True)

    def _open(self, positions: list[Position], by_id: bool, now_ms: int) -> Session | None:
        if len(self._sessions) >= self.slots and not self._make_room(len(positions), now_ms):
            return None
        session_id = self._random.randint(1, MAX_INT32)
        while session_id in self._sessions:
            session_id = self._random.randint(1, MAX_INT32)
        session = Session(session_id, by_id, created_ms=now_ms, used_ms=now_ms)
        session.update(positions, ())
        self._sessions[session_id] = session
        return session

    def _make_room(self, wanted_partitions: int, now_ms: int) -> bool:
        if not self._sessions:
            return False
        oldest = next(iter(self._sessions.values()))
        if now_ms - oldest.used_ms <= self.stale_ms:
            old = [s for s in self._sessions.values() if now_ms - s.created_ms > self.stale_ms]
            oldest = min(old, key=lambda s: len(s.positions), default=oldest)
            if not old or len(oldest.positions) >= wanted_partitions:
                return False
        del self._sessions[oldest.id]
        return True
