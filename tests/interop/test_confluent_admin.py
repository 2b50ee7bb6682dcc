"""confluent-kafka (the newest librdkafka) administers: topics, settings, records, the cluster."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ConfigSource,
    NewPartitions,
    NewTopic,
)

from tests.support.patience import until
from tests.support.rdkafka import client, produce, read

MakeTopic = Callable[..., str]


def test_topics_are_made_grown_and_deleted(bootstrap: str, name: str) -> None:
    admin = AdminClient(client(bootstrap))
    asked = NewTopic(name, 3, 1, config={"retention.ms": "12345678", "cleanup.policy": "compact,delete"})
    admin.create_topics([asked])[name].result(30)
    with pytest.raises(KafkaException) as caught:
        admin.create_topics([NewTopic(name, 3, 1)])[name].result(30)
    assert caught.value.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS
    described = admin.list_topics(name, timeout=20).topics[name]
    assert sorted(described.partitions) == [0, 1, 2]
    assert all(p.leader in p.replicas and p.isrs == p.replicas for p in described.partitions.values())
    admin.create_partitions([NewPartitions(name, 5)])[name].result(30)
    until(lambda: len(admin.list_topics(name, timeout=20).topics[name].partitions) == 5, "there are 5 partitions")
    with pytest.raises(KafkaException) as caught:
        admin.create_partitions([NewPartitions(name, 2)])[name].result(30)
    assert caught.value.args[0].code() == KafkaError.INVALID_PARTITIONS
    admin.delete_topics([name])[name].result(30)
    until(lambda: name not in admin.list_topics(timeout=20).topics, "the topic is gone")
    with pytest.raises(KafkaException) as caught:
        admin.delete_topics([name])[name].result(30)
    assert caught.value.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (lambda n: NewTopic(n, 0, 1), KafkaError.INVALID_PARTITIONS),
        (lambda n: NewTopic(n, 1, 3), KafkaError.INVALID_REPLICATION_FACTOR),
        (lambda n: NewTopic("not a name!", 1, 1), KafkaError.TOPIC_EXCEPTION),
        (lambda n: NewTopic("x" * 250, 1, 1), KafkaError.TOPIC_EXCEPTION),
        (lambda n: NewTopic(n, 1, 1, config={"retention.ms": "soon"}), KafkaError.INVALID_CONFIG),
        (lambda n: NewTopic(n, 1, 1, config={"no.such.setting": "1"}), KafkaError.INVALID_CONFIG),
        (lambda n: NewTopic(n, 1, 1, config={"segment.bytes": "1000"}), KafkaError.INVALID_CONFIG),
    ],
    ids=["no partitions", "three replicas", "bad name", "long name", "bad value", "unknown setting", "small segment"],
)
def test_topics_that_cannot_be(bootstrap: str, name: str, asked: Callable[[str], NewTopic], code: int) -> None:
    topic, admin = asked(name), AdminClient(client(bootstrap))
    with pytest.raises(KafkaException) as caught:
        admin.create_topics([topic])[topic.topic].result(30)
    assert caught.value.args[0].code() == code
    assert caught.value.args[0].str()  # a sentence for people


def test_validate_only_makes_nothing(bootstrap: str, name: str) -> None:
    admin = AdminClient(client(bootstrap))
    admin.create_topics([NewTopic(name, 3, 1)], validate_only=True)[name].result(30)
    assert name not in admin.list_topics(timeout=20).topics


@pytest.mark.filterwarnings("ignore:alter_configs has been deprecated")
def test_topic_settings(bootstrap: str, make_topic: MakeTopic) -> None:
    topic = make_topic(**{"retention.ms": "1000000"})
    admin = AdminClient(client(bootstrap))
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)

    def settings() -> dict[str, ConfigEntry]:
        found: dict[str, ConfigEntry] = admin.describe_configs([resource])[resource].result(30)
        return found

    before = settings()
    assert len(before) == 33
    assert (before["retention.ms"].value, before["retention.ms"].source) == (
        "1000000",
        ConfigSource.DYNAMIC_TOPIC_CONFIG.value,
    )
    assert before["cleanup.policy"].value == "delete"
    assert before["cleanup.policy"].is_default
    assert {"log.cleanup.policy", "cleanup.policy"} & set(before["cleanup.policy"].synonyms)
    changes = [
        ConfigEntry("retention.ms", None, incremental_operation=AlterConfigOpType.DELETE),
        ConfigEntry("max.message.bytes", "70000", incremental_operation=AlterConfigOpType.SET),
        ConfigEntry("cleanup.policy", "compact", incremental_operation=AlterConfigOpType.APPEND),
    ]
    changed = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=changes)
    admin.incremental_alter_configs([changed])[changed].result(30)
    until(lambda: settings()["retention.ms"].value == "604800000", "the change is seen")
    after = settings()
    assert after["max.message.bytes"].value == "70000"
    assert after["cleanup.policy"].value == "delete,compact"
    bad = ConfigResource(
        ConfigResource.Type.TOPIC,
        topic,
        incremental_configs=[ConfigEntry("retention.ms", "-7", incremental_operation=AlterConfigOpType.SET)],
    )
    with pytest.raises(KafkaException) as caught:
        admin.incremental_alter_configs([bad])[bad].result(30)
    assert caught.value.args[0].code() == KafkaError.INVALID_CONFIG
    replaced = ConfigResource(ConfigResource.Type.TOPIC, topic, set_config={"segment.ms": "3600000"})
    admin.alter_configs([replaced])[replaced].result(30)
    until(lambda: settings()["segment.ms"].value == "3600000", "the change is seen")
    assert settings()["max.message.bytes"].is_default


def test_broker_settings(bootstrap: str) -> None:
    admin = AdminClient(client(bootstrap))
    broker = next(iter(admin.list_topics(timeout=20).brokers))
    resource = ConfigResource(ConfigResource.Type.BROKER, str(broker))
    found = admin.describe_configs([resource])[resource].result(30)
    assert found["num.partitions"].value == "1"
    assert found["log.segment.bytes"].value == "1073741824"
    assert found["log.dirs"].is_read_only
    assert found["ssl.keystore.password"].is_sensitive
    assert found["ssl.keystore.password"].value is None


def test_records_are_deleted(bootstrap: str, make_topic: MakeTopic) -> None:
    topic = make_topic()
    produce(bootstrap, topic, [{"value": b"%d" % i} for i in range(100)])
    admin = AdminClient(client(bootstrap))
    upto = TopicPartition(topic, 0, 40)
    assert admin.delete_records([upto])[upto].result(30).low_watermark == 40
    assert [m.value() for m in read(bootstrap, topic)][:1] == [b"40"]
    everything = TopicPartition(topic, 0, -1)
    assert admin.delete_records([everything])[everything].result(30).low_watermark == 100
    assert read(bootstrap, topic) == []
    beyond = TopicPartition(topic, 0, 1000)
    with pytest.raises(KafkaException) as caught:
        admin.delete_records([beyond])[beyond].result(30)
    assert caught.value.args[0].code() == KafkaError.OFFSET_OUT_OF_RANGE


def test_the_cluster_is_described(bootstrap: str, make_topic: MakeTopic) -> None:
    topic = make_topic(2)
    admin = AdminClient(client(bootstrap))
    cluster = admin.describe_cluster(include_authorized_operations=True).result(30)
    assert len(cluster.cluster_id) == 22
    assert [f"{node.host}:{node.port}" for node in cluster.nodes] == [bootstrap]
    assert cluster.authorized_operations
    described = admin.describe_topics(TopicCollection([topic]), include_authorized_operations=True)[topic].result(30)
    assert len(described.partitions) == 2
    assert not described.is_internal
    assert described.topic_id.get_most_significant_bits() != 0
    assert described.authorized_operations
