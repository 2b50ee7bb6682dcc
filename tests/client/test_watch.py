"""What one broker is asked about, and which question an answer belongs to."""

from __future__ import annotations

import pytest

from kq.client.metadata import NO_ID, Topic
from kq.client.reading import Reader
from kq.client.sessions import Place
from kq.client.watch import Watch
from kq.errors import Err

ID = b"t" * 16


def topic(topic_id: bytes = ID) -> Topic:
    return Topic("t", topic_id, False, Err.NONE, {})


def put(watch: Watch, reader: Reader, topic_id: bytes = ID) -> None:
    watch.put(reader, topic(topic_id), Place(reader.place, 0, 1000))


def asked(watch: Watch, key: str | bytes = ID) -> int | None:
    """Where the last request asked partition 0 to be read; None when no answer about it counts."""
    question = watch.question(key, 0)
    return question.place if question is not None and question.stands else None


def test_an_answer_belongs_to_the_last_request_and_not_to_what_was_put_since() -> None:
    watch, reader = Watch(), Reader("t", 0, 500, None)
    put(watch, reader)
    assert asked(watch) is None
    watch.plan()
    assert asked(watch) == asked(watch, "t") == 500
    reader.move(100)  # a seek while the answer is under way: it tells of 500 and after
    put(watch, reader)
    assert asked(watch) is None
    watch.plan()
    assert asked(watch) == 100


def test_a_seek_to_the_same_place_is_another_question() -> None:
    watch, reader = Watch(), Reader("t", 0, 500, None)
    put(watch, reader)
    watch.plan()
    watch.session.answered(7)
    reader.move(500)
    assert asked(watch) is None
    put(watch, reader)
    assert not watch.plan().send  # the broker knows the place
    assert asked(watch) == 500


def test_a_place_reached_by_another_way_is_not_answered_twice() -> None:
    """As when a replica and the leader are both asked: what the first of them gave moves the place."""
    watch, reader = Watch(), Reader("t", 0, 0, None)
    put(watch, reader)
    watch.plan()
    reader.place = 10
    assert asked(watch) is None


def test_what_was_removed_is_answered_by_the_request_under_way_and_by_no_other() -> None:
    watch, reader = Watch(), Reader("t", 0, 0, None)
    put(watch, reader)
    assert watch
    watch.plan()
    watch.session.answered(7)
    watch.remove(reader)
    assert not watch
    assert asked(watch) == 0
    assert watch.plan().forget == [(("t", ID), 0)]
    assert asked(watch) is None


@pytest.mark.parametrize("new_id", [b"u" * 16, NO_ID])
def test_a_topic_made_anew_takes_the_place_of_the_old_one(new_id: bytes) -> None:
    watch, reader = Watch(), Reader("t", 0, 5, None)
    put(watch, reader)
    watch.plan()
    watch.session.answered(7)
    put(watch, reader, new_id)
    plan = watch.plan()
    assert list(plan.send) == [(("t", new_id), 0)]
    assert plan.forget == [(("t", ID), 0)]
    assert asked(watch, ID) is None
    assert asked(watch, "t") == 5
    assert watch.readers == [reader]


def test_topics_are_named_by_id_when_all_have_one() -> None:
    watch, reader, other = Watch(), Reader("t", 0, 0, None), Reader("old", 0, 0, None)
    put(watch, reader)
    assert watch.by_id
    watch.put(other, Topic("old", NO_ID, False, Err.NONE, {}), Place(0, -1, 1000))
    assert not watch.by_id
    watch.remove(other)
    assert watch.by_id
