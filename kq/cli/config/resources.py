"""Whose settings: a topic, a broker, or all brokers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from kq.cli.partitions.names import no_topic
from kq.cli.run.failures import Usage, require_utf8
from kq.cli.run.problems import MISSING, failure_of
from kq.client import Resource, ResourceType

if TYPE_CHECKING:
    from kq.cli.run.call import Call
    from kq.client import Cluster
    from kq.errors import KafkaError

ALL_BROKERS = "default"


def resource_of(kind: str, name: str) -> Resource:
    if kind == "topic":
        return Resource.topic(require_utf8(name, "topic"))
    if name == ALL_BROKERS:
        return Resource.broker()
    if not name.isdecimal():
        raise Usage(f"'{name}' is not a broker id; write a number, or {ALL_BROKERS} for all brokers")
    return Resource.broker(int(name))


def kind_of(resource: Resource) -> str:
    return resource.type.name.lower()


def name_of(resource: Resource) -> str:
    return resource.name or ALL_BROKERS


def spoken(resource: Resource) -> str:
    """`topic orders`, `broker default`."""
    return f"{kind_of(resource)} {name_of(resource)}"


def whose(resource: Resource) -> dict[str, str]:
    """The resource in JSON."""
    return {"kind": kind_of(resource), "of": name_of(resource)}


async def refuse(cluster: Cluster, call: Call, resource: Resource, error: KafkaError) -> NoReturn:
    """Ends the command because of this one resource; a topic that is not there gets the nearest name."""
    if resource.type is ResourceType.TOPIC and error.code in MISSING:
        raise no_topic(resource.name, (await cluster.metadata(None)).topics, call.settings.bootstrap)
    raise failure_of(error, call)
