"""DescribeConfigs, versions 1 to 4; AlterConfigs, 0 to 2; IncrementalAlterConfigs, 0 to 1; ListConfigResources, 0 to 1.

- Topics (2), brokers (4) and groups (32); other resource types are INVALID_REQUEST. A broker answers for itself alone,
  any broker for the empty name, which is the dynamic default of the cluster. Groups have no such default, and a group
  need not exist to have settings.
- All changes of a resource or none; a resource named twice is refused both times. `config.alter` decides, in the
  alteration's turn: two APPENDs at one moment are both kept. `config.resolve` tells values, sources and synonyms.
- v3 types and documentation, the latter when asked for; synonyms when asked for.
- ListConfigResources: what has settings of its own. v0 knows client metrics alone (of which kq has none); v1 brokers,
  their loggers, topics and groups too, all of them where no type is named. A type that does not exist is
  UNSUPPORTED_VERSION.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from kq.broker.groups.altering import alter_settings
from kq.broker.names import check_topic_name
from kq.broker.router import Call
from kq.broker.session import CLUSTER, Operation, Resource
from kq.config.alter import (
    Change,
    alter_broker,
    alter_group,
    alter_topic,
    replace_broker,
    replace_group,
    replace_topic,
)
from kq.config.resolve import (
    BrokerLayers,
    Described,
    describe_broker,
    describe_default,
    describe_group,
    describe_topic,
)
from kq.errors import Err, KafkaError
from kq.machines.image import TopicImage
from kq.wire.apis.configs import ALTER_CONFIGS, DESCRIBE_CONFIGS, INCREMENTAL_ALTER_CONFIGS, LIST_CONFIG_RESOURCES

if TYPE_CHECKING:
    from kq.broker.broker import Broker

TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP = 2, 4, 8, 16, 32
TYPES_FROM = 1
UNTYPED = 0


def describe_configs(broker: Broker, call: Call) -> Any:
    make = DESCRIBE_CONFIGS.Response.Result
    results = []
    for resource in call.body.resources:
        result = make(
            error_message="", resource_type=resource.resource_type, resource_name=resource.resource_name, configs=[]
        )
        try:
            described = _describe(broker, call, resource)
            result.configs = [_config(call, each) for each in described]
        except KafkaError as error:
            result.error_code, result.error_message = error.code, str(error)
        results.append(result)
    return DESCRIBE_CONFIGS.Response(results=results)


def _describe(broker: Broker, call: Call, resource: Any) -> list[Described]:
    names = set(resource.configuration_keys) if resource.configuration_keys else None
    name = resource.resource_name
    if resource.resource_type == TOPIC:
        if not call.session.authorize(Operation.DESCRIBE_CONFIGS, Resource.TOPIC, name):
            raise KafkaError(Err.TOPIC_AUTHORIZATION_FAILED)
        return describe_topic(_topic(broker, name).settings, broker.layers, names)
    if resource.resource_type == GROUP:
        if not call.session.authorize(Operation.DESCRIBE_CONFIGS, Resource.GROUP, name):
            raise KafkaError(Err.GROUP_AUTHORIZATION_FAILED)
        return describe_group(broker.image.group_settings.get(_group(name), {}), broker.layers, names)
    if resource.resource_type != BROKER:
        raise _unknown_type(resource.resource_type)
    if not call.session.authorize(Operation.DESCRIBE_CONFIGS, Resource.CLUSTER, CLUSTER):
        raise KafkaError(Err.CLUSTER_AUTHORIZATION_FAILED)
    if _is_default(broker, name):
        return describe_default(broker.layers.dynamic_default, names)
    return describe_broker(broker.layers, names)


def _config(call: Call, each: Described) -> Any:
    make = DESCRIBE_CONFIGS.Response
    return make.Config(
        name=each.name,
        value=each.value,
        read_only=each.read_only,
        config_source=each.source,
        is_sensitive=each.sensitive,
        synonyms=[make.Synonym(name=s.name, value=s.value, source=s.source) for s in each.synonyms]
        if call.body.include_synonyms
        else [],
        config_type=UNTYPED if each.type is None else each.type,
        documentation=each.doc if call.body.include_documentation else None,
    )


def _topic(broker: Broker, name: str) -> TopicImage:
    topic = broker.image.topics.get(name)
    if topic is None:
        check_topic_name(name)
        raise KafkaError(Err.UNKNOWN_TOPIC_OR_PARTITION)
    return topic


def _group(name: str) -> str:
    if not name:
        raise KafkaError(Err.INVALID_REQUEST, "groups have no default of their own: name the group")
    return name


def _is_default(broker: Broker, name: str) -> bool:
    """Whether the resource is the default of all brokers; raises INVALID_REQUEST unless that or this broker."""
    if name and name != str(broker.node_id):
        raise KafkaError(Err.INVALID_REQUEST, f"this is broker {broker.node_id}; it does not answer for {name!r}")
    return not name


def _unknown_type(resource_type: int) -> KafkaError:
    return KafkaError(Err.INVALID_REQUEST, f"settings of resource type {resource_type} are not served")


async def alter_configs(broker: Broker, call: Call) -> Any:
    """Replaces all settings of a resource (deprecated in Kafka, and served)."""

    def topic_settings(resource: Any, topic: TopicImage) -> dict[str, str]:
        return replace_topic([(c.name, c.value) for c in resource.configs], broker.layers)

    def broker_settings(resource: Any, layers: BrokerLayers, for_all: bool) -> dict[str, str]:
        return replace_broker([(c.name, c.value) for c in resource.configs], layers, for_all=for_all)

    def group_settings(resource: Any, _: Mapping[str, str]) -> dict[str, str]:
        return replace_group([(c.name, c.value) for c in resource.configs], broker.layers)

    altered = Altered(topic_settings, broker_settings, group_settings)
    results = await _alter(broker, call, ALTER_CONFIGS.Response.Result, altered)
    return ALTER_CONFIGS.Response(results=results)


async def incremental_alter_configs(broker: Broker, call: Call) -> Any:
    def topic_settings(resource: Any, topic: TopicImage) -> dict[str, str]:
        return alter_topic(topic.settings, _changes(resource), broker.layers)

    def broker_settings(resource: Any, layers: BrokerLayers, for_all: bool) -> dict[str, str]:
        return alter_broker(_changes(resource), layers, for_all=for_all)

    def group_settings(resource: Any, own: Mapping[str, str]) -> dict[str, str]:
        return alter_group(own, _changes(resource), broker.layers)

    make = INCREMENTAL_ALTER_CONFIGS.Response.Result
    results = await _alter(broker, call, make, Altered(topic_settings, broker_settings, group_settings))
    return INCREMENTAL_ALTER_CONFIGS.Response(results=results)


def _changes(resource: Any) -> list[Change]:
    return [Change(c.name, c.config_operation, c.value) for c in resource.configs]


class Altered(NamedTuple):
    """What a resource of the request asks for, from the settings that hold when its turn has come."""

    topic_settings: Callable[[Any, TopicImage], dict[str, str]]
    broker_settings: Callable[[Any, BrokerLayers, bool], dict[str, str]]
    group_settings: Callable[[Any, Mapping[str, str]], dict[str, str]]


async def _alter(broker: Broker, call: Call, make: Any, altered: Altered) -> list[Any]:
    named = Counter((r.resource_type, r.resource_name) for r in call.body.resources)
    results = []
    for resource in call.body.resources:
        result = make(error_message=None, resource_type=resource.resource_type, resource_name=resource.resource_name)
        try:
            if named[resource.resource_type, resource.resource_name] > 1:
                raise KafkaError(Err.INVALID_REQUEST, "the resource is named more than once")
            await _alter_one(broker, call, resource, altered)
        except KafkaError as error:
            result.error_code, result.error_message = error.code, str(error)
        results.append(result)
    return results


async def _alter_one(broker: Broker, call: Call, resource: Any, altered: Altered) -> None:
    name = resource.resource_name
    if resource.resource_type == TOPIC:
        if not call.session.authorize(Operation.ALTER_CONFIGS, Resource.TOPIC, name):
            raise KafkaError(Err.TOPIC_AUTHORIZATION_FAILED)
        if not name:
            raise KafkaError(Err.INVALID_REQUEST, "topics have no default of their own: name the topic")
        topic = _topic(broker, name)
        if call.body.validate_only:
            altered.topic_settings(resource, topic)
        else:
            await broker.topics.alter_settings(name, partial(altered.topic_settings, resource))
    elif resource.resource_type == BROKER:
        if not call.session.authorize(Operation.ALTER_CONFIGS, Resource.CLUSTER, CLUSTER):
            raise KafkaError(Err.CLUSTER_AUTHORIZATION_FAILED)
        for_all = _is_default(broker, name)
        if call.body.validate_only:
            altered.broker_settings(resource, broker.layers, for_all)
        else:
            node_id = None if for_all else broker.node_id
            await broker.alter_settings(node_id, lambda layers: altered.broker_settings(resource, layers, for_all))
    elif resource.resource_type == GROUP:
        if not call.session.authorize(Operation.ALTER_CONFIGS, Resource.GROUP, name):
            raise KafkaError(Err.GROUP_AUTHORIZATION_FAILED)
        own = broker.image.group_settings.get(_group(name), {})
        if call.body.validate_only:
            altered.group_settings(resource, own)
        else:
            await alter_settings(broker, name, partial(altered.group_settings, resource))
    else:
        raise _unknown_type(resource.resource_type)


def list_config_resources(broker: Broker, call: Call) -> Any:
    make = LIST_CONFIG_RESOURCES.Response
    if not call.session.authorize(Operation.DESCRIBE_CONFIGS, Resource.CLUSTER, CLUSTER):
        return make(error_code=Err.CLUSTER_AUTHORIZATION_FAILED)
    brokers = [str(node_id) for node_id in broker.image.brokers]
    names: dict[int, list[str]] = {
        GROUP: sorted(broker.image.group_settings),
        CLIENT_METRICS: [],
        BROKER_LOGGER: brokers,
        BROKER: brokers,
        TOPIC: sorted(broker.image.topics),
    }
    wanted = set(call.body.resource_types) or set(names) if call.version >= TYPES_FROM else {CLIENT_METRICS}
    if not wanted <= names.keys():
        return make(error_code=Err.UNSUPPORTED_VERSION)
    found = [(kind, name) for kind in names if kind in wanted for name in names[kind]]
    return make(resources=[make.Resource(resource_type=kind, resource_name=name) for kind, name in found])


HANDLERS = {
    DESCRIBE_CONFIGS: describe_configs,
    ALTER_CONFIGS: alter_configs,
    INCREMENTAL_ALTER_CONFIGS: incremental_alter_configs,
    LIST_CONFIG_RESOURCES: list_config_resources,
}
