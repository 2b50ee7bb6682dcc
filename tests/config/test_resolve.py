"""Values with their sources and synonyms: each table was read from Kafka 4.3.1 in the same situation (2026-11)."""

from __future__ import annotations

from pathlib import Path

from kq.config import BROKER, TOPIC
from kq.config.resolve import (
    BrokerLayers,
    Described,
    Source,
    describe_broker,
    describe_default,
    describe_topic,
)

NEVER = str((1 << 63) - 1)
KAFKAS_NAMES = {
    "DYNAMIC_TOPIC_CONFIG": Source.TOPIC,
    "DYNAMIC_BROKER_CONFIG": Source.DYNAMIC_BROKER,
    "DYNAMIC_DEFAULT_BROKER_CONFIG": Source.DYNAMIC_DEFAULT_BROKER,
    "STATIC_BROKER_CONFIG": Source.STATIC_BROKER,
    "DEFAULT_CONFIG": Source.DEFAULT,
}


def topic(name: str, own: dict[str, str], **layers: dict[str, str]) -> str:
    (found,) = describe_topic(own, BrokerLayers(**layers), [name])
    return spelled(found)


def broker(name: str, **layers: dict[str, str]) -> str:
    (found,) = describe_broker(BrokerLayers(**layers), [name])
    return spelled(found)


def spelled(found: Described) -> str:
    synonyms = " | ".join(f"{s.name}={s.value}@{s.source.value}" for s in found.synonyms)
    return f"{found.value}@{found.source.value} [{synonyms}]"


def test_a_fresh_topic_as_kafka_describes_it():
    # Kafka's cluster default holds min.insync.replicas=1 from the beginning.
    described = {
        each.name: each for each in describe_topic({}, BrokerLayers(dynamic_default={"min.insync.replicas": "1"}))
    }
    lines = (Path(__file__).parent / "facts" / "topic.tsv").read_text().splitlines()
    facts = {row[0]: row[1:] for row in (line.split("\t") for line in lines if not line.startswith("#"))}
    assert set(described) == set(facts)
    for name, (kind, value, source, read_only, sensitive, synonyms) in facts.items():
        ours = described[name]
        assert ours.type is not None
        assert (ours.type.name, ours.value, ours.source) == (kind, value, KAFKAS_NAMES[source]), name
        assert (str(ours.read_only).lower(), str(ours.sensitive).lower()) == (read_only, sensitive), name
        theirs = [
            (*text.rpartition("@")[0].split("="), KAFKAS_NAMES[text.rpartition("@")[2]]) for text in synonyms.split()
        ]
        assert list(ours.synonyms) == theirs, name


def test_retention_time_over_all_layers():
    assert topic("retention.ms", {}) == "604800000@5 []"
    default = {"log.retention.ms": "5000"}
    assert (
        topic("retention.ms", {}, dynamic_default=default)
        == "5000@3 [log.retention.ms=5000@3 | log.retention.hours=168@5]"
    )
    both = {"dynamic": {"log.retention.ms": "6000"}, "dynamic_default": default}
    inherited = "log.retention.ms=6000@2 | log.retention.ms=5000@3 | log.retention.hours=168@5"
    assert topic("retention.ms", {}, **both) == f"6000@2 [{inherited}]"
    assert topic("retention.ms", {"retention.ms": "7000"}, **both) == f"7000@1 [retention.ms=7000@1 | {inherited}]"
    assert broker("log.retention.ms", **both) == f"6000@2 [{inherited}]"


def test_flush_time_has_a_family_of_two():
    assert topic("flush.ms", {}) == f"{NEVER}@5 []"
    default = {"log.flush.interval.ms": "99"}
    scheduler = f"log.flush.scheduler.interval.ms={BROKER['log.flush.scheduler.interval.ms'].default}@5"
    assert topic("flush.ms", {}, dynamic_default=default) == f"99@3 [log.flush.interval.ms=99@3 | {scheduler}]"
    assert (
        topic("flush.ms", {"flush.ms": "8"}, dynamic_default=default)
        == f"8@1 [flush.ms=8@1 | log.flush.interval.ms=99@3 | {scheduler}]"
    )


def test_a_brokers_hours_are_reported_as_set_where_kafka_calls_them_a_default():
    static = {"log.retention.hours": "1", "log.roll.hours": "5"}
    assert topic("retention.ms", {}, static=static) == "3600000@4 [log.retention.hours=1@4 | log.retention.hours=168@5]"
    assert topic("segment.ms", {}, static=static) == "18000000@4 [log.roll.hours=5@4 | log.roll.hours=168@5]"


def test_the_brokers_own_rows_are_kafkas():
    static = {"log.retention.hours": "1"}
    assert broker("log.retention.ms", static=static) == "None@5 []"
    assert broker("log.retention.hours", static=static) == "1@4 [log.retention.hours=1@4 | log.retention.hours=168@5]"
    assert broker("log.retention.minutes", static=static) == "None@5 []"
    assert broker("log.roll.ms") == "None@5 []"
    assert broker("num.partitions") == "1@5 [num.partitions=1@5]"


def test_texts_are_shown_as_given_and_values_as_parsed():
    dynamic = {"compression.type": " gzip "}
    shown = "gzip@2 [compression.type= gzip @2 | compression.type=producer@5]"
    assert topic("compression.type", {}, dynamic=dynamic) == shown
    assert broker("compression.type", dynamic=dynamic) == shown
    assert topic("cleanup.policy", {"cleanup.policy": "compact , delete"}) == (
        "compact,delete@1 [cleanup.policy=compact,delete@1 | log.cleanup.policy=delete@5]"
    )
    assert topic("max.message.bytes", {"max.message.bytes": " +5 "}) == (
        "5@1 [max.message.bytes=5@1 | message.max.bytes=1048588@5]"
    )


def test_settings_without_synonyms():
    name = "leader.replication.throttled.replicas"
    assert topic(name, {}) == "@5 []"
    assert topic(name, {name: "1:1"}) == f"1:1@1 [{name}=1:1@1]"


def test_internal_settings_are_listed_only_where_they_are_set():
    assert describe_topic({}, BrokerLayers(), ["internal.segment.bytes"]) == []
    assert topic("internal.segment.bytes", {"internal.segment.bytes": "2000"}) == (
        "2000@1 [internal.segment.bytes=2000@1]"
    )
    rate = "leader.replication.throttled.rate"
    assert describe_broker(BrokerLayers(), [rate]) == []
    assert broker(rate, dynamic={rate: "5"}, dynamic_default={rate: "8"}) == f"5@2 [{rate}=5@2 | {rate}=8@3]"


def test_a_whole_broker_lists_what_kafka_lists_and_kqs_own():
    listed = [each.name for each in describe_broker(BrokerLayers())]
    assert len(listed) == 340 + 5
    assert not any(BROKER[name].internal for name in listed)


def test_secrets_have_no_value_anywhere():
    (found,) = describe_broker(BrokerLayers(static={"ssl.keystore.password": "hunter2"}), ["ssl.keystore.password"])
    assert found.sensitive
    assert "hunter2" not in repr(found)
    assert (found.source, found.synonyms[0].value) == (Source.STATIC_BROKER, None)


def test_names_that_nobody_knows_are_listed_where_set_as_secrets():
    layers = BrokerLayers(dynamic={"bogus.x": "hunter2"}, static={"bogus.y": "1"})
    one, two = describe_broker(layers, ["bogus.x", "bogus.y", "bogus.z"])
    assert (one.name, one.value, one.source, one.read_only, one.sensitive, one.type) == (
        "bogus.x", None, Source.DYNAMIC_BROKER, True, True, None
    )  # fmt: skip
    assert [(s.name, s.value) for s in one.synonyms] == [("bogus.x", None)]
    assert (two.name, two.source) == ("bogus.y", Source.STATIC_BROKER)
    assert {each.name for each in describe_broker(layers)} >= {"bogus.x", "bogus.y"}


def test_a_listeners_override_shows_what_it_overrides():
    kind, secret = "listener.name.foo.ssl.keystore.type", "listener.name.foo.ssl.keystore.password"
    layers = BrokerLayers(dynamic={kind: "PKCS12", secret: "hunter2"})
    described = {each.name: each for each in describe_broker(layers, [kind, secret])}
    assert spelled(described[kind]) == f"PKCS12@2 [{kind}=PKCS12@2 | ssl.keystore.type=JKS@5]"
    assert described[kind].read_only
    assert spelled(described[secret]) == f"None@2 [{secret}=None@2]"


def test_the_default_of_all_brokers_holds_what_is_set_there():
    assert describe_default({}) == []
    shown = describe_default({"log.retention.ms": "5000", "min.insync.replicas": " 1", "bogus.y": "4"})
    assert {each.name: spelled(each) for each in shown} == {
        "log.retention.ms": "5000@3 [log.retention.ms=5000@3]",
        "min.insync.replicas": " 1@3 [min.insync.replicas= 1@3]",
        "bogus.y": "None@3 [bogus.y=None@3]",
    }
    assert [
        each.name for each in describe_default({"log.retention.ms": "5", "num.io.threads": "4"}, ["num.io.threads"])
    ] == ["num.io.threads"]


def test_names_choose_and_unknown_ones_are_passed_over():
    named = describe_topic({}, BrokerLayers(), ["segment.ms", "nonsense", "segment.bytes"])
    assert {each.name for each in named} == {"segment.ms", "segment.bytes"}
    assert describe_topic({}, BrokerLayers(), []) == []
    assert len(describe_topic({}, BrokerLayers())) == 33
    assert all(each.doc for each in describe_topic({}, BrokerLayers()))
    assert {each.name for each in describe_topic({}, BrokerLayers())} < set(TOPIC)
