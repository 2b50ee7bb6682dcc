"""Fetch sessions: what a broker is told, and that it then knows exactly what is wanted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kq.client.sessions import MAX_EPOCH, FetchPlan, FetchSession, Place, Reading

T = ("t", b"t" * 16)


def at(offset: int) -> Place:
    return Place(offset, 0, 1024)


class Reader:
    """Wants now this, now that of one broker, and makes a request of it."""

    def __init__(self) -> None:
        self.session = FetchSession()
        self.wanted: dict[Reading, Place] = {}

    def plan(self, wanted: dict[Reading, Place]) -> FetchPlan:
        for reading in self.wanted.keys() - wanted.keys():
            self.session.drop(reading)
        for reading, place in wanted.items():
            self.session.want(reading, place)
        self.wanted = wanted
        return self.session.plan()


def test_the_first_request_is_full_and_later_ones_say_what_changed() -> None:
    reader = Reader()
    first = reader.plan({(T, 0): at(5), (T, 1): at(9)})
    assert (first.session_id, first.epoch) == (0, 0)
    assert set(first.send) == {(T, 0), (T, 1)}
    reader.session.answered(77)
    second = reader.plan({(T, 0): at(8), (T, 1): at(9)})
    assert (second.session_id, second.epoch) == (77, 1)
    assert second.send == {(T, 0): at(8)}
    assert not second.forget
    reader.session.answered(77)
    third = reader.plan({(T, 0): at(8), (T, 2): at(0)})
    assert (third.epoch, third.send, third.forget) == (2, {(T, 2): at(0)}, [(T, 1)])


def test_a_broker_without_room_for_a_session_is_always_told_everything() -> None:
    reader = Reader()
    reader.plan({(T, 0): at(5)})
    reader.session.answered(0)
    again = reader.plan({(T, 0): at(5)})
    assert (again.session_id, again.epoch, again.send) == (0, 0, {(T, 0): at(5)})


def test_after_a_reset_everything_is_told_anew() -> None:
    reader = Reader()
    reader.plan({(T, 0): at(5)})
    reader.session.answered(3)
    reader.session.reset()
    again = reader.plan({(T, 0): at(5)})
    assert (again.epoch, again.send) == (0, {(T, 0): at(5)})


def test_a_topic_made_anew_is_another_one() -> None:
    reader = Reader()
    reader.plan({(T, 0): at(5)})
    reader.session.answered(3)
    other = ("t", b"u" * 16)
    plan = reader.plan({(other, 0): at(0)})
    assert plan.send == {(other, 0): at(0)}
    assert plan.forget == [(T, 0)]


def test_what_comes_and_goes_between_two_requests_is_not_spoken_of() -> None:
    reader = Reader()
    reader.plan({(T, 0): at(5)})
    reader.session.answered(3)
    reader.session.want((T, 1), at(0))
    reader.session.drop((T, 1))
    plan = reader.session.plan()
    assert (plan.send, plan.forget) == ({}, [])


def test_the_epoch_wraps_to_1() -> None:
    session = FetchSession()
    session.plan()
    session.answered(3)
    session._epoch = MAX_EPOCH
    session.plan()
    session.answered(3)
    assert session.plan().epoch == 1


wanted = st.dictionaries(
    st.tuples(st.sampled_from([T, ("u", bytes(16))]), st.integers(0, 3)), st.integers(0, 5).map(at), max_size=6
)


@given(st.lists(st.tuples(wanted, st.sampled_from(["ok", "ok", "ok", "lost", "no room"])), max_size=30))
def test_the_broker_always_knows_what_is_wanted(steps: list[tuple[dict[Reading, Place], str]]) -> None:
    reader = Reader()
    broker: dict[Reading, Place] = {}
    for want, fate in steps:
        plan = reader.plan(want)
        if plan.epoch == 0:
            broker = {}
        broker.update(plan.send)
        for reading in plan.forget:
            del broker[reading]
        assert broker == want
        if fate == "lost":
            reader.session.reset()
        else:
            reader.session.answered(0 if fate == "no room" else 9)
