"""`__consumer_offsets` before Kafka's own tools: what kq wrote there is read by kafka-dump-log and by both formatters
of kafka-console-consumer, and a stopped Kafka's files load into kq."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kq.testing import Broker
from tests.support import asking, groups, peers
from tests.support.dumplog import dump
from tests.support.wire import Wire

pytestmark = pytest.mark.java


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    """With a group that has committed and one that has members and a commit that was forgotten."""
    settings = {"group.initial.rebalance.delay.ms": "0", "offsets.topic.num.partitions": "1"}
    with Broker(settings) as broker, Wire(broker.bootstrap) as wire:
        broker.create_topic("t", partitions=2)
        groups.find(wire, "simple")
        assert groups.commit(wire, "simple", "t", 3, index=1, epoch=0, metadata="é") == 0
        member, generation = groups.alone(wire, "team", instance="i")
        assert groups.commit(wire, "team", "t", 7, generation=generation, member_id=member, instance="i") == 0
        assert groups.forget(wire, "simple", {"t": [1]}).error_code == 0
        yield broker


def formatted(broker: Broker, formatter: str) -> list[dict[str, Any]]:
    done = peers.run(
        "kafka-console-consumer",
        *("--bootstrap-server", broker.bootstrap, "--topic", "__consumer_offsets", "--from-beginning"),
        *("--formatter", f"org.apache.kafka.tools.consumer.{formatter}", "--timeout-ms", "3000"),
        check=False,
    )
    decoder, found, text = json.JSONDecoder(), [], done.stdout
    while "{" in text:
        one, end = decoder.raw_decode(text := text[text.index("{") :])
        found.append(one)
        text = text[end:]
    return found


def test_commits_are_read_by_the_formatter(broker: Broker) -> None:
    told = [
        (one["key"]["data"]["group"], one["value"] and (one["value"]["version"], one["value"]["data"]["offset"]))
        for one in formatted(broker, "OffsetsMessageFormatter")
    ]
    assert told == [("simple", (4, 3)), ("team", (4, 7)), ("simple", None)]


def test_groups_are_read_by_the_formatter(broker: Broker) -> None:
    everything = formatted(broker, "GroupMetadataMessageFormatter")  # the tool itself is in a group, too
    found = [one for one in everything if one["key"]["data"]["group"] == "team"]
    value = next(one["value"] for one in found if one["value"]["data"]["members"])
    assert (value["version"], value["data"]["protocolType"], value["data"]["generation"]) == (3, "consumer", 1)
    (member,) = value["data"]["members"]
    assert (member["groupInstanceId"], member["clientId"], member["clientHost"]) == ("i", "test", "/127.0.0.1")


def test_the_files_are_read_by_dump_log(broker: Broker) -> None:
    directory = Path(broker.data_dir) / "__consumer_offsets-0"
    assert dump(directory).faults == []
    done = peers.run("kafka-dump-log", "--offsets-decoder", "--files", directory / f"{0:020}.log", "--print-data-log")
    assert "Exception" not in done.stdout + done.stderr
    payloads = [line for line in done.stdout.splitlines() if '"group":"simple"' in line]
    assert len(payloads) == 2
    assert '"offset":3' in payloads[0]
    assert "é" in payloads[0]


def test_kafkas_own_files_load_into_kq(tmp_path: Path) -> None:
    """A data directory that Kafka wrote: kq's coordinator tells of its groups what Kafka told."""
    with peers.running(tmp_path / "kafka") as kafka:
        with Wire(kafka.bootstrap) as wire:
            groups.find(wire, "simple")
            asking.create(wire, "t", 2)
            assert groups.commit(wire, "simple", "t", 3, index=1, epoch=0, metadata="x") == 0
            groups.find(wire, "team")
            member, generation = groups.alone(wire, "team", session_ms=60_000)
            before = [(groups.state(wire, g), groups.describe(wire, g).protocol_data) for g in ("simple", "team")]
        kafka.stop()
        data = tmp_path / "kq"
        data.mkdir()
        for directory in kafka.data_dir.iterdir():
            if directory.is_dir() and not directory.name.startswith("__cluster_metadata"):
                shutil.copytree(directory, data / directory.name)
        with Broker(data_dir=data) as broker, Wire(broker.bootstrap) as wire:
            for group in ("simple", "team"):
                groups.find(wire, group)
            after = [(groups.state(wire, g), groups.describe(wire, g).protocol_data) for g in ("simple", "team")]
            assert after == before
            assert groups.committed(wire, "simple", "t", 1) == (3, 0, "x")
            assert groups.heartbeat(wire, "team", generation, member) == 0
