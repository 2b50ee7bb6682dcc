"""One heap, lazily updated: a deadline that moves later costs nothing until its old time comes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kq.machines.group.alarms import Alarm, Alarms
from kq.machines.group.decision import Decision


class Owner:
    group_id = "g"

    def ring(self, alarm: Alarm, now_ms: int, decision: Decision) -> None:
        decision.response = alarm.subject


OWNER = Owner()


def rung(alarms: Alarms, now_ms: int) -> list[str]:
    subjects = []
    while (alarm := alarms.due(now_ms)) is not None:
        subjects.append(alarm.subject)
    return subjects


def test_they_ring_in_the_order_of_their_deadlines_and_once() -> None:
    alarms = Alarms()
    for subject, deadline_ms in [("late", 30), ("early", 10), ("middle", 20)]:
        alarms.set(Alarm(OWNER, "session", subject), deadline_ms)
    assert alarms.next_deadline_ms == 10
    assert rung(alarms, 9) == []
    assert rung(alarms, 20) == ["early", "middle"]
    assert alarms.next_deadline_ms == 30
    assert rung(alarms, 100) == ["late"]
    assert rung(alarms, 100) == []
    assert alarms.next_deadline_ms is None


def test_heartbeats_do_not_grow_the_heap() -> None:
    alarms = Alarms()
    members = [Alarm(OWNER, "session", str(number)) for number in range(10)]
    for now_ms in range(0, 100_000, 3_000):
        for member in members:
            alarms.set(member, now_ms + 10_000)
        assert rung(alarms, now_ms) == []
    assert len(alarms._heap) == 10


def test_who_stops_ringing_can_be_set_again() -> None:
    alarms = Alarms()
    alarm = Alarm(OWNER, "join", "a")
    alarms.set(alarm, 10)
    alarm.stop()
    assert not alarm.is_set
    assert alarms.next_deadline_ms is None
    alarms.set(alarm, 20)
    assert rung(alarms, 20) == ["a"]
    alarms.set(alarm, 30)
    alarms.set(alarm, 25)  # earlier: what was armed for 30 is dropped
    assert alarms.next_deadline_ms == 25
    assert rung(alarms, 40) == ["a"]


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("set"), st.integers(0, 3), st.integers(0, 50)),
            st.tuples(st.just("stop"), st.integers(0, 3), st.just(0)),
            st.tuples(st.just("pass"), st.just(0), st.integers(0, 20)),
        )
    )
)
def test_it_agrees_with_a_plain_table(steps: list[tuple[str, int, int]]) -> None:
    alarms, table, now_ms = Alarms(), {}, 0
    handles = [Alarm(OWNER, "session", str(number)) for number in range(4)]
    for what, number, amount in steps:
        if what == "set":
            alarms.set(handles[number], now_ms + amount)
            table[str(number)] = now_ms + amount
        elif what == "stop":
            handles[number].stop()
            table.pop(str(number), None)
        else:
            now_ms += amount
            due = sorted(subject for subject, deadline_ms in table.items() if deadline_ms <= now_ms)
            assert sorted(rung(alarms, now_ms)) == due
            table = {subject: deadline_ms for subject, deadline_ms in table.items() if subject not in due}
        assert alarms.next_deadline_ms == min(table.values(), default=None)
