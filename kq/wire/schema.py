"""Field tables: the text that describes a message, and its parsed form.

One line is one field; deeper lines belong to the structure named on the line above:

    topics: [Topic]?1+                      an array of structures, null allowed from version 1
      name: string 0-12                     only in versions 0 to 12
      topic_id: uuid 13+ ignorable          dropped silently where the version lacks it
      partitions: [Partition]
        leader_id: int32 = -1 tag 0         a default other than zero, null or empty; tagged field 0

The order within a line is `name: type = default versions ignorable tag N`; everything after the type is optional.
A structure named again without lines of its own is the one described before it in the same table.
Types are those of Kafka's message definitions; `?` marks what may be null, in all versions or in those that follow it.
A field without `= default` is zero, false or empty; null if it may be null in every version and is no array.
A tagged structure is None unless it is present; one that may be null is written also where it is None.
Names of structures become attributes of the message class.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from kq.wire.primitives import FIXED_CODES, ZERO_UUID

ALL_VERSIONS = 32767  # "13+" has no end: versions are int16
NEVER = ALL_VERSIONS + 1  # where no version is flexible

_VARIABLE = ("string", "bytes", "records")


class Versions(NamedTuple):
    """A range of versions, both ends included; empty when first > last."""

    first: int
    last: int

    @classmethod
    def parse(cls, text: str) -> Versions:
        first, dash, last = text.rstrip("+").partition("-")
        return cls(int(first), int(last) if dash else ALL_VERSIONS if text.endswith("+") else int(first))

    def __contains__(self, version: object) -> bool:
        return isinstance(version, int) and self.first <= version <= self.last


EVERY = Versions(0, ALL_VERSIONS)
NONE = Versions(1, 0)


class Field(NamedTuple):
    name: str
    type: str  # a primitive's name, or a structure's
    array: bool
    versions: Versions
    nullable: Versions
    default: Any  # as Python sees it; None for an absent tagged structure, () for a fresh list or structure
    ignorable: bool
    tag: int | None
    struct: Structure | None  # what `type` names, if no primitive

    @property
    def fresh(self) -> bool:
        """Is the default a list or a structure, so that each message needs its own?"""
        return bool(self.default == ())


class Structure:
    """Fields in wire order, under the name that its class gets."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.fields: list[Field] = []

    @property
    def has_records(self) -> bool:
        return any(f.type == "records" or (f.struct is not None and f.struct.has_records) for f in self.fields)

    def untagged(self, version: int) -> list[Field]:
        return [f for f in self.fields if f.tag is None and version in f.versions]

    def tagged(self, version: int) -> list[Field]:
        present = [f for f in self.fields if f.tag is not None and version in f.versions]
        return sorted(present, key=lambda f: f.tag or 0)

    def absent(self, version: int) -> list[Field]:
        return [f for f in self.fields if version not in f.versions]


def parse_table(name: str, table: str) -> tuple[Structure, list[Structure]]:
    """The message and every structure nested in it, each once."""
    root = Structure(name)
    known: dict[str, Structure] = {}
    stack: list[tuple[int, Structure]] = [(0, root)]  # indentation and the structure whose fields stand there
    for line in table.splitlines():
        text = line.strip()
        if not text:
            continue
        indent = len(line) - len(line.lstrip())
        if indent > stack[-1][0]:
            # The first deeper line: its indentation becomes that of the structure named just above.
            owner = stack[-1][1].fields[-1].struct
            if owner is None or owner.fields:
                raise ValueError(f"{name}: {text!r} belongs to no new structure")
            stack.append((indent, owner))
        while indent < stack[-1][0]:
            stack.pop()
        stack[-1][1].fields.append(_parse_field(text, known))
    return root, list(known.values())


def _parse_field(text: str, known: dict[str, Structure]) -> Field:
    name, _, rest = text.partition(": ")
    spelled, *words = rest.split()
    spelled, mark, null_versions = spelled.partition("?")
    nullable = NONE if not mark else Versions.parse(null_versions) if null_versions else EVERY
    array = spelled.startswith("[")
    type_name = spelled.strip("[]")
    struct = known.setdefault(type_name, Structure(type_name)) if type_name[0].isupper() else None
    if struct is None and type_name not in FIXED_CODES and type_name not in _VARIABLE:
        raise ValueError(f"{text!r} names no known type")

    versions, ignorable, tag, default = EVERY, False, None, None
    while words:
        word = words.pop(0)
        if word == "=":
            default = words.pop(0)
        elif word == "tag":
            tag = int(words.pop(0))
        elif word == "ignorable":
            ignorable = True
        else:
            versions = Versions.parse(word)
    null = not array and (nullable == EVERY or (struct is not None and tag is not None))
    value = _default(type_name, array, "null" if null and default is None else default)
    return Field(name, type_name, array, versions, nullable, value, ignorable, tag, struct)


def _default(type_name: str, array: bool, text: str | None) -> Any:
    if text == "null":
        return None
    if array or type_name[0].isupper():
        return ()
    if text is not None:
        return text == "true" if type_name == "bool" else int(text)
    return {"bool": False, "string": "", "bytes": b"", "uuid": ZERO_UUID, "float64": 0.0}.get(type_name, 0)
