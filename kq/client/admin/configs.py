"""Admin calls about settings: describe with where each value comes from, change single ones, replace all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kq.client.admin.routing import change, each_node, error_of
from kq.client.admin.types import (
    ConfigChange,
    ConfigEntry,
    ConfigSource,
    ConfigSynonym,
    ConfigType,
    Resource,
    ResourceConfig,
    ResourceType,
)
from kq.client.cluster import Cluster
from kq.errors import Err, KafkaError
from kq.wire.api import Api
from kq.wire.apis.configs import ALTER_CONFIGS, DESCRIBE_CONFIGS, INCREMENTAL_ALTER_CONFIGS

__all__ = ["ConfigAdmin", "source_of"]

DOCUMENTATION_SINCE = 3  # version of DescribeConfigs
ANY = -1  # instead of a node id: whichever broker


class ConfigAdmin:
    _cluster: Cluster

    async def describe_configs(
        self,
        resources: Iterable[Resource],
        *,
        names: Sequence[str] | None = None,
        synonyms: bool = True,
        documentation: bool = False,
    ) -> dict[Resource, ResourceConfig]:
        """All settings of each resource, or those `names`."""
        request = DESCRIBE_CONFIGS.Request

        async def ask(node: int, group: list[Resource]) -> dict[Resource, ResourceConfig]:
            wanted = [
                request.Resource(
                    resource_type=resource.type,
                    resource_name=resource.name,
                    configuration_keys=None if names is None else list(names),
                )
                for resource in group
            ]

            def body(version: int) -> Any:
                documented = documentation and version >= DOCUMENTATION_SINCE
                return request(resources=wanted, include_synonyms=synonyms, include_documentation=documented)

            answer = await self._cluster.request(DESCRIBE_CONFIGS, body, node=None if node == ANY else node)
            return {_resource(result): _described(result) for result in answer.results}

        return await self._at_owners(resources, ask, lambda resource, error: ResourceConfig(resource, error=error))

    async def alter_configs(
        self, changes: Mapping[Resource, Iterable[ConfigChange]], *, validate_only: bool = False
    ) -> dict[Resource, KafkaError | None]:
        """Sets, unsets, appends to and subtracts from single settings; all of a resource's changes or none."""
        request = INCREMENTAL_ALTER_CONFIGS.Request
        items = {
            resource: request.Resource(
                resource_type=resource.type,
                resource_name=resource.name,
                configs=[request.Config(name=c.name, config_operation=c.op, value=c.value) for c in wanted],
            )
            for resource, wanted in changes.items()
        }
        return await self._alter(INCREMENTAL_ALTER_CONFIGS, items, validate_only)

    async def replace_configs(
        self, values: Mapping[Resource, Mapping[str, str | None]], *, validate_only: bool = False
    ) -> dict[Resource, KafkaError | None]:
        """Gives each resource exactly these settings of its own; whatever else it had is unset."""
        request = ALTER_CONFIGS.Request
        items = {
            resource: request.Resource(
                resource_type=resource.type,
                resource_name=resource.name,
                configs=[request.Config(name=name, value=value) for name, value in wanted.items()],
            )
            for resource, wanted in values.items()
        }
        return await self._alter(ALTER_CONFIGS, items, validate_only)

    async def _alter(
        self, api: Api, items: Mapping[Resource, Any], validate_only: bool
    ) -> dict[Resource, KafkaError | None]:
        async def ask(node: int, group: list[Resource]) -> dict[Resource, KafkaError | None]:
            body = api.Request(resources=[items[resource] for resource in group], validate_only=validate_only)
            if node == ANY:
                answer = await change(self._cluster, api, body, lambda said: [r.error_code for r in said.results])
            else:
                answer = await self._cluster.request(api, body, node=node)
            return {_resource(result): error_of(result.error_code, result.error_message) for result in answer.results}

        return await self._at_owners(items, ask, lambda resource, error: error)

    async def _at_owners(self, resources: Iterable[Resource], ask: Any, failed: Any) -> dict[Resource, Any]:
        """A broker's own settings are that broker's to answer; all else is any broker's."""
        groups: dict[int, list[Resource]] = {}
        wanted = list(dict.fromkeys(resources))
        for resource in wanted:
            own = resource.type in {ResourceType.BROKER, ResourceType.BROKER_LOGGER} and resource.name.isdecimal()
            groups.setdefault(int(resource.name) if own else ANY, []).append(resource)
        said = await each_node(
            groups,
            lambda node: ask(node, groups[node]),
            lambda node, error: {resource: failed(resource, error) for resource in groups[node]},
        )
        found = {resource: answer for group in said.values() for resource, answer in group.items()}
        silent = KafkaError(Err.UNKNOWN_SERVER_ERROR, "the broker said nothing about this resource")
        return {resource: found.get(resource, failed(resource, silent)) for resource in wanted}


def _resource(result: Any) -> Resource:
    return Resource(ResourceType(result.resource_type), result.resource_name)


def _described(result: Any) -> ResourceConfig:
    entries = {
        config.name: ConfigEntry(
            config.name,
            config.value,
            source_of(config.config_source),
            _type(config.config_type),
            config.read_only,
            config.is_sensitive,
            tuple(ConfigSynonym(s.name, s.value, source_of(s.source)) for s in config.synonyms),
            config.documentation,
        )
        for config in result.configs
    }
    return ResourceConfig(_resource(result), entries, error_of(result.error_code, result.error_message))


def source_of(code: int) -> ConfigSource:
    return ConfigSource(code) if code in ConfigSource._value2member_map_ else ConfigSource.UNKNOWN


def _type(code: int) -> ConfigType:
    return ConfigType(code) if code in ConfigType._value2member_map_ else ConfigType.UNKNOWN
