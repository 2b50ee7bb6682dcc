"""Zigzag varints, against their definition."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kq.record import varint
from kq.record.faults import CorruptRecord
from tests.record.support import INT64


def slow_write(value: int) -> bytes:
    """0, -1, 1, -2, ... as 0, 1, 2, 3, ..., then the digits to base 128, all but the last marked."""
    number = 2 * value if value >= 0 else -2 * value - 1
    digits = [number % 128]
    while number := number // 128:
        digits.append(number % 128)
    return bytes([digit + 128 for digit in digits[:-1]] + digits[-1:])


@given(INT64)
def test_writes_and_reads_what_the_definition_says(value: int) -> None:
    data = varint.write(value)
    assert data == slow_write(value)
    assert varint.read(data, 0) == (value, len(data))
    assert varint.read(b"\xff" + data + b"\x85\x01", 1) == (value, len(data) + 1)


@pytest.mark.parametrize("value", [0, -1, 63, 64, -64, -65, 8191, 8192, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63)])
def test_every_cut_is_noticed(value: int) -> None:
    data = varint.write(value)
    for size in range(len(data)):
        with pytest.raises(CorruptRecord, match="cut short"):
            varint.read(data[:size], 0)


def test_overlong_numbers_are_read_as_java_reads_them() -> None:
    assert varint.read(b"\x82\x80\x80\x00", 0) == (1, 4)
    assert varint.read(b"\x82" + b"\x80" * 8 + b"\x00", 0) == (1, 10)


@pytest.mark.parametrize("data", [b"\xff" * 9 + b"\x02", b"\x80" * 10 + b"\x00", b"\x80" * 100_000])
def test_more_than_64_bits_are_refused(data: bytes) -> None:
    with pytest.raises(CorruptRecord, match="64 bits"):
        varint.read(data, 0)


@given(st.binary(max_size=16))
def test_any_bytes_are_a_number_or_damage(data: bytes) -> None:
    try:
        value, end = varint.read(data, 0)
    except CorruptRecord:
        return
    assert -(2**63) <= value < 2**63
    assert 0 < end <= len(data)
