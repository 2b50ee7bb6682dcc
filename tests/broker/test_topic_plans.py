"""What a topic may be: names, counts, assignments, settings, answered with Kafka's codes before anything is done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kq.broker.broker import Broker
from kq.broker.names import check_topic_name, new_topic_id
from kq.broker.session import CLUSTER, NOT_ASKED, Operation, Resource, Session
from kq.broker.topic_plans import plan_growth, plan_topic
from kq.errors import Err, KafkaError
from kq.wire.primitives import uuid_text
from tests.support import brokers


def planned(data_dir: Path, plan: Callable[[Broker], Any]) -> Any:
    """What `plan` returns or the code that it is refused with, on a broker that has `taken.a` with two partitions."""

    async def ask() -> Any:
        async with brokers.running(data_dir, num_partitions="3") as broker:
            await broker.topics.create([plan_topic(broker, "taken.a", num_partitions=2)])
            try:
                return plan(broker)
            except KafkaError as error:
                return error.code

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("name", "arguments", "code"),
    [
        ("taken.a", {}, Err.TOPIC_ALREADY_EXISTS),
        ("taken_a", {}, Err.INVALID_TOPIC_EXCEPTION),
        ("bad name", {}, Err.INVALID_TOPIC_EXCEPTION),
        ("__cluster_metadata", {}, Err.INVALID_REQUEST),
        ("t", {"num_partitions": 0}, Err.INVALID_PARTITIONS),
        ("t", {"num_partitions": -2}, Err.INVALID_PARTITIONS),
        ("t", {"replication_factor": 2}, Err.INVALID_REPLICATION_FACTOR),
        ("t", {"replication_factor": 0}, Err.INVALID_REPLICATION_FACTOR),
        ("t", {"assignment": {0: [1]}, "num_partitions": 1}, Err.INVALID_REQUEST),
        ("t", {"assignment": {0: [1], 2: [1]}}, Err.INVALID_REPLICA_ASSIGNMENT),
        ("t", {"assignment": {0: [9]}}, Err.INVALID_REPLICA_ASSIGNMENT),
        ("t", {"assignment": {0: [1, 1]}}, Err.INVALID_REPLICA_ASSIGNMENT),
        ("t", {"assignment": {0: []}}, Err.INVALID_REPLICA_ASSIGNMENT),
        ("t", {"settings": {"no.such": "1"}}, Err.INVALID_CONFIG),
        ("t", {"settings": {"retention.ms": "long"}}, Err.INVALID_CONFIG),
    ],
)
def test_a_topic_that_cannot_be(name: str, arguments: dict[str, Any], code: Err, tmp_path: Path) -> None:
    assert planned(tmp_path, lambda broker: plan_topic(broker, name, **arguments)) == code


def test_a_topic_by_default_and_by_assignment(tmp_path: Path) -> None:
    def plan(broker: Broker) -> Any:
        by_default = plan_topic(broker, "a", settings={"retention.ms": "5"})
        return by_default, plan_topic(broker, "b", assignment={1: [1], 0: [1]}), plan_topic(broker, "a")

    by_default, assigned, again = planned(tmp_path, plan)
    assert len(by_default.partitions) == 3
    assert {p.replicas for p in by_default.partitions} == {(1,)}
    assert by_default.settings == {"retention.ms": "5"}
    assert len(assigned.partitions) == 2
    assert by_default.id != again.id


@pytest.mark.parametrize(
    ("name", "count", "assignments", "outcome"),
    [
        ("missing", 3, None, Err.UNKNOWN_TOPIC_OR_PARTITION),
        ("taken.a", 2, None, Err.INVALID_PARTITIONS),
        ("taken.a", 1, None, Err.INVALID_PARTITIONS),
        ("taken.a", 13, None, Err.POLICY_VIOLATION),
        ("taken.a", 4, [[1]], Err.INVALID_REPLICA_ASSIGNMENT),
        ("taken.a", 3, [[7]], Err.INVALID_REPLICA_ASSIGNMENT),
        ("taken.a", 12, None, 12),
        ("taken.a", 4, [[1], [1]], 4),
    ],
)
def test_growth(name: str, count: int, assignments: Any, outcome: Any, tmp_path: Path) -> None:
    got = planned(tmp_path, lambda broker: plan_growth(broker, name, count, assignments, most_new=10))
    assert (got if isinstance(got, Err) else len(got.partitions)) == outcome


@pytest.mark.parametrize("name", ["a", "A.b_c-9", "x" * 249, "...", "-"])
def test_legal_names(name: str) -> None:
    assert check_topic_name(name) == name


@pytest.mark.parametrize("name", [None, "", ".", "..", "x" * 250, "a/b", "a\0", "ä", "a b", "a\n"])
def test_illegal_names(name: str | None) -> None:
    with pytest.raises(KafkaError) as refused:
        check_topic_name(name)
    assert refused.value.code == Err.INVALID_TOPIC_EXCEPTION


def test_no_id_begins_with_a_dash() -> None:
    """A command line would take it for an option."""
    assert not any(uuid_text(new_topic_id()).startswith("-") for _ in range(1000))


def test_authorized_operations_are_kafkas_bits() -> None:
    """As 4.3.1 answers without an authorizer (ANSWERS.md: 3576 for a topic)."""
    session = Session("127.0.0.1:1")
    assert session.authorized_operations(Resource.TOPIC, "t", asked=True) == 3576
    assert session.authorized_operations(Resource.TOPIC, "t", asked=False) == NOT_ASKED == -(2**31)
    granted = session.authorized_operations(Resource.CLUSTER, CLUSTER, asked=True)
    assert granted & (1 << Operation.IDEMPOTENT_WRITE)
    assert not granted & (1 << Operation.READ)
