"""Where a setting's value comes from: what DescribeConfigs answers, as a pure function of what is set where.

The order is Kafka's (`ConfigHelper`, `DynamicBrokerConfig.brokerConfigSynonyms`), measured on 4.3.1:

1. the topic's own value, rendered;
2. then every broker setting of the same family (`log.retention.ms`, `.minutes`, `.hours` are one) that has a value:
   those set dynamically on this broker, then the dynamic default of the cluster, then the properties it was started
   with, then the defaults - each text as it was given, so `log.retention.hours` shows 168, not milliseconds;
3. of this list, what comes before the setting's namesake (`log.retention.ms`) is dropped. That is why retention.ms
   lists `log.retention.hours` only once `log.retention.ms` is set, and flush.ms nothing by default.

The source of a value is the source of the first entry, DEFAULT when there is none. kq departs in one point: for topics
step 3 drops defaults only, so a `log.retention.hours=1` in the properties is reported as what it is, where Kafka claims
that the one hour is a default.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache
from itertools import dropwhile
from typing import NamedTuple

from kq.config.broker import BROKER, unprefixed
from kq.config.group import GROUP
from kq.config.table import Setting, Type, parse_value, render_value
from kq.config.topic import TOPIC
from kq.config.topic_settings import inherited_value


class Source(IntEnum):
    """Kafka's `ConfigSource`, as numbered on the wire."""

    UNKNOWN = 0
    TOPIC = 1
    DYNAMIC_BROKER = 2
    DYNAMIC_DEFAULT_BROKER = 3
    STATIC_BROKER = 4
    DEFAULT = 5
    GROUP = 8


class Synonym(NamedTuple):
    name: str
    value: str | None
    source: Source


class Described(NamedTuple):
    """One setting as DescribeConfigs answers it. The value of a sensitive setting is None."""

    name: str
    value: str | None
    source: Source
    read_only: bool
    sensitive: bool
    type: Type | None
    """None: of a name that nobody knows."""
    doc: str | None
    synonyms: tuple[Synonym, ...]


@dataclass(frozen=True, slots=True)
class BrokerLayers:
    """What is set on one broker, the stronger layers first; texts as they were given."""

    dynamic: Mapping[str, str] = field(default_factory=dict)
    dynamic_default: Mapping[str, str] = field(default_factory=dict)
    static: Mapping[str, str] = field(default_factory=dict)

    def layers(self) -> tuple[Mapping[str, str], Mapping[str, str], Mapping[str, str]]:
        return self.dynamic, self.dynamic_default, self.static

    def merged(self) -> dict[str, str]:
        """What holds: the input of `broker_settings` and of `topic_settings`."""
        return {**self.static, **self.dynamic_default, **self.dynamic}


def describe_topic(
    overrides: Mapping[str, str], broker: BrokerLayers, names: Collection[str] | None = None
) -> list[Described]:
    """The settings of a topic, all or those named (unknown names are passed over, as Kafka does).

    Consoles ask this of every topic at a time: what topics inherit is worked out once for all of them.
    """
    inherited = _inherited_rows(*(frozenset(layer.items()) for layer in broker.layers()))
    return [
        _overridden(inherited[setting.name], setting, overrides[setting.name])
        if setting.name in overrides
        else inherited[setting.name]
        for setting in _chosen(TOPIC.values(), names, overrides)
    ]


@lru_cache(maxsize=8)
def _inherited_rows(*layers: frozenset[tuple[str, str]]) -> dict[str, Described]:
    """Every topic setting as a topic has it that sets nothing, by name."""
    broker = BrokerLayers(*map(dict, layers))
    merged = broker.merged()
    rows = {}
    for setting in TOPIC.values():
        text = render_value(inherited_value(setting.name, merged))
        synonyms = (
            _inherited_synonyms(setting.synonyms[0][0], broker, keep_what_is_set=True) if setting.synonyms else ()
        )
        rows[setting.name] = _described(setting, text, synonyms)
    return rows


def _overridden(inherited: Described, setting: Setting, own: str) -> Described:
    text = render_value(parse_value(setting, own))
    return _described(setting, text, (Synonym(setting.name, text, Source.TOPIC), *inherited.synonyms))


def describe_group(
    overrides: Mapping[str, str], broker: BrokerLayers, names: Collection[str] | None = None
) -> list[Described]:
    """The settings of a group, all or those named. What has no broker setting behind it is a synonym of itself."""
    merged = broker.merged()
    rows = []
    for setting in _chosen(GROUP.values(), names, overrides):
        if setting.synonyms:
            behind = _described_broker_setting(BROKER[setting.synonyms[0][0]], broker, merged)
            text, synonyms = behind.value, behind.synonyms
        else:
            text = render_value(setting.default) or ""
            synonyms = (Synonym(setting.name, text, Source.DEFAULT),)
        if setting.name in overrides:
            text = render_value(parse_value(setting, overrides[setting.name]))
            synonyms = (Synonym(setting.name, text, Source.GROUP), *synonyms)
        rows.append(_described(setting, text, synonyms))
    return rows


def describe_broker(broker: BrokerLayers, names: Collection[str] | None = None) -> list[Described]:
    """The settings of one broker, all or those named; names that nobody knows are listed where they are set."""
    merged = broker.merged()
    known = [_described_broker_setting(setting, broker, merged) for setting in _chosen(BROKER.values(), names, merged)]
    return known + [_foreign(name, broker) for name in _foreign_names(merged, names)]


def _described_broker_setting(setting: Setting, broker: BrokerLayers, merged: Mapping[str, str]) -> Described:
    given = merged.get(setting.name)
    text = render_value(setting.default if given is None else parse_value(setting, given))
    return _described(setting, text, _inherited_synonyms(setting.name, broker))


def describe_default(dynamic_default: Mapping[str, str], names: Collection[str] | None = None) -> list[Described]:
    """The dynamic default of the cluster (the broker resource with the empty name): what is set there and no more, each
    value as the text that was given."""
    broker = BrokerLayers(dynamic_default=dynamic_default)
    known = [
        each._replace(
            value=None if each.sensitive else dynamic_default[each.name],
            synonyms=tuple(s for s in each.synonyms if s.source is not Source.DEFAULT),
        )
        for each in describe_broker(broker, dynamic_default)
    ]
    return [each for each in known if names is None or each.name in names]


def _chosen(settings: Iterable[Setting], names: Collection[str] | None, given: Collection[str]) -> list[Setting]:
    return [
        setting
        for setting in settings
        if (names is None or setting.name in names) and (not setting.internal or setting.name in given)
    ]


def _described(setting: Setting, text: str | None, synonyms: tuple[Synonym, ...]) -> Described:
    if setting.sensitive:
        text, synonyms = None, tuple(synonym._replace(value=None) for synonym in synonyms)
    source = synonyms[0].source if synonyms else Source.DEFAULT
    return Described(
        setting.name, text, source, setting.read_only, setting.sensitive, setting.type, setting.doc, synonyms
    )


_FAMILIES: dict[str, tuple[str, ...]] = {
    name: family
    for family in (
        ("log.retention.ms", "log.retention.minutes", "log.retention.hours"),
        ("log.roll.ms", "log.roll.hours"),
        ("log.roll.jitter.ms", "log.roll.jitter.hours"),
        ("log.flush.interval.ms", "log.flush.scheduler.interval.ms"),
    )
    for name in family
}


def _inherited_synonyms(name: str, broker: BrokerLayers, *, keep_what_is_set: bool = False) -> tuple[Synonym, ...]:
    """Steps 2 and 3 of the order above, for a broker setting."""
    family = _FAMILIES.get(name, (name,))
    layers: tuple[tuple[Callable[[str], str | None], Source], ...] = (
        (broker.dynamic.get, Source.DYNAMIC_BROKER),
        (broker.dynamic_default.get, Source.DYNAMIC_DEFAULT_BROKER),
        (broker.static.get, Source.STATIC_BROKER),
        (lambda each: render_value(BROKER[each].default), Source.DEFAULT),
    )
    found = [
        Synonym(each, text, source)
        for value_of, source in layers
        for each in family
        if (text := value_of(each)) is not None
    ]

    def is_dropped(synonym: Synonym) -> bool:
        return synonym.name != name and not (keep_what_is_set and synonym.source is not Source.DEFAULT)

    return tuple(dropwhile(is_dropped, found))


def _foreign_names(merged: Mapping[str, str], names: Collection[str] | None) -> list[str]:
    return sorted(name for name in merged if name not in BROKER and (names is None or name in names))


def _foreign(name: str, broker: BrokerLayers) -> Described:
    """A name that is not in the table: an override for one listener, or one that nobody knows (and may be a secret)."""
    layers = (
        (broker.dynamic, Source.DYNAMIC_BROKER),
        (broker.dynamic_default, Source.DYNAMIC_DEFAULT_BROKER),
        (broker.static, Source.STATIC_BROKER),
    )
    base = BROKER.get(unprefixed(name))
    sensitive = base is None or base.sensitive
    found = tuple(
        Synonym(name, None if sensitive else layer[name], source) for layer, source in layers if name in layer
    )
    inherited = _described_broker_setting(base, broker, broker.merged()).synonyms if base else ()
    return Described(
        name,
        found[0].value,
        found[0].source,
        read_only=True,
        sensitive=sensitive,
        type=base.type if base else None,
        doc=base.doc if base else None,
        synonyms=found + inherited,
    )
