"""Format strings out and in again: what each verb prints, what is refused, and that nothing is lost between both."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kq.cli.formats.reading import BadInput, Reader
from kq.cli.formats.rows import Rows, Watermarks
from kq.cli.formats.writing import compile_format, lines_format
from kq.cli.run.failures import Usage
from kq.record.batch import BatchHeader

HEADER = BatchHeader(0, 0, 7, 2, 0, 0b10001, 1, 0, 0, 99, 3, 0, 2)  # gzip, transactional
ROWS = Rows(
    "orders",
    3,
    [10, 11],
    values=[b"v\xff", None],
    keys=[b"k", None],
    timestamps=[1_700_000_000_123, -1],
    headers=[[("a", b"x"), ("a", None)], []],
    batches=[HEADER, HEADER],
    watermarks=Watermarks(5, 12, 13),
)

PRINTED = {
    r"%v\n": b"v\xff\n\n",
    r"%s\n": b"v\xff\n\n",
    r"%t:%p@%o %k=%v\n": b"orders:3@10 k=v\xff\norders:3@11 =\n",
    r"%K %V %S %H\n": b"1 2 2 2\n-1 -1 -1 0\n",
    r"%T %d\n": b"1700000000123 1700000000123\n-1 -1\n",
    r"%d{strftime[%F %T]}\n": b"2023-11-14 22:13:20\n1969-12-31 23:59:59\n",
    r"%d{strftime[%T.%3f]} %d{strftime##%Y##}\n": b"22:13:20.123 2023\n23:59:59.999 1969\n",
    r"%d{go##2006-01-02T15:04:05.000Z07:00##}\n": b"2023-11-14T22:13:20.123Z\n1969-12-31T23:59:59.999Z\n",
    r"%e %x %y\n": b"7 99 3\n7 99 3\n",
    r"%a{compression} %a{compression;hex8} %a{transactional-bit;bool} %a{timestamp-type}\n": b"gzip 01 true 0\n" * 2,
    r"%[ %| %] %i\n": b"5 12 13 1\n5 12 13 2\n",
    r"%h{%k=%v;}\n": b"a=x;a=;\n\n",
    r"%h{%K %V,}\n": b"1 1,1 -1,\n\n",
    r"%%%{%} \t\\\x41\0%v": b"%{} \t\\A\0v\xff%{} \t\\A\0",
    r"%v{hex} %v{base64} %v{base64raw}\n": b"76ff dv8= dv8\n  \n",
    r"%o{hex} %o{hex8} %o{byte}%o{big16}%o{little32}%o{bool}\n": b"a 0a \n\0\n\n\0\0\0true\n"
    b"b 0b \x0b\0\x0b\x0b\0\0\0true\n",
    r"%V{big32}%V{hex16}\n": b"\0\0\0\x020002\n\xff\xff\xff\xffffff\n",
    r"%k{unpack[c]} %v{unpack[BB$]}\n": b"k 118 255\n(too few for 'c': 0 bytes) (too few for 'BB$': 0 bytes)\n",
}


@pytest.mark.parametrize("text", PRINTED)
def test_prints(text: str) -> None:
    assert compile_format(text).render(ROWS) == PRINTED[text]


REFUSED = {
    "%R": "-f %R: %R is kcat's; kq writes %V{big32}",
    "%D": "-f %D: %D and %A are kcl's for share groups, which kq does not read",
    "%q": "-f %q: there is no %q; known are %t %p %o %k %v %s %K %V %S %H %d %T %e %x %y %i %[ %| %] %h{…} %a{…}",
    "%h{%q}": "-f %h{%q}: there is no %q; known are %k %v %K %V",
    "%h": "-f %h: a bare %h is kcat's; kq wants the format of a header, as in %h{%k=%v,}",
    "%v{foo}": "-f %v{foo}: %v has no {foo}; text takes hex, base64, base64raw, unpack[…]",
    "%o{foo}": "-f %o{foo}: %o has no {foo}; numbers take ascii, hex, hex4 to hex64, big8 to big64, little8 to "
    "little64, byte, bool",
    "%a": "-f %a: write %a{compression|timestamp-type|transactional-bit|control-bit}",
    "50%": "-f 50%: ends in a bare %; write %% for the sign itself",
    "%v{hex": "-f %v{hex: a { is not closed",
    r"%v\q": r"-f %v\q: '\q' is not an escape; known are \n \r \t \0 \\ \xNN",
    r"\x4": r"-f \x4: '\x4' is not a byte; write \x and two hex digits, as in \x1f",
}


@pytest.mark.parametrize("text", REFUSED)
def test_refuses_with_a_sentence(text: str) -> None:
    with pytest.raises(Usage) as refused:
        compile_format(text)
    assert refused.value.message == REFUSED[text]


def test_only_the_columns_that_are_needed() -> None:
    assert compile_format("%v").needs == {"values"}
    assert compile_format("%t %p").needs == frozenset()
    assert compile_format("%o %h{%k} %e").needs == {"offsets", "headers", "batches"}


def test_lines_with_and_without_keys() -> None:
    assert lines_format(None, b"\n").render(ROWS) == b"v\xff\n\n"
    assert lines_format(b"%", b"\0").render(ROWS) == b"k%v\xff\0%\0"
    assert lines_format(None, b"\n").render(Rows("t", 0, [])) == b""


BINARY = "%K{big32}%k%V{big32}%v%T{big64}%H{big16}%h{%K{big16}%k%V{big32}%v}"
some_bytes = st.none() | st.binary(max_size=12)
records = st.lists(
    st.tuples(
        some_bytes,
        some_bytes,
        st.integers(0, 2**40),
        st.lists(st.tuples(st.text(max_size=3), some_bytes), max_size=3),
    ),
    max_size=5,
)


@settings(max_examples=60)
@given(records, st.integers(1, 7))
def test_what_goes_out_by_a_format_comes_in_by_it(rows: list[tuple], step: int) -> None:
    keys, values, stamps, headers = ([row[i] for row in rows] for i in range(4))
    out = compile_format(BINARY).render(
        Rows("t", 0, range(len(rows)), values=values, keys=keys, timestamps=stamps, headers=headers)
    )
    reader = Reader(BINARY)
    came = [record for start in range(0, len(out), step) for record in reader.feed(out[start : start + step])]
    assert reader.finish() == []
    assert [(r.key, r.value, r.timestamp_ms, list(r.headers)) for r in came] == rows


READ = {
    ("%k\\t%v\\n", b"a\tb\nc\td\n"): [(b"a", b"b"), (b"c", b"d")],
    ("%k\\t%v\\n", b"a\tb\nc\td"): [(b"a", b"b"), (b"c", b"d")],  # the last one without its delimiter
    ("key: %k, value: %v\\n", b"key: 1, value: 2\n"): [(b"1", b"2")],
    ("%V %v\\n", b"3 a\nb\n"): [(None, b"a\nb")],  # a size lets the delimiter into the value
    ("%V %v\\n", b"-1 \n"): [(None, None)],
    ("%K{3}%k%V{hex8}%v", b"abc02de"): [(b"abc", b"de")],
    ("%v{hex}\\n", b"4a4b\n"): [(None, b"JK")],
    ("%v{base64}\\n", b"SktM\n"): [(None, b"JKL")],
    ("%v{json}\\n", b'{"a" : 1}\n'): [(None, b'{"a":1}')],
    ("%o %v\\n", b"17 x\n"): [(None, b"x")],
}


@pytest.mark.parametrize(("text", "data"), READ)
def test_reads_whole_and_byte_by_byte(text: str, data: bytes) -> None:
    whole, slow = Reader(text), Reader(text)
    came = whole.feed(data) + whole.finish()
    assert [(record.key, record.value) for record in came] == READ[text, data]
    bytewise = [record for i in range(len(data)) for record in slow.feed(data[i : i + 1])]
    assert bytewise + slow.finish() == came


WRONG_INPUT = {
    ("key: %k\\n", b"kay: 1\n"): "record 1: b'key: ' is expected where b'kay: 1\\n' stands",
    ("%V %v\\n", b"x y\n"): "record 1: a number is expected where b'x y\\n' stands",
    (
        "%v{hex}\\n",
        b"ab\nzz\n",
    ): "record 2: b'zz' is no value: non-hexadecimal number found in fromhex() arg at position 0",
    ("%K{3}%k%V{1}%v", b"abcde"): "the input ends inside record 2",
}


@pytest.mark.parametrize(("text", "data"), WRONG_INPUT)
def test_input_that_does_not_fit(text: str, data: bytes) -> None:
    reader = Reader(text)
    with pytest.raises(BadInput) as refused:
        _ = reader.feed(data), reader.finish()
    assert str(refused.value) == WRONG_INPUT[text, data]


@pytest.mark.parametrize("text", ["%k%v\\n", "%v", "%q\\n", "%h{%k}", "%V{x}%v", "%v{unpack[b]}\\n", ""])
def test_formats_that_cannot_be_read(text: str) -> None:
    with pytest.raises(Usage, match=r"^-f"):
        Reader(text)
