"""Records of every shape that readers of batches must agree on."""

from __future__ import annotations

import random

from hypothesis import strategies as st

from kq.record.batch import HEADER_SIZE, Headers, Record, encode_batch

LIMIT = 1 << 24
INT64 = st.integers(-(2**63), 2**63 - 1)

# Sizes at which a length's varint, or that of the record around it, becomes longer.
EDGES = (0, 1, 2, 50, 57, 58, 63, 64, 100, 8183, 8191, 8192, 8200)
# Deltas at which theirs do, both ways.
DELTAS = (0, 1, -1, 63, 64, -64, -65, 8191, 8192, -8192, -8193, 2**20, -(2**20) - 1, 2**33, -(2**40), 2**62)

fields = st.one_of(st.none(), st.binary(max_size=80), st.sampled_from(EDGES).map(bytes))
headers: st.SearchStrategy[Headers] = st.lists(
    st.tuples(st.text(max_size=8), st.one_of(st.none(), st.binary(max_size=70))), max_size=3
).map(tuple)


@st.composite
def records(draw: st.DrawFn, *, gaps: bool = True) -> list[Record]:
    """A few records with nothing in common."""
    rows: list[Record] = []
    offset = draw(st.integers(0, 10)) if gaps else 0
    for _ in range(draw(st.integers(1, 12))):
        timestamp = 10**12 + draw(st.sampled_from(DELTAS))
        rows.append(Record(offset, timestamp, draw(fields), draw(fields), draw(st.just(()) | headers)))
        offset += draw(st.sampled_from((1, 1, 1, 2, 70, 9000))) if gaps else 1
    return rows


@st.composite
def runs(draw: st.DrawFn) -> list[Record]:
    """Runs of records alike, long enough for strides, each run of another kind; some are broken by one odd record."""
    rows: list[Record] = []
    rng = random.Random(draw(st.integers(0, 2**32)))
    for _ in range(draw(st.integers(1, 4))):
        size = draw(st.sampled_from((0, 1, 7, 55, 64, 100)))
        key_size = draw(st.sampled_from((None, 0, 5, 63, 64)))
        first_delta = draw(st.sampled_from(DELTAS[:-3]))
        step = draw(st.sampled_from((0, 1, -1, 50)))
        length = draw(st.integers(1, 150))
        odd = draw(st.integers(0, 300))
        skip = draw(st.sampled_from((0, 0, 3, 8000)))
        for index in range(length):
            offset = rows[-1].offset + 1 + (skip if index == 0 else 0) if rows else 0
            key = None if key_size is None else rng.randbytes(key_size)
            value: bytes | None = rng.randbytes(size)
            attached: Headers = ()
            if index == odd:
                value, attached = draw(st.sampled_from(((None, ()), (b"", (("h", b"x"),)), (b"longer" * 20, ()))))
            rows.append(Record(offset, 10**12 + first_delta + index * step, key, value, attached))
    return rows


def with_section(section: bytes, count: int) -> bytes:
    """A batch that says it has `count` records, with this for its records."""
    batch = encode_batch([Record(index, 0, None, None) for index in range(count)])
    batch[HEADER_SIZE:] = section
    batch[8:12] = (len(batch) - 12).to_bytes(4, "big")
    return bytes(batch)
