"""Paths and contents of the metadata nodes, as Apache Kafka's ZooKeeper mode writes them (`ZkData.scala`).

    /cluster/id                             {"version":"1","id":"..."}
    /brokers/ids/N                          a broker that is there, version 5
    /brokers/topics/NAME                    the topic's id and each partition's replicas, version 3
    /brokers/topics/NAME/partitions/P/state leader, ISR and their epochs
    /config/topics/NAME                     the topic's own settings
    /config/brokers/N, .../<default>        dynamic settings of one broker, of all brokers
    /config/groups/NAME                     a group's own settings, the name percent-encoded (not Kafka's)
    /latest_producer_id_block               the last block of producer ids that was handed out

Decoders take what any 3.x Kafka wrote: unknown fields are passed over, fields that came with a later version may be
missing. A node that is no such JSON is `BadNode`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

CLUSTER_ID = "/cluster/id"
BROKER_IDS = "/brokers/ids"
TOPICS = "/brokers/topics"
TOPIC_SETTINGS = "/config/topics"
BROKER_SETTINGS = "/config/brokers"
GROUP_SETTINGS = "/config/groups"
PRODUCER_ID_BLOCK = "/latest_producer_id_block"

_DEFAULT = "<default>"


def broker_path(node_id: int) -> str:
    return f"{BROKER_IDS}/{node_id}"


def topic_path(topic: str) -> str:
    return f"{TOPICS}/{topic}"


def state_path(topic: str, partition: int) -> str:
    return f"{TOPICS}/{topic}/partitions/{partition}/state"


def topic_settings_path(topic: str) -> str:
    return f"{TOPIC_SETTINGS}/{topic}"


def broker_settings_path(node_id: int | None) -> str:
    """None: the settings of all brokers."""
    return f"{BROKER_SETTINGS}/{_DEFAULT if node_id is None else node_id}"


def group_settings_path(group_id: str) -> str:
    return f"{GROUP_SETTINGS}/{quote(group_id, safe='')}"


def group_of_settings(path: str) -> str:
    return unquote(path.removeprefix(f"{GROUP_SETTINGS}/"))


class BadNode(ValueError):
    """A node does not hold what belongs there."""

    def __init__(self, what: str, data: bytes) -> None:
        shown = data[:200].decode("utf-8", "backslashreplace")
        super().__init__(f"The metadata store holds something else than {what}: {shown!r}")


class TopicAssignment(NamedTuple):
    topic_id: bytes
    """16 bytes."""
    replicas: Mapping[int, tuple[int, ...]]
    """Broker ids by partition, the preferred leader first. Partitions are numbered from 0 without a gap."""
    adding: Mapping[int, tuple[int, ...]] = MappingProxyType({})
    """While a partition moves: those of its replicas that are new."""
    removing: Mapping[int, tuple[int, ...]] = MappingProxyType({})

    def encode(self) -> bytes:
        return _json(
            {
                "version": 3,
                "topic_id": topic_id_text(self.topic_id),
                "partitions": _by_partition(self.replicas),
                "adding_replicas": _by_partition(self.adding),
                "removing_replicas": _by_partition(self.removing),
            }
        )

    @classmethod
    def decode(cls, data: bytes) -> TopicAssignment:
        try:
            content = json.loads(data)
            return cls(
                topic_id_bytes(content["topic_id"]),
                _partitions(content["partitions"]),
                _partitions(content.get("adding_replicas", {})),
                _partitions(content.get("removing_replicas", {})),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadNode("a topic's assignment", data) from error


class PartitionState(NamedTuple):
    """Invariants: leader is in isr, or -1; leader_epoch and controller_epoch only rise."""

    leader: int
    leader_epoch: int
    isr: tuple[int, ...]
    controller_epoch: int

    def encode(self) -> bytes:
        # Written by hand: one transaction may hold 10,000 of them.
        isr = ",".join(map(str, self.isr))
        return (
            f'{{"controller_epoch":{self.controller_epoch},"leader":{self.leader},"version":1,'
            f'"leader_epoch":{self.leader_epoch},"isr":[{isr}]}}'
        ).encode()

    @classmethod
    def decode(cls, data: bytes) -> PartitionState:
        try:
            content = json.loads(data)
            leader, leader_epoch = int(content["leader"]), int(content["leader_epoch"])
            return cls(leader, leader_epoch, tuple(map(int, content["isr"])), int(content["controller_epoch"]))
        except (ValueError, KeyError, TypeError) as error:
            raise BadNode("a partition's state", data) from error


class Endpoint(NamedTuple):
    listener: str
    protocol: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.listener}://{host}:{self.port}"


class BrokerRegistration(NamedTuple):
    endpoints: tuple[Endpoint, ...]
    """The advertised ones."""
    rack: str | None
    timestamp_ms: int
    """When the broker registered; tells registrations of one broker apart."""

    def encode(self) -> bytes:
        plain = next((each for each in self.endpoints if each.protocol == "PLAINTEXT"), None)
        content: dict[str, Any] = {
            "version": 5,
            "host": plain.host if plain else None,
            "port": plain.port if plain else -1,
            "endpoints": [str(each) for each in self.endpoints],
            "listener_security_protocol_map": {each.listener: each.protocol for each in self.endpoints},
            "jmx_port": -1,
            "features": {},
            "timestamp": str(self.timestamp_ms),
        }
        if self.rack is not None:
            content["rack"] = self.rack
        return _json(content)

    @classmethod
    def decode(cls, data: bytes) -> BrokerRegistration:
        try:
            content = json.loads(data)
            protocols = content["listener_security_protocol_map"]
            endpoints = tuple(_endpoint(text, protocols) for text in content["endpoints"])
            return cls(endpoints, content.get("rack"), int(content["timestamp"]))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadNode("a broker's registration", data) from error


class ProducerIdBlock(NamedTuple):
    """The ids from first to last, both included, are given out by this broker."""

    broker: int
    first: int
    last: int

    def encode(self) -> bytes:
        # The ends are texts: they may be larger than what a JSON number holds exactly.
        return _json({"version": 1, "broker": self.broker, "block_start": str(self.first), "block_end": str(self.last)})

    @classmethod
    def decode(cls, data: bytes) -> ProducerIdBlock:
        try:
            content = json.loads(data)
            return cls(int(content["broker"]), int(content["block_start"]), int(content["block_end"]))
        except (ValueError, KeyError, TypeError) as error:
            raise BadNode("a block of producer ids", data) from error


def encode_settings(settings: Mapping[str, str]) -> bytes:
    return _json({"version": 1, "config": dict(settings)})


def decode_settings(data: bytes) -> dict[str, str]:
    try:
        config = json.loads(data)["config"]
        if not all(isinstance(value, str) for value in config.values()):
            raise BadNode("settings", data)
        return dict(config)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadNode("settings", data) from error


def encode_cluster_id(cluster_id: str) -> bytes:
    return _json({"version": "1", "id": cluster_id})


def decode_cluster_id(data: bytes) -> str:
    try:
        cluster_id = json.loads(data)["id"]
        if not isinstance(cluster_id, str):
            raise BadNode("the cluster's id", data)
        return cluster_id
    except (ValueError, KeyError, TypeError) as error:
        raise BadNode("the cluster's id", data) from error


def topic_id_text(topic_id: bytes) -> str:
    """The 22 characters of base64 that Kafka writes for 16 bytes."""
    return base64.urlsafe_b64encode(topic_id).decode().rstrip("=")


def topic_id_bytes(text: str) -> bytes:
    found = base64.urlsafe_b64decode(text + "==")
    if len(found) != 16:
        raise ValueError(f"{text!r} is not a topic id")
    return found


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()


def _by_partition(replicas: Mapping[int, tuple[int, ...]]) -> dict[str, list[int]]:
    return {str(partition): list(replicas[partition]) for partition in sorted(replicas)}


def _partitions(content: Mapping[str, list[int]]) -> dict[int, tuple[int, ...]]:
    return {int(partition): tuple(map(int, brokers)) for partition, brokers in content.items()}


def _endpoint(text: str, protocols: Mapping[str, str]) -> Endpoint:
    listener, _, address = text.partition("://")
    host, _, port = address.rpartition(":")
    return Endpoint(listener, protocols[listener], host.strip("[]"), int(port))
