"""Our tables say what Kafka's definitions say, field by field and version by version.

Bytes alone do not show what may be null, what a missing field means, or what is dropped silently. kafka-python ships
Kafka's definitions; where our tables differ on purpose, the difference is spelled out here.
"""

from __future__ import annotations

from typing import Any

import pytest

from kq.wire.schema import Field, Structure
from tests.wire.oracles import fields_of, kafka_python_type
from tests.wire.values import Case, case_id, cases_by_side, side_id, side_of

KNOWN = [[case for case in cases if kafka_python_type(case) is not None] for cases in cases_by_side()]


def pairs(structure: Structure, theirs: Any, version: int) -> list[tuple[Field, Any]]:
    """Our fields and Kafka's at one version, those of nested structures too."""
    present = [field for field in theirs.fields.values() if field.for_version_q(version)]
    found = list(zip(fields_of(structure, version), present, strict=True))
    for ours, other in list(found):
        if ours.struct is not None:
            found += pairs(ours.struct, other, version)
    return found


def in_range(versions: str | None, version: int) -> bool:
    if versions is None or versions == "none":
        return False
    first, dash, last = versions.partition("-")
    if versions.endswith("+"):
        return version >= int(versions[:-1])
    return int(first) <= version <= int(last if dash else first)


def their_default(ours: Field, definition: dict[str, Any]) -> Any:
    given = definition.get("default")
    if ours.struct is not None and ours.tag is not None and not ours.array:
        return None  # ours: an absent tagged structure
    if given == "null":
        return None
    if ours.array or ours.struct is not None:
        return ()
    if ours.type == "records":
        return None
    if given is None or given == "":
        return {"bool": False, "string": "", "bytes": b"", "uuid": bytes(16)}.get(ours.type, 0)
    if ours.type == "bool":
        return str(given).lower() == "true"
    return int(str(given), 0)


@pytest.mark.parametrize("cases", [*filter(None, KNOWN)], ids=side_id)
def test_null_tags_and_types(cases: list[Case]) -> None:
    for case in cases:
        version = case[2]
        for ours, other in pairs(side_of(*case[:2]).built[0], kafka_python_type(case)._struct, version):
            definition = other._json
            assert (version in ours.nullable) == in_range(definition.get("nullableVersions"), version), case_id(case)
            tagged = in_range(definition.get("taggedVersions"), version)
            assert ours.tag == (definition["tag"] if tagged else None), (case_id(case), ours.name)
            kind = definition["type"].removeprefix("[]")
            assert ours.array == definition["type"].startswith("[]"), (case_id(case), ours.name)
            if ours.struct is None and kind != "bitfield":
                assert ours.type == kind, (case_id(case), ours.name)


@pytest.mark.parametrize("cases", [*filter(None, KNOWN)], ids=side_id)
def test_defaults(cases: list[Case]) -> None:
    for case in cases:
        for ours, other in pairs(side_of(*case[:2]).built[0], kafka_python_type(case)._struct, case[2]):
            theirs = their_default(ours, other._json)
            if theirs == "" and ours.default is None:
                continue  # ours: text that may always be null is null by default
            assert ours.default == theirs, (case_id(case), ours.name)


@pytest.mark.parametrize("cases", [*filter(None, KNOWN)], ids=side_id)
def test_what_is_dropped_silently(cases: list[Case]) -> None:
    """Only fields that some version of ours lacks can be dropped at all."""
    versions = [case[2] for case in cases]
    for case in cases:
        for ours, other in pairs(side_of(*case[:2]).built[0], kafka_python_type(case)._struct, case[2]):
            if case[0].name == "OffsetFetch" and ours.name == "name":
                continue  # one structure here for what Kafka has two of: by name, and by name or id
            if any(version not in ours.versions for version in versions):
                assert ours.ignorable == other._json.get("ignorable", False), (case_id(case), ours.name)
