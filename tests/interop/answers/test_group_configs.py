"""Settings of groups: DescribeConfigs and AlterConfigs of resource type 32, ListConfigResources."""

from __future__ import annotations

from typing import Any

import pytest

from kq.errors import Err
from kq.wire.apis.configs import (
    ALTER_CONFIGS,
    DESCRIBE_CONFIGS,
    INCREMENTAL_ALTER_CONFIGS,
    LIST_CONFIG_RESOURCES,
)
from tests.support.asking import plain
from tests.support.patience import until
from tests.support.wire import Wire

TOPIC, BROKER, LOGGER, METRICS, GROUP = 2, 4, 8, 16, 32
SET, DELETE, APPEND = 0, 1, 2
SESSION, HEARTBEAT = "consumer.session.timeout.ms", "consumer.heartbeat.interval.ms"
OF_GROUP, DEFAULT = 8, 5


def described(wire: Wire, group: str, *keys: str) -> Any:
    make = DESCRIBE_CONFIGS.Request
    resource = make.Resource(resource_type=GROUP, resource_name=group, configuration_keys=list(keys) or None)
    asked = make(resources=[resource], include_synonyms=True, include_documentation=True)
    return wire.call(DESCRIBE_CONFIGS, 4, asked).results[0]


def altered(wire: Wire, group: str, *changes: tuple[str, int, str | None], dry: bool = False) -> int:
    make = INCREMENTAL_ALTER_CONFIGS.Request
    configs = [make.Config(name=name, config_operation=operation, value=value) for name, operation, value in changes]
    resource = make.Resource(resource_type=GROUP, resource_name=group, configs=configs)
    return int(
        wire.call(INCREMENTAL_ALTER_CONFIGS, 1, make(resources=[resource], validate_only=dry)).results[0].error_code
    )


def listed(wire: Wire, *types: int, version: int = 1) -> set[tuple[int, str]]:
    answer = wire.call(LIST_CONFIG_RESOURCES, version, LIST_CONFIG_RESOURCES.Request(resource_types=list(types)))
    assert answer.error_code == Err.NONE
    return {(one.resource_type, one.resource_name) for one in answer.resources}


def test_the_seventeen_settings(wire: Wire, name: str) -> None:
    result = described(wire, name)
    rows = {
        one.name: (one.value, one.read_only, one.config_source, one.is_sensitive, one.config_type, plain(one.synonyms))
        for one in result.configs
    }
    assert len(rows) == 17
    assert rows[SESSION] == (
        "45000",
        False,
        DEFAULT,
        False,
        3,
        [{"name": f"group.{SESSION}", "value": "45000", "source": DEFAULT}],
    )
    assert rows["share.isolation.level"][0] == "read_uncommitted"
    assert [one["name"] for one in rows["share.isolation.level"][-1]] == ["share.isolation.level"]
    assert all(one.documentation for one in result.configs)


def test_a_group_that_does_not_exist_may_have_settings(wire: Wire, name: str) -> None:
    assert altered(wire, name, (SESSION, SET, "50000"), (HEARTBEAT, SET, "5001")) == Err.NONE
    until(lambda: described(wire, name, SESSION).configs[0].value == "50000", "it is set")
    (row,) = described(wire, name, SESSION).configs
    assert (row.config_source, [(s.name, s.value, s.source) for s in row.synonyms]) == (
        OF_GROUP,
        [(SESSION, "50000", OF_GROUP), (f"group.{SESSION}", "45000", DEFAULT)],
    )
    assert (GROUP, name) in listed(wire, GROUP)
    assert altered(wire, name, (SESSION, DELETE, None)) == Err.NONE
    until(lambda: described(wire, name, SESSION).configs[0].value == "45000", "it is no longer set")
    assert described(wire, name, HEARTBEAT).configs[0].value == "5001"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ((SESSION, SET, "44999"), Err.INVALID_CONFIG),
        ((SESSION, SET, "60001"), Err.INVALID_CONFIG),
        ((SESSION, SET, "soon"), Err.INVALID_CONFIG),
        ((SESSION, SET, None), Err.INVALID_REQUEST),
        ((SESSION, APPEND, "50000"), Err.INVALID_CONFIG),
        ((SESSION, 9, "50000"), Err.UNKNOWN_SERVER_ERROR),
        ((HEARTBEAT, SET, "15001"), Err.INVALID_CONFIG),
        (("consumer.assignment.interval.ms", SET, "15001"), Err.INVALID_CONFIG),
        (("share.auto.offset.reset", SET, "never"), Err.INVALID_CONFIG),
        (("share.auto.offset.reset", SET, "by_duration:P1DT2H"), Err.NONE),
        (("streams.num.standby.replicas", SET, "3"), Err.INVALID_CONFIG),
        (("no.such.setting", SET, "1"), Err.INVALID_CONFIG),
        (("no.such.setting", DELETE, None), Err.NONE),
    ],
    ids=str,
)
def test_changes(wire: Wire, name: str, change: tuple[str, int, str | None], error: Err) -> None:
    assert Err.of(altered(wire, name, change, dry=True)) is error
    assert Err.of(altered(wire, name, change)) is error


def test_groups_have_no_default(wire: Wire) -> None:
    assert altered(wire, "", (SESSION, SET, "50000")) == Err.INVALID_REQUEST
    assert described(wire, "").error_code == Err.INVALID_REQUEST


def test_one_setting_twice(wire: Wire, name: str) -> None:
    assert altered(wire, name, (SESSION, SET, "50000"), (SESSION, SET, "50001")) == Err.INVALID_REQUEST


def test_replacing_all(wire: Wire, name: str) -> None:
    assert altered(wire, name, (SESSION, SET, "50000")) == Err.NONE
    make = ALTER_CONFIGS.Request
    resource = make.Resource(
        resource_type=GROUP, resource_name=name, configs=[make.Config(name=HEARTBEAT, value="6000")]
    )
    assert wire.call(ALTER_CONFIGS, 2, make(resources=[resource])).results[0].error_code == Err.NONE
    until(lambda: described(wire, name, HEARTBEAT).configs[0].value == "6000", "it is set")
    assert described(wire, name, SESSION).configs[0].config_source == DEFAULT


def test_what_has_settings(wire: Wire, name: str, make_topic: Any) -> None:
    topic = make_topic()
    altered(wire, name, (SESSION, SET, "50000"))
    until(lambda: (GROUP, name) in listed(wire), "the group is listed")
    assert {(TOPIC, topic), (BROKER, "1"), (LOGGER, "1")} <= listed(wire)
    assert listed(wire, version=0) == set()
    assert listed(wire, BROKER) == {(BROKER, "1")}
    assert listed(wire, METRICS) == set()
    assert {kind for kind, _ in listed(wire, TOPIC, GROUP)} == {TOPIC, GROUP}
    answer = wire.call(LIST_CONFIG_RESOURCES, 1, LIST_CONFIG_RESOURCES.Request(resource_types=[99]))
    assert answer.error_code == Err.UNSUPPORTED_VERSION
