"""`--decode` and pack strings."""

from __future__ import annotations

import struct

import pytest

from kq.cli.consume.decode import Decoders
from kq.cli.formats.packing import NotPacked, unpacker
from kq.cli.formats.rows import Rows
from kq.cli.run.failures import Usage

UNPACKED = {
    (">i$", struct.pack(">i", -5)): [-5],
    ("<i$", struct.pack("<i", -5)): [-5],
    (">hH<q", struct.pack(">hH", -1, 65535) + struct.pack("<q", 2**40)): [-1, 65535, 2**40],
    ("bBs", b"\xff\xffrest"): [-1, 255, "rest"],
    ("c.", b"ab"): ["a", "b"],
    (">fd", struct.pack(">fd", 1.5, 0.1)): [1.5, 0.1],
    ("b", b"\x01trailing"): [1],  # without $ the rest is skipped
}


@pytest.mark.parametrize(("packing", "data"), UNPACKED)
def test_unpacks(packing: str, data: bytes) -> None:
    assert unpacker(packing)(data) == UNPACKED[packing, data]


@pytest.mark.parametrize(("packing", "data", "why"), [(">i", b"abc", "too few"), ("b$", b"ab", "1 byte too many")])
def test_what_does_not_fit(packing: str, data: bytes, why: str) -> None:
    with pytest.raises(NotPacked, match=why):
        unpacker(packing)(data)


@pytest.mark.parametrize("packing", ["", "z", ">i w"])
def test_what_is_no_pack_string(packing: str) -> None:
    with pytest.raises(ValueError, match="is not a pack string"):
        unpacker(packing)


def decoded(specs: list[str], *, as_text: bool, key: bytes | None = None, value: bytes | None = None) -> tuple:
    decoders = Decoders(specs, as_text=as_text)
    rows = decoders.apply(Rows("t", 0, [0], values=[value], keys=[key]))
    return rows.keys[0], rows.values[0], decoders.faults


def test_into_text_and_into_json() -> None:
    assert decoded(["int32"], as_text=True, value=b"\0\0\1\0") == (None, b"256", 0)
    assert decoded(["int32"], as_text=False, value=b"\0\0\1\0") == (None, 256, 0)
    assert decoded(["key=int8", "value=json"], as_text=False, key=b"\x07", value=b'{"a":1}') == (7, {"a": 1}, 0)
    assert decoded(["value=>ii"], as_text=True, value=struct.pack(">ii", 1, 2)) == (None, b"[1,2]", 0)
    assert decoded(["json"], as_text=True, value=b'{"a" : "\\u00e9"}') == (None, '{"a":"é"}'.encode(), 0)
    assert decoded(["string"], as_text=True, value=b"plain") == (None, b"plain", 0)


def test_null_stays_null_and_what_cannot_be_decoded_stays_as_it_is() -> None:
    assert decoded(["int32"], as_text=True, value=None) == (None, None, 0)
    assert decoded(["int32"], as_text=True, value=b"abc") == (None, b"abc", 1)
    assert decoded(["json"], as_text=False, value=b"{") == (None, b"{", 1)


def test_msgpack() -> None:
    msgpack = pytest.importorskip("msgpack")
    packed = msgpack.packb({"a": [1, b"\xff"], 2: None})
    assert decoded(["msgpack"], as_text=False, value=packed)[1] == {"a": [1, "\\xff"], "2": None}


@pytest.mark.parametrize("specs", [["nope!"], ["other=json"], ["json", "value=int8"]])
def test_refuses(specs: list[str]) -> None:
    with pytest.raises(Usage, match=r"^--decode"):
        Decoders(specs, as_text=True)
