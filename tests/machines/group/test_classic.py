"""The classic protocol, rule by rule where a story would be too long."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any, ClassVar

import pytest

from kq.errors import Err, KafkaError
from kq.machines.group import classic
from kq.machines.group.alarms import Alarm
from kq.machines.group.classic import TRANSITIONS, ClassicGroup
from kq.machines.group.classic_states import Cause, State
from kq.machines.group.coordinator import GroupCoordinator
from kq.machines.group.facts import (
    GroupMetadataKey,
    GroupMetadataValue,
    MemberMetadata,
    OffsetCommitKey,
    OffsetCommitValue,
)
from kq.machines.group.requests import (
    CommitRequest,
    JoinRequest,
    JoinResult,
    LeavingMember,
    LeftMember,
    SyncRequest,
    SyncResult,
)
from kq.machines.group.roster import Member, Roster
from kq.machines.group.settings import GroupSettings
from tests.machines.group.story import Story, play


def coordinator() -> GroupCoordinator:
    return GroupCoordinator(GroupSettings(), random.Random(1))


def join_request(**fields: Any) -> JoinRequest:
    usual: dict[str, Any] = {
        "group_id": "G",
        "member_id": "",
        "client_id": "c",
        "client_host": "/127.0.0.1",
        "session_timeout_ms": 10_000,
        "protocol_type": "consumer",
        "protocols": [("range", b"")],
    }
    return JoinRequest(**usual | fields)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"group_id": ""}, Err.INVALID_GROUP_ID),
        ({"session_timeout_ms": 5_999}, Err.INVALID_SESSION_TIMEOUT),
        ({"session_timeout_ms": 1_800_001}, Err.INVALID_SESSION_TIMEOUT),
        ({"protocols": []}, Err.INCONSISTENT_GROUP_PROTOCOL),
        ({"protocol_type": ""}, Err.INCONSISTENT_GROUP_PROTOCOL),
        ({"member_id": "unheard of"}, Err.UNKNOWN_MEMBER_ID),
        ({}, Err.MEMBER_ID_REQUIRED),
    ],
)
def test_what_a_join_may_say(fields: dict[str, Any], error: Err) -> None:
    groups = coordinator()
    decision = groups.join(join_request(**fields), "ticket", 0)
    ((ticket, answer),) = decision.replies
    assert (ticket, answer.error_code, decision.response) == ("ticket", error, None)
    assert bool(decision.facts) == (error == Err.MEMBER_ID_REQUIRED), "nobody makes a group by a mistake"
    assert not groups.groups, "a group comes to be by replay"


@pytest.mark.parametrize("group_id", ["", "nowhere"])
def test_a_group_that_is_not_there(group_id: str) -> None:
    groups, error = coordinator(), Err.INVALID_GROUP_ID if not group_id else Err.UNKNOWN_MEMBER_ID
    sync = SyncRequest(group_id=group_id, generation_id=1, member_id="m", assignments={})
    assert groups.sync(sync, "t", 0).replies == [("t", SyncResult(error))]
    with pytest.raises(KafkaError) as raised:
        groups.heartbeat(group_id, "m", 1, None, 0)
    assert raised.value.code == error
    if group_id:
        left = groups.leave(group_id, [LeavingMember("m", "i")], 0).response
        assert left.members == [LeftMember("m", "i", error)]
    else:
        with pytest.raises(KafkaError):
            groups.leave(group_id, [LeavingMember("m")], 0)


def test_a_member_id_has_the_name_of_its_client_or_its_instance() -> None:
    groups = coordinator()
    ((_, answer),) = groups.join(join_request(client_id="billing"), "t", 0).replies
    assert answer.member_id.startswith("billing-")
    assert len(answer.member_id) == len("billing-") + 36
    story = Story()
    story.tell("join alice instance=i1 version=3")
    assert next(iter(story.coordinator.groups["G"].roster.by_id)).startswith("i1-")  # type: ignore[attr-defined]


def test_without_a_rebalance_timeout_the_session_timeout_counts() -> None:
    assert join_request(rebalance_timeout_ms=-1).patience_ms == 10_000
    assert join_request(rebalance_timeout_ms=0).patience_ms == 0
    assert join_request(rebalance_timeout_ms=7).patience_ms == 7


# The table of transitions


class Watched(ClassicGroup):
    """Writes down each transition that it makes."""

    seen: ClassVar[set[tuple[State, Cause]]] = set()

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "state" and hasattr(self, "state"):
            ways = [cause for cause, state in TRANSITIONS[self.state].items() if state is value]
            assert len(ways) == 1, f"{self.state} -> {value} is not in the table"
            Watched.seen.add((self.state, ways[0]))
        super().__setattr__(name, value)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> set[tuple[State, Cause]]:
    monkeypatch.setattr("kq.machines.group.coordinator.ClassicGroup", Watched)
    Watched.seen = set()
    return Watched.seen


def test_every_transition_of_the_table_is_in_a_story(watched: set[tuple[State, Cause]]) -> None:
    for path in (Path(__file__).parent / "scenarios").glob("*.txt"):
        play(path.read_text())
    table = {(state, cause) for state, causes in TRANSITIONS.items() for cause in causes}
    assert watched == table


def test_every_state_but_dead_is_in_the_table() -> None:
    assert set(TRANSITIONS) == set(State) - {State.DEAD}
    assert set(classic.TRANSITIONS[State.STABLE]) == {Cause.REBALANCE, Cause.ASSIGNED, Cause.DESERTED}


# The roster


def member(member_id: str, *protocols: str, instance_id: str | None = None) -> Member:
    return Member(
        member_id,
        instance_id=instance_id,
        client_id="c",
        client_host="/h",
        rebalance_timeout_ms=1,
        session_timeout_ms=1,
        protocols=[(name, name.encode()) for name in protocols],
        alarm=Alarm(None, "session", member_id),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("members", "chosen"),
    [
        (["range"], "range"),
        (["range sticky", "sticky range", "sticky range"], "sticky"),
        (["range sticky", "sticky range"], "range"),
        (["new range", "range", "new range"], "range"),
        (["a b c", "c b", "b c"], "b"),
        (["range range", "range"], "range"),
    ],
)
def test_votes_count_among_what_all_support(members: list[str], chosen: str) -> None:
    roster = Roster()
    for number, protocols in enumerate(members):
        roster.add(member(f"m{number}", *protocols.split()))
    assert roster.select_protocol() == chosen


def test_the_lead_goes_to_who_has_been_here_longest() -> None:
    roster = Roster()
    for member_id in ("a", "b", "c"):
        roster.add(member(member_id, "range"))
    assert roster.leader == "a"
    roster.remove("a")
    assert roster.leader == "b"
    assert not roster.elect(), "nobody has joined"
    roster.park_join(roster.by_id["c"], "ticket")
    assert roster.elect()
    assert roster.leader == "c"
    for member_id in ("b", "c"):
        roster.remove(member_id)
    assert roster.leader is None
    assert not roster.elect()


# What is remembered


def stored(**fields: Any) -> GroupMetadataValue:
    kept = MemberMetadata("m", None, "c", "/h", -1, 9_000, b"", b"mine")
    return GroupMetadataValue("consumer", 4, "range", "m", 1_000, (kept,))._replace(**fields)


def test_a_group_from_the_log_is_stable_and_its_sessions_begin_with_the_load() -> None:
    groups = coordinator()
    groups.replay(GroupMetadataKey("G"), stored())
    assert groups.next_deadline_ms is None
    groups.loaded(50_000)
    assert groups.next_deadline_ms == 59_000
    group = groups.groups["G"]
    assert isinstance(group, ClassicGroup)
    assert (group.state, group.generation, group.leader, group.state_since_ms) == (State.STABLE, 4, "m", 1_000)
    assert group.roster.rebalance_timeout_ms == 9_000, "an old record has none"
    assert groups.heartbeat("G", "m", 4, None, 51_000).response.error_code == Err.NONE


def test_the_last_value_counts() -> None:
    groups = coordinator()
    groups.replay(GroupMetadataKey("G"), stored())
    groups.replay(GroupMetadataKey("G"), stored(generation=5, members=(), leader=None, protocol=None))
    assert groups.describe(["G"])[0].group_state == "Empty"
    groups.replay(GroupMetadataKey("G"), None)
    groups.replay(GroupMetadataKey("G"), None)
    assert groups.describe(["G"])[0][:4] == ("G", Err.GROUP_ID_NOT_FOUND, "Group G not found.", "Dead")


def test_a_stored_group_whose_subscriptions_nobody_can_read_keeps_all_its_offsets() -> None:
    groups = coordinator()
    kept = MemberMetadata("m", None, "c", "/h", -1, 9_000, b"\xff", b"")
    groups.replay(GroupMetadataKey("G"), stored(members=(kept,)))
    assert groups.groups["G"].is_subscribed_to("anything")
    decision = groups.forget_offsets("G", {"A": [0]})
    assert decision.response[0].partitions[0].error_code == Err.GROUP_SUBSCRIBED_TO_TOPIC


def test_the_marker_of_a_transaction_makes_the_group_that_it_commits_for() -> None:
    groups = coordinator()
    commit = groups.offsets.commit(CommitRequest(group_id="G", topics=[]), 0)
    assert commit == ([], [])
    groups.replay(OffsetCommitKey("G", "A", 0), OffsetCommitValue(5), 7)
    assert not groups.groups
    groups.replay_end(7, committed=True)
    assert [group.group_state for group in groups.list_groups([], [])] == ["Empty"]


def test_whoever_closes_the_shard_tells_everybody() -> None:
    story = Story()
    for line in ["join alice", "join alice", "join bob"]:
        story.tell(line)
    story.tell("join bob")
    decision = story.coordinator.closed(Err.NOT_COORDINATOR)
    assert {ticket: answer.error_code for ticket, answer in decision.replies} == {
        "alice": Err.NOT_COORDINATOR,
        "bob": Err.NOT_COORDINATOR,
    }
    assert all(isinstance(answer, JoinResult) for _, answer in decision.replies)
    assert story.coordinator.next_deadline_ms is None


def test_settings_come_under_kafkas_names() -> None:
    settings = GroupSettings.of(
        {"group.max.size": 7, "group.consumer.assignors": ["range"], "offsets.retention.minutes": 2, "log.dirs": "x"}
    )
    assert (settings.group_max_size, settings.group_consumer_assignors) == (7, ("range",))
    assert settings.offsets_retention_ms == 120_000
    assert settings.group_initial_rebalance_delay_ms == 3_000
