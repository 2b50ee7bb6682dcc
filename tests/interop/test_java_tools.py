"""Apache Kafka's own command-line tools against kq, and against Apache Kafka, where each test has to pass as well.

They are the only clients at hand that use Produce 13, Fetch 18 with topic ids, ListOffsets 10 and 11 and the newest
admin versions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.patience import until
from tests.support.peers import run
from tests.support.rdkafka import RECENT_MS, produce, read

pytestmark = pytest.mark.java

MakeTopic = Callable[..., str]


def topics(bootstrap: str, *arguments: str) -> str:
    return run("kafka-topics", "--bootstrap-server", bootstrap, *arguments).stdout


def offsets(bootstrap: str, topic: str, time_spec: str) -> dict[int, int]:
    printed = run("kafka-get-offsets", "--bootstrap-server", bootstrap, "--topic", topic, "--time", time_spec).stdout
    return {int(p): int(o) for p, o in re.findall(rf"^{re.escape(topic)}:(\d+):(-?\d+)$", printed, re.M)}


def test_topics_from_birth_to_death(bootstrap: str, name: str) -> None:
    made = topics(bootstrap, "--create", "--topic", name, "--partitions", "3", "--config", "retention.ms=777777")
    assert f"Created topic {name}." in made
    described = topics(bootstrap, "--describe", "--topic", name)
    assert re.search(rf"Topic: {name}\tTopicId: \S{{22}}\tPartitionCount: 3\tReplicationFactor: 1\t", described)
    assert "retention.ms=777777" in described
    assert re.findall(r"Partition: (\d+)\tLeader: (\d+)\tReplicas: \2\tIsr: \2\t", described) != []
    assert len(re.findall(r"Partition: \d+\tLeader: \d+", described)) == 3
    topics(bootstrap, "--alter", "--topic", name, "--partitions", "5")
    assert "PartitionCount: 5" in topics(bootstrap, "--describe", "--topic", name)
    again = run(
        "kafka-topics", "--bootstrap-server", bootstrap, "--create", "--topic", name, "--partitions", "3", check=False
    )
    assert again.returncode == 1
    assert "exists" in again.stdout + again.stderr
    topics(bootstrap, "--create", "--if-not-exists", "--topic", name)
    assert topics(bootstrap, "--describe", "--under-replicated-partitions") == ""
    topics(bootstrap, "--delete", "--topic", name)
    until(lambda: name not in topics(bootstrap, "--list").split(), "the topic is gone")


def test_topic_settings(bootstrap: str, make_topic: MakeTopic) -> None:
    topic = make_topic(**{"retention.ms": "1000"})
    entity = ["--bootstrap-server", bootstrap, "--entity-type", "topics", "--entity-name", topic]
    change = ["--alter", "--add-config", "max.message.bytes=50000,cleanup.policy=[compact,delete]"]
    run("kafka-configs", *entity, *change, "--delete-config", "retention.ms")
    shown = run("kafka-configs", *entity, "--describe").stdout
    assert "max.message.bytes=50000 sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:max.message.bytes=50000" in shown
    assert "DEFAULT_CONFIG:message.max.bytes=1048588}" in shown
    assert "cleanup.policy=compact,delete" in shown
    assert "retention.ms" not in shown
    everything = run("kafka-configs", *entity, "--describe", "--all").stdout
    assert everything.count("sensitive=false") == 33
    assert (
        "  index.interval.bytes=4096 sensitive=false synonyms={DEFAULT_CONFIG:log.index.interval.bytes=4096}"
        in everything
    )
    refused = run("kafka-configs", *entity, "--alter", "--add-config", "retention.ms=soon", check=False)
    assert refused.returncode == 1
    assert "InvalidConfigurationException" in refused.stdout + refused.stderr


def test_broker_settings(bootstrap: str) -> None:
    node = re.search(r"\(id: (\d+) ", run("kafka-broker-api-versions", "--bootstrap-server", bootstrap).stdout)
    assert node is not None
    entity = ["--bootstrap-server", bootstrap, "--entity-type", "brokers", "--entity-name", node[1]]
    run("kafka-configs", *entity, "--alter", "--add-config", "log.retention.ms=86400000")
    assert "log.retention.ms=86400000" in run("kafka-configs", *entity, "--describe").stdout
    run("kafka-configs", *entity, "--alter", "--delete-config", "log.retention.ms")
    assert "log.retention.ms=86400000" not in run("kafka-configs", *entity, "--describe").stdout
    refused = run("kafka-configs", *entity, "--alter", "--add-config", "log.dirs=/elsewhere", check=False)
    assert refused.returncode == 1


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_console_producer_and_consumer(bootstrap: str, make_topic: MakeTopic, codec: str) -> None:
    topic = make_topic()
    lines = [f"k{i}:value {i}" for i in range(500)]
    broker = ["--bootstrap-server", bootstrap, "--topic", topic]
    keyed = ["--reader-property", "parse.key=true", "--reader-property", "key.separator=:"]
    run("kafka-console-producer", *broker, *keyed, "--compression-codec", codec, stdin="\n".join(lines) + "\n")
    where = ["--partition", "0", "--offset", "earliest", "--max-messages", "500", "--timeout-ms", "60000"]
    printing = ["--formatter-property", "print.key=true", "--formatter-property", "key.separator=:"]
    assert run("kafka-console-consumer", *broker, *where, *printing).stdout.splitlines() == lines


def test_console_consumer_from_an_offset_committed(bootstrap: str, make_topic: MakeTopic) -> None:
    topic = make_topic()
    produce(bootstrap, topic, [{"value": b"%d" % i} for i in range(100)], compression_type="lz4", linger_ms=50)
    where = ["--topic", topic, "--partition", "0", "--offset", "42", "--isolation-level", "read_committed"]
    printed = run("kafka-console-consumer", "--bootstrap-server", bootstrap, *where, "--max-messages", "58")
    assert printed.stdout.split() == [str(i) for i in range(42, 100)]


def test_verifiable_producer(bootstrap: str, make_topic: MakeTopic) -> None:
    topic = make_topic(3)
    printed = run(
        "kafka-verifiable-producer", "--bootstrap-server", bootstrap, "--topic", topic, "--max-messages", "1000"
    )
    events = [json.loads(line) for line in printed.stdout.splitlines() if line.startswith("{")]
    sent = {(e["partition"], e["offset"]): e["value"] for e in events if e["name"] == "producer_send_success"}
    [summary] = [event for event in events if event["name"] == "tool_data"]
    assert (summary["sent"], summary["acked"]) == (1000, 1000)
    stored = {(m.partition(), m.offset()): (m.value() or b"").decode() for m in read(bootstrap, topic, 3)}
    assert stored == sent


@pytest.mark.parametrize("acks", ["1", "all"])
def test_producer_perf_test(bootstrap: str, make_topic: MakeTopic, acks: str) -> None:
    topic = make_topic(2)
    load = ["--num-records", "20000", "--record-size", "200", "--throughput", "-1"]
    properties = ["--command-property", f"acks={acks}", "compression.type=lz4"]
    printed = run("kafka-producer-perf-test", "--bootstrap-server", bootstrap, "--topic", topic, *load, *properties)
    assert "20000 records sent" in printed.stdout
    assert sum(offsets(bootstrap, topic, "latest").values()) == 20000


def test_get_offsets_by_every_spec(bootstrap: str, make_topic: MakeTopic) -> None:
    topic = make_topic(2)
    t0 = RECENT_MS
    stamps = [t0, t0 + 9000, t0 + 2000, t0 + 3000]
    produce(bootstrap, topic, [{"value": b"x", "partition": 1, "timestamp": t} for t in stamps], linger_ms=50)
    assert offsets(bootstrap, topic, "latest") == {0: 0, 1: 4}
    assert offsets(bootstrap, topic, "earliest") == {0: 0, 1: 0}
    assert offsets(bootstrap, topic, "max-timestamp") == {1: 1}
    assert offsets(bootstrap, topic, "earliest-local") == {0: 0, 1: 0}
    assert offsets(bootstrap, topic, "latest-tiered") == {}
    assert offsets(bootstrap, topic, str(t0 + 1)) == {1: 1}
    assert offsets(bootstrap, topic, str(t0 + 9001)) == {}  # nothing that late


def test_delete_records(bootstrap: str, make_topic: MakeTopic, tmp_path: Path) -> None:
    topic = make_topic(2)
    produce(bootstrap, topic, [{"value": b"%d" % i, "partition": i % 2} for i in range(100)])
    plan = tmp_path / "plan.json"
    wanted = [{"topic": topic, "partition": 0, "offset": 20}, {"topic": topic, "partition": 1, "offset": -1}]
    plan.write_text(json.dumps({"partitions": wanted, "version": 1}))
    printed = run("kafka-delete-records", "--bootstrap-server", bootstrap, "--offset-json-file", plan).stdout
    assert set(re.findall(r"partition: \S+-(\d)\tlow_watermark: (\d+)", printed)) == {("0", "20"), ("1", "50")}
    assert offsets(bootstrap, topic, "-2") == {0: 20, 1: 50}


def test_log_dirs(bootstrap: str, make_topic: MakeTopic) -> None:
    topic = make_topic(2)
    produce(bootstrap, topic, [{"value": b"x" * 1000, "partition": 1}])
    printed = run("kafka-log-dirs", "--bootstrap-server", bootstrap, "--describe", "--topic-list", topic).stdout
    found = json.loads(printed.splitlines()[-1])
    [directory] = found["brokers"][0]["logDirs"]
    sizes = {entry["partition"]: entry["size"] for entry in directory["partitions"]}
    assert sizes[f"{topic}-0"] == 0
    assert 1000 < sizes[f"{topic}-1"] < 1200
    assert directory["error"] is None


def test_broker_api_versions(bootstrap: str) -> None:
    printed = run("kafka-broker-api-versions", "--bootstrap-server", bootstrap).stdout
    usable = {
        name: (int(low), int(high), int(used))
        for name, low, high, used in re.findall(r"^\t(\w+)\(\d+\): (\d+) to (\d+) \[usable: (\d+)\]", printed, re.M)
    }
    assert usable["Produce"] == (0, 13, 13)
    assert usable["Fetch"] == (4, 18, 18)
    assert usable["ListOffsets"] == (1, 11, 11)
    assert usable["Metadata"] == (0, 13, 13)


def test_the_cluster_has_an_id_and_producers_are_described(bootstrap: str, make_topic: MakeTopic) -> None:
    topic = make_topic()
    shown = run("kafka-cluster", "cluster-id", "--bootstrap-server", bootstrap).stdout
    assert re.search(r"Cluster ID: \S{22}\b", shown)
    produce(bootstrap, topic, [{"value": b"x"}] * 3, enable_idempotence=True)
    table = run(
        "kafka-transactions",
        "--bootstrap-server",
        bootstrap,
        "describe-producers",
        "--topic",
        topic,
        "--partition",
        "0",
    ).stdout
    header, row = (line.split() for line in table.splitlines()[:2])
    assert header[:3] == ["ProducerId", "ProducerEpoch", "LatestCoordinatorEpoch"]
    assert row[1] == "0"
    assert row[3] == "2"  # the last sequence
