"""Cutting input into records: against a plain split, and with pieces that are too large."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kq.cli.formats.jsonlines import JsonRecord
from kq.cli.produce.intake import Cutter
from kq.cli.produce.shapes import Common, JsonLines, Lines, Shipment, grouped

NO_LIMIT = 1 << 30


def cut(data: bytes, delimiter: bytes, sizes: list[int], limit: int = NO_LIMIT) -> tuple[list[bytes], list[int]]:
    """All pieces, fed in steps of these sizes; and the sizes of those that were too large."""
    cutter = Cutter(delimiter, limit)
    pieces: list[bytes] = []
    oversized: list[int] = []
    pos = 0
    steps = iter(sizes)
    while pos < len(data):
        size = next(steps, len(data))
        pieces += cutter.feed(data[pos : pos + size])
        oversized += [size for _, size in cutter.oversized]
        pos += size
    pieces += cutter.finish()
    oversized += [size for _, size in cutter.oversized]
    return pieces, oversized


def plainly(data: bytes, delimiter: bytes) -> list[bytes]:
    pieces = data.split(delimiter)
    return pieces[:-1] if pieces[-1] == b"" else pieces


steps = st.lists(st.integers(1, 5), max_size=30)


@given(st.text("ab\n", max_size=40).map(str.encode), steps)
def test_as_a_plain_split(data: bytes, sizes: list[int]) -> None:
    assert cut(data, b"\n", sizes) == (plainly(data, b"\n"), [])


@given(st.text("a|", max_size=40).map(str.encode), steps)
def test_a_delimiter_of_several_bytes(data: bytes, sizes: list[int]) -> None:
    assert cut(data, b"||", sizes)[0] == plainly(data, b"||")


@given(st.lists(st.integers(0, 20), max_size=8), steps, st.booleans())
def test_large_pieces_are_dropped_and_their_neighbours_kept(lengths: list[int], sizes: list[int], ended: bool) -> None:
    lines = [bytes([65 + place % 26]) * length for place, length in enumerate(lengths)]
    data = b"".join(line + b"||" for line in lines)
    if not ended and data:
        data = data[:-2]
    pieces, oversized = cut(data, b"||", sizes, limit=10)
    # Only a piece that spans reads is ever too large to hold; one that came whole is the producer's to refuse.
    kept = [line for line in plainly(data, b"||") if line in pieces]
    assert [piece for piece in pieces if piece] == [piece for piece in kept if piece]
    assert all(size > 10 for size in oversized)
    assert len(pieces) + len(oversized) == len(plainly(data, b"||"))


def test_memory_stays_bounded_by_the_limit() -> None:
    cutter = Cutter(b"\n", 1000)
    for _ in range(1000):
        assert cutter.feed(b"x" * 500) == []
        assert len(cutter._tail) <= 1500
    assert cutter.feed(b"\nnext\n") == [b"next"]
    assert cutter.oversized == [(0, 500_000)]


def lines(data: bytes, refused: list[tuple[int, str]] | None = None, **options: object) -> list[Shipment]:
    common = Common("t", **{name: options.pop(name) for name in list(options) if name in Common.__dataclass_fields__})  # type: ignore[arg-type]
    shape = Lines(
        common,
        lambda number, why: (refused if refused is not None else []).append((number, why)),
        topic="t",
        delimiter=b"\n",
        key_delimiter=options.get("key_delimiter"),  # type: ignore[arg-type]
        limit=100,
    )
    return shape.feed(data) + shape.finish()


def test_lines_with_keys() -> None:
    (sent,) = lines(b"a:1\nb\n:3\nd:4:5\n", key_delimiter=b":")
    assert sent.keys == [b"a", None, b"", b"d"]
    assert sent.values == [b"1", b"b", b"3", b"4:5"]
    assert list(sent.numbers) == [1, 2, 3, 4]


def test_a_fixed_key_is_for_lines_without_their_own() -> None:
    (sent,) = lines(b"a:1\nb\n", key_delimiter=b":", key=b"k")
    assert sent.keys == [b"a", b"k"]


def test_tombstones_and_headers() -> None:
    (sent,) = lines(b"a\n\n", tombstones=True, headers=(("h", b"1"),), timestamp_ms=5, partition=3)
    assert sent.values == [b"a", None]
    assert sent.headers == [(("h", b"1"),)] * 2
    assert (sent.timestamps_ms, sent.partition) == (5, 3)


def test_line_numbers_go_on_behind_a_line_that_is_too_large() -> None:
    refused: list[tuple[int, str]] = []
    common = Common("t")
    shape = Lines(
        common, lambda n, why: refused.append((n, why)), topic="t", delimiter=b"\n", key_delimiter=None, limit=100
    )
    sent = shape.feed(b"one\n" + b"x" * 150) + shape.feed(b"x" * 150) + shape.feed(b"\nthree\n")
    assert [(list(s.numbers), s.values) for s in sent] == [([1], [b"one"]), ([3], [b"three"])]
    assert refused == [(2, "300 bytes, over max.message.bytes 100")]


def test_json_lines_are_grouped_by_where_they_go() -> None:
    refused: list[tuple[int, str]] = []
    shape = JsonLines(Common(None), lambda n, why: refused.append((n, why)), limit=1000)
    sent = shape.feed(
        b'{"topic":"a","partition":1,"value":"1"}\n\n{"topic":"b","value":"2"}\n{"value":"3"}\nx\n'
        b'{"topic":"a","partition":1,"value":"4","timestamp_ms":7}\n{"topic":"a","partition":1,"value":"5"}\n'
    )
    assert [(s.topic, s.partition, list(s.numbers), s.timestamps_ms) for s in sent] == [
        ("a", 1, [1, 7], None),
        ("b", None, [3], None),
        ("a", 1, [6], [7]),
    ]
    assert [number for number, _ in refused] == [5, 4]


def test_what_the_flags_say_wins() -> None:
    record = JsonRecord("elsewhere", 5, 9, None, b"", (("own", None),))
    common = Common("t", key=b"k", headers=(("h", b"1"),), tombstones=True, partition=2, timestamp_ms=3)
    (sent,) = grouped([record], [1], common, lambda number, why: None)
    assert sent == Shipment("t", [None], [1], [b"k"], [(("h", b"1"), ("own", None))], 3, 2)
