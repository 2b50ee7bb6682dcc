"""The membership, without a broker: what is done next, and what each answer changes."""

from __future__ import annotations

import pytest

from kq.client.group.membership import Membership, Phase, Step
from kq.errors import Err, KafkaError

HEARTBEAT, POLL = 3_000, 300_000
FOR_GOOD = [
    Err.FENCED_INSTANCE_ID,
    Err.GROUP_AUTHORIZATION_FAILED,
    Err.INCONSISTENT_GROUP_PROTOCOL,
    Err.INVALID_GROUP_ID,
    Err.INVALID_SESSION_TIMEOUT,
    Err.GROUP_MAX_SIZE_REACHED,
    Err.GROUP_ID_NOT_FOUND,
    Err.UNSUPPORTED_VERSION,
]


def made(instance_id: str | None = None) -> Membership:
    membership = Membership(heartbeat_interval_ms=HEARTBEAT, max_poll_interval_ms=POLL, instance_id=instance_id)
    membership.polled(0)
    return membership


def stable(instance_id: str | None = None, now_ms: float = 0) -> Membership:
    membership = made(instance_id)
    membership.prepared()
    membership.joined(Err.NONE, "me", 5, "other")
    membership.synced(Err.NONE, now_ms)
    return membership


def test_from_outside_to_a_member() -> None:
    me = made()
    assert (me.phase, me.wants_preparation, me.next(0), me.wake_ms) == (Phase.OUT, True, Step.WAIT, None)
    me.prepared()
    assert (me.phase, me.wants_preparation, me.next(0)) == (Phase.JOINING, False, Step.JOIN)
    me.joined(Err.MEMBER_ID_REQUIRED, "me", -1, "")
    assert (me.phase, me.member_id, me.in_group, me.next(0)) == (Phase.JOINING, "me", False, Step.JOIN)
    me.joined(Err.NONE, "me", 5, "me")
    assert (me.phase, me.leader, me.generation, me.in_group, me.next(0)) == (Phase.SYNCING, True, 5, True, Step.SYNC)
    me.synced(Err.NONE, 100)
    assert (me.phase, me.reason, me.next(100), me.wake_ms) == (Phase.STABLE, None, Step.WAIT, 100 + HEARTBEAT)


def test_heartbeats_go_on_while_the_user_works_until_he_has_forgotten_us() -> None:
    me = stable()
    now_ms = 0
    while now_ms + HEARTBEAT < POLL:
        now_ms += HEARTBEAT
        assert me.next(now_ms - 1) is Step.WAIT
        assert me.next(now_ms) is Step.HEARTBEAT
        me.heartbeat_sent(now_ms)
        assert me.next(now_ms) is Step.WAIT
        me.heartbeat_answered(Err.NONE, 5)
    assert me.wake_ms == POLL
    assert me.next(POLL) is Step.LEAVE
    me.forgotten()
    assert (me.phase, me.lost, me.member_id, me.generation) == (Phase.OUT, True, "", -1)
    me.polled(POLL + 10)
    me.prepared()
    assert (me.lost, me.next(POLL + 10)) == (False, Step.JOIN)


def test_a_static_member_that_is_forgotten_keeps_its_id() -> None:
    me = stable("one")
    me.forgotten()
    assert me.member_id == "me"


def test_a_poll_in_time_keeps_us() -> None:
    me = stable()
    me.polled(POLL - 1)
    assert me.next(POLL) is not Step.LEAVE


def test_a_rebalance_waits_for_the_user_and_heartbeats_meanwhile() -> None:
    me = stable()
    me.heartbeat_answered(Err.REBALANCE_IN_PROGRESS, 5)
    assert (me.phase, me.wants_preparation, me.lost, me.generation) == (Phase.STABLE, True, False, 5)
    assert me.next(HEARTBEAT) is Step.HEARTBEAT
    me.rejoin("another reason")
    assert me.reason == "the group shares out anew"
    me.prepared()
    assert (me.next(HEARTBEAT), me.in_group) == (Step.JOIN, True)  # commits are taken until the others have joined


@pytest.mark.parametrize("phase", ["joined", "synced", "heartbeat", "commit"])
@pytest.mark.parametrize(("code", "keeps_id"), [(Err.UNKNOWN_MEMBER_ID, False), (Err.ILLEGAL_GENERATION, True)])
def test_the_group_has_gone_on(phase: str, code: Err, keeps_id: bool) -> None:
    me = stable()
    match phase:
        case "joined":
            me.rejoin("test")
            me.prepared()
            me.joined(code, "", -1, "")
        case "synced":
            me.rejoin("test")
            me.prepared()
            me.joined(Err.NONE, "me", 6, "other")
            me.synced(code, 0)
        case "heartbeat":
            me.heartbeat_answered(code, 5)
        case "commit":
            me.commit_answered(code, 5)
    assert (me.phase, me.lost, me.in_group, me.wants_preparation) == (Phase.OUT, True, False, True)
    assert me.member_id == ("me" if keeps_id else "")


def test_a_member_that_had_nothing_loses_nothing() -> None:
    me = made()
    me.prepared()
    me.joined(Err.UNKNOWN_MEMBER_ID, "", -1, "")
    assert (me.phase, me.lost) == (Phase.OUT, False)


@pytest.mark.parametrize("code", [Err.NONE, Err.UNKNOWN_MEMBER_ID, Err.ILLEGAL_GENERATION, Err.REBALANCE_IN_PROGRESS])
def test_an_answer_to_an_earlier_generation_changes_nothing(code: Err) -> None:
    me = stable()
    me.heartbeat_answered(code, 4)
    me.commit_answered(code, 4)
    assert (me.phase, me.generation, me.reason, me.wants_preparation) == (Phase.STABLE, 5, None, False)


def test_a_commit_between_join_and_sync_does_not_call_for_another_round() -> None:
    me = made()
    me.prepared()
    me.joined(Err.NONE, "me", 6, "me")
    me.commit_answered(Err.REBALANCE_IN_PROGRESS, 6)
    me.synced(Err.NONE, 0)
    assert not me.wants_preparation


@pytest.mark.parametrize("where", ["joined", "synced", "heartbeat"])
@pytest.mark.parametrize("code", FOR_GOOD)
def test_what_does_not_pass_is_for_good(where: str, code: Err) -> None:
    me = stable()
    if where == "heartbeat":
        me.heartbeat_answered(code, 5)
    else:
        me.rejoin("test")
        me.prepared()
        me.joined(Err.NONE if where == "synced" else code, "me", 6, "")
    if where == "synced":
        me.synced(code, 0)
    assert me.fatal is not None
    assert me.fatal.code == code
    assert (me.next(10**9), me.wake_ms) == (Step.WAIT, None)


@pytest.mark.parametrize(
    "code",
    [Err.NOT_COORDINATOR, Err.COORDINATOR_NOT_AVAILABLE, Err.COORDINATOR_LOAD_IN_PROGRESS, Err.NETWORK_EXCEPTION],
)
def test_what_passes_is_tried_again_after_a_pause(code: Err) -> None:
    me = made()
    me.prepared()
    me.failed(KafkaError(code), 0, 100)
    assert (me.next(99), me.wake_ms, me.next(100), me.failures) == (Step.WAIT, 100, Step.JOIN, 1)
    me.joined(Err.NONE, "me", 5, "me")
    assert me.failures == 0
    me.failed(KafkaError(code), 200, 100)  # SyncGroup: the round is over
    assert me.next(300) is Step.JOIN
    member = stable()
    member.failed(KafkaError(code), HEARTBEAT, 100)
    assert (member.phase, member.generation, member.lost) == (Phase.STABLE, 5, False)
    assert (member.next(HEARTBEAT + 99), member.next(HEARTBEAT + 100)) == (Step.WAIT, Step.HEARTBEAT)


def test_a_round_that_is_overtaken_is_joined_again_without_the_user() -> None:
    me = made()
    me.prepared()
    me.joined(Err.NONE, "me", 5, "me")
    me.synced(Err.REBALANCE_IN_PROGRESS, 0)
    assert (me.phase, me.next(0), me.wants_preparation) == (Phase.JOINING, Step.JOIN, False)


def test_who_has_left_does_nothing_more() -> None:
    me = stable()
    me.left()
    me.heartbeat_answered(Err.UNKNOWN_MEMBER_ID, 5)
    me.commit_answered(Err.UNKNOWN_MEMBER_ID, 5)
    assert (me.phase, me.next(10**9), me.in_group) == (Phase.LEFT, Step.WAIT, False)
