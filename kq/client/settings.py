"""Client settings under Kafka's own names: the one table of what `connect()` takes.

Each field of `ClientSettings` is a setting: `linger_ms` is `linger.ms`. Names, defaults and ranges are those of
Apache Kafka 4.3's Java clients (`ProducerConfig`, `ConsumerConfig`, `AdminClientConfig`; a test asks its jar); where
kq's differ the description says so. librdkafka's spellings are taken too (ALIASES). Settings that only mean
something inside a JVM are accepted and ignored (IGNORED), so that a `client.properties` can be used as it is.

Rules: an unknown name is refused with the nearest known one; nothing is guessed; values of sensitive settings are
never repeated in a message or a repr.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from kq.client.setting_types import LONG_MAX, Boolean, Choice, Kind, List, Number, Password, Several, Text, invalid
from kq.nearest import did_you_mean

__all__ = ["SETTINGS", "ClientSettings", "Setting", "parse_settings"]

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
ISOLATION_LEVELS = {"read_uncommitted": 0, "read_committed": 1}  # and what they are in requests
STRATEGIES = {  # and the classes that Java names
    "range": "RangeAssignor",
    "roundrobin": "RoundRobinAssignor",
    "sticky": "StickyAssignor",
    "cooperative-sticky": "CooperativeStickyAssignor",
}
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


def _is(kind: Kind, default: Any, doc: str) -> Any:
    return field(default=default, repr=not kind.sensitive, metadata={"kind": kind, "doc": doc})


_DURATION = Number(0, LONG_MAX)
_SIZE = Number(0)


@dataclass(frozen=True, kw_only=True)
class ClientSettings:
    """Every setting with its value. Made by `parse_settings`; immutable, shared by everything on one cluster."""

    # -- connections --
    bootstrap_servers: tuple[str, ...] = _is(List(), ("127.0.0.1:9092",), "HOST:PORT of brokers to ask first")
    client_id: str = _is(Text(), "kq", "the name brokers see in requests, logs and quotas (Java: producer-1 and so on)")
    client_rack: str = _is(Text(), "", "where this client is; a broker may then name a nearer replica to read from")
    client_dns_lookup: str = _is(
        Choice(("use_all_dns_ips", "resolve_canonical_bootstrap_servers_only")),
        "use_all_dns_ips",
        "all addresses of a name are tried in turn, whatever is chosen",
    )
    request_timeout_ms: int = _is(_SIZE, 30_000, "how long to wait for an answer before the connection is given up")
    default_api_timeout_ms: int = _is(_SIZE, 60_000, "how long an operation may take, its retries included")
    socket_connection_setup_timeout_ms: int = _is(_DURATION, 10_000, "how long a connection may take to be made")
    socket_connection_setup_timeout_max_ms: int = _is(_DURATION, 30_000, "to where that grows after failures in a row")
    connections_max_idle_ms: int = _is(
        Number(-1, LONG_MAX), 540_000, "idle connections are closed after this; -1: never"
    )
    reconnect_backoff_ms: int = _is(_DURATION, 50, "pause before the second attempt to reach a broker; doubles")
    reconnect_backoff_max_ms: int = _is(_DURATION, 1_000, "where that pause stops to grow")
    retry_backoff_ms: int = _is(_DURATION, 100, "pause before a failed request is sent again; doubles")
    retry_backoff_max_ms: int = _is(_DURATION, 1_000, "where that pause stops to grow")
    send_buffer_bytes: int = _is(Number(-1), -1, "of the socket; -1: as the system sees fit (Java: 131072)")
    receive_buffer_bytes: int = _is(Number(-1), -1, "of the socket; -1: as the system sees fit (Java: 65536)")
    metadata_max_age_ms: int = _is(_DURATION, 300_000, "after this long, leaders and brokers are asked for again")
    allow_auto_create_topics: bool = _is(Boolean(), False, "let brokers create topics that are asked for (Java: true)")

    # -- producer --
    acks: str = _is(
        Choice(("0", "1", "all"), (("-1", "all"),)),
        "all",
        "who must have the records: 0 nobody, 1 the leader, all replicas",
    )
    linger_ms: int = _is(_DURATION, 5, "how long a batch may wait for more records")
    batch_size: int = _is(_SIZE, 16_384, "bytes of one batch of one partition, before compression")
    buffer_memory: int = _is(_DURATION, 33_554_432, "bytes of records that may wait; then sending waits")
    max_block_ms: int = _is(_DURATION, 60_000, "how long sending may wait for memory or for a topic's metadata")
    compression_type: str = _is(Choice(CODECS), "none", "codec of the batches")
    compression_gzip_level: int = _is(Number(-1, 9), -1, "1 to 9; -1: the codec's own")
    compression_lz4_level: int = _is(Number(1, 17), 9, "1 to 17; levels under 3 are lz4's fast mode")
    compression_zstd_level: int = _is(Number(-131_072, 22), 3, "-131072 to 22")
    max_request_size: int = _is(_SIZE, 1_048_576, "bytes of one request; no record may be larger")
    delivery_timeout_ms: int = _is(_SIZE, 120_000, "how long a record may take from send() to its acknowledgement")
    retries: int = _is(_SIZE, 2**31 - 1, "how often a batch is sent again; delivery.timeout.ms is the better limit")
    enable_idempotence: bool = _is(Boolean(), True, "no duplicates when a batch is sent again; needs acks=all")
    max_in_flight_requests_per_connection: int = _is(
        Number(1), 5, "requests on the way; without idempotence kq keeps one a partition, so that order always holds"
    )
    partitioner_ignore_keys: bool = _is(Boolean(), False, "spread records with keys like those without")
    partitioner_adaptive_partitioning_enable: bool = _is(Boolean(), True, "records without key avoid slow partitions")

    # -- consumer --
    fetch_min_bytes: int = _is(_SIZE, 1, "a fetch waits until there is this much")
    fetch_max_bytes: int = _is(_SIZE, 52_428_800, "most bytes of one answer, but always one batch")
    fetch_max_wait_ms: int = _is(_SIZE, 500, "most time a broker may hold a fetch back")
    max_partition_fetch_bytes: int = _is(
        _SIZE, 1_048_576, "most bytes of one partition in one answer, but always one batch"
    )
    check_crcs: bool = _is(Boolean(), True, "verify the checksum of every batch read")
    isolation_level: str = _is(
        Choice(tuple(ISOLATION_LEVELS)), "read_uncommitted", "whether open and aborted transactions show"
    )
    auto_offset_reset: str = _is(
        Choice(("latest", "earliest", "none")), "latest", "where to go when an offset does not exist (any more)"
    )

    # -- member of a group (whose group.id is an argument) --
    group_protocol: str = _is(
        Choice(("classic", "consumer")),
        "classic",
        "kq's members speak classic, also in groups of the other; they refuse it",
    )
    group_instance_id: str | None = _is(Text(), None, "a name that makes the member static: it may restart unnoticed")
    session_timeout_ms: int = _is(_SIZE, 45_000, "a member not heard of for so long is out of its group")
    heartbeat_interval_ms: int = _is(
        _SIZE, 3_000, "how often a member says that it lives; a third of the above at most"
    )
    max_poll_interval_ms: int = _is(
        Number(1), 300_000, "a member that asks for no records for so long leaves; also how long a rebalance may take"
    )
    partition_assignment_strategy: tuple[str, ...] = _is(
        Several(tuple(STRATEGIES), tuple((f"org.apache.kafka.clients.consumer.{c}", n) for n, c in STRATEGIES.items())),
        ("range", "cooperative-sticky"),
        "how partitions are shared, preferred first; the group takes one that all its members know",
    )
    enable_auto_commit: bool = _is(Boolean(), True, "commit what was processed from time to time and at the end")
    auto_commit_interval_ms: int = _is(_SIZE, 5_000, "how often that is")

    # -- security --
    security_protocol: str = _is(
        Choice(PROTOCOLS), "PLAINTEXT", "TLS (SSL) and authentication (SASL) of the connections"
    )
    ssl_truststore_location: str | None = _is(Text(), None, "PEM file of the authorities to trust; unset: the system's")
    ssl_truststore_certificates: str | None = _is(Password(), None, "the same as text, in PEM")
    ssl_truststore_type: str = _is(Text(), "PEM", "only PEM (Java: JKS)")
    ssl_truststore_password: str | None = _is(Password(), None, "not used by PEM")
    ssl_keystore_location: str | None = _is(Text(), None, "PEM file of this client's certificate chain and private key")
    ssl_keystore_certificate_chain: str | None = _is(Password(), None, "the certificate chain as text, in PEM")
    ssl_keystore_key: str | None = _is(Password(), None, "the private key as text, in PEM (PKCS#8)")
    ssl_keystore_type: str = _is(Text(), "PEM", "only PEM (Java: JKS)")
    ssl_keystore_password: str | None = _is(
        Password(), None, "password of the private key, where ssl.key.password is not set"
    )
    ssl_key_password: str | None = _is(Password(), None, "password of the private key")
    ssl_certificate_location: str | None = _is(Text(), None, "librdkafka's: PEM file of the client's certificate chain")
    ssl_key_location: str | None = _is(Text(), None, "librdkafka's: PEM file of the client's private key")
    ssl_endpoint_identification_algorithm: str = _is(
        Choice(("https", ""), (("none", ""),)),
        "https",
        "https checks that the certificate is the host's; empty does not",
    )
    ssl_enabled_protocols: tuple[str, ...] = _is(List(), ("TLSv1.2", "TLSv1.3"), "TLS versions that may be spoken")
    ssl_cipher_suites: tuple[str, ...] = _is(
        List(), (), "OpenSSL names of the ciphers for TLS 1.2; unset: the system's"
    )
    enable_ssl_certificate_verification: bool = _is(Boolean(), True, "librdkafka's: false trusts any certificate")
    sasl_mechanism: str = _is(Text(), "PLAIN", "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512 (Java: GSSAPI)")
    sasl_username: str | None = _is(Text(), None, "user, as in librdkafka")
    sasl_password: str | None = _is(Password(), None, "password, as in librdkafka")
    sasl_jaas_config: str | None = _is(
        Password(), None, "Java's way to give both: ...LoginModule required username=... ;"
    )

    @property
    def wants_tls(self) -> bool:
        return self.security_protocol in {"SSL", "SASL_SSL"}

    @property
    def wants_sasl(self) -> bool:
        return self.security_protocol in {"SASL_PLAINTEXT", "SASL_SSL"}

    @property
    def compression_level(self) -> int | None:
        """The level for `compression_type`; None is the codec's own."""
        match self.compression_type:
            case "gzip":
                return None if self.compression_gzip_level < 0 else self.compression_gzip_level
            case "lz4":
                return self.compression_lz4_level
            case "zstd":
                return self.compression_zstd_level
        return None


class Setting(NamedTuple):
    """One row of the table, for documentation and completion."""

    name: str
    default: object
    doc: str
    valid: str
    sensitive: bool


SETTINGS: dict[str, Setting] = {
    (name := f.name.replace("_", ".")): Setting(
        name, f.default, f.metadata["doc"], f.metadata["kind"].valid, f.metadata["kind"].sensitive
    )
    for f in dataclasses.fields(ClientSettings)
}
_KINDS: dict[str, Kind] = {f.name.replace("_", "."): f.metadata["kind"] for f in dataclasses.fields(ClientSettings)}

ALIASES = {  # librdkafka's spelling -> Kafka's
    "metadata.broker.list": "bootstrap.servers",
    "socket.timeout.ms": "request.timeout.ms",
    "ssl.ca.location": "ssl.truststore.location",
    "ssl.ca.pem": "ssl.truststore.certificates",
    "ssl.certificate.pem": "ssl.keystore.certificate.chain",
    "ssl.key.pem": "ssl.keystore.key",
    "sasl.mechanisms": "sasl.mechanism",
    "compression.codec": "compression.type",
    "request.required.acks": "acks",
    "queue.buffering.max.ms": "linger.ms",
    "message.timeout.ms": "delivery.timeout.ms",
    "message.send.max.retries": "retries",
    "max.in.flight": "max.in.flight.requests.per.connection",
    "fetch.wait.max.ms": "fetch.max.wait.ms",
    "fetch.message.max.bytes": "max.partition.fetch.bytes",
    "reconnect.backoff.jitter.ms": "reconnect.backoff.ms",
}

IGNORED_PREFIXES = (
    "metrics.",
    "metric.",
    "sasl.kerberos.",
    "sasl.login.",
    "sasl.oauthbearer.",
    "sasl.client.callback.",
    "ssl.keymanager.",
    "ssl.trustmanager.",
    "ssl.secure.random.",
    "ssl.engine.",
    "config.providers",
    "interceptor.",
    "metadata.recovery.",
    "share.",
)
IGNORED = frozenset({
    "key.serializer", "value.serializer", "key.deserializer", "value.deserializer", "enable.metrics.push",
    "security.providers", "ssl.provider", "ssl.protocol", "partitioner.class", "partitioner.availability.timeout.ms",
    "metadata.max.idle.ms", "exclude.internal.topics", "max.poll.records", "api.version.request",
})  # fmt: skip
# Belong to the new protocol of groups and to transactions: accepted, without effect here.
LATER = frozenset({
    "group.id", "group.remote.assignor", "transactional.id", "transaction.timeout.ms",
    "transaction.two.phase.commit.enable",
})  # fmt: skip


def parse_settings(given: Mapping[str, object]) -> ClientSettings:
    """The settings for a dictionary of names and values; KafkaError(INVALID_CONFIG) names what is wrong with it."""
    values: dict[str, Any] = {}
    for written, value in given.items():
        name = ALIASES.get(written, written)
        kind = _KINDS.get(name)
        if kind is not None:
            values[name.replace(".", "_")] = None if value is None else kind.parse(written, value)
        elif name not in IGNORED and name not in LATER and not name.startswith(IGNORED_PREFIXES):
            raise invalid(f"no client setting is called {written!r}{did_you_mean(written, [*SETTINGS, *ALIASES])}")
    settings = ClientSettings(**{name: value for name, value in values.items() if value is not None})
    if "enable_idempotence" not in values and _excludes_idempotence(settings):
        settings = dataclasses.replace(settings, enable_idempotence=False)  # as Java: only an explicit wish is an error
    _check(settings)
    return settings


def _excludes_idempotence(settings: ClientSettings) -> bool:
    return settings.acks != "all" or settings.retries == 0 or settings.max_in_flight_requests_per_connection > 5


def _check(settings: ClientSettings) -> None:
    if not settings.bootstrap_servers:
        raise invalid("bootstrap.servers is empty; write HOST:PORT")
    if settings.enable_idempotence and _excludes_idempotence(settings):
        raise invalid(
            "enable.idempotence=true needs acks=all, retries over 0 and at most 5 "
            "max.in.flight.requests.per.connection; change those, or set enable.idempotence=false"
        )
    if settings.heartbeat_interval_ms >= settings.session_timeout_ms:
        raise invalid("heartbeat.interval.ms must be less than session.timeout.ms")
    if settings.delivery_timeout_ms < settings.linger_ms + settings.request_timeout_ms:
        raise invalid("delivery.timeout.ms must be at least linger.ms + request.timeout.ms")
    for name, value in (
        ("ssl.truststore.type", settings.ssl_truststore_type),
        ("ssl.keystore.type", settings.ssl_keystore_type),
    ):
        if value.upper() != "PEM":
            raise invalid(f"{name}={value}: kq reads PEM; convert with keytool -exportcert -rfc, or openssl pkcs12")
    if settings.wants_sasl and settings.sasl_mechanism not in MECHANISMS:
        raise invalid(f"sasl.mechanism={settings.sasl_mechanism}: kq speaks {', '.join(MECHANISMS)}")
