"""The settings a broker goes by, as one typed, frozen value.

An attribute is the setting's name with `_` for `.`; units are in the names. Kafka's rules between settings are kept
(`KafkaConfig.validateValues`) as far as they concern what kq honours, each refusal naming the setting and the way out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from kq.config.broker import BROKER, unprefixed
from kq.config.listeners import UNROUTABLE, Address, Listener, parse_address, parse_listeners, parse_protocols
from kq.config.table import parse_value
from kq.config.topic_settings import inherited_value
from kq.config.valid import Value
from kq.errors import Err, KafkaError


class BrokerSettings(NamedTuple):
    node_id: int
    broker_rack: str | None
    listeners: tuple[Listener, ...]
    advertised_listeners: tuple[Listener, ...]
    """One for each listener, in the same order. An empty host or port 0 is for the broker to fill in."""
    log_dir: str | None
    """The data directory; None where none was named."""
    auto_create_topics_enable: bool
    connections_max_idle_ms: int
    default_replication_factor: int
    delete_topic_enable: bool
    fetch_max_bytes: int
    group_consumer_assignment_interval_ms: int
    group_consumer_assignors: tuple[str, ...]
    group_consumer_heartbeat_interval_ms: int
    group_consumer_max_assignment_interval_ms: int
    group_consumer_max_heartbeat_interval_ms: int
    group_consumer_max_session_timeout_ms: int
    group_consumer_max_size: int
    group_consumer_migration_policy: str
    group_consumer_min_assignment_interval_ms: int
    group_consumer_min_heartbeat_interval_ms: int
    group_consumer_min_session_timeout_ms: int
    group_consumer_regex_refresh_interval_ms: int
    group_consumer_session_timeout_ms: int
    group_initial_rebalance_delay_ms: int
    group_max_session_timeout_ms: int
    group_max_size: int
    group_min_session_timeout_ms: int
    log_cleaner_backoff_ms: int
    log_cleaner_dedupe_buffer_size: int
    log_cleaner_enable: bool
    log_cleaner_io_max_bytes_per_second: float
    log_flush_offset_checkpoint_interval_ms: int
    log_flush_scheduler_interval_ms: int
    log_flush_start_offset_checkpoint_interval_ms: int
    log_retention_check_interval_ms: int
    max_connections: int
    max_connections_per_ip: int
    max_incremental_fetch_session_cache_slots: int
    max_request_partition_size_limit: int
    num_partitions: int
    num_recovery_threads_per_data_dir: int
    offset_metadata_max_bytes: int
    offsets_retention_check_interval_ms: int
    offsets_retention_minutes: int
    offsets_topic_compression_codec: int
    offsets_topic_num_partitions: int
    offsets_topic_replication_factor: int
    offsets_topic_segment_bytes: int
    producer_id_expiration_ms: int
    socket_listen_backlog_size: int
    socket_receive_buffer_bytes: int
    socket_request_max_bytes: int
    socket_send_buffer_bytes: int
    kq_admin_listener: Address | None
    kq_log_fsync_before_ack: bool
    kq_max_open_files: int
    kq_produce_validate_records: bool
    kq_request_bytes_in_flight: int
    """queued.max.request.bytes where only that is set."""


_MADE = {"node_id", "listeners", "advertised_listeners", "log_dir", "kq_admin_listener", "kq_request_bytes_in_flight"}


def broker_settings(properties: Mapping[str, str]) -> BrokerSettings:
    """The typed settings of a broker with these properties (static ones, or `resolve.BrokerLayers.merged`).

    Every known name is checked, honoured or not; unknown ones are passed over (`broker.disregarded` lists both).
    """
    given = _Given(properties)

    _check(given, properties)
    listeners = _listeners(given)
    plain = [name for name in BrokerSettings._fields if name not in _MADE]
    return BrokerSettings(
        **{attribute: given(attribute.replace("_", ".")) for attribute in plain},
        node_id=given("node.id") if given.has("node.id") else given("broker.id") if given.has("broker.id") else 1,
        listeners=listeners,
        advertised_listeners=_advertised(given, listeners),
        log_dir=_log_dir(given),
        kq_admin_listener=parse_address("kq.admin.listener", given("kq.admin.listener")),
        kq_request_bytes_in_flight=_request_bytes_in_flight(given),
    )


class _Given:
    """The parsed properties; a call answers a setting's value, or its default."""

    def __init__(self, properties: Mapping[str, str]) -> None:
        self._values: dict[str, Value] = {}
        for name, text in properties.items():
            setting = BROKER.get(unprefixed(name))
            if setting is not None:
                self._values[name] = parse_value(setting, text)

    def has(self, name: str) -> bool:
        return name in self._values

    def __call__(self, name: str) -> Any:
        return self._values[name] if name in self._values else BROKER[name].default


def _check(given: _Given, properties: Mapping[str, str]) -> None:
    """The rules between settings, in Kafka's order of importance to a user's data: identity, roles, retention."""
    if given.has("node.id") and given.has("broker.id") and given("node.id") != given("broker.id"):
        raise _bad(f"node.id is {given('node.id')} and broker.id is {given('broker.id')}: leave one of them out.")
    if given.has("process.roles") and "broker" not in given("process.roles"):
        raise _bad("process.roles names no broker: kq has no nodes that are controllers only.")
    if inherited_value("retention.ms", properties) == 0:
        raise _bad("log.retention.ms must be -1 (no limit) or at least 1: 0 would delete every record at once.")
    queued = given("queued.max.request.bytes")
    if 0 < queued < given("socket.request.max.bytes"):
        raise _bad("queued.max.request.bytes must not be smaller than socket.request.max.bytes.")


def _controllers(given: _Given) -> set[str]:
    """The names of a KRaft controller's listeners: they are passed over, kq having no such controller."""
    return {name.upper() for name in given("controller.listener.names") or ()}


def _listeners(given: _Given) -> tuple[Listener, ...]:
    """Where the broker listens."""
    controllers = _controllers(given)
    protocols = dict.fromkeys(controllers, "PLAINTEXT") | parse_protocols(given("listener.security.protocol.map"))
    found = parse_listeners("listeners", given("listeners"), protocols)
    kept = tuple(listener for listener in found if listener.name not in controllers)
    if not kept:
        raise _bad("listeners names controller listeners only: clients could not reach the broker.")
    for listener in kept:
        if listener.protocol != "PLAINTEXT":
            raise _bad(
                f"listeners: {listener} speaks {listener.protocol}, and kq's broker speaks PLAINTEXT only so far."
            )
    return kept


def _advertised(given: _Given, listeners: tuple[Listener, ...]) -> tuple[Listener, ...]:
    """What clients are told, a listener without an advertised address standing for itself.

    0.0.0.0 is no address to connect to: Kafka refuses it in both settings, kq fills in the host's name where it was
    only listened on.
    """
    protocols = {listener.name: listener.protocol for listener in listeners}
    controllers = _controllers(given)
    by_name = [(entry.partition("://")[0].upper(), entry) for entry in given("advertised.listeners") or ()]
    entries = [entry for name, entry in by_name if name not in controllers]
    for name, entry in by_name:
        if name not in protocols and name not in controllers:
            raise _bad(f"advertised.listeners: {entry!r} advertises a listener that listeners does not name.")
    advertised = {each.name: each for each in parse_listeners("advertised.listeners", entries, protocols)}
    for each in advertised.values():
        if each.host == UNROUTABLE:
            raise _bad(f"advertised.listeners: clients cannot connect to {UNROUTABLE}; name an address they can reach.")
    return tuple(
        advertised.get(each.name, each._replace(host="") if each.host == UNROUTABLE else each) for each in listeners
    )


def _log_dir(given: _Given) -> str | None:
    name = "log.dirs" if given.has("log.dirs") else "log.dir"
    paths: tuple[str, ...] = given(name) or ()
    if len(paths) > 1:
        raise _bad(f"{name} names {len(paths)} directories, and a kq broker keeps its data in one.")
    return paths[0] if paths else None


def _request_bytes_in_flight(given: _Given) -> int:
    own = "kq.request.bytes.in.flight"
    queued: int = given("queued.max.request.bytes")
    budget: int = queued if queued > 0 and not given.has(own) else given(own)
    return budget


def _bad(sentence: str) -> KafkaError:
    return KafkaError(Err.INVALID_CONFIG, sentence)
