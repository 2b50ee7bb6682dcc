"""The settings of a group (`GroupConfig` of 4.3.1): all 17, each in place of a broker setting, for one group.

A value must also lie between what the broker allows (`group.consumer.min.session.timeout.ms` and the like). Those of
share and streams groups are accepted, kept and reported, without effect: kq has no such groups.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from kq.config.broker import BROKER
from kq.config.table import ConfigTable, Importance, Setting, Type, parse_value
from kq.config.valid import OneOf, Range, ResetPolicy, Valid, Value
from kq.errors import Err, KafkaError


class _Row(NamedTuple):
    name: str
    doc: str
    has_least: bool = True  # the broker has a setting for the smallest value, for the largest
    has_most: bool = True


_INTEGERS = (
    _Row("consumer.assignment.interval.ms", "The least time between two assignments of the group."),
    _Row("consumer.heartbeat.interval.ms", "How often a member sends a heartbeat."),
    _Row("consumer.session.timeout.ms", "How long a member may be silent before it is out."),
    _Row("share.assignment.interval.ms", ""),
    _Row("share.delivery.count.limit", ""),
    _Row("share.heartbeat.interval.ms", ""),
    _Row("share.partition.max.record.locks", ""),
    _Row("share.record.lock.duration.ms", ""),
    _Row("share.session.timeout.ms", ""),
    _Row("streams.assignment.interval.ms", ""),
    _Row("streams.heartbeat.interval.ms", ""),
    _Row("streams.initial.rebalance.delay.ms", "", has_least=False, has_most=False),
    _Row("streams.num.standby.replicas", "", has_least=False),
    _Row("streams.session.timeout.ms", ""),
)
_WITHOUT_EFFECT = "A setting of Apache Kafka about {} groups: kq accepts and reports it, without effect."


def _rows() -> list[Setting]:
    rows = [_of_broker(row) for row in _INTEGERS]
    rows += [
        _own("share.auto.offset.reset", Type.STRING, "latest", ResetPolicy()),
        _own("share.isolation.level", Type.STRING, "read_uncommitted", OneOf(("read_uncommitted", "read_committed"))),
        _own("share.renew.acknowledge.enable", Type.BOOLEAN, True, None),
    ]
    return sorted(rows, key=lambda row: row.name)


def _of_broker(row: _Row) -> Setting:
    of_broker = BROKER[f"group.{row.name}"]
    least = of_broker.valid.low if isinstance(of_broker.valid, Range) else 0
    return Setting(
        row.name,
        Type.INT,
        of_broker.default,
        row.doc or _WITHOUT_EFFECT.format(row.name.partition(".")[0]),
        Range(least),
        honoured=bool(row.doc),
        synonyms=((of_broker.name, None),),
    )


def _own(name: str, kind: Type, default: Value, valid: Valid | None) -> Setting:
    doc = _WITHOUT_EFFECT.format("share")
    return Setting(name, kind, default, doc, valid, Importance.MEDIUM, honoured=False)


GROUP = ConfigTable("group", _rows)


def check_bounds(name: str, value: Value, broker: Mapping[str, str]) -> None:
    """INVALID_CONFIG for what the broker with these settings does not allow a group."""
    row = next((row for row in _INTEGERS if row.name == name), None)
    if row is None or not isinstance(value, int):
        return
    kind, _, rest = name.partition(".")
    rest = rest.removeprefix("num.")
    least, most = f"group.{kind}.min.{rest}", f"group.{kind}.max.{rest}"
    if row.has_least and value < _broker_value(least, broker):
        raise _out_of_bounds(name, "at least", least, _broker_value(least, broker))
    if row.has_most and value > _broker_value(most, broker):
        raise _out_of_bounds(name, "at most", most, _broker_value(most, broker))


def _out_of_bounds(name: str, relation: str, bound_name: str, bound: int) -> KafkaError:
    return KafkaError(Err.INVALID_CONFIG, f"{name} must be {relation} {bound_name}, which is {bound}.")


def _broker_value(name: str, broker: Mapping[str, str]) -> int:
    setting = BROKER[name]
    value = parse_value(setting, broker[name]) if name in broker else setting.default
    assert isinstance(value, int)
    return value
