"""Settings as data: what a setting is, and a table that parses and renders values the way Kafka does.

Parsing follows Kafka's `ConfigDef.parseType` as measured on 4.3.1: blanks around a value do not count, booleans ignore
case, integers are decimal and fit their type, list items are separated by commas, an item may not be empty and a
repeated one counts once. kq refuses two things that Kafka lets through by accident: digits outside of ASCII, and NaN.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum, IntEnum
from typing import NamedTuple

from kq.config.valid import Valid, Value
from kq.errors import Err, KafkaError
from kq.nearest import did_you_mean


class Type(IntEnum):
    """Kafka's `ConfigDef.Type`, numbered as DescribeConfigs answers it."""

    BOOLEAN = 1
    STRING = 2
    INT = 3
    SHORT = 4
    LONG = 5
    DOUBLE = 6
    LIST = 7
    CLASS = 8
    PASSWORD = 9


class Mode(Enum):
    """Whether a setting can be changed while the broker runs, and for whom."""

    READ_ONLY = "read-only"
    PER_BROKER = "per-broker"
    CLUSTER_WIDE = "cluster-wide"


class Importance(Enum):
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Setting(NamedTuple):
    name: str
    type: Type
    default: Value
    doc: str
    valid: Valid | None = None
    importance: Importance = Importance.MEDIUM
    mode: Mode = Mode.CLUSTER_WIDE
    internal: bool = False
    """Internal settings are accepted, but listed only where they are set."""
    honoured: bool = True
    """False: known from Kafka, accepted and reported, without effect on kq."""
    synonyms: tuple[tuple[str, int | None], ...] = ()
    """Broker settings a topic setting falls back to, first come first, each with the factor into this one's unit."""

    @property
    def read_only(self) -> bool:
        return self.mode is Mode.READ_ONLY

    @property
    def sensitive(self) -> bool:
        return self.type is Type.PASSWORD


_INTEGER_BITS = {Type.SHORT: 16, Type.INT: 32, Type.LONG: 64}


class ConfigTable(Mapping[str, Setting]):
    """Settings by name. The rows are built at the first look into the table (the broker's are 370)."""

    def __init__(self, kind: str, rows: Callable[[], Iterable[Setting]]) -> None:
        self.kind = kind
        self._build = rows
        self._rows: dict[str, Setting] | None = None

    def _table(self) -> dict[str, Setting]:
        if self._rows is None:
            self._rows = {row.name: row for row in self._build()}
        return self._rows

    def __getitem__(self, name: str) -> Setting:
        return self._table()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._table())

    def __len__(self) -> int:
        return len(self._table())

    def setting(self, name: str) -> Setting:
        """The setting of that name; INVALID_CONFIG with the nearest name when there is none."""
        found = self._table().get(name)
        if found is None:
            hint = did_you_mean(name, self)
            raise KafkaError(Err.INVALID_CONFIG, f"There is no {self.kind} setting {name}{hint}.")
        return found

    def parse(self, name: str, text: str) -> Value:
        """The value that `text` spells; INVALID_CONFIG with a sentence when it is none for this setting."""
        return parse_value(self.setting(name), text)

    def render(self, name: str, value: Value) -> str | None:
        """A value as Kafka spells it; None for a setting that is not set and has no default."""
        self.setting(name)
        return render_value(value)


def parse_value(setting: Setting, text: str) -> Value:
    """Reads one value of a setting: by type first, then by its rule."""
    stripped = text.strip()
    value = _typed(setting, stripped)
    complaint = setting.valid.complaint(value) if setting.valid is not None else None
    if complaint:
        raise _refused(setting, stripped, complaint)
    return value


def _typed(setting: Setting, text: str) -> Value:
    match setting.type:
        case Type.BOOLEAN:
            if text.lower() not in ("true", "false"):
                raise _refused(setting, text, "be true or false")
            return text.lower() == "true"
        case Type.INT | Type.LONG | Type.SHORT:
            bits = _INTEGER_BITS[setting.type]
            if not re.fullmatch(r"[+-]?[0-9]{1,40}", text):
                raise _refused(setting, text, "be a whole number")
            number = int(text)
            if not -(1 << bits - 1) <= number < 1 << bits - 1:
                raise _refused(setting, text, f"fit into {bits} bits")
            return number
        case Type.DOUBLE:
            if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", text):
                raise _refused(setting, text, "be a number")
            return float(text)
        case Type.LIST:
            items = tuple(item.strip() for item in text.split(",")) if text else ()
            if not all(items):
                raise _refused(setting, text, "have no empty item")
            return tuple(dict.fromkeys(items))
        case Type.STRING | Type.CLASS | Type.PASSWORD:
            return text


def _refused(setting: Setting, text: str, complaint: str) -> KafkaError:
    shown = "its value" if setting.sensitive else repr(text)
    return KafkaError(Err.INVALID_CONFIG, f"{setting.name} cannot be {shown}: it must {complaint}.")


def render_value(value: Value) -> str | None:
    """A value in Kafka's spelling (Java's, for numbers)."""
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case tuple():
            return ",".join(value)
        case float():
            return _java_double(value)
        case _:
            return str(value)


def _java_double(value: float) -> str:
    """As `Double.toString`: plain from 1e-3 up to 1e7, else `d.dddE±n`; always with a decimal point."""
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(value)
    mantissa, _, exponent = f"{value:e}".partition("e")
    digits = repr(value).partition("e")[0].replace(".", "").lstrip("-0").rstrip("0") or "0"
    sign = "-" if mantissa.startswith("-") else ""
    return f"{sign}{digits[0]}.{digits[1:] or '0'}E{int(exponent)}"
