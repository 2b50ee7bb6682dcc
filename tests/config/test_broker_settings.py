"""What a broker goes by, and a user's `server.properties` taken as it is."""

from __future__ import annotations

import pytest

from kq.config import Address, Listener, broker_settings, parse_properties
from kq.config.broker import BROKER, disregarded, unprefixed
from kq.errors import Err, KafkaError

# The settings of Apache Kafka's own config/server.properties, a broker and controller in one node.
KRAFT = """\
process.roles=broker,controller
node.id=7
controller.quorum.bootstrap.servers=localhost:9093
listeners=PLAINTEXT://:9092,CONTROLLER://:9093
inter.broker.listener.name=PLAINTEXT
advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL
num.network.threads=3
num.io.threads=8
socket.send.buffer.bytes=102400
socket.receive.buffer.bytes=102400
socket.request.max.bytes=104857600
log.dirs=/var/lib/kafka
num.partitions=4
num.recovery.threads.per.data.dir=2
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
log.retention.hours=168
log.segment.bytes=1073741824
log.retention.check.interval.ms=300000
"""


def refusal(properties: dict[str, str]) -> str:
    with pytest.raises(KafkaError) as raised:
        broker_settings(properties)
    assert raised.value.code is Err.INVALID_CONFIG
    return str(raised.value)


def test_the_defaults():
    settings = broker_settings({})
    assert settings.node_id == 1
    assert settings.listeners == (Listener("PLAINTEXT", "PLAINTEXT", "127.0.0.1", 9092),)
    assert settings.advertised_listeners == settings.listeners
    assert settings.log_dir is None
    assert settings.num_partitions == 1
    assert settings.auto_create_topics_enable
    assert settings.socket_request_max_bytes == 100 << 20
    assert settings.fetch_max_bytes == 55 << 20
    assert settings.max_incremental_fetch_session_cache_slots == 1000
    assert settings.connections_max_idle_ms == 600_000
    assert settings.kq_admin_listener == Address("127.0.0.1", 9644)
    assert settings.kq_request_bytes_in_flight >= settings.socket_request_max_bytes
    assert not settings.kq_log_fsync_before_ack


def test_kafkas_own_server_properties_is_taken_as_it_is():
    properties = parse_properties(KRAFT)
    settings = broker_settings(properties)
    assert settings.node_id == 7
    assert settings.listeners == (Listener("PLAINTEXT", "PLAINTEXT", "", 9092),)
    assert settings.advertised_listeners == (Listener("PLAINTEXT", "PLAINTEXT", "localhost", 9092),)
    assert settings.log_dir == "/var/lib/kafka"
    assert settings.num_partitions == 4
    assert settings.socket_send_buffer_bytes == 102_400
    found = disregarded(properties)
    assert found.unknown == ()
    assert set(found.without_effect) == {
        "controller.listener.names", "controller.quorum.bootstrap.servers", "inter.broker.listener.name",
        "num.io.threads", "num.network.threads", "process.roles",
        "transaction.state.log.min.isr", "transaction.state.log.replication.factor",
    }  # fmt: skip


def test_unknown_names_are_passed_over_and_named():
    properties = {"num.partitons": "3", "zookeeper.connect": "localhost:2181", "kq.admin.listner": "x"}
    assert broker_settings(properties).num_partitions == 1
    assert disregarded(properties).unknown == (
        ("kq.admin.listner", "kq.admin.listener"),
        ("num.partitons", "num.partitions"),
        ("zookeeper.connect", None),
    )


def test_overrides_for_one_listener_are_known():
    assert unprefixed("listener.name.external.ssl.keystore.location") == "ssl.keystore.location"
    assert unprefixed("listener.name.external.scram-sha-256.sasl.jaas.config") == "sasl.jaas.config"
    assert unprefixed("listener.name.external.nonsense") not in BROKER
    found = disregarded({"listener.name.external.ssl.keystore.location": "/k", "listener.name.external.nonsense": "1"})
    assert found.without_effect == ("listener.name.external.ssl.keystore.location",)
    assert found.unknown == (("listener.name.external.nonsense", None),)


def test_known_settings_without_effect_are_checked_all_the_same():
    assert refusal({"offsets.topic.num.partitions": "0"}).startswith("offsets.topic.num.partitions cannot be '0'")
    assert "ssl.client.auth" in refusal({"listener.name.x.ssl.client.auth": "perhaps"})


@pytest.mark.parametrize(
    ("text", "listener"),
    [
        ("PLAINTEXT://:9092", Listener("PLAINTEXT", "PLAINTEXT", "", 9092)),
        ("plaintext://h:1", Listener("PLAINTEXT", "PLAINTEXT", "h", 1)),
        ("PLAINTEXT://[::1]:9092", Listener("PLAINTEXT", "PLAINTEXT", "::1", 9092)),
        ("PLAINTEXT://::1:9092", Listener("PLAINTEXT", "PLAINTEXT", "::1", 9092)),
        ("PLAINTEXT://localhost:0", Listener("PLAINTEXT", "PLAINTEXT", "localhost", 0)),
        (" PLAINTEXT://h_x:5 ", Listener("PLAINTEXT", "PLAINTEXT", "h_x", 5)),
    ],
)
def test_listener_addresses(text: str, listener: Listener):
    assert broker_settings({"listeners": text}).listeners == (listener,)
    assert broker_settings({"listeners": str(listener)}).listeners == (listener,)


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        ({"listeners": "PLAINTEXT://h"}, "'PLAINTEXT://h' is not of the form NAME://HOST:PORT"),
        ({"listeners": "h:9092"}, "'h:9092' is not of the form NAME://HOST:PORT"),
        ({"listeners": "PLAINTEXT://h:70000"}, "port 70000 of 'PLAINTEXT://h:70000' is above 65535"),
        ({"listeners": "PLAINTEXT://h:-1"}, "not of the form"),
        ({"listeners": "PLAINTEXT://h:1,PLAINTEXT://h:2"}, "the listener name PLAINTEXT occurs twice"),
        ({"listeners": "X://h:1"}, "listener.security.protocol.map does not say what X speaks"),
        ({"listeners": "SSL://h:1"}, "SSL://h:1 speaks SSL, and kq's broker speaks PLAINTEXT only so far"),
        ({"listeners": ""}, "listeners cannot be ''"),
        (
            {"listeners": "C://h:1", "controller.listener.names": "C"},
            "listeners names controller listeners only: clients could not reach the broker.",
        ),
        ({"listener.security.protocol.map": "A:NONE"}, "'A:NONE' is not of the form NAME:PROTOCOL"),
        ({"advertised.listeners": "PLAINTEXT://0.0.0.0:9092"}, "clients cannot connect to 0.0.0.0"),
        ({"advertised.listeners": "OTHER://h:9092"}, "advertises a listener that listeners does not name"),
        ({"kq.admin.listener": "9644"}, "kq.admin.listener: '9644' is not of the form HOST:PORT."),
        ({"log.dirs": "/a,/b"}, "log.dirs names 2 directories, and a kq broker keeps its data in one."),
        ({"node.id": "1", "broker.id": "2"}, "node.id is 1 and broker.id is 2: leave one of them out."),
        ({"process.roles": "controller"}, "process.roles names no broker"),
        ({"log.retention.hours": "0"}, "log.retention.ms must be -1 (no limit) or at least 1"),
        ({"queued.max.request.bytes": "5"}, "must not be smaller than socket.request.max.bytes"),
        ({"num.partitions": "0"}, "num.partitions cannot be '0': it must be at least 1."),
        ({"auto.create.topics.enable": "yes"}, "it must be true or false"),
    ],
)  # fmt: skip
def test_refusals(properties: dict[str, str], said: str):
    assert said in refusal(properties)


def test_several_listeners_and_what_is_advertised_for_each():
    settings = broker_settings(
        {
            "listeners": "IN://0.0.0.0:1,OUT://:2,LAN://lan:3",
            "listener.security.protocol.map": "in:plaintext,OUT:PLAINTEXT,LAN:PLAINTEXT",
            "advertised.listeners": "OUT://example.org:443",
        }
    )
    assert [str(each) for each in settings.listeners] == ["IN://0.0.0.0:1", "OUT://:2", "LAN://lan:3"]
    assert [str(each) for each in settings.advertised_listeners] == ["IN://:1", "OUT://example.org:443", "LAN://lan:3"]


def test_older_names():
    assert broker_settings({"broker.id": "3"}).node_id == 3
    assert broker_settings({"broker.id": "3", "node.id": "3"}).node_id == 3
    assert broker_settings({"log.dir": "/old"}).log_dir == "/old"
    assert broker_settings({"log.dir": "/old", "log.dirs": "/new"}).log_dir == "/new"


def test_the_budget_of_request_bytes_has_two_names():
    mib = 1 << 20
    assert broker_settings({"queued.max.request.bytes": str(200 * mib)}).kq_request_bytes_in_flight == 200 * mib
    both = {"queued.max.request.bytes": str(200 * mib), "kq.request.bytes.in.flight": str(150 * mib)}
    assert broker_settings(both).kq_request_bytes_in_flight == 150 * mib


def test_the_admin_listener_can_be_off_or_on_ipv6():
    assert broker_settings({"kq.admin.listener": ""}).kq_admin_listener is None
    assert broker_settings({"kq.admin.listener": "[::1]:0"}).kq_admin_listener == Address("::1", 0)
    assert broker_settings({"kq.admin.listener": ":9"}).kq_admin_listener == Address("", 9)
