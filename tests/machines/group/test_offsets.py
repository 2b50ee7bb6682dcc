"""Committed offsets, rule by rule; the stories in scenarios/ have what groups let happen to them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kq.errors import Err
from kq.machines.group.facts import ZERO_UUID, OffsetCommitKey, OffsetCommitValue
from kq.machines.group.offsets import Offsets
from kq.machines.group.requests import CommitRequest, FetchTopic

ONE, OTHER = b"1" * 16, b"2" * 16
A0 = OffsetCommitKey("g", "A", 0)


def committed(offset: int, **fields: Any) -> OffsetCommitValue:
    return OffsetCommitValue(offset, commit_timestamp=fields.pop("at_ms", 0), **fields)


def request(offsets: dict[tuple[str, int], int], *, metadata: str | None = "", **fields: Any) -> CommitRequest:
    topics = [
        SimpleNamespace(
            name=topic,
            topic_id=ONE,
            partitions=[
                SimpleNamespace(
                    index=index, committed_offset=offset, committed_leader_epoch=4, committed_metadata=metadata
                )
            ],
        )
        for (topic, index), offset in offsets.items()
    ]
    return CommitRequest(group_id="g", topics=topics, **fields)


def told(offsets: Offsets, topic: str = "A", index: int = 0, **fields: Any) -> Any:
    stable = fields.pop("require_stable", False)
    return offsets.fetch("g", [FetchTopic(topic, [index], **fields)], require_stable=stable)[0].partitions[0]


def test_a_commit_says_everything_about_the_offset() -> None:
    answer, facts = Offsets(100).commit(request({("A", 0): 7}, metadata="note"), 50)
    assert facts == [(A0, OffsetCommitValue(7, 4, "note", 50, -1, ONE))]
    assert [(topic.name, topic.topic_id) for topic in answer] == [("A", ONE)]
    assert [(partition.index, partition.error_code) for partition in answer[0].partitions] == [(0, Err.NONE)]


def test_deciding_changes_nothing() -> None:
    offsets = Offsets(100)
    offsets.commit(request({("A", 0): 7}), 50)
    assert told(offsets).committed_offset == -1


@pytest.mark.parametrize(
    ("retention_time_ms", "expires_ms"), [(-1, -1), (0, 50), (1_000, 1_050)], ids=["broker's", "none", "own"]
)
def test_an_old_client_brings_a_retention_of_its_own(retention_time_ms: int, expires_ms: int) -> None:
    _, facts = Offsets(100).commit(request({("A", 0): 7}, retention_time_ms=retention_time_ms), 50)
    assert facts[0][1] == OffsetCommitValue(7, 4, "", 50, expires_ms, ONE)


@pytest.mark.parametrize(
    ("metadata", "error"), [(None, Err.NONE), ("é" * 10, Err.NONE), ("x" * 11, Err.OFFSET_METADATA_TOO_LARGE)]
)
def test_metadata_has_a_limit_in_characters(metadata: str | None, error: Err) -> None:
    answer, facts = Offsets(10).commit(request({("A", 0): 7}, metadata=metadata), 50)
    assert answer[0].partitions[0].error_code == error
    assert len(facts) == (error == Err.NONE)


def test_the_group_may_object_to_a_partition() -> None:
    def check(topic: str, topic_id: bytes, partition: int) -> Err:
        return Err.STALE_MEMBER_EPOCH if (topic, topic_id, partition) == ("A", ONE, 1) else Err.NONE

    answer, facts = Offsets(10).commit(request({("A", 0): 7, ("A", 1): 8}), 50, check)
    assert [topic.partitions[0].error_code for topic in answer] == [Err.NONE, Err.STALE_MEMBER_EPOCH]
    assert [key for key, _ in facts] == [A0]


@pytest.mark.parametrize(
    ("committed_under", "asked_under", "is_told"),
    [(ONE, ONE, True), (ONE, OTHER, False), (ZERO_UUID, OTHER, True), (ONE, ZERO_UUID, True)],
)
def test_a_topic_that_was_made_anew_has_no_offsets(committed_under: bytes, asked_under: bytes, is_told: bool) -> None:
    offsets = Offsets(10)
    offsets.replay(A0, committed(7, topic_id=committed_under))
    assert told(offsets, topic_id=asked_under).committed_offset == (7 if is_told else -1)


def test_all_offsets_are_told_in_order() -> None:
    offsets = Offsets(10)
    for topic, partition in [("B", 1), ("A", 2), ("B", 0)]:
        offsets.replay(OffsetCommitKey("g", topic, partition), committed(partition))
    offsets.replay(OffsetCommitKey("other", "A", 0), committed(9))
    topics = offsets.fetch("g", None, require_stable=False)
    assert [(topic.name, partition.index) for topic in topics for partition in topic.partitions] == [
        ("A", 2),
        ("B", 0),
        ("B", 1),
    ]


def test_an_open_transaction_makes_its_partitions_unstable() -> None:
    offsets = Offsets(10)
    offsets.replay(A0, committed(5))
    offsets.replay(A0, committed(9), producer_id=1)
    assert told(offsets).committed_offset == 5
    assert told(offsets, require_stable=True).error_code == Err.UNSTABLE_OFFSET_COMMIT
    assert told(offsets, require_stable=True).committed_offset == -1
    assert told(offsets, "A", 1, require_stable=True).error_code == Err.NONE


@pytest.mark.parametrize(("is_committed", "offset"), [(True, 9), (False, 5)])
def test_its_marker_decides(is_committed: bool, offset: int) -> None:
    offsets = Offsets(10)
    offsets.replay(A0, committed(5))
    offsets.replay(A0, committed(9), producer_id=1)
    assert offsets.replay_end(1, committed=is_committed) == ([A0] if is_committed else [])
    assert told(offsets, require_stable=True).committed_offset == offset


def test_to_forget_a_partition_ends_what_is_pending_for_it() -> None:
    offsets = Offsets(10)
    offsets.replay(A0, committed(9), producer_id=1)
    _, facts = offsets.forget("g", {"A": [0]}, lambda topic: False)
    assert facts == [(A0, None)]
    offsets.replay(A0, None)
    assert offsets.replay_end(1, committed=True) == []
    assert told(offsets).committed_offset == -1


@pytest.mark.parametrize(
    ("value", "since_ms", "is_over"),
    [
        (committed(1), 0, True),
        (committed(1), 1, False),
        (committed(1), None, False),
        (committed(1, expire_timestamp=101), 0, False),
        (committed(1, expire_timestamp=100), 99, True),
        (committed(1, expire_timestamp=100), None, False),
    ],
)
def test_an_offset_expires_when_its_group_says(value: OffsetCommitValue, since_ms: int | None, is_over: bool) -> None:
    offsets = Offsets(10)
    offsets.replay(A0, value)
    for subscribed in (False, True):
        facts, nothing_left = offsets.expired(
            "g",
            ages_from=lambda committed: since_ms,
            is_subscribed_to=lambda topic, subscribed=subscribed: subscribed,
            retention_ms=100,
            now_ms=100,
        )
        assert facts == ([(A0, None)] if is_over and not subscribed else [])
        assert nothing_left == (is_over and not subscribed)


def test_what_a_transaction_has_pending_does_not_expire() -> None:
    offsets = Offsets(10)
    offsets.replay(A0, committed(5))
    offsets.replay(A0, committed(9), producer_id=1)
    facts, nothing_left = offsets.expired(
        "g", ages_from=lambda value: 0, is_subscribed_to=lambda topic: False, retention_ms=1, now_ms=100
    )
    assert (facts, nothing_left) == ([], False)


def test_the_offsets_of_a_deleted_topic_go_from_all_groups() -> None:
    offsets = Offsets(10)
    for group, topic in [("g", "A"), ("g", "B"), ("h", "A")]:
        offsets.replay(OffsetCommitKey(group, topic, 0), committed(1))
    offsets.replay(OffsetCommitKey("i", "A", 0), committed(1), producer_id=3)
    assert [(key.group, key.topic) for key, _ in offsets.of_topics(["A"])] == [("g", "A"), ("h", "A"), ("i", "A")]


FACTS = st.tuples(st.sampled_from("gh"), st.sampled_from("AB"), st.integers(0, 1), st.none() | st.integers(0, 3))


@given(st.lists(FACTS))
def test_the_last_fact_wins(facts: list[tuple[str, str, int, int | None]]) -> None:
    offsets, table = Offsets(10), {}
    for group, topic, partition, offset in facts:
        key = OffsetCommitKey(group, topic, partition)
        offsets.replay(key, None if offset is None else committed(offset))
        table.pop(key, None)
        if offset is not None:
            table[key] = committed(offset)
    assert dict(offsets) == table
    assert set(offsets._by_group) == {key.group for key in table}, "nothing is left of what is forgotten"
    for group in "gh":
        assert {key for key, _ in offsets.tombstones(group)} == {key for key in table if key.group == group}
