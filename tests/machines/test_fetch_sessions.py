"""Fetch sessions as measured on 4.3.1 (ANSWERS.md, Fetch)."""

from __future__ import annotations

from random import Random

import pytest

from kq.errors import Err, KafkaError
from kq.machines.fetch_sessions import MAX_INT32, Context, FetchSessions, Position


def positions(*topics: str, offset: int = 0) -> dict[tuple[str | bytes, int], Position]:
    return {(t, 0): Position(t, 0, offset, 1000) for t in topics}


def begin(
    sessions: FetchSessions, session_id: int, epoch: int, *topics: str, forget: tuple[str, ...] = (), now: int = 0
) -> Context:
    forgotten = [(t, 0) for t in forget]
    return sessions.begin(session_id, epoch, positions(*topics), forgotten, by_id=False, now_ms=now)


def told(size: int = 0, error: int = 0, hw: int = 5, start: int = 0) -> dict[str, int]:
    return {"size_bytes": size, "error": error, "high_watermark": hw, "log_start_offset": start}


def test_epoch_minus_one_is_an_ordinary_fetch() -> None:
    sessions = FetchSessions(10, Random(1))
    context = begin(sessions, 0, -1, "a", "b")
    assert [p.topic for p in context.positions] == ["a", "b"]
    assert context.session_id == 0
    assert len(sessions) == 0


def test_incremental_requests_name_only_changes() -> None:
    sessions = FetchSessions(10, Random(1))
    first = begin(sessions, 0, 0, "a", "b")
    assert first.session_id > 0
    assert not first.incremental
    second = begin(sessions, first.session_id, 1, "c", forget=("a",))
    assert [p.topic for p in second.positions] == ["b", "c"]
    assert second.incremental
    third = sessions.begin(first.session_id, 2, positions("b", offset=9), [], by_id=False, now_ms=0)
    assert [(p.topic, p.fetch_offset) for p in third.positions] == [("b", 9), ("c", 0)]


def test_wrong_epoch_unknown_id_and_mixed_ids() -> None:
    sessions = FetchSessions(10, Random(1))
    first = begin(sessions, 0, 0, "a")
    with pytest.raises(KafkaError) as error:
        begin(sessions, first.session_id, 5)
    assert error.value.code == Err.INVALID_FETCH_SESSION_EPOCH
    assert begin(sessions, first.session_id, 1).positions  # a wrong epoch does not end the session
    with pytest.raises(KafkaError) as error:
        begin(sessions, first.session_id + 1, 1)
    assert error.value.code == Err.FETCH_SESSION_ID_NOT_FOUND
    with pytest.raises(KafkaError) as error:
        sessions.begin(first.session_id, 2, {}, [], by_id=True, now_ms=0)
    assert error.value.code == Err.FETCH_SESSION_TOPIC_ID_ERROR
    assert begin(sessions, 999, 0, "a").session_id > 0  # an unknown id with epoch 0 opens a new one


def test_incremental_answers_hold_only_news() -> None:
    sessions = FetchSessions(10, Random(1))
    first = begin(sessions, 0, 0, "a", "b")
    a, b = first.positions
    assert first.holds(a, **told())
    assert first.holds(b, **told())
    second = begin(sessions, first.session_id, 1)
    assert not second.holds(a, **told())
    assert second.holds(b, **told(size=10, hw=6))
    assert not second.holds(b, **told(hw=6))
    assert second.holds(b, **told(hw=7))
    assert second.holds(a, **told(start=1))


def test_a_partition_in_error_is_repeated_until_it_is_well() -> None:
    sessions = FetchSessions(10, Random(1))
    context = begin(sessions, begin(sessions, 0, 0, "a").session_id, 1)
    (a,) = context.positions
    assert context.holds(a, **told(error=3))
    assert context.holds(a, **told(error=3))
    assert context.holds(a, **told())
    assert not context.holds(a, **told())


def test_what_was_served_goes_to_the_end_of_the_line() -> None:
    sessions = FetchSessions(10, Random(1))
    first = begin(sessions, 0, 0, "a", "b", "c")
    second = begin(sessions, first.session_id, 1)
    second.served(second.positions[0])
    assert [p.topic for p in begin(sessions, first.session_id, 2).positions] == ["b", "c", "a"]


def test_forgetting_everything_ends_the_session() -> None:
    sessions = FetchSessions(10, Random(1))
    first = begin(sessions, 0, 0, "a")
    assert begin(sessions, first.session_id, 1, forget=("a",)).session_id == 0
    assert len(sessions) == 0


def test_the_epoch_wraps_to_one() -> None:
    sessions = FetchSessions(10, Random(1))
    session = begin(sessions, 0, 0, "a").session
    assert session is not None
    session.next_epoch = MAX_INT32
    begin(sessions, session.id, MAX_INT32)
    assert session.next_epoch == 1


def test_a_full_cache_gives_way_only_to_the_stale_or_the_larger() -> None:
    sessions = FetchSessions(2, Random(1), stale_ms=100)
    small = begin(sessions, 0, 0, "a", now=0).session_id
    large = begin(sessions, 0, 0, "a", "b", "c", now=0).session_id
    assert begin(sessions, 0, 0, "x", "y", now=50).session_id == 0
    begin(sessions, small, 1, now=90)
    begin(sessions, large, 1, now=90)
    assert begin(sessions, 0, 0, "x", now=150).session_id == 0, "used lately, and no smaller than the newcomer"
    assert begin(sessions, 0, 0, "x", "y", now=150).session_id > 0, "old and smaller: it gives way"
    assert {s.id for s in sessions} >= {large}
    assert begin(sessions, 0, 0, "x", now=1000).session_id > 0, "unused for long: it gives way"
    assert len(sessions) == 2
