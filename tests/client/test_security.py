"""TLS and SASL against an Apache Kafka that wants them: what works, and what is said when it does not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from kq.client import AuthenticationFailed, Consumer, KafkaError, Producer, Unreachable, connect
from kq.client.errors import NOT_TLS, TLS, WANTS_SASL
from kq.testing.ports import free_port
from tests.client import certificates
from tests.client.certificates import Certificates
from tests.client.support import asynchronous, make_topic, settings
from tests.support import peers

pytestmark = [pytest.mark.java, pytest.mark.slow]

LISTENERS = ("PLAINTEXT", "SSL", "MTLS", "SASL_SSL", "SASL_PLAINTEXT")
USER, PASSWORD = "alice", 'se"cret, \\ and more'
SESSION_MS = 1500  # how long a login with PLAIN lasts on SASL_PLAINTEXT


@dataclass(frozen=True)
class Secured:
    """An Apache Kafka with one listener a kind of security."""

    ports: dict[str, int]
    certificates: Certificates

    def address(self, listener: str, host: str = "127.0.0.1") -> str:
        return f"{host}:{self.ports[listener]}"

    def tls(self) -> dict[str, object]:
        return {"security_protocol": "SSL", "ssl_truststore_location": self.certificates.authority}

    def sasl(self, mechanism: str, protocol: str = "SASL_SSL", password: str = PASSWORD) -> dict[str, object]:
        return {
            **self.tls(),
            "security_protocol": protocol,
            "sasl_mechanism": mechanism,
            "sasl_username": USER,
            "sasl_password": password,
        }


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    room = tmp_path_factory.mktemp("secured")
    made = certificates.make(room / "certificates")
    with peers.running(room / "kafka") as kafka:
        plain = kafka.bootstrap
        kafka.stop()
        ports = {listener: free_port("127.0.0.1") for listener in LISTENERS}
        ports["PLAINTEXT"] = int(plain.rsplit(":", 1)[1])
        _add_listeners(kafka.directory / "node-1.properties", ports, made)
        kafka.start()
        for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
            peers.run(
                "kafka-configs", "--bootstrap-server", plain, "--alter", "--entity-type", "users",
                "--entity-name", USER, "--add-config", f"{mechanism}=[password={PASSWORD.replace(',', '')}]",
            )  # fmt: skip
        yield Secured(ports, made)


def _add_listeners(path: Path, ports: dict[str, int], made: Certificates) -> None:
    lines = dict(line.split("=", 1) for line in path.read_text().splitlines())
    urls = [f"{listener}://127.0.0.1:{port}" for listener, port in ports.items()]
    controller = next(url for url in lines["listeners"].split(",") if url.startswith("CONTROLLER"))
    quoted = PASSWORD.replace("\\", "\\\\").replace('"', '\\"')
    plain = f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}="{quoted}";'
    lines |= {
        "listeners": ",".join([*urls, controller]),
        "advertised.listeners": ",".join(urls),
        "listener.security.protocol.map": ",".join(
            ["CONTROLLER:PLAINTEXT", "MTLS:SSL", *(f"{name}:{name}" for name in LISTENERS if name != "MTLS")]
        ),
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(made.server),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(made.authority),
        "listener.name.mtls.ssl.client.auth": "required",
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
        "listener.name.sasl_plaintext.plain.connections.max.reauth.ms": str(SESSION_MS),
    }
    for listener in ("sasl_ssl", "sasl_plaintext"):
        lines[f"listener.name.{listener}.plain.sasl.jaas.config"] = plain.replace("\\", "\\\\")
        for scram in ("scram-sha-256", "scram-sha-512"):
            module = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            lines[f"listener.name.{listener}.{scram}.sasl.jaas.config"] = module
    path.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))


async def works(address: str, name: str, **named: object) -> None:
    """A topic is made, written to and read."""
    async with connect(settings(address, **named)) as cluster:
        await make_topic(cluster, name)
        values = [b"%06d" % number * 20 for number in range(3000)]
        async with Producer(cluster) as producer:
            await producer.send_values(name, values)
        got: list[bytes | None] = []
        async with Consumer(cluster) as consumer:
            consumer.assign({(name, 0): 0}, {(name, 0): 3000})
            while not consumer.finished:
                got += [value for fetched in await consumer.fetch() for value in fetched.values()]
        assert got == values


async def refused(address: str, **named: object) -> KafkaError:
    with pytest.raises(KafkaError) as caught:
        await connect(settings(address, **named))
    assert PASSWORD not in str(caught.value)
    return caught.value


@asynchronous
async def test_tls(secured: Secured, name: str) -> None:
    await works(secured.address("SSL"), name, **secured.tls())


def test_tls_on_uvloop(secured: Secured, name: str) -> None:
    uvloop = pytest.importorskip("uvloop")
    uvloop.run(works(secured.address("SSL"), name, **secured.tls()))


@asynchronous
async def test_certificates_as_text(secured: Secured, name: str) -> None:
    authority = secured.certificates.authority.read_text()
    await works(secured.address("SSL"), name, security_protocol="SSL", ssl_truststore_certificates=authority)


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
@pytest.mark.parametrize("protocol", ["SASL_SSL", "SASL_PLAINTEXT"])
@asynchronous
async def test_sasl(secured: Secured, name: str, mechanism: str, protocol: str) -> None:
    password = PASSWORD if mechanism == "PLAIN" else PASSWORD.replace(",", "")
    await works(secured.address(protocol), name, **secured.sasl(mechanism, protocol, password))


@asynchronous
async def test_credentials_as_java_writes_them(secured: Secured, name: str) -> None:
    quoted = PASSWORD.replace("\\", "\\\\").replace('"', '\\"')
    module = "org.apache.kafka.common.security.plain.PlainLoginModule"
    jaas = f'{module} required username="{USER}" password="{quoted}";'
    await works(
        secured.address("SASL_SSL"),
        name,
        **{**secured.tls(), "security_protocol": "SASL_SSL", "sasl_mechanism": "PLAIN", "sasl_jaas_config": jaas},
    )


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256"])
@asynchronous
async def test_a_wrong_password(secured: Secured, mechanism: str) -> None:
    error = await refused(secured.address("SASL_SSL"), **secured.sasl(mechanism, password="wrong"))
    assert isinstance(error, AuthenticationFailed)
    assert f"refuses user '{USER}'" in str(error)


@asynchronous
async def test_a_session_that_ends_is_renewed_on_the_same_connection(secured: Secured, name: str) -> None:
    """Longer than two sessions, with requests all the time and in silence."""
    address = secured.address("SASL_PLAINTEXT")
    async with connect(settings(address, **secured.sasl("PLAIN", "SASL_PLAINTEXT"))) as cluster:
        await make_topic(cluster, name)
        before = await cluster.connection(1)
        async with Producer(cluster) as producer:
            loop = asyncio.get_running_loop()
            end_s = loop.time() + 2.5 * SESSION_MS / 1000
            sent = 0
            while loop.time() < end_s:
                assert (await producer.send(name, b"v")).offset == sent
                sent += 1
                await asyncio.sleep(0.01)
            await cluster.metadata([], max_age_ms=0)
        assert await cluster.connection(1) is before
        assert producer.records_failed == 0


@pytest.mark.parametrize("which", ["client", "locked_client"])
@asynchronous
async def test_a_client_certificate(secured: Secured, name: str, which: str) -> None:
    path = getattr(secured.certificates, which)
    key_password = certificates.PASSWORD if which == "locked_client" else None
    given = {**secured.tls(), "ssl_keystore_location": path, "ssl_key_password": key_password}
    await works(secured.address("MTLS"), name, **given)


@asynchronous
async def test_a_client_certificate_as_text(secured: Secured, name: str) -> None:
    room = secured.certificates.client.parent
    key, chain = (room / "client.key").read_text(), (room / "client.crt").read_text()
    given = {**secured.tls(), "ssl_keystore_key": key, "ssl_keystore_certificate_chain": chain}
    await works(secured.address("MTLS"), name, **given)


@asynchronous
async def test_no_client_certificate(secured: Secured) -> None:
    error = await refused(secured.address("MTLS"), **secured.tls())
    assert isinstance(error, Unreachable)
    assert error.reason == TLS
    assert "certificate" in str(error)


@asynchronous
async def test_a_certificate_nobody_trusts(secured: Secured) -> None:
    given = {"security_protocol": "SSL", "ssl_truststore_location": secured.certificates.stranger}
    error = await refused(secured.address("SSL"), **given)
    assert isinstance(error, Unreachable)
    assert error.reason == TLS
    assert "ssl.truststore.location" in str(error)
    async with connect(settings(secured.address("SSL"), **given, enable_ssl_certificate_verification=False)) as cluster:
        assert cluster.known.brokers


@asynchronous
async def test_a_certificate_of_another_host(secured: Secured) -> None:
    error = await refused(secured.address("SSL", "localhost"), **secured.tls())
    assert isinstance(error, Unreachable)
    assert "localhost" in str(error)
    given = {**secured.tls(), "ssl_endpoint_identification_algorithm": ""}
    async with connect(settings(secured.address("SSL", "localhost"), **given)) as cluster:
        assert cluster.known.brokers


@asynchronous
async def test_plaintext_to_a_tls_port(secured: Secured) -> None:
    error = await refused(secured.address("SSL"))
    assert isinstance(error, Unreachable)
    assert "TLS" in str(error)


@asynchronous
async def test_tls_to_a_plaintext_port(secured: Secured) -> None:
    error = await refused(secured.address("PLAINTEXT"), **secured.tls())
    assert isinstance(error, Unreachable)
    assert error.reason == NOT_TLS


@asynchronous
async def test_no_sasl_to_a_port_that_wants_it(secured: Secured) -> None:
    error = await refused(secured.address("SASL_PLAINTEXT"))
    assert isinstance(error, Unreachable)
    assert error.reason == WANTS_SASL


@asynchronous
async def test_sasl_to_a_port_without(secured: Secured) -> None:
    error = await refused(secured.address("PLAINTEXT"), **secured.sasl("PLAIN", "SASL_PLAINTEXT"))
    assert isinstance(error, AuthenticationFailed)
    assert "does not want SASL; try security.protocol=PLAINTEXT" in str(error)


def test_files_that_are_no_certificates(tmp_path: Path) -> None:
    nonsense = tmp_path / "x.pem"
    nonsense.write_text("nonsense")
    for key in ("ssl_truststore_location", "ssl_keystore_location"):
        for path in (nonsense, tmp_path / "missing.pem"):
            error = asyncio.run(refused("127.0.0.1:1", security_protocol="SSL", **{key: path}))
            assert str(path) in str(error)
            assert "PEM" in str(error)
