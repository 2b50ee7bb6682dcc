"""Our bytes are the bytes that kio and kafka-python write, for every API and version that they have."""

from __future__ import annotations

from random import Random

import pytest

from tests.wire.oracles import (
    kafka_python_bytes,
    kafka_python_type,
    kio_bytes,
    kio_entity,
    kio_read,
    kio_type,
)
from tests.wire.values import Case, all_cases, case_id, decode, encode, random_message

MESSAGES_A_CASE = 12
KIO = [case for case in all_cases() if kio_type(case) is not None]
KAFKA_PYTHON = [case for case in all_cases() if kafka_python_type(case) is not None]


def test_the_oracles_have_not_vanished() -> None:
    """A renamed class in either package would otherwise leave nothing to compare with."""
    assert len(KIO) >= 440
    assert len(KAFKA_PYTHON) >= 430


@pytest.mark.parametrize("case", KIO, ids=case_id)
def test_kio_writes_the_same_bytes(case: Case) -> None:
    rng = Random(case_id(case))
    for _ in range(MESSAGES_A_CASE):
        message = random_message(case, rng)
        assert encode(case, message) == kio_bytes(case, message)


@pytest.mark.parametrize("case", KIO, ids=case_id)
def test_kio_reads_our_bytes(case: Case) -> None:
    rng = Random(case_id(case))
    for _ in range(MESSAGES_A_CASE):
        message = random_message(case, rng)
        assert kio_read(case, encode(case, message)) == kio_entity(case, message)


@pytest.mark.parametrize("case", KAFKA_PYTHON, ids=case_id)
def test_kafka_python_writes_the_same_bytes(case: Case) -> None:
    rng = Random(case_id(case))
    for _ in range(MESSAGES_A_CASE):
        message = random_message(case, rng)
        theirs = kafka_python_bytes(case, message)
        assert encode(case, message) == theirs
        assert decode(case, theirs) == message
