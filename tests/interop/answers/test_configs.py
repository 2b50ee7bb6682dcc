"""DescribeConfigs, AlterConfigs and IncrementalAlterConfigs, of topics and of brokers.

How values, sources and synonyms follow from what is set where is walked through by tests/config/test_beside_kafka.py;
here whole answers are compared, and what is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from kq.config.honoured import DEFAULTS, MODES
from kq.config.table import Mode
from kq.errors import Err
from kq.testing import Broker
from kq.wire.apis.configs import ALTER_CONFIGS, DESCRIBE_CONFIGS, INCREMENTAL_ALTER_CONFIGS
from tests.support.asking import Differs, Make, create, plain
from tests.support.patience import until
from tests.support.peers import Kafka
from tests.support.wire import Closed, Wire

TOPIC, BROKER, LOGGER, CLIENT_METRICS, GROUP = 2, 4, 8, 16, 32
THIS = "1"
STATIC = 4
SET, DELETE, APPEND, SUBTRACT = range(4)
ELR_DEFAULT = "min.insync.replicas"
"""Kafka sets a dynamic default of it for its ELR."""

Change = tuple[str, int, str | None]


def describe(wire: Wire, *resources: tuple[int, str, list[str] | None], version: int = 4, **asked: bool) -> list[Any]:
    make = DESCRIBE_CONFIGS.Request
    wanted = [make.Resource(resource_type=t, resource_name=n, configuration_keys=k) for t, n, k in resources]
    return list(wire.call(DESCRIBE_CONFIGS, version, make(resources=wanted, **asked)).results)


def rows(wire: Wire, kind: int, name: str, keys: list[str] | None = None, **asked: Any) -> dict[str, Any]:
    """Every setting of a resource as a dict, by name; of its documentation only whether there is one."""
    [result] = describe(wire, (kind, name, keys), **asked)
    assert (result.error_code, result.error_message) == (Err.NONE, "")
    assert (result.resource_type, result.resource_name) == (kind, name)
    found = {row.name: plain(row, "name") for row in result.configs}
    for row in found.values():
        row["documentation"] = bool(row["documentation"])
    return found


def own(wire: Wire, kind: int, name: str) -> dict[str, str]:
    """What is set on the resource itself."""
    source = {TOPIC: 1, BROKER: 2 if name else 3}[kind]
    found = rows(wire, kind, name)
    return {key: row["value"] for key, row in found.items() if row["config_source"] == source and key != ELR_DEFAULT}


@pytest.fixture
def both(kq: Broker, kafka: Kafka) -> Iterator[tuple[Wire, Wire]]:
    """A connection to kq and one to Apache Kafka, for answers too long to be written down."""
    with Wire(kq.bootstrap) as here, Wire(kafka.bootstrap) as there:
        yield here, there


# DescribeConfigs

SETTINGS = {
    "retention.ms": "600",
    "cleanup.policy": "compact,delete",
    "flush.ms": "7",
    "segment.bytes": "1048576",
    "compression.type": "gzip",
    "message.timestamp.type": "LogAppendTime",
}


@pytest.mark.java
@pytest.mark.parametrize("version", [1, 2, 3, 4])
@pytest.mark.parametrize("settings", [{}, SETTINGS])
def test_every_setting_of_a_topic(both: tuple[Wire, Wire], name: str, version: int, settings: dict[str, str]) -> None:
    """Names, values, types, sources, synonyms and their order, and that there is documentation."""
    for wire in both:
        create(wire, name, 1, settings)
    asked = {"include_documentation": True} if version >= 3 else {}
    for synonyms in (True, False):
        here, there = (rows(w, TOPIC, name, version=version, include_synonyms=synonyms, **asked) for w in both)
        assert len(there) == 33
        elr = there[ELR_DEFAULT]
        elr["config_source"] = 5
        elr["synonyms"] = [synonym for synonym in elr["synonyms"] if synonym["source"] == 5]
        assert here == there


@pytest.mark.java
def test_every_setting_of_a_broker(both: tuple[Wire, Wire]) -> None:
    """But for what the two were started with, and for what kq decides otherwise (`kq.config.honoured`)."""
    here, there = (rows(wire, BROKER, THIS, include_synonyms=True, include_documentation=True) for wire in both)
    assert all(row["documentation"] for row in here.values())
    assert {name for name in here if not name.startswith("kq.")} == set(there)
    assert (len(there), sum(row["read_only"] for row in there.values())) == (340, 241)
    assert sum(row["is_sensitive"] for row in there.values()) == 10
    compared = 0
    for name, row in there.items():
        mine = here[name]
        assert (mine["config_type"], mine["is_sensitive"]) == (row["config_type"], row["is_sensitive"]), name
        assert mine["read_only"] == (MODES[name] is Mode.READ_ONLY if name in MODES else row["read_only"]), name
        given = STATIC in (mine["config_source"], row["config_source"]) or name in ("broker.id", "log.dir")
        if not given and name not in (ELR_DEFAULT, *DEFAULTS):
            assert mine | {"read_only": None} == row | {"read_only": None}, name
            compared += 1
    assert compared > 300


def test_the_dynamic_default_of_all_brokers(wire: Wire, differs: Differs) -> None:
    found = rows(wire, BROKER, "", include_synonyms=True)
    assert {key: row["value"] for key, row in found.items()} == differs(kafka={ELR_DEFAULT: "1"}, kq={})


def test_keys(wire: Wire, make_topic: Make) -> None:
    topic = make_topic()
    for keys, found in (
        (["retention.ms"], {"retention.ms"}),
        (["retention.ms", "retention.ms"], {"retention.ms"}),
        (["flush.ms", "cleanup.policy"], {"flush.ms", "cleanup.policy"}),
        (["bogus"], set()),
        ([""], set()),
    ):
        assert set(rows(wire, TOPIC, topic, keys)) == found
    assert len(rows(wire, TOPIC, topic, [])) == 33, "an empty list means all"
    asked = ["log.retention.hours", "bogus", "num.partitions", "ssl.keystore.password"]
    found = rows(wire, BROKER, THIS, asked)
    assert set(found) == set(asked) - {"bogus"}
    assert found["ssl.keystore.password"]["is_sensitive"]


def test_resources_that_cannot_be_described(wire: Wire) -> None:
    for kind, name, error in (
        (TOPIC, "no-such-topic", Err.UNKNOWN_TOPIC_OR_PARTITION),
        (TOPIC, "a b", Err.INVALID_TOPIC_EXCEPTION),
        (TOPIC, "", Err.INVALID_TOPIC_EXCEPTION),
        *((BROKER, name, Err.INVALID_REQUEST) for name in ("2", "x", "-1")),
        *((LOGGER, name, Err.INVALID_REQUEST) for name in ("2", "")),
        *((kind, "x", Err.INVALID_REQUEST) for kind in (0, 1, 3, 64, 127, -1)),
    ):
        [result] = describe(wire, (kind, name, None))
        assert (result.error_code, result.configs) == (error, []), (kind, name)
    assert describe(wire) == []


def test_kinds_of_resources_that_kq_does_not_have(wire: Wire, differs: Differs) -> None:
    for kind, name in ((LOGGER, THIS), (CLIENT_METRICS, "x")):
        [result] = describe(wire, (kind, name, None))
        assert result.error_code == differs(kafka=Err.NONE, kq=Err.INVALID_REQUEST)


def test_each_resource_is_answered_as_often_as_it_is_asked_for(wire: Wire, make_topic: Make) -> None:
    topic = make_topic()
    asked = [(TOPIC, topic, ["flush.ms"]), (TOPIC, topic, ["retention.ms"]), (BROKER, THIS, ["node.id"])]
    results = describe(wire, *asked, (TOPIC, "nope", None))
    assert [[row.name for row in result.configs] for result in results] == [*(keys for _, _, keys in asked), []]


# IncrementalAlterConfigs


def alter(wire: Wire, *resources: tuple[int, str, list[Change]], version: int = 1, dry: bool = False) -> list[int]:
    make = INCREMENTAL_ALTER_CONFIGS.Request
    wanted = [
        make.Resource(
            resource_type=kind,
            resource_name=name,
            configs=[make.Config(name=key, config_operation=op, value=value) for key, op, value in changes],
        )
        for kind, name, changes in resources
    ]
    results = wire.call(INCREMENTAL_ALTER_CONFIGS, version, make(resources=wanted, validate_only=dry)).results
    assert [(r.resource_type, r.resource_name) for r in results] == [(kind, name) for kind, name, _ in resources]
    return [result.error_code for result in results]


CHANGES: list[tuple[list[Change], Err, dict[str, str]]] = [
    ([("retention.ms", SET, "500")], Err.NONE, {"retention.ms": "500"}),
    ([("retention.ms", DELETE, None)], Err.NONE, {}),
    ([("retention.ms", DELETE, None)], Err.NONE, {}),
    ([("cleanup.policy", APPEND, "compact")], Err.NONE, {"cleanup.policy": "delete,compact"}),
    ([("cleanup.policy", APPEND, "compact")], Err.NONE, {"cleanup.policy": "delete,compact"}),
    ([("cleanup.policy", SUBTRACT, "delete")], Err.NONE, {"cleanup.policy": "compact"}),
    ([("cleanup.policy", SUBTRACT, "delete")], Err.NONE, {"cleanup.policy": "compact"}),
    ([("cleanup.policy", SUBTRACT, "compact")], Err.NONE, {"cleanup.policy": ""}),
    ([("cleanup.policy", APPEND, "delete,compact")], Err.NONE, {"cleanup.policy": "delete,compact"}),
    ([("cleanup.policy", DELETE, "x")], Err.NONE, {}),
    ([("retention.ms", SET, " 7 ")], Err.NONE, {"retention.ms": "7"}),
    ([("bogus", DELETE, None)], Err.NONE, {"retention.ms": "7"}),
    ([], Err.NONE, {"retention.ms": "7"}),
]

REFUSED: list[tuple[list[Change], Err]] = [
    ([("bogus", SET, "1")], Err.INVALID_CONFIG),
    ([("bogus", APPEND, "1")], Err.INVALID_CONFIG),
    ([("retention.ms", SET, "x")], Err.INVALID_CONFIG),
    ([("retention.ms", SET, "")], Err.INVALID_CONFIG),
    ([("retention.ms", APPEND, "5")], Err.INVALID_CONFIG),
    ([("cleanup.policy", APPEND, "bogus")], Err.INVALID_CONFIG),
    ([("segment.bytes", SET, "1000")], Err.INVALID_CONFIG),
    ([("min.compaction.lag.ms", SET, "10"), ("max.compaction.lag.ms", SET, "5")], Err.INVALID_CONFIG),
    ([("retention.ms", SET, None)], Err.INVALID_REQUEST),
    ([("cleanup.policy", APPEND, None)], Err.INVALID_REQUEST),
    ([("cleanup.policy", SUBTRACT, None)], Err.INVALID_REQUEST),
    ([("retention.ms", 9, None)], Err.INVALID_REQUEST),
    ([("retention.ms", SET, "1"), ("retention.ms", SET, "2")], Err.INVALID_REQUEST),
    ([("retention.ms", SET, "1"), ("retention.ms", DELETE, None)], Err.INVALID_REQUEST),
    ([("retention.ms", 9, "5")], Err.UNKNOWN_SERVER_ERROR),
    ([("retention.ms", -1, "5")], Err.UNKNOWN_SERVER_ERROR),
    ([("retention.ms", SET, "1"), ("flush.ms", SET, "x")], Err.INVALID_CONFIG),
]


def test_changes_of_a_topic(wire: Wire, make_topic: Make) -> None:
    topic = make_topic()
    for changes, error, left in CHANGES:
        assert alter(wire, (TOPIC, topic, changes)) == [error], changes
        until(lambda left=left: own(wire, TOPIC, topic) == left, f"after {changes} there is {left}")


def test_changes_of_a_topic_that_are_refused(wire: Wire, make_topic: Make) -> None:
    """All changes of a resource or none."""
    topic = make_topic()
    for changes, error in REFUSED:
        assert alter(wire, (TOPIC, topic, changes)) == [error], changes
    assert alter(wire, (TOPIC, topic, [("flush.ms", SET, "5")]), version=0) == [Err.NONE]
    until(lambda: own(wire, TOPIC, topic) == {"flush.ms": "5"}, "only what was not refused is set")
    assert alter(wire, (TOPIC, topic, [("flush.ms", SET, "6")]), dry=True) == [Err.NONE]
    assert own(wire, TOPIC, topic) == {"flush.ms": "5"}


def test_a_resource_twice(wire: Wire, make_topic: Make) -> None:
    topic, other = make_topic(), make_topic(suffix="-b")
    changes: list[Change] = [("flush.ms", SET, "1")]
    answers = alter(
        wire, (TOPIC, topic, changes), (TOPIC, other, changes), (TOPIC, topic, [("retention.ms", SET, "1")])
    )
    assert answers == [Err.INVALID_REQUEST, Err.NONE, Err.INVALID_REQUEST]
    until(lambda: own(wire, TOPIC, other) == {"flush.ms": "1"}, "the other one is changed")
    assert own(wire, TOPIC, topic) == {}


NOWHERE = [
    (TOPIC, "no-such-topic", Err.UNKNOWN_TOPIC_OR_PARTITION),
    (TOPIC, "a b", Err.INVALID_TOPIC_EXCEPTION),
    (TOPIC, "", Err.INVALID_REQUEST),
    *((BROKER, name, Err.INVALID_REQUEST) for name in ("2", "x", "-1")),
    *((kind, "x", Err.INVALID_REQUEST) for kind in (0, 1, 3, 64)),
]


def test_resources_that_cannot_be_changed(wire: Wire) -> None:
    for kind, name, error in NOWHERE:
        assert alter(wire, (kind, name, [("retention.ms", SET, "1")])) == [error], (kind, name)
        assert replace(wire, (kind, name, [("retention.ms", "1")])) == [error], (kind, name)
    assert alter(wire) == replace(wire) == []


BROKER_REFUSED: list[list[Change]] = [
    [("log.dirs", SET, "/x")],
    [("log.retention.ms", SET, "x")],
    [("log.retention.ms", SET, None)],
    [("log.retention.ms", 9, "5")],
    [("log.retention.ms", SET, "5"), ("log.retention.ms", SET, "6")],
    [("log.retention.ms", SET, "5"), ("log.dirs", SET, "6")],
    [("log.segment.bytes", SET, "1000")],
    [("log.retention.hours", SET, "1")],
    [("num.partitions", SET, "3")],
    [("ssl.keystore.location", SET, "/x")],
]


@pytest.mark.parametrize("resource", [THIS, ""])
def test_changes_of_brokers(wire: Wire, resource: str) -> None:
    try:
        for changes, left in (
            ([("log.cleaner.backoff.ms", SET, "500"), ("bogus.x", SET, "1")], {"log.cleaner.backoff.ms": "500"}),
            ([("log.cleaner.backoff.ms", DELETE, None)], {}),
            # Other tests write to this Kafka meanwhile: with `compact` in it their records without key were refused.
            ([("log.cleanup.policy", APPEND, "delete")], {"log.cleanup.policy": "delete"}),
            ([("log.cleanup.policy", SUBTRACT, "delete")], {"log.cleanup.policy": ""}),
            ([("log.cleanup.policy", DELETE, None)], {}),
            ([], {}),
        ):
            assert alter(wire, (BROKER, resource, changes)) == [Err.NONE]
            found = left | {"bogus.x": None}
            until(lambda found=found: own(wire, BROKER, resource) == found, f"after {changes} there is {found}")
        for refused in BROKER_REFUSED:
            assert alter(wire, (BROKER, resource, refused)) == [Err.INVALID_REQUEST], refused
        assert alter(wire, (BROKER, resource, [("log.retention.ms", APPEND, "5")])) == [Err.INVALID_CONFIG]
        assert alter(wire, (BROKER, resource, [("log.retention.ms", SET, "5")]), dry=True) == [Err.NONE]
        assert own(wire, BROKER, resource) == {"bogus.x": None}
    finally:
        names = ("log.cleaner.backoff.ms", "log.cleanup.policy", "bogus.x")
        assert alter(wire, (BROKER, resource, [(name, DELETE, None) for name in names])) == [Err.NONE]
        until(lambda: own(wire, BROKER, resource) == {}, "nothing is set any more")


# AlterConfigs


def replace(
    wire: Wire, *resources: tuple[int, str, list[tuple[str, str | None]]], version: int = 2, dry: bool = False
) -> list[int]:
    make = ALTER_CONFIGS.Request
    wanted = [
        make.Resource(resource_type=t, resource_name=n, configs=[make.Config(name=k, value=v) for k, v in settings])
        for t, n, settings in resources
    ]
    results = wire.call(ALTER_CONFIGS, version, make(resources=wanted, validate_only=dry)).results
    return [result.error_code for result in results]


def test_settings_replaced(wire: Wire, make_topic: Make) -> None:
    topic = make_topic()
    steps: list[tuple[list[tuple[str, str | None]], Err]] = [
        ([("retention.ms", "500"), ("flush.ms", "5")], Err.NONE),
        ([("retention.ms", "600")], Err.NONE),
        ([("bogus", "1")], Err.INVALID_CONFIG),
        ([("retention.ms", None)], Err.INVALID_REQUEST),
        ([("retention.ms", "1"), ("retention.ms", "2")], Err.INVALID_REQUEST),
        ([("retention.ms", "1"), ("flush.ms", "x")], Err.INVALID_CONFIG),
        ([("cleanup.policy", "")], Err.NONE),
        ([], Err.NONE),
    ]
    expected: dict[str, str | None] = {}
    for settings, error in steps:
        assert replace(wire, (TOPIC, topic, settings)) == [error], settings
        expected = dict(settings) if error == Err.NONE else expected
        until(lambda left=expected: own(wire, TOPIC, topic) == left, f"after {settings} there is {expected}")
    for version in (0, 1, 2):
        assert replace(wire, (TOPIC, topic, [("flush.ms", str(version))]), version=version) == [Err.NONE]
    assert replace(wire, (TOPIC, topic, []), dry=True) == [Err.NONE]
    until(lambda: own(wire, TOPIC, topic) == {"flush.ms": "2"}, "the last one that was no dry run holds")


def test_a_resource_replaced_twice(bootstrap: str, make_topic: Make, differs: Differs) -> None:
    """Kafka never answers."""
    topic = make_topic()
    with Wire(bootstrap, timeout_s=2) as wire:
        try:
            codes: Any = replace(wire, (TOPIC, topic, [("flush.ms", "1")]), (TOPIC, topic, [("retention.ms", "1")]))
        except (TimeoutError, Closed):
            codes = "no answer"
    assert codes == differs(kafka="no answer", kq=[Err.INVALID_REQUEST] * 2)
