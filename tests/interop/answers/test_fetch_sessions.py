"""Incremental fetch sessions (KIP-227): what an answer holds, and what is wrong with an epoch or an id."""

from __future__ import annotations

from typing import Any

import pytest

from kq.errors import Err
from kq.wire.apis.fetch import FETCH
from kq.wire.primitives import ZERO_UUID
from tests.support.asking import Make, batch, create, produce, topic_id
from tests.support.fetching import Request, base_offsets, forgotten, of, part, partitions
from tests.support.wire import Wire

Answer = tuple[Err, list[tuple[int, int, list[int]]]]  # top-level error; partition, its error, its batches


class Session:
    """A client's half of one session."""

    def __init__(self, wire: Wire, *topics: Any, version: int = 11, **request: Any) -> None:
        self._wire = wire
        self.id = 0
        self.version = version
        self.opened = self.ask(0, *topics, **request)

    def ask(self, epoch: int, *topics: Any, forget: tuple[Any, ...] = (), **request: Any) -> Answer:
        """The answer; its session id becomes ours with epoch 0 and must be ours or none later."""
        asked = Request(
            **{"max_wait_ms": 0, "min_bytes": 0, "session_id": self.id} | request,
            session_epoch=epoch,
            topics=list(topics),
            forgotten_topics=list(forget),
        )
        answer = self._wire.call(FETCH, self.version, asked)
        self.told_id = answer.session_id
        if epoch == 0:
            self.id = answer.session_id
        found = [(p.index, p.error_code, base_offsets(p)) for p in partitions(answer)]
        return Err(answer.error_code), sorted(found)


@pytest.fixture
def filled(wire: Wire, make_topic: Make) -> str:
    """0 and 1: one batch each, the end at 1. 2: nothing."""
    topic = make_topic(3)
    for index in (0, 1):
        assert produce(wire, topic, batch(), index=index).error_code == Err.NONE
    return topic


def test_an_answer_holds_what_is_new(wire: Wire, filled: str) -> None:
    session = Session(wire, of(filled, part(0), part(1), part(2)))
    assert session.opened == (Err.NONE, [(0, 0, [0]), (1, 0, [0]), (2, 0, [])])
    assert session.id > 0
    assert session.ask(1) == (Err.NONE, [(0, 0, [0]), (1, 0, [0])]), "until the client has moved on"
    assert session.told_id == session.id
    assert session.ask(2, of(filled, part(0, 1), part(1, 1))) == (Err.NONE, [])
    assert session.ask(3) == (Err.NONE, [])
    produce(wire, filled, batch(), index=2)
    assert session.ask(4) == (Err.NONE, [(2, 0, [0])])
    produce(wire, filled, batch(), index=0)
    assert session.ask(5, of(filled, part(2, 1))) == (Err.NONE, [(0, 0, [1])])


def test_a_moved_end_is_new_without_records(wire: Wire, filled: str) -> None:
    session = Session(wire, of(filled, part(0, 1), part(2)))
    assert session.opened == (Err.NONE, [(0, 0, []), (2, 0, [])])
    produce(wire, filled, batch())
    assert session.ask(1, of(filled, part(0, 2))) == (Err.NONE, [(0, 0, [])])
    assert session.ask(2) == (Err.NONE, [])


def test_a_wrong_epoch_does_not_end_the_session(wire: Wire, filled: str) -> None:
    session = Session(wire, of(filled, part(2)))
    assert session.ask(2) == (Err.INVALID_FETCH_SESSION_EPOCH, [])
    assert session.told_id == 0
    assert session.ask(1) == (Err.NONE, [])
    assert session.ask(1, of(filled, part(0))) == (Err.INVALID_FETCH_SESSION_EPOCH, [])
    assert session.ask(2) == (Err.NONE, []), "what came with the wrong epoch was not taken"


def test_a_session_that_is_not_known(wire: Wire, filled: str) -> None:
    session = Session(wire, of(filled, part(2)), session_id=12345)
    assert session.opened == (Err.NONE, [(2, 0, [])])
    assert session.id not in (0, 12345), "with epoch 0 a new one begins"
    assert session.ask(-1, of(filled, part(2)), session_id=12345) == (Err.NONE, [(2, 0, [])])
    assert session.told_id == 0, "with epoch -1 it is an ordinary fetch"
    for unknown, epoch in ((12345, 1), (0, 1), (0, -5)):
        assert session.ask(epoch, of(filled, part(0)), session_id=unknown) == (Err.FETCH_SESSION_ID_NOT_FOUND, [])


def test_epochs_0_and_minus_1_end_a_session(wire: Wire, filled: str) -> None:
    session = Session(wire, of(filled, part(2)))
    first = session.id
    assert session.ask(0, of(filled, part(2))) == (Err.NONE, [(2, 0, [])])
    assert session.id != first
    assert session.ask(1, session_id=first) == (Err.FETCH_SESSION_ID_NOT_FOUND, [])
    assert session.ask(1) == (Err.NONE, [])
    assert session.ask(-1, of(filled, part(0))) == (Err.NONE, [(0, 0, [0])])
    assert session.ask(2) == (Err.FETCH_SESSION_ID_NOT_FOUND, [])


def test_names_and_ids_do_not_mix(wire: Wire, filled: str) -> None:
    by_name, by_id = Session(wire, of(filled, part(2))), Session(wire, of(topic_id(wire, filled), part(2)), version=13)
    for session, other in ((by_name, 13), (by_id, 12)):
        own, session.version = session.version, other
        assert session.ask(1) == (Err.FETCH_SESSION_TOPIC_ID_ERROR, [])
        ref = filled if other < 13 else topic_id(wire, filled)
        assert session.ask(1, of(ref, part(1))) == (Err.FETCH_SESSION_TOPIC_ID_ERROR, [])
        session.version = own
        assert session.ask(1) == (Err.NONE, []), "and the session lives on"


def test_an_error_is_repeated_until_it_is_well(wire: Wire, filled: str, name: str) -> None:
    later = f"{name}-later"
    session = Session(wire, of(later, part(0)), of(filled, part(2)))
    unknown = (0, Err.UNKNOWN_TOPIC_OR_PARTITION, [])
    assert session.opened == (Err.NONE, [unknown, (2, 0, [])])
    assert session.ask(1) == session.ask(2) == (Err.NONE, [unknown])
    out_of_range = (2, Err.OFFSET_OUT_OF_RANGE, [])
    assert session.ask(3, of(filled, part(2, 5))) == (Err.NONE, [unknown, out_of_range])
    assert session.ask(4) == (Err.NONE, [unknown, out_of_range])
    create(wire, later)
    assert session.ask(5, of(filled, part(2))) == (Err.NONE, [(0, 0, []), (2, 0, [])])
    assert session.ask(6) == (Err.NONE, [])


def test_an_unknown_id_is_repeated_and_can_be_forgotten(wire: Wire, filled: str) -> None:
    session = Session(wire, of(topic_id(wire, filled), part(2)), version=13)
    unknown = (1, Err.UNKNOWN_TOPIC_ID, [])
    assert session.ask(1, of(b"y" * 16, part(1))) == (Err.NONE, [unknown])
    assert session.ask(2) == (Err.NONE, [unknown])
    assert session.ask(3, forget=(forgotten(b"y" * 16, 1),)) == (Err.NONE, [])


def test_forgetting(wire: Wire, filled: str) -> None:
    session = Session(wire, of(filled, part(0), part(2)))
    assert session.ask(1, forget=(forgotten(filled, 0, 7), forgotten("no-such-topic", 0))) == (Err.NONE, [])
    assert session.ask(2, of(filled, part(1)), forget=(forgotten(filled, 1),)) == (Err.NONE, []), "added and forgotten"
    assert session.ask(3, forget=(forgotten(filled, 2),)) == (Err.NONE, [])
    assert session.told_id == 0, "nothing is left: the session has ended"
    assert session.ask(4) == (Err.FETCH_SESSION_ID_NOT_FOUND, [])


def test_partitions_take_turns_when_an_answer_has_no_room_for_all(wire: Wire, filled: str) -> None:
    session = Session(wire, of(filled, part(0), part(1), part(2)), max_bytes=1)
    turns = [session.ask(epoch, max_bytes=1) for epoch in range(1, 5)]
    assert turns == [(Err.NONE, [(index, 0, [0])]) for index in (0, 1, 0, 1)]


def test_an_empty_session(wire: Wire) -> None:
    session = Session(wire)
    assert session.opened == (Err.NONE, [])
    assert session.id > 0


def test_a_refused_request_opens_none(wire: Wire, filled: str) -> None:
    session = Session(wire, of(filled, part(2)), isolation_level=2)
    assert session.opened == (Err.UNKNOWN_SERVER_ERROR, [(2, Err.UNKNOWN_SERVER_ERROR, [])])
    assert session.id == 0


def test_ids_tell_no_names(wire: Wire, filled: str) -> None:
    asked = Request(max_wait_ms=0, session_epoch=0, topics=[of(topic_id(wire, filled), part(2))])
    [topic] = wire.call(FETCH, 13, asked).topics
    assert topic.name == ""
    assert topic.topic_id not in (ZERO_UUID, None)
