"""Lag under an open transaction: to the high watermark, or under read_committed to the last stable offset."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.groups.people import commit, filled
from tests.cli.harness import run
from tests.support.peers import Kafka

READ_COMMITTED = ("-X", "isolation.level=read_committed")


@pytest.mark.java
def test_an_open_transaction(kafka: Kafka, topic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from confluent_kafka import Producer

    monkeypatch.setenv("KQ_BOOTSTRAP", kafka.bootstrap)
    filled(topic, 5)
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": topic})
    producer.init_transactions(20)
    producer.begin_transaction()
    for _ in range(3):
        producer.produce(topic, b"inside", partition=0)
    producer.flush(20)
    commit(kafka.bootstrap, topic, topic, {0: 5})
    assert figures(topic)["lag"] == 3
    held = figures(topic, *READ_COMMITTED)
    assert (held["end_offset"], held["lag"], held["behind_ms"]) == (5, 0, 0)

    producer.abort_transaction(20)
    # What is left is three records that were taken back, and the mark that says so: nothing to be read.
    over = figures(topic, *READ_COMMITTED)
    assert (over["end_offset"], over["lag"], over["behind_ms"], over["next_record_at"]) == (9, 4, 0, None)
    assert run("groups", "peek", topic, *READ_COMMITTED).ok().out == ""
    assert run("groups", "peek", topic).ok().out.count("inside") == 3


def figures(group: str, *args: str) -> dict[str, Any]:
    (described,) = json.loads(run("groups", "describe", group, "--json", *args).ok().out)["groups"]
    (partition,) = described["partitions"]
    found: dict[str, Any] = partition
    return found
