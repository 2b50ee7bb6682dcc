"""Parked requests complete once: by bytes, by a wake, by the deadline; checked against a list that looks at all."""

from __future__ import annotations

from random import Random

from kq.machines.waits import Ticket, Waits


def test_bytes_of_several_partitions_add_up() -> None:
    waits: Waits[str, str] = Waits()
    waits.park(["a", "b"], missing_bytes=100, deadline_ms=50, payload="fetch")
    assert waits.appended("a", 60) == []
    assert [t.payload for t in waits.appended("b", 40)] == ["fetch"]
    assert waits.appended("a", 1000) == []
    assert len(waits) == 0
    assert waits.next_deadline_ms is None


def test_a_partition_named_twice_counts_once() -> None:
    waits: Waits[str, int] = Waits()
    waits.park(["a", "a"], missing_bytes=2, deadline_ms=1, payload=1)
    assert waits.appended("a", 1) == []
    assert len(waits.appended("a", 1)) == 1


def test_expire_gives_what_is_due_in_order() -> None:
    waits: Waits[str, int] = Waits()
    for deadline in (30, 10, 20):
        waits.park(["a"], missing_bytes=1, deadline_ms=deadline, payload=deadline)
    assert waits.next_deadline_ms == 10
    assert [t.payload for t in waits.expire(20)] == [10, 20]
    assert waits.next_deadline_ms == 30


def test_wake_completes_whatever_is_missing_and_cancel_forgets() -> None:
    waits: Waits[str, int] = Waits()
    first = waits.park(["a", "b"], missing_bytes=10, deadline_ms=1, payload=1)
    waits.park(["b"], missing_bytes=10, deadline_ms=1, payload=2)
    waits.cancel(first)
    assert [t.payload for t in waits.wake("b")] == [2]
    assert waits.wake("a") == []
    assert waits.expire(100) == []


def test_done_tickets_do_not_pile_up_behind_long_deadlines() -> None:
    waits: Waits[str, int] = Waits()
    for i in range(10_000):
        waits.park(["a"], missing_bytes=1, deadline_ms=10**9, payload=i)
        waits.appended("a", 1)
    assert len(waits._by_deadline) < 200


def test_agrees_with_a_list_that_looks_at_everyone() -> None:
    random = Random(7)
    for _ in range(200):
        waits: Waits[int, int] = Waits()
        twin: list[dict[str, object]] = []
        tickets: dict[int, Ticket[int, int]] = {}
        now = 0
        for step in range(60):
            action = random.choice(["park", "append", "append", "wake", "expire", "cancel"])
            got: list[int] = []
            want: list[int] = []
            if action == "park":
                keys = random.sample(range(4), random.randint(1, 3))
                need, deadline = random.randint(1, 20), now + random.randint(1, 30)
                tickets[step] = waits.park(keys, missing_bytes=need, deadline_ms=deadline, payload=step)
                twin.append({"keys": keys, "need": need, "deadline": deadline, "id": step})
            elif action == "append":
                key, size = random.randrange(4), random.randint(1, 12)
                got = [t.payload for t in waits.appended(key, size)]
                for one in twin:
                    if key in one["keys"]:  # type: ignore[operator]
                        one["need"] -= size  # type: ignore[operator]
                want = [one["id"] for one in twin if one["need"] <= 0]  # type: ignore[operator,misc]
            elif action == "wake":
                key = random.randrange(4)
                got = [t.payload for t in waits.wake(key)]
                want = [one["id"] for one in twin if key in one["keys"]]  # type: ignore[operator,misc]
            elif action == "expire":
                now += random.randint(0, 10)
                got = [t.payload for t in waits.expire(now)]
                want = [one["id"] for one in twin if one["deadline"] <= now]  # type: ignore[operator,misc]
            elif tickets:
                victim = random.choice(list(tickets))
                waits.cancel(tickets.pop(victim))
                twin = [one for one in twin if one["id"] != victim]
            assert sorted(got) == sorted(want)
            twin = [one for one in twin if one["id"] not in want]
            assert len(waits) == len(twin)
