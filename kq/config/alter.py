"""Changing settings: CreateTopics, AlterConfigs and IncrementalAlterConfigs as functions from settings to settings.

All or nothing: a function returns what is to be stored, or raises for the first thing that is wrong. What is answered,
measured on 4.3.1 (topic and group / broker):

| change | answer |
|---|---|
| one name twice | INVALID_REQUEST |
| no value with anything but DELETE | INVALID_REQUEST; INVALID_CONFIG in CreateTopics |
| an operation other than the four | UNKNOWN_SERVER_ERROR / INVALID_REQUEST |
| APPEND or SUBTRACT on what is no list, or on an unknown name | INVALID_CONFIG |
| APPEND of what is there, SUBTRACT of what is not, SUBTRACT down to nothing | done |
| a bad value | INVALID_CONFIG / INVALID_REQUEST |
| an unknown name: DELETE | done |
| an unknown name: SET | INVALID_CONFIG / done |
| SET of a read-only setting, of a per-broker one for all, of a key store without a listener | - / INVALID_REQUEST |

APPEND and SUBTRACT begin with the value that holds now, inherited or not. (Kafka begins with its built-in default where
the resource itself sets nothing, so that appending to a topic whose broker says `compact` switches deletion on.)
Stored texts are as they were given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import IntEnum
from typing import NamedTuple

from kq.config.broker import BROKER, unprefixed
from kq.config.broker_settings import broker_settings
from kq.config.group import GROUP, check_bounds
from kq.config.resolve import BrokerLayers
from kq.config.table import ConfigTable, Mode, Type, parse_value, render_value
from kq.config.topic import TOPIC
from kq.config.topic_settings import inherited_value, topic_settings
from kq.errors import Err, KafkaError

_ONLY_FOR_A_LISTENER = ("ssl.key.", "ssl.keystore.", "ssl.truststore.")
"""Stores of keys: for the whole broker they are fixed at its start, a listener's can be replaced."""


class Op(IntEnum):
    SET = 0
    DELETE = 1
    APPEND = 2
    SUBTRACT = 3


class Change(NamedTuple):
    name: str
    op: int
    value: str | None


def create_topic(settings: Iterable[tuple[str, str | None]], broker: BrokerLayers) -> dict[str, str]:
    """The overrides of a topic that is being made. Of a name that occurs twice the last value counts."""
    given = dict(settings)
    for name, value in given.items():
        if value is None:
            raise KafkaError(Err.INVALID_CONFIG, f"{name} has no value.")
    return alter_topic({}, [Change(name, Op.SET, value) for name, value in given.items()], broker)


def replace_topic(settings: Iterable[tuple[str, str | None]], broker: BrokerLayers) -> dict[str, str]:
    """AlterConfigs: these overrides instead of all that were there."""
    return alter_topic({}, [Change(name, Op.SET, value) for name, value in settings], broker)


def alter_topic(overrides: Mapping[str, str], changes: Iterable[Change], broker: BrokerLayers) -> dict[str, str]:
    """IncrementalAlterConfigs of a topic: its overrides after the changes."""
    merged = broker.merged()

    def now(name: str) -> str:
        return overrides[name] if name in overrides else render_value(inherited_value(name, merged)) or ""

    altered = dict(overrides)
    for change, text in _applied(TOPIC, changes, now):
        if text is None:
            altered.pop(change.name, None)
        else:
            TOPIC.parse(change.name, text)
            altered[change.name] = text
    settings = topic_settings(altered, merged)
    if settings.min_compaction_lag_ms > settings.max_compaction_lag_ms:
        raise KafkaError(
            Err.INVALID_CONFIG,
            f"min.compaction.lag.ms ({settings.min_compaction_lag_ms}) must not be above "
            f"max.compaction.lag.ms ({settings.max_compaction_lag_ms}).",
        )
    return altered


def replace_group(settings: Iterable[tuple[str, str | None]], broker: BrokerLayers) -> dict[str, str]:
    """AlterConfigs: these settings instead of all that the group had of its own."""
    return alter_group({}, [Change(name, Op.SET, value) for name, value in settings], broker)


def alter_group(overrides: Mapping[str, str], changes: Iterable[Change], broker: BrokerLayers) -> dict[str, str]:
    """IncrementalAlterConfigs of a group: its own settings after the changes."""
    merged = broker.merged()
    altered = dict(overrides)
    for change, text in _applied(GROUP, changes, lambda _: ""):
        if text is None:
            altered.pop(change.name, None)
        else:
            check_bounds(change.name, GROUP.parse(change.name, text), merged)
            altered[change.name] = text
    return altered


def replace_broker(
    settings: Iterable[tuple[str, str | None]], broker: BrokerLayers, *, for_all: bool
) -> dict[str, str]:
    """AlterConfigs of a broker: these dynamic settings instead of all that were there."""
    emptied = _with_layer(broker, {}, for_all)
    return alter_broker([Change(name, Op.SET, value) for name, value in settings], emptied, for_all=for_all)


def alter_broker(changes: Iterable[Change], broker: BrokerLayers, *, for_all: bool) -> dict[str, str]:
    """IncrementalAlterConfigs of one broker, or of the default of all: that layer's settings after the changes."""
    layer = broker.dynamic_default if for_all else broker.dynamic
    merged = (BrokerLayers(dynamic_default=layer, static=broker.static) if for_all else broker).merged()

    def now(name: str) -> str:
        return merged[name] if name in merged else render_value(BROKER[name].default) or ""

    altered = dict(layer)
    for change, text in _applied(BROKER, changes, now):
        if text is None:
            altered.pop(change.name, None)
        else:
            _check_dynamic(change.name, text, for_all)
            altered[change.name] = text
    try:
        broker_settings(_with_layer(broker, altered, for_all).merged())
    except KafkaError as error:
        raise KafkaError(Err.INVALID_REQUEST, str(error)) from error
    return altered


def _applied(
    table: ConfigTable, changes: Iterable[Change], now: Callable[[str], str]
) -> Iterator[tuple[Change, str | None]]:
    """Each change with the text that is to be set, or None for a setting that is to be removed."""
    seen = set()
    for change in changes:
        if change.name in seen:
            raise KafkaError(Err.INVALID_REQUEST, f"{change.name} is changed twice in one request.")
        seen.add(change.name)
        if change.op == Op.DELETE:
            yield change, None
            continue
        if change.value is None:
            raise KafkaError(Err.INVALID_REQUEST, f"{change.name} is given no value.")
        if change.op not in (Op.SET, Op.APPEND, Op.SUBTRACT):
            code = Err.INVALID_REQUEST if table is BROKER else Err.UNKNOWN_SERVER_ERROR
            raise KafkaError(code, f"There is no operation {change.op} on settings.")
        yield change, change.value if change.op == Op.SET else _relisted(table, change, change.value, now)


def _relisted(table: ConfigTable, change: Change, value: str, now: Callable[[str], str]) -> str:
    """The list after an APPEND or SUBTRACT, in the order it had."""
    setting = table.get(change.name)
    if setting is None or setting.type is not Type.LIST:
        verb = "added to" if change.op == Op.APPEND else "taken from"
        raise KafkaError(Err.INVALID_CONFIG, f"Nothing can be {verb} {change.name}: it is not a list.")
    before = now(change.name).strip()
    items, named = _items(before) if before else [], _items(value)
    if change.op == Op.APPEND:
        return ",".join(dict.fromkeys(items + named))
    return ",".join(item for item in items if item not in named)


def _items(text: str) -> list[str]:
    """As Java splits: commas at the end make no items, but an empty text is one empty item (and refused as such)."""
    return [item.strip() for item in (text.rstrip(", ") or text).split(",")]


def _with_layer(broker: BrokerLayers, layer: Mapping[str, str], for_all: bool) -> BrokerLayers:
    if for_all:
        return BrokerLayers(broker.dynamic, layer, broker.static)
    return BrokerLayers(layer, broker.dynamic_default, broker.static)


def _check_dynamic(name: str, text: str, for_all: bool) -> None:
    setting = BROKER.get(unprefixed(name))
    if setting is None:
        return
    if setting.read_only:
        raise KafkaError(Err.INVALID_REQUEST, f"{name} cannot be changed while the broker runs: set it at its start.")
    if setting.mode is Mode.PER_BROKER and for_all:
        raise KafkaError(Err.INVALID_REQUEST, f"{name} cannot be set for all brokers: name the broker.")
    if name.startswith(_ONLY_FOR_A_LISTENER):
        raise KafkaError(
            Err.INVALID_REQUEST, f"{name} can be changed for one listener only: listener.name.NAME.{name}."
        )
    try:
        parse_value(setting, text)
    except KafkaError as error:
        raise KafkaError(Err.INVALID_REQUEST, str(error)) from error
