"""Our bytes are the bytes that kio and kafka-python write, for every API and version that they have."""

from __future__ import annotations

from random import Random

import pytest

from tests.wire.oracles import kafka_python_bytes, kafka_python_type, kio_bytes, kio_entity, kio_read, kio_type
from tests.wire.values import Case, case_id, cases_by_side, decode, encode, random_message, side_id

MESSAGES_A_CASE = 12
KIO = [[case for case in cases if kio_type(case) is not None] for cases in cases_by_side()]
KAFKA_PYTHON = [[case for case in cases if kafka_python_type(case) is not None] for cases in cases_by_side()]


def test_the_oracles_have_not_vanished() -> None:
    """A renamed class in either package would otherwise leave nothing to compare with."""
    assert sum(map(len, KIO)) >= 440
    assert sum(map(len, KAFKA_PYTHON)) >= 430


@pytest.mark.parametrize("cases", [*filter(None, KIO)], ids=side_id)
def test_kio_writes_the_same_bytes_and_reads_ours(cases: list[Case]) -> None:
    for case in cases:
        rng = Random(case_id(case))
        for _ in range(MESSAGES_A_CASE):
            message = random_message(case, rng)
            data = encode(case, message)
            assert data == kio_bytes(case, message), case_id(case)
            assert kio_read(case, data) == kio_entity(case, message), case_id(case)


@pytest.mark.parametrize("cases", [*filter(None, KAFKA_PYTHON)], ids=side_id)
def test_kafka_python_writes_the_same_bytes(cases: list[Case]) -> None:
    for case in cases:
        rng = Random(case_id(case))
        for _ in range(MESSAGES_A_CASE):
            message = random_message(case, rng)
            theirs = kafka_python_bytes(case, message)
            assert encode(case, message) == theirs, case_id(case)
            assert decode(case, theirs) == message, case_id(case)
