"""`kq groups history`: what a kq broker remembers, and what can be seen of any other Kafka."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from kq.testing import Broker
from tests.cli.groups.people import commit, filled, member, members, settle
from tests.cli.harness import run, spawn

PROTOCOLS = ("classic", "consumer")


def happened(group: str) -> list[dict[str, Any]]:
    document = json.loads(run("groups", "history", group, "--json").ok().out)
    assert (document["group"], document["source"]) == (group, "broker")
    generations: list[dict[str, Any]] = document["generations"]
    return generations


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_kq_broker_remembers(broker: Broker, topic: str, protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KQ_BOOTSTRAP", broker.bootstrap)
    filled(topic, 1, 1)
    with members(broker.bootstrap, topic, topic, ["one"], protocol=protocol, share=2) as joined:
        second = member(broker.bootstrap, topic, topic, "two", protocol)
        settle([*joined, second], 1)
        second.close()
        settle(joined, 2)
    told = happened(topic)
    numbers = [one["generation"] for one in told]
    assert numbers == sorted(set(numbers))
    assert "joined" in told[0]["reason"]
    assert len(told[0]["joined"]) == 1
    assert any(one["moved_partitions"] == 1 and one["joined"] for one in told)
    assert any(one["left"] for one in told)
    assert all(one["stood_ms"] is not None and one["stood_ms"] >= 0 for one in told)  # all have arrived

    lines = run("groups", "history", topic).ok().lines
    assert lines[0].split("\t") == ["GENERATION", "AT", "MOVED", "STOOD", "JOINED", "LEFT", "REASON"]
    assert [line.split("\t")[0] for line in lines[1:]] == [str(number) for number in numbers]
    rows = run("groups", "history", topic, "--watch", "0.1", "-n", "3").ok().lines
    assert rows == lines  # nothing new came
    assert run("groups", "history", topic, "--table").ok().lines[0].split()[:4] == [
        "GENERATION", "AT", "MOVED", "STOOD",
    ]  # fmt: skip


def test_a_group_of_which_nothing_is_remembered(broker: Broker, topic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KQ_BOOTSTRAP", broker.bootstrap)
    filled(topic, 1)
    commit(broker.bootstrap, topic, topic, {0: 1})
    ran = run("groups", "history", topic).ok()
    assert ran.err == f"Nothing has happened to group {topic} since broker 1 was started.\n"
    ran = run("groups", "history", f"{topic}x")
    assert ran.code == 3
    assert f"did you mean '{topic}'?" in ran.err


@pytest.fixture(scope="module")
def silent() -> Iterator[Broker]:
    """A kq broker without an admin port."""
    with Broker({"kq.admin.listener": "", "group.initial.rebalance.delay.ms": "0"}) as running:
        yield running


@pytest.fixture
def elsewhere(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A broker that keeps no history that could be reached."""
    bootstrap = str(request.getfixturevalue(request.param).bootstrap)
    monkeypatch.setenv("KQ_BOOTSTRAP", bootstrap)
    return bootstrap


ELSEWHERE = pytest.mark.parametrize(
    "elsewhere", ["silent", pytest.param("kafka", marks=pytest.mark.java)], indirect=True
)


@ELSEWHERE
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_seen_from_here(elsewhere: str, topic: str, protocol: str) -> None:
    filled(topic, 1, 1)
    with members(elsewhere, topic, topic, ["one"], protocol=protocol, share=2) as joined:
        time.sleep(1)  # the coordinator knows that all is settled
        with spawn("groups", "history", topic, "--watch", "0.1", "--json") as watching:
            assert watching.stdout is not None
            told = json.loads(watching.stdout.readline())
            assert (told["group"], told["source"]) == (topic, "client")
            (first,) = told["generations"]
            assert first["reason"] == "Stable with 1 member when watching began"
            second = member(elsewhere, topic, topic, "two", protocol)
            settle([*joined, second], 1)
            joining = [json.loads(watching.stdout.readline())["generations"][0]]
            while not joining[-1]["moved_partitions"]:  # between two looks a member may have joined and nothing moved
                joining.append(json.loads(watching.stdout.readline())["generations"][0])
            second.close()
            settle(joined, 2)
            leaving = json.loads(watching.stdout.readline())["generations"][0]
            watching.terminate()
    (newcomer,) = joining[0]["joined"]
    assert joining[0]["reason"] == f"{newcomer} joined"
    assert leaving["left"] == [newcomer]
    assert {one["generation"] for one in joining} == {None} if protocol == "classic" else leaving["generation"]


@ELSEWHERE
def test_without_watching_there_is_nothing_to_say(elsewhere: str, topic: str) -> None:
    filled(topic, 1)
    commit(elsewhere, topic, topic, {0: 1})
    ran = run("groups", "history", topic)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        "kq: broker 1 keeps no history of groups that can be reached from here\n"
        f"    watch from now on:  kq groups history {topic} --watch\n"
    )
    assert run("groups", "history", f"{topic}x", "--watch").code == 3


def test_a_group_that_changes_its_protocol_and_back(
    broker: Broker, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KQ_BOOTSTRAP", broker.bootstrap)
    filled(topic, 1, 1)
    with members(broker.bootstrap, topic, topic, ["old"], protocol="classic", share=2) as joined:
        new = member(broker.bootstrap, topic, topic, "new", "consumer")
        settle([*joined, new], 1)
        up = happened(topic)
        new.close()
        settle(joined, 2)
        down = happened(topic)
    first, *_, upgraded = up
    assert len(first["joined"]) == 1
    assert "the group goes over to the consumer protocol" in upgraded["reason"]
    (newcomer,) = upgraded["joined"]
    assert (upgraded["moved_partitions"], upgraded["generation"]) == (1, first["generation"] + 1)
    assert upgraded["stood_ms"] is not None
    assert (down[-1]["left"], down[-1]["moved_partitions"]) == ([newcomer], 1)
    assert down[-1]["generation"] == upgraded["generation"] + 1
