"""What kq keeps in `__consumer_offsets` is what Apache Kafka keeps there.

The same records after the same story, read by Kafka's own decoders; and the partition of one is carried on by the
other."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from kq.testing import Broker
from tests.cli.members import commit, committed
from tests.interop.test_consumer_protocol import Member, polled
from tests.support import peers, topics
from tests.support.patience import until
from tests.support.peers import Kafka, run
from tests.support.rdkafka import client, produce

pytestmark = [pytest.mark.java, pytest.mark.timeout(100)]

TOPIC, SHARD = "orders", "__consumer_offsets-0"
ONE_SHARD = "offsets.topic.num.partitions"


def story(bootstrap: str, mark: str) -> None:
    """Commits with and without members of both protocols, members that come and leave, offsets and a group deleted."""
    produce(bootstrap, TOPIC, [{"value": b"%d" % i, "partition": i % 2} for i in range(20)])
    commit(bootstrap, f"resting-{mark}", {(TOPIC, 0): 5, (TOPIC, 1): 10}, metadata="by hand")
    commit(bootstrap, f"resting-{mark}", {(TOPIC, 0): 6})
    commit(bootstrap, f"gone-{mark}", {(TOPIC, 0): 5})
    admin = AdminClient(client(bootstrap))  # it has to live as long as its answer takes
    admin.delete_consumer_groups([f"gone-{mark}"])[f"gone-{mark}"].result(30)
    for protocol in ("classic", "consumer"):
        reader = Member(bootstrap, f"{protocol}-{mark}", protocol, client_id="c", enable_auto_commit=False)
        reader.consumer.subscribe([TOPIC])
        polled([reader], lambda reader=reader: reader.has() == {0, 1}, "it has both partitions")
        at = [TopicPartition(TOPIC, 0, 7, leader_epoch=0), TopicPartition(TOPIC, 1, 8)]
        reader.consumer.commit(offsets=at, asynchronous=False)
        reader.consumer.close()


def plain(record: str) -> str:
    """Without ids, times and what is computed from ids. Numbers of a kind stay apart from those of another."""
    record = re.sub(r"c-[0-9a-f-]{36}|(?<=\")[A-Za-z0-9_/+-]{22}(?=\")", "ID", record)
    record = re.sub(r'"metadataHash":-?\d+', '"metadataHash":HASH', record)
    return re.sub(r"\b1[67]\d{11}\b", "TIME", record)


def decoded(shard: Path) -> list[str]:
    """Keys and values as kafka-dump-log prints them; it says nothing of a fault."""
    told = run("kafka-dump-log", "--offsets-decoder", "--files", *shard.glob("*.log")).stdout
    assert "isvalid: false" not in told
    records = re.findall(r"^\| offset: \d+ .* headerKeys: \[\] (key: .* payload: .*)$", told, re.M)
    assert len(records) == len(re.findall(r"^\| ", told, re.M))
    return [plain(record) for record in records]


def formatted(bootstrap: str, formatter: str) -> list[Any]:
    """What kafka-console-consumer makes of the whole shard."""
    reader = Consumer(client(bootstrap, group_id="unused"))
    count = reader.get_watermark_offsets(TopicPartition("__consumer_offsets", 0), 30)[1]
    reader.close()
    told = run(
        *("kafka-console-consumer", "--bootstrap-server", bootstrap, "--topic", "__consumer_offsets"),
        *("--formatter", f"org.apache.kafka.tools.consumer.{formatter}"),
        *("--partition", "0", "--offset", "earliest", "--max-messages", str(count)),
    ).stdout
    found, at, decoder = [], 0, json.JSONDecoder()
    text = plain(told).replace(":TIME", ":0").replace(":HASH", ":0").strip()
    while at < len(text):
        one, at = decoder.raw_decode(text, at)
        found.append(one)
    return found


class Told(NamedTuple):
    """A broker after its story: what it keeps, and what Kafka's tools say of it."""

    directory: Path
    bootstrap: str
    records: list[str]
    offsets: list[Any]
    groups: list[Any]


@pytest.fixture(scope="module")
def kafka_itself(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    with peers.running(tmp_path_factory.mktemp("kafka"), f"{ONE_SHARD}=1") as kafka:
        topics.create(kafka.bootstrap, TOPIC, 2)
        yield kafka


@pytest.fixture(scope="module")
def of_kafka(kafka_itself: Kafka, tmp_path_factory: pytest.TempPathFactory) -> Told:
    story(kafka_itself.bootstrap, "x")
    offsets, groups = (formatted(kafka_itself.bootstrap, which) for which in FORMATTERS)
    kafka_itself.stop()
    copy = tmp_path_factory.mktemp("of-kafka")
    for name in (SHARD, f"{TOPIC}-0", f"{TOPIC}-1"):
        shutil.copytree(kafka_itself.data_dir / name, copy / name)
    return Told(copy, kafka_itself.bootstrap, decoded(copy / SHARD), offsets, groups)


@pytest.fixture(scope="module")
def of_kq(tmp_path_factory: pytest.TempPathFactory) -> Told:
    directory = tmp_path_factory.mktemp("of-kq")
    with Broker({ONE_SHARD: "1"}, data_dir=directory) as broker:
        topics.create(broker.bootstrap, TOPIC, 2)
        story(broker.bootstrap, "x")
        offsets, groups = (formatted(broker.bootstrap, which) for which in FORMATTERS)
        bootstrap = broker.bootstrap
    return Told(directory, bootstrap, decoded(directory / SHARD), offsets, groups)


FORMATTERS = ("OffsetsMessageFormatter", "GroupMetadataMessageFormatter")


def test_the_same_story_leaves_the_same_records(of_kq: Told, of_kafka: Told) -> None:
    assert len(of_kafka.records) > 20
    assert of_kq.records == of_kafka.records


def test_kafkas_formatters_read_them(of_kq: Told, of_kafka: Told) -> None:
    assert len(of_kafka.offsets) == 9
    assert of_kq.offsets == of_kafka.offsets
    assert {entry["key"]["data"]["group"] for entry in of_kafka.groups} == {"classic-x", "gone-x"}
    assert of_kq.groups == of_kafka.groups


PLACES = {"resting-x": {0: 6, 1: 10}, "classic-x": {0: 7, 1: 8}, "consumer-x": {0: 7, 1: 8}, "gone-x": {}}


def carried_on(bootstrap: str) -> None:
    """The groups stand where they stood, and members read on from there."""

    def places() -> dict[str, dict[int, int]]:
        return {group: committed(bootstrap, group, TOPIC, 2) for group in PLACES}

    until(lambda: places() == PLACES, f"the groups are where they were; {places()}")
    admin = AdminClient(client(bootstrap))
    listed = admin.list_consumer_groups().result(30)
    assert {one.group_id for one in listed.valid} >= {"resting-x", "classic-x", "consumer-x"}
    assert "gone-x" not in {one.group_id for one in listed.valid}
    for protocol in ("classic", "consumer"):
        reader = Member(bootstrap, f"{protocol}-x", protocol)
        reader.consumer.subscribe([TOPIC])
        # The numbers 0 to 19 in turn: partition 0 from offset 7 is 14, 16, 18; partition 1 from offset 8 is 17, 19.
        left = {(0, b"14"), (0, b"16"), (0, b"18"), (1, b"17"), (1, b"19")}
        polled([reader], lambda reader=reader, left=left: set(reader.read) >= left, "what was unread is read")
        assert sorted(reader.read) == sorted(left)
        reader.consumer.close()


def test_kq_carries_on_with_kafkas_groups(of_kafka: Told, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(of_kafka.directory, data)
    with Broker({ONE_SHARD: "1"}, data_dir=data) as broker:
        carried_on(broker.bootstrap)


def test_kafka_carries_on_with_kqs_groups(of_kq: Told, of_kafka: Told, kafka_itself: Kafka) -> None:
    """In its own directories: the ids of topics are those of its metadata. The records of the topic are the same."""
    shard = kafka_itself.data_dir / SHARD
    for path in shard.iterdir():
        if path.suffix in {".log", ".index", ".timeindex", ".snapshot"}:
            path.unlink()
    for path in (of_kq.directory / SHARD).iterdir():
        if path.suffix in {".log", ".index", ".timeindex"}:
            shutil.copy(path, shard)
    kafka_itself.start()
    carried_on(kafka_itself.bootstrap)
