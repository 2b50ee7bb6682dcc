"""JSON lines: what `consume --json` writes, `produce --json` reads back to the same bytes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kq.cli.formats.jsonlines import JsonRecord, json_format, read_lines
from kq.cli.formats.rows import Rows

some_bytes = st.none() | st.binary(max_size=10) | st.text(max_size=10).map(str.encode)
header_names = st.text(max_size=4) | st.binary(max_size=4).map(lambda data: data.decode("utf-8", "surrogateescape"))
rows = st.lists(
    st.tuples(
        some_bytes, some_bytes, st.integers(-1, 2**50), st.lists(st.tuples(header_names, some_bytes), max_size=3)
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=150)
@given(rows)
def test_nothing_is_lost(given: list[tuple]) -> None:
    keys, values, stamps, headers = ([row[i] for row in given] for i in range(4))
    out = json_format().render(
        Rows("orders", 2, range(len(given)), values=values, keys=keys, timestamps=stamps, headers=headers)
    )
    lines = out.split(b"\n")[:-1]
    assert all(json.loads(line)["topic"] == "orders" for line in lines)
    came = read_lines(lines, lambda index, why: pytest.fail(why))
    assert came == [JsonRecord("orders", 2, s, k, v, tuple(h)) for k, v, s, h in given]


def test_what_json_cannot_spell_is_text() -> None:
    """`--decode double --json` of a NaN."""
    out = json_format(decoded=True).render(
        Rows(
            "t", 0, [0, 1], values=[float("nan"), [float("inf")]], keys=[None, 1.5], timestamps=[0, 0], headers=[(), ()]
        )
    )
    documents = [json.loads(line, parse_constant=pytest.fail) for line in out.splitlines()]
    assert [document["value"] for document in documents] == ["NaN", "[Infinity]"]
    assert documents[1]["key"] == 1.5


def test_one_line_to_the_character() -> None:
    out = json_format().render(
        Rows(
            "orders",
            0,
            [12],
            values=[b'say "hi"\n'],
            keys=[b"\xff"],
            timestamps=[1_700_000_000_123],
            headers=[[("h", None)]],
        )
    )
    assert out == (
        b'{"topic":"orders","partition":0,"offset":12,"timestamp_ms":1700000000123,"key_base64":"/w==",'
        b'"value":"say \\"hi\\"\\n","headers":[{"name":"h","value":null}]}\n'
    )


def test_written_by_hand() -> None:
    came = read_lines(
        [
            b'{"value":"a"}',
            b' {"key":"k","value":{"order":918},"headers":{"trace":"1"},"timestamp_ms":5} ',
            b'{"value":null,"key":null}',
            b'{"value":12.5}',
            b'{"value":false}',
        ],
        lambda index, why: pytest.fail(why),
    )
    assert came == [
        JsonRecord(None, None, None, None, b"a", ()),
        JsonRecord(None, None, 5, b"k", b'{"order":918}', (("trace", b"1"),)),
        JsonRecord(None, None, None, None, None, ()),
        JsonRecord(None, None, None, None, b"12.5", ()),
        JsonRecord(None, None, None, None, b"false", ()),
    ]


REFUSED = {
    b"nonsense": "not JSON",
    b'{"value":1},{"value":2}': "not JSON: Extra data",
    b"[1]": "not a JSON object",
    b"{}": "has neither value nor value_base64",
    b'{"vlaue":1}': "no field is called 'vlaue'; did you mean 'value'?",
    b'{"value":1,"partition":"0"}': "partition is not a whole number",
    b'{"value":1,"partition":true}': "partition is not a whole number",
    b'{"value":1,"topic":7}': "topic is not text",
    b'{"value_base64":"?"}': "value_base64 is not base64",
    b'{"value":1,"key":1,"key_base64":"YQ=="}': "has both key and key_base64",
    b'{"value":"\\ud800"}': "value holds half of a surrogate pair",
    b'{"value":1,"headers":[1]}': "headers is not a list",
    b'{"value":1,"headers":[{"value":"x"}]}': "a header has no name",
}


@pytest.mark.parametrize("line", REFUSED)
def test_a_bad_line_is_named_and_the_others_are_read(line: bytes) -> None:
    refused: list[tuple[int, str]] = []
    good = b'{"value":"good"}'
    came = read_lines([good, line, good], lambda index, why: refused.append((index, why)))
    assert [record.value for record in came] == [b"good", b"good"]
    assert [index for index, _ in refused] == [1]
    assert refused[0][1].startswith(REFUSED[line])


def test_decoded_values_stand_as_json() -> None:
    out = json_format(decoded=True).render(
        Rows("t", 0, [0], values=[{"a": [1, None]}], keys=[7], timestamps=[0], headers=[()])
    )
    assert json.loads(out)["value"] == {"a": [1, None]}
    assert json.loads(out)["key"] == 7
