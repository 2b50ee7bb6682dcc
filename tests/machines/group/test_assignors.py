"""The server's assignors: who gets what, and what may move."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from kq.machines.group.assignors import Assignment, Subscriber, by_range, uniform

TOPICS = {name: name.encode().ljust(16, b".") for name in "abcdef"}


def subscriber(
    member_id: str, topics: str, owned: Mapping[str, Sequence[int]] | None = None, instance: str | None = None
) -> Subscriber:
    return Subscriber(
        member_id,
        instance,
        frozenset(TOPICS[name] for name in topics),
        {TOPICS[name]: frozenset(partitions) for name, partitions in (owned or {}).items()},
    )


def counts(**sizes: int) -> dict[bytes, int]:
    return {TOPICS[name]: size for name, size in sizes.items()}


def plain(assignment: Mapping[str, Assignment]) -> dict[str, dict[str, list[int]]]:
    return {
        member: {topic[:1].decode(): sorted(partitions) for topic, partitions in share.items()}
        for member, share in assignment.items()
    }


def sizes(assignment: Mapping[str, Assignment]) -> dict[str, int]:
    return {member: sum(map(len, share.values())) for member, share in assignment.items()}


def with_owned(members: Sequence[Subscriber], assignment: Mapping[str, Assignment]) -> list[Subscriber]:
    return [member._replace(owned=assignment.get(member.member_id, {})) for member in members]


def test_uniform_deals_evenly() -> None:
    members = [subscriber("m1", "ab"), subscriber("m2", "ab"), subscriber("m3", "ab")]
    assignment = uniform(members, counts(a=3, b=4))
    assert sorted(sizes(assignment).values()) == [2, 2, 3]


def test_a_new_member_takes_only_its_share() -> None:
    old = [subscriber("m1", "a", {"a": [0, 1, 2]}), subscriber("m2", "a", {"a": [3, 4, 5]})]
    after = plain(uniform([*old, subscriber("m3", "a")], counts(a=6)))
    assert sizes(uniform([*old, subscriber("m3", "a")], counts(a=6))) == {"m1": 2, "m2": 2, "m3": 2}
    assert set(after["m1"]["a"]) < {0, 1, 2}
    assert set(after["m2"]["a"]) < {3, 4, 5}


def test_the_odd_partition_stays_with_its_owner() -> None:
    # m1 comes first, but m2 has the odd partition: nothing may move
    members = [subscriber("m1", "a", {"a": [0]}), subscriber("m2", "a", {"a": [1, 2]})]
    assert plain(uniform(members, counts(a=3))) == {"m1": {"a": [0]}, "m2": {"a": [1, 2]}}


def test_grown_shrunk_and_foreign_topics() -> None:
    members = [subscriber("m1", "a", {"a": [0, 7], "b": [0]}), subscriber("m2", "a", {"a": [0, 1]})]
    assignment = plain(uniform(members, counts(a=4, b=1)))
    assert sorted(p for share in assignment.values() for p in share["a"]) == [0, 1, 2, 3]
    assert all("b" not in share for share in assignment.values())
    assert 0 in assignment["m1"]["a"], "a partition claimed twice stays with one of the two"


def test_no_members_and_no_topics() -> None:
    assert uniform([], counts(a=1)) == {} == by_range([], counts(a=1))
    assert uniform([subscriber("m1", "")], counts(a=1)) == {"m1": {}}
    assert by_range([subscriber("m1", "b")], counts(a=1)) == {"m1": {}}


def test_differing_subscriptions_even_out_along_a_chain() -> None:
    # m1 has too much of a; only m2 can take from a, and only m3 can take (b) from m2
    members = [
        subscriber("m1", "a", {"a": [0, 1, 2, 3]}),
        subscriber("m2", "ab", {"b": [0, 1, 2]}),
        subscriber("m3", "b", {"b": []}),
    ]
    assert sorted(sizes(uniform(members, counts(a=4, b=3))).values()) == [2, 2, 3]


def test_range_is_contiguous_and_cuts_equal_topics_alike() -> None:
    members = [subscriber("m2", "ab"), subscriber("m1", "ab"), subscriber("m3", "ab")]
    assert plain(by_range(members, counts(a=4, b=4))) == {
        "m1": {"a": [0, 1], "b": [0, 1]},
        "m2": {"a": [2], "b": [2]},
        "m3": {"a": [3], "b": [3]},
    }


def test_range_with_more_members_than_partitions_and_differing_subscriptions() -> None:
    members = [subscriber("m1", "a"), subscriber("m2", "ab"), subscriber("m3", "b", instance="z")]
    assert plain(by_range(members, counts(a=1, b=3))) == {"m1": {"a": [0]}, "m2": {"b": [2]}, "m3": {"b": [0, 1]}}


def test_static_members_come_first_in_range() -> None:
    members = [subscriber("a", "a"), subscriber("z", "a", instance="i1"), subscriber("y", "a", instance="i2")]
    assert plain(by_range(members, counts(a=3))) == {"a": {"a": [2]}, "y": {"a": [1]}, "z": {"a": [0]}}


partition_counts = st.dictionaries(st.sampled_from(list(TOPICS.values())), st.integers(1, 9), max_size=6)
subscriptions = st.dictionaries(
    st.integers(0, 12).map("m{:02}".format), st.frozensets(st.sampled_from(list(TOPICS.values()))), max_size=7
)


@st.composite
def groups(draw: st.DrawFn, alike: bool) -> tuple[list[Subscriber], dict[bytes, int]]:
    """Members that own an arbitrary, possibly outdated and contradictory part of what there is."""
    chosen = draw(subscriptions)
    same = draw(st.frozensets(st.sampled_from(list(TOPICS.values()))))
    owned = st.dictionaries(
        st.sampled_from(list(TOPICS.values())), st.frozensets(st.integers(0, 10), max_size=5), max_size=4
    )
    members = [Subscriber(m, None, same if alike else topics, draw(owned)) for m, topics in chosen.items()]
    return members, draw(partition_counts)


def check_complete(
    members: Sequence[Subscriber], there: Mapping[bytes, int], assignment: Mapping[str, Assignment]
) -> None:
    assert assignment.keys() == {member.member_id for member in members}
    subscribed = {topic for member in members for topic in member.topics}
    wanted = sorted((t, p) for t, n in there.items() if t in subscribed for p in range(n))
    given_out = sorted((t, p) for share in assignment.values() for t, partitions in share.items() for p in partitions)
    assert given_out == wanted, "each partition of a subscribed topic once"
    for member in members:
        assert assignment[member.member_id].keys() <= member.topics


@given(groups(alike=True))
@settings(max_examples=200, deadline=None)
def test_uniform_alike(group: tuple[list[Subscriber], dict[bytes, int]]) -> None:
    members, there = group
    assignment = uniform(members, there)
    check_complete(members, there, assignment)
    if members:
        assert max(sizes(assignment).values()) - min(sizes(assignment).values()) <= 1
    assert uniform(list(reversed(members)), there) == assignment
    assert uniform(with_owned(members, assignment), there) == assignment, "what is balanced stays"


@given(groups(alike=False))
@settings(max_examples=200, deadline=None)
def test_uniform_differing(group: tuple[list[Subscriber], dict[bytes, int]]) -> None:
    members, there = group
    assignment = uniform(members, there)
    check_complete(members, there, assignment)
    by_id = {member.member_id: member for member in members}
    size = sizes(assignment)
    for giver, share in assignment.items():
        for topic in share:
            for taker in by_id:
                if topic in by_id[taker].topics:
                    assert size[giver] - size[taker] <= 1, f"{giver} could give of {topic!r} to {taker}"
    assert uniform(list(reversed(members)), there) == assignment
    assert uniform(with_owned(members, assignment), there) == assignment, "what is balanced stays"


@given(groups(alike=True), st.data())
@settings(max_examples=100, deadline=None)
def test_uniform_moves_no_more_than_it_must(
    group: tuple[list[Subscriber], dict[bytes, int]], data: st.DataObject
) -> None:
    """When members leave, those who stay keep all they had; when one joins, only its share moves."""
    members, there = group
    before = with_owned(members, uniform(members, there))
    if len(before) > 1:
        gone = data.draw(st.sampled_from(before)).member_id
        stayed = [member for member in before if member.member_id != gone]
        after = uniform(stayed, there)
        for member in stayed:
            for topic, partitions in member.owned.items():
                assert partitions <= after[member.member_id].get(topic, frozenset())
    if before:
        joined = uniform([*before, Subscriber("new", None, before[0].topics, {})], there)
        moved = sum(
            len(partitions - joined[member.member_id].get(topic, frozenset()))
            for member in before
            for topic, partitions in member.owned.items()
        )
        assert moved == sizes(joined)["new"]


@given(groups(alike=False))
@settings(max_examples=200, deadline=None)
def test_range(group: tuple[list[Subscriber], dict[bytes, int]]) -> None:
    members, there = group
    assignment = by_range(members, there)
    check_complete(members, there, assignment)
    for share in assignment.values():
        for partitions in share.values():
            assert max(partitions) - min(partitions) == len(partitions) - 1, "contiguous"
    for topic in there:
        shares = [len(assignment[m.member_id].get(topic, ())) for m in members if topic in m.topics]
        assert not shares or max(shares) - min(shares) <= 1


def test_a_thousand_members_of_differing_subscriptions_are_dealt_with_in_bounded_work() -> None:
    topics = [index.to_bytes(16, "big") for index in range(100)]
    members = [
        Subscriber(f"m{index:04}", None, frozenset(topics[index % 90 : index % 90 + 10]), {}) for index in range(1000)
    ]
    assignment = uniform(members, dict.fromkeys(topics, 50))
    check_complete(members, dict.fromkeys(topics, 50), assignment)
    assert max(sizes(assignment).values()) <= 7
