"""Client settings: names and defaults are Kafka's, refusals name the thing and the way out."""

from __future__ import annotations

import re
import subprocess

import pytest

from kq.client.settings import ALIASES, IGNORED, IGNORED_PREFIXES, LATER, SETTINGS, parse_settings
from kq.errors import Err, KafkaError
from tests.support import peers

# Where kq's default is another one, and why. Everything else must be what Kafka's jar says.
OURS = {
    "bootstrap.servers": "a command without -b asks this machine",
    "client.id": "Java makes one up for each client",
    "allow.auto.create.topics": "no topic is created unasked",
    "receive.buffer.bytes": "a fixed size would switch the kernel's own sizing off",
    "send.buffer.bytes": "a fixed size would switch the kernel's own sizing off",
    "sasl.mechanism": "GSSAPI is not spoken",
    "ssl.keystore.type": "only PEM is read",
    "ssl.truststore.type": "only PEM is read",
    "connections.max.idle.ms": "Java's consumer and producer; its admin has 5 minutes",
    "partition.assignment.strategy": "by name, where Java has classes",
    "auto.offset.reset": "not in the table that the jar prints as text",
}


def test_defaults_without_anything_given() -> None:
    settings = parse_settings({})
    assert settings.acks == "all"
    assert settings.enable_idempotence is True
    assert settings.linger_ms == 5
    assert settings.batch_size == 16_384
    assert settings.bootstrap_servers == ("127.0.0.1:9092",)


def test_text_and_values_of_the_right_type_are_both_taken() -> None:
    text = parse_settings({"linger.ms": "20", "check.crcs": "FALSE", "bootstrap.servers": " a:1 , b:2,"})
    typed = parse_settings({"linger.ms": 20, "check.crcs": False, "bootstrap.servers": ["a:1", "b:2"]})
    assert text == typed


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"lingr.ms": "5"}, "(did you mean linger.ms?)"),
        ({"linger.ms": "soon"}, "linger.ms=soon: not a number"),
        ({"linger.ms": "-1"}, "linger.ms=-1: out of range"),
        ({"acks": "2"}, "write one of 0, 1, all"),
        ({"check.crcs": "yes"}, "write true or false"),
        ({"bootstrap.servers": ","}, "bootstrap.servers is empty"),
        ({"acks": "1", "enable.idempotence": "true"}, "needs acks=all"),
        ({"delivery.timeout.ms": "1000"}, "at least linger.ms + request.timeout.ms"),
        ({"ssl.truststore.type": "JKS"}, "kq reads PEM"),
        ({"security.protocol": "SASL_SSL", "sasl.mechanism": "GSSAPI"}, "kq speaks PLAIN, SCRAM-SHA-256"),
        ({"partition.assignment.strategy": "fair"}, "write some of range, roundrobin, sticky, cooperative-sticky"),
        ({"session.timeout.ms": 3000}, "heartbeat.interval.ms must be less than session.timeout.ms"),
        ({"security.protocol": "TLS"}, "write one of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL"),
    ],
)
def test_refusals_name_the_thing_and_the_way_out(given: dict[str, object], says: str) -> None:
    with pytest.raises(KafkaError) as caught:
        parse_settings(given)
    assert caught.value.code is Err.INVALID_CONFIG
    assert says in str(caught.value)


@pytest.mark.parametrize("given", [{"acks": "1"}, {"acks": "0"}, {"retries": 0}, {"max.in.flight": 6}])
def test_idempotence_is_dropped_silently_only_when_nobody_asked_for_it(given: dict[str, object]) -> None:
    assert parse_settings(given).enable_idempotence is False


def test_librdkafkas_spellings() -> None:
    settings = parse_settings({"metadata.broker.list": "h:1", "request.required.acks": "-1", "ssl.ca.location": "x"})
    assert settings.bootstrap_servers == ("h:1",)
    assert settings.acks == "all"
    assert settings.ssl_truststore_location == "x"


def test_secrets_show_nowhere() -> None:
    settings = parse_settings({"sasl.password": "hunter2", "sasl.jaas.config": "x required password=hunter2;"})
    assert "hunter2" not in repr(settings)
    assert SETTINGS["sasl.password"].sensitive
    assert SETTINGS["ssl.keystore.key"].sensitive


def test_a_java_clients_properties_file_is_taken_as_it_is() -> None:
    parse_settings({
        "key.serializer": "org.apache.kafka.common.serialization.StringSerializer",
        "metric.reporters": "",
        "group.id": "billing",
        "sasl.kerberos.kinit.cmd": "/usr/bin/kinit",
        "partitioner.class": "org.example.Mine",
    })  # fmt: skip


def test_assignors_go_by_their_names_and_javas_classes() -> None:
    written = "org.apache.kafka.clients.consumer.CooperativeStickyAssignor, range"
    assert parse_settings({"partition.assignment.strategy": written}).partition_assignment_strategy == (
        "cooperative-sticky",
        "range",
    )


def test_a_level_belongs_to_its_codec() -> None:
    levels = {"compression.gzip.level": 7, "compression.zstd.level": 11}
    assert parse_settings({"compression.type": "gzip", **levels}).compression_level == 7
    assert parse_settings({"compression.type": "zstd", **levels}).compression_level == 11
    assert parse_settings({"compression.type": "snappy", **levels}).compression_level is None


def test_every_alias_names_a_setting() -> None:
    assert set(ALIASES.values()) <= set(SETTINGS)
    assert not set(ALIASES) & set(SETTINGS)


@pytest.mark.java
def test_names_and_defaults_are_those_of_kafkas_own_jar() -> None:
    known: dict[str, str | None] = {}
    for name in ("producer.ProducerConfig", "consumer.ConsumerConfig", "admin.AdminClientConfig"):
        known |= _jar_settings(name)
    assert len(known) > 130
    unheard_of = {
        name
        for name in known
        if name not in SETTINGS and name not in IGNORED | LATER and not name.startswith(IGNORED_PREFIXES)
    }
    assert unheard_of == {"bootstrap.controllers"}  # for talking to controllers, which kq does not
    wrong = {
        name: (setting.default, known[name])
        for name, setting in SETTINGS.items()
        if name in known and name not in OURS and not _same(setting.default, known[name])
    }
    assert not wrong


def _jar_settings(name: str) -> dict[str, str | None]:
    """What the class's own main() prints: a table of settings in HTML."""
    jars = subprocess.run([peers.tool(), "install"], capture_output=True, text=True, check=True).stdout.strip()
    command = ["java", "-Xmx96m", "-cp", f"{jars}/*", f"org.apache.kafka.clients.{name}"]
    page = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.findall(r'<h4><a id="[^"]*"></a><a id="\w+?_([^"]+)".*?</h4>(.*?)</li>', page, re.DOTALL)
    return {
        setting: default[1] if (default := re.search(r"<th>Default:</th><td>(.*?)</td>", body, re.DOTALL)) else None
        for setting, body in found
    }


def _same(ours: object, theirs: str | None) -> bool:
    if theirs in {None, "null", "", '""'}:
        return ours in {None, "", ()}
    written = ",".join(ours) if isinstance(ours, tuple) else str(ours).lower() if isinstance(ours, bool) else str(ours)
    return written == re.sub(r" \(.*\)", "", theirs or "")
