"""The broker settings: what Kafka knows (`known.py`), what kq honours (`honoured.py`), and what only kq has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from kq.config.honoured import DEFAULTS, DOCS, MODES, own_settings
from kq.config.known import KNOWN
from kq.config.table import ConfigTable, Importance, Mode, Setting, Type, parse_value
from kq.config.topic import TOPIC
from kq.config.valid import ListOf, NotEmpty, OneOf, Range, Valid, Value
from kq.errors import Err, KafkaError
from kq.nearest import nearest

_SUBJECTS = (
    ("group.share.", "share groups"),
    ("share.", "share groups"),
    ("group.", "consumer groups"),
    ("offset", "consumer groups"),
    ("transaction", "transactions"),
    ("add.partitions.to.txn", "transactions"),
    ("replica", "replication"),
    ("leader.", "replication"),
    ("num.replica", "replication"),
    ("ssl.", "TLS"),
    ("sasl.", "SASL"),
    ("delegation.", "delegation tokens"),
    ("remote.", "tiered storage"),
    ("controller.", "the KRaft quorum"),
    ("metadata.", "the KRaft quorum"),
    ("log.cleaner.", "the log cleaner"),
    ("metric", "metrics reporters"),
    ("kafka.metrics", "metrics reporters"),
)

DYNAMIC_RATES = (
    "follower.replication.throttled.rate",
    "leader.replication.throttled.rate",
    "replica.alter.log.dirs.io.max.bytes.per.second",
)
"""Settings that exist only dynamically and are listed only where they are set; kafka-reassign-partitions sets them."""


def _rows() -> list[Setting]:
    inherited = {
        word: f"{setting.doc} This is the value of topics without {topic_name} of their own."
        for topic_name, setting in TOPIC.items()
        if setting.honoured
        for word, _ in setting.synonyms
    }
    docs = inherited | DOCS
    rows = [_row(line.split(" "), docs) for line in KNOWN.splitlines()]
    rates = [
        Setting(name, Type.LONG, None, _generic(name), Range(0), internal=True, honoured=False)
        for name in DYNAMIC_RATES
    ]
    return sorted(rows + rates + own_settings(), key=lambda row: row.name)


def _row(fields: list[str], docs: Mapping[str, str]) -> Setting:
    name, kind, default, valid, importance, mode = fields
    setting_type = Type[kind.upper()]
    return Setting(
        name,
        setting_type,
        DEFAULTS[name] if name in DEFAULTS else _default(name, setting_type, default),
        docs.get(name) or _generic(name),
        _valid(valid, setting_type),
        Importance(importance),
        MODES.get(name) or (Mode.READ_ONLY if mode == "internal" else Mode(mode)),
        internal=mode == "internal",
        honoured=name in docs,
    )


def _default(name: str, setting_type: Type, text: str) -> Value:
    if text == "null":
        return None
    return parse_value(Setting(name, setting_type, None, ""), "" if text == "''" else text)


def _valid(text: str, setting_type: Type) -> Valid | None:
    """Reads the little language of `known.py`."""
    if text == "-":
        return None
    if ".." in text:
        span, _, also = text.partition(",")
        low, _, high = span.partition("..")
        return Range(_number(low), _number(high) if high else None, int(also) if also else None)
    names = () if text == "nonempty" else tuple(text.lstrip("+~").split("|"))
    if setting_type is Type.LIST:
        return ListOf(names, may_be_empty=not (text.startswith("+") or not names))
    return OneOf(names, ignore_case=text.startswith("~")) if names else NotEmpty()


def _number(text: str) -> float:
    return float(text) if "." in text else int(text)


def _generic(name: str) -> str:
    about = next((f" about {subject}" for prefix, subject in _SUBJECTS if name.startswith(prefix)), "")
    return f"A setting of Apache Kafka{about}: kq accepts and reports it, without effect."


BROKER = ConfigTable("broker", _rows)


class Disregarded(NamedTuple):
    """What of a set of broker properties changes nothing, for one warning at the start."""

    without_effect: tuple[str, ...]
    """Known to Kafka, not honoured by kq."""
    unknown: tuple[tuple[str, str | None], ...]
    """Known to nobody, each with the nearest known name."""

    def lines(self) -> list[str]:
        idle = [f"without effect in kq: {', '.join(self.without_effect)}"] if self.without_effect else []
        return idle + [
            f"unknown setting {name}{f'; did you mean {near}?' if near else ''}" for name, near in self.unknown
        ]


def disregarded(properties: Mapping[str, str]) -> Disregarded:
    """Sorts out the names of a `server.properties` that have no effect. Values are not looked at."""
    idle, unknown = [], []
    for name in sorted(properties):
        setting = BROKER.get(unprefixed(name))
        if setting is None:
            unknown.append((name, nearest(name, BROKER)))
        elif not setting.honoured or setting.name != name:
            idle.append(name)
    return Disregarded(tuple(idle), tuple(unknown))


def refuse_unknown(name: str) -> None:
    """INVALID_CONFIG for a name that neither Kafka nor kq knows, with the way to the one that was meant."""
    setting = TOPIC.get(name)
    if setting is not None and setting.synonyms and name not in BROKER:
        raise KafkaError(
            Err.INVALID_CONFIG,
            f"{name} is a topic's setting; for all topics of a broker it is {setting.synonyms[0][0]}.",
        )
    if unprefixed(name) not in BROKER:
        BROKER.setting(name)


def unprefixed(name: str) -> str:
    """`listener.name.LISTENER.[MECHANISM.]REST` -> REST when that is a setting: Kafka's overrides for one listener."""
    if not name.startswith("listener.name."):
        return name
    rest = name.removeprefix("listener.name.").partition(".")[2]
    return rest if rest in BROKER else rest.partition(".")[2]
