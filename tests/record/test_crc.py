"""CRC-32C: known answers, and the fast implementation against the independent one."""

from __future__ import annotations

import importlib.util
import random
import subprocess
import sys

import pytest

from kq.record import crc

# RFC 3720, B.4
KNOWN = [
    (bytes(32), 0x8A9136AA),
    (b"\xff" * 32, 0x62A8AB43),
    (bytes(range(32)), 0x46DD794E),
    (bytes(range(31, -1, -1)), 0x113FDB5C),
    (b"123456789", 0xE3069283),
    (b"", 0),
]


with_package = pytest.mark.skipif(not importlib.util.find_spec("crc32c"), reason="the package crc32c is not installed")


@pytest.mark.parametrize(("data", "answer"), KNOWN)
@pytest.mark.parametrize("implementation", [pytest.param(crc._hardware, marks=with_package), crc._software])
def test_known_answers(data: bytes, answer: int, implementation: type) -> None:
    assert implementation()(data) == answer


@with_package
def test_both_implementations_agree_on_any_bytes_in_any_pieces() -> None:
    fast, slow = crc._hardware(), crc._software()
    rng = random.Random(7)
    for size in (1, 7, 8, 61, 1000, 70_001):
        data = rng.randbytes(size)
        cut = rng.randrange(size)
        view = memoryview(bytearray(data))
        assert fast(data) == slow(data) == fast(view) == slow(view)
        assert fast(data) == fast(view[cut:], fast(view[:cut])) == slow(view[cut:], slow(view[:cut]))


def test_without_the_package_the_fallback_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crc.importlib.util, "find_spec", lambda name: None)
    assert crc._best()(b"123456789") == 0xE3069283


def test_its_import_does_not_pay_for_the_metadata_of_the_package() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, kq.record.crc; print('importlib.metadata' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert loaded.stdout.strip() == "False"
