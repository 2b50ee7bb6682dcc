"""Who we are: JAAS lines, PLAIN, and SCRAM against scramp's own server."""

from __future__ import annotations

import pytest
from scramp import ScramMechanism

from kq.client.auth import BrokerNotProven, Credentials, credentials, exchange, parse_jaas
from kq.client.settings import parse_settings
from kq.errors import KafkaError

PLAIN_MODULE = "org.apache.kafka.common.security.plain.PlainLoginModule"


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (f'{PLAIN_MODULE} required username="alice" password="se cret";', {"username": "alice", "password": "se cret"}),
        (f"{PLAIN_MODULE} required\n username='al' \n password='p;w' ;\n", {"username": "al", "password": "p;w"}),
        (f"{PLAIN_MODULE} required username=alice password=x=y;", {"username": "alice", "password": "x=y"}),
        (f'{PLAIN_MODULE} required password="a\\"b\\\\c";', {"password": 'a"b\\c'}),
        (f"{PLAIN_MODULE} required;", {}),
    ],
)
def test_jaas(text: str, options: dict[str, str]) -> None:
    assert parse_jaas(text) == options


@pytest.mark.parametrize("text", ["", "username=x", f'{PLAIN_MODULE} required username="x"', f"{PLAIN_MODULE};"])
def test_jaas_that_is_none(text: str) -> None:
    with pytest.raises(KafkaError, match="MODULE required username"):
        parse_jaas(text)


def test_where_credentials_come_from() -> None:
    jaas = f'{PLAIN_MODULE} required username="a" password="b";'
    sasl = {"security.protocol": "SASL_SSL"}
    assert credentials(parse_settings({**sasl, "sasl.jaas.config": jaas})) == Credentials("a", "b")
    mixed = {**sasl, "sasl.jaas.config": jaas, "sasl.password": "c"}
    assert credentials(parse_settings(mixed)) == Credentials("a", "c")
    with pytest.raises(KafkaError, match=r"needs sasl\.password"):
        credentials(parse_settings({**sasl, "sasl.username": "a"}))


def test_a_password_has_no_repr() -> None:
    assert "hunter2" not in repr(Credentials("alice", "hunter2"))


def test_plain_is_one_message() -> None:
    steps = exchange("PLAIN", Credentials("älice", "p"))
    assert next(steps) == b"\0" + "älice".encode() + b"\0p"
    with pytest.raises(StopIteration):
        steps.send(b"")


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-512"])
@pytest.mark.parametrize("username", ["alice", "a=b,c"])
def test_scram(mechanism: str, username: str) -> None:
    server_side = ScramMechanism(mechanism)
    account = server_side.make_auth_info("secret")
    server = server_side.make_server(lambda name: {username: account}[name])
    steps = exchange(mechanism, Credentials(username, "secret"))
    server.set_client_first(next(steps).decode())
    server.set_client_final(steps.send(server.get_server_first().encode()).decode())
    with pytest.raises(StopIteration):
        steps.send(server.get_server_final().encode())


def test_a_broker_that_does_not_know_the_password_is_noticed() -> None:
    server_side = ScramMechanism("SCRAM-SHA-256")
    account = server_side.make_auth_info("secret")
    server = server_side.make_server(lambda name: account)
    steps = exchange("SCRAM-SHA-256", Credentials("alice", "secret"))
    server.set_client_first(next(steps).decode())
    steps.send(server.get_server_first().encode())
    with pytest.raises(BrokerNotProven):
        steps.send(b"v=" + b"A" * 43 + b"=")
