"""The assignors against what Kafka's own said to the same questions (assignments.txt), and against what must hold."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from kq.client.admin.types import TopicPartition
from kq.client.group.assignors import ASSIGNORS
from kq.client.group.javahash import hash_order, partition_hash, text_hash
from kq.client.group.protocol import Subscription
from tests.client.group import assignment_cases

RECORD = Path(__file__).with_name("assignments.txt").read_text().splitlines()
ANSWERED = list(zip(RECORD[::2], RECORD[1::2], strict=True))


@pytest.mark.parametrize("name", ASSIGNORS)
def test_the_answers_are_javas(name: str) -> None:
    asked = 0
    for question, answer in ANSWERED:
        which, counts, members = assignment_cases.read(question)
        if which == name:
            asked += 1
            given = ASSIGNORS[name].assign(counts, members)
            said = assignment_cases.read_answer(answer)
            assert {member: sorted(p) for member, p in given.items()} == {m: sorted(p) for m, p in said.items()}
    assert asked > 40


@pytest.mark.parametrize("name", ASSIGNORS)
def test_every_partition_has_one_owner_who_wants_it(name: str) -> None:
    for _, counts, members in assignment_cases.lives_of_groups(7, 60, (name,)):
        given = ASSIGNORS[name].assign(counts, members)
        assert set(given) == set(members)
        owners = Counter(partition for partitions in given.values() for partition in partitions)
        assert not owners or max(owners.values()) == 1
        for member, partitions in given.items():
            assert {topic for topic, _ in partitions} <= set(members[member].topics)
        held = {partition for subscription in members.values() for partition in subscription.owned}
        everything = {(topic, number) for topic, count in counts.items() for number in range(count)}
        # cooperative: what changes hands is nobody's for one generation
        assert everything - set(owners) <= (held if name == "cooperative-sticky" else set())


def test_a_partition_that_changes_hands_is_left_out_once() -> None:
    assign = ASSIGNORS["cooperative-sticky"].assign
    owned: tuple[TopicPartition, ...] = tuple(("t", number) for number in range(4))
    old, new = Subscription(("t",), owned=owned, generation=3), Subscription(("t",))
    first = assign({"t": 4}, {"a": old, "b": new})
    assert first == {"a": [("t", 0), ("t", 1)], "b": []}
    second = assign(
        {"t": 4}, {"a": Subscription(("t",), owned=tuple(first["a"]), generation=4), "b": new._replace(generation=4)}
    )
    assert second == {"a": [("t", 0), ("t", 1)], "b": [("t", 2), ("t", 3)]}


def test_what_two_claim_in_the_same_generation_is_neithers() -> None:
    assign = ASSIGNORS["cooperative-sticky"].assign
    claim = Subscription(("t",), owned=(("t", 0),), generation=3)
    assert assign({"t": 2}, {"a": claim, "b": claim}) == {"a": [], "b": [("t", 1)]}
    later = claim._replace(generation=4)
    assert assign({"t": 2}, {"a": claim, "b": later}) == {"a": [("t", 1)], "b": [("t", 0)]}


def test_static_members_come_first_and_in_the_order_of_their_instance_ids() -> None:
    members = {
        "a": Subscription(("t",)),
        "b": Subscription(("t",), instance_id="2"),
        "c": Subscription(("t",), instance_id="1"),
    }
    assert ASSIGNORS["range"].assign({"t": 3}, members) == {"c": [("t", 0)], "b": [("t", 1)], "a": [("t", 2)]}


def test_javas_hash_order() -> None:
    assert text_hash("hello") == 99162322
    assert text_hash("polygenelubricants") == 0x80000000
    assert partition_hash(("t", 1)) == 31 * 32 + ord("t")
    # buckets of 16: 'a' is 97 -> 1, 'q' is 113 -> 1, 'b' is 98 -> 2, 'p' is 112 -> 0
    assert list(hash_order(["b", "q", "p", "a"], text_hash)) == ["p", "q", "a", "b"]
