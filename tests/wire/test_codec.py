"""Every message of every API at every version: what is encoded is decoded again, whole, cut, and followed by more."""

from __future__ import annotations

from random import Random

import pytest

from kq.wire import ProtocolError, UnsupportedVersion
from kq.wire.apis import API
from tests.wire.values import (
    Case,
    case_id,
    cases_by_side,
    decode,
    default_message,
    encode,
    random_message,
    side_id,
)

EVERY_SIDE = pytest.mark.parametrize("cases", cases_by_side(), ids=side_id)


@EVERY_SIDE
def test_round_trip(cases: list[Case]) -> None:
    for case in cases:
        rng = Random(case_id(case))
        for message in [default_message(case), *(random_message(case, rng) for _ in range(10))]:
            assert decode(case, encode(case, message)) == message, case_id(case)


@EVERY_SIDE
def test_bytes_before_and_after_do_not_matter(cases: list[Case]) -> None:
    for case in cases:
        message = random_message(case, Random(case_id(case)))
        data = encode(case, message)
        assert decode(case, memoryview(b"before" + data + b"after"), len(b"before")) == message, case_id(case)


@EVERY_SIDE
def test_every_truncation_is_one_protocol_error(cases: list[Case]) -> None:
    for case in cases:
        data = encode(case, random_message(case, Random(case_id(case))))
        ends = range(len(data)) if len(data) < 2000 else [*range(500), *range(500, len(data), 97), len(data) - 1]
        for end in ends:
            with pytest.raises(ProtocolError):
                decode(case, data[:end])


def test_every_advertised_version_has_tables() -> None:
    for api in API.values():
        first = 3 if api.name == "Produce" else api.min_version
        assert tuple(api.versions) == (first, api.max_version)


def test_a_version_beyond_the_tables_is_refused() -> None:
    for api in API.values():
        for version in (api.versions.first - 1, api.versions.last + 1):
            with pytest.raises(UnsupportedVersion):
                api.decode_request(version, b"")
            with pytest.raises(UnsupportedVersion):
                api.encode_response(version, api.Response())
