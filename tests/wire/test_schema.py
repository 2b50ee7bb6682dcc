"""Field tables and the classes made from them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from kq.wire.apis import API
from kq.wire.apis.fetch import FETCH
from kq.wire.apis.produce import PRODUCE
from kq.wire.message import build_classes
from kq.wire.primitives import ZERO_UUID, uuid_bytes, uuid_text
from kq.wire.schema import ALL_VERSIONS, parse_table

TABLE = """
throttle_time_ms: int32 3+ ignorable
cluster_id: string?2-5 = null 2+ tag 1
flag: bool = true
topics: [Topic]?1+
  name: string 0-12
  leader: Leader 7 tag 0
    leader_id: int32 = -1
    epoch: int64 = -1 8+
  partitions: [int32]
spare: [Topic] 4+
"""


def test_a_table_in_full() -> None:
    root, nested = parse_table("Example", TABLE)
    assert [structure.name for structure in nested] == ["Topic", "Leader"]
    throttle, cluster, flag, topics, spare = root.fields
    assert (throttle.type, throttle.versions, throttle.ignorable, throttle.tag) == (
        "int32",
        (3, ALL_VERSIONS),
        True,
        None,
    )
    assert (cluster.nullable, cluster.default, cluster.tag) == ((2, 5), None, 1)
    assert flag.default is True
    assert topics.array
    assert topics.struct is spare.struct
    assert 0 not in topics.nullable
    assert 1 in topics.nullable
    assert topics.struct is not None
    name, leader, partitions = topics.struct.fields
    assert name.versions == (0, 12)
    assert (leader.versions, leader.tag, leader.default, leader.array) == ((7, 7), 0, None, False)
    assert leader.struct is not None
    assert [field.default for field in leader.struct.fields] == [-1, -1]
    assert (partitions.type, partitions.array) == ("int32", True)


@pytest.mark.parametrize(
    "table",
    ["a: int33", "a: int32\n  b: int32", "a: [T]\n  b: int32\nc: [T]\n  d: int32"],
    ids=["unknown type", "fields below a number", "a structure described twice"],
)
def test_faulty_tables(table: str) -> None:
    with pytest.raises(ValueError, match="int"):
        parse_table("Example", table)


def test_every_table_names_its_structures_once() -> None:
    for api in API.values():
        for side in (api.request_side, api.response_side):
            root, nested = parse_table(side.name, side.table)
            for structure in [root, *nested]:
                names = [field.name for field in structure.fields]
                assert len(names) == len(set(names)), (side.name, structure.name)
                tags = [field.tag for field in structure.fields if field.tag is not None]
                assert len(tags) == len(set(tags)), (side.name, structure.name)
            assert all(structure.fields for structure in nested), side.name


def test_keys_and_names_are_unique() -> None:
    assert all(API[key].key == key for key in API)
    assert len({api.name for api in API.values()}) == len(API)


# Message classes


def test_constructor_defaults_are_kafkas() -> None:
    partition = PRODUCE.Response.Partition()
    assert (partition.log_append_time_ms, partition.log_start_offset, partition.error_message) == (-1, -1, None)
    assert partition.current_leader is None
    assert FETCH.Request().max_bytes == 2**31 - 1
    assert FETCH.Request.Topic().topic_id == ZERO_UUID


def test_lists_are_not_shared() -> None:
    first, second = FETCH.Request(), FETCH.Request()
    first.topics.append(1)
    assert second.topics == []


def test_structures_that_are_never_absent_are_fresh_too() -> None:
    _, classes = build_classes("Example", "inner: Inner\n  n: int32 = 4")
    first, second = classes["Example"](), classes["Example"]()
    first.inner.n = 5
    assert second.inner.n == 4


def test_unknown_fields_and_attributes_are_refused() -> None:
    with pytest.raises(TypeError):
        FETCH.Request(max_wait=3)
    with pytest.raises(TypeError):
        FETCH.Request(3)
    with pytest.raises(AttributeError):
        FETCH.Request().max_wait = 3


def test_equality_is_by_value_and_kind() -> None:
    assert FETCH.Request(min_bytes=1) == FETCH.Request(min_bytes=1)
    assert FETCH.Request(min_bytes=1) != FETCH.Request(min_bytes=2)
    assert FETCH.Request.Topic(name="t") != PRODUCE.Request.Topic(name="t")
    with pytest.raises(TypeError):
        hash(FETCH.Request())


def test_repr_names_every_field() -> None:
    assert (
        repr(FETCH.Response.CurrentLeader(leader_id=3)) == "FetchResponse.CurrentLeader(leader_id=3, leader_epoch=-1)"
    )


# Ids


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (ZERO_UUID, "AAAAAAAAAAAAAAAAAAAAAA"),
        (bytes.fromhex("fbefbefbefbefbefbefbefbefbefbefb"), "-" * 21 + "w"),
        (bytes.fromhex("ff" * 16), "_____________________w"),
    ],
)
def test_ids_as_text(value: bytes, text: str) -> None:
    assert uuid_text(value) == text
    assert uuid_bytes(text) == value


@pytest.mark.parametrize(
    "text", ["", "AAAA", "A" * 21, "A" * 23, "+" * 22, "/" * 22, "A" * 21 + "=", "ä" * 22, " " * 22]
)
def test_what_is_no_id(text: str) -> None:
    with pytest.raises(ValueError, match="not an id"):
        uuid_bytes(text)


def test_importing_the_registry_parses_and_compiles_nothing() -> None:
    """A command that sends three kinds of request does not pay for fifty."""
    program = (
        "from kq.wire.apis import API\n"
        "sides = [side for api in API.values() for side in (api.request_side, api.response_side)]\n"
        "print(sum('built' in vars(side) or bool(side.decoders) or bool(side.encoders) for side in sides), len(sides))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", str(2 * len(API))]
