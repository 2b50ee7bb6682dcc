"""The two forms of a table, to the character (CLI-OUTPUT.md), and numbers for people."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kq.cli.output.render import NONE, Both, Column, Form, Row, envelope_text, table_text
from kq.cli.output.text import shown, shown_lines, unescaped
from kq.cli.output.units import count_text, duration_text, rate_text, size_text, utc_text
from kq.cli.run.ending import failure_text, json_text
from kq.cli.run.failures import Failure, Hint

COLUMNS = [
    Column("TOPIC"),
    Column("PARTITIONS", "count"),
    Column("RF", "number", drop=2),
    Column("RECORDS", "count"),
    Column("SIZE", "size"),
    Column("LAST WRITE", "text", drop=1),
    Column("HEALTH", "text", cut=True),
]
ROWS = [
    Row(["audit", 12, 3, 18_204, 4_299_162, Both("3s ago", "2026-11-22T14:03:19.000Z"), "ok"]),
    Row(
        [
            "clicks",
            48,
            3,
            Both("~9,014,222", "9014222"),
            2_362_232_012,
            Both("0.1s ago", "2026-11-22T14:03:22.118Z"),
            Both("4 under-replicated", "under_replicated=4"),
        ],
        alert="yellow",
    ),
    Row(["orders", 12, 3, 4_710_114, None, NONE, "ok"]),
]
TERMINAL = Form(plain=False, width=100)


def test_on_a_terminal() -> None:
    assert table_text(COLUMNS, ROWS, TERMINAL) == (
        "  TOPIC   PARTITIONS  RF     RECORDS    SIZE  LAST WRITE  HEALTH\n"
        "  audit           12   3      18,204  4.1 MB  3s ago      ok\n"
        "! clicks          48   3  ~9,014,222  2.2 GB  0.1s ago    4 under-replicated\n"
        "  orders          12   3   4,710,114       ·  -           ok\n"
    )


def test_in_a_pipe() -> None:
    assert table_text(COLUMNS, ROWS, Form()) == (
        "TOPIC\tPARTITIONS\tRF\tRECORDS\tSIZE\tLAST WRITE\tHEALTH\n"
        "audit\t12\t3\t18204\t4299162\t2026-11-22T14:03:19.000Z\tok\n"
        "clicks\t48\t3\t9014222\t2362232012\t2026-11-22T14:03:22.118Z\tunder_replicated=4\n"
        "orders\t12\t3\t4710114\t?\t-\tok\n"
    )


def test_too_wide_drops_the_optional_columns_in_order_then_cuts() -> None:
    at = {
        width: table_text(COLUMNS, ROWS, Form(plain=False, width=width)).splitlines() for width in (72, 64, 58, 50, 20)
    }
    assert at[72][0] == "  TOPIC   PARTITIONS  RF     RECORDS    SIZE  HEALTH"
    assert at[64][0] == "  TOPIC   PARTITIONS  RF     RECORDS    SIZE  HEALTH"
    assert at[58][0] == "  TOPIC   PARTITIONS     RECORDS    SIZE  HEALTH"
    assert at[50][2] == "! clicks          48  ~9,014,222  2.2 GB  4 under…"
    assert (
        at[20][2] == "! clicks          48  ~9,014,222  2.2 GB  4 und…"
    )  # names and numbers are never cut: the line wraps
    for width, lines in at.items():
        if width > 48:
            assert max(map(len, lines)) <= width


def test_colour_repeats_what_the_text_says() -> None:
    plain = table_text(COLUMNS, ROWS, TERMINAL)
    coloured = table_text(COLUMNS, ROWS, Form(plain=False, color=True, width=100))
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain
    assert "\x1b[33m! \x1b[0mclicks" in coloured
    assert "\x1b[32mok\x1b[0m" in coloured
    assert "\x1b[1m" in coloured.splitlines()[0]
    assert coloured.count("\x1b[31m") == 0
    assert "\x1b" not in plain


def test_names_and_no_header() -> None:
    assert table_text(COLUMNS, ROWS, Form(names=True)) == "audit\nclicks\norders\n"
    assert table_text(COLUMNS, ROWS, Form(header=False)).splitlines()[0].startswith("audit\t")
    assert table_text(COLUMNS, ROWS, Form(plain=False, header=False)).splitlines()[0] == (
        "  audit   12  3      18,204  4.1 MB  3s ago    ok"
    )


def test_wide_characters_stay_aligned() -> None:
    text = table_text([Column("NAME"), Column("N", "count")], [Row(["日本", 1]), Row(["ab", 22])], TERMINAL)
    assert text == "  NAME   N\n  日本   1\n  ab    22\n"


def test_control_characters_in_cells() -> None:
    row = Row(["a\x1b[31m\tb\nc", "x"])
    columns = [Column("NAME"), Column("OTHER")]
    assert "a\\x1b[31m\\x09b\\x0ac" in table_text(columns, [row], TERMINAL)
    assert table_text(columns, [row], Form()).splitlines()[1] == "a\x1b[31m\\tb\\nc\tx"


@given(st.text(max_size=20))
def test_nothing_shown_can_drive_a_terminal(text: str) -> None:
    for line in (
        shown(text),
        shown(text.encode("utf-8", "surrogatepass")),
        shown_lines(text.encode("utf-8", "replace")).decode(),
    ):
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", line)
    if text.isascii() and text.isprintable():
        assert shown(text) == text


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KB"),
        (4_299_162, "4.1 MB"),
        (1024**2 - 1, "1.0 MB"),
        (2**60, "1,024.0 PB"),
    ],
)
def test_sizes(size_bytes: int, text: str) -> None:
    assert size_text(size_bytes) == text


@pytest.mark.parametrize(
    ("duration_ms", "text"),
    [
        (0, "0s"), (40, "0s"), (60, "0.1s"), (400, "0.4s"), (2_900, "2.9s"), (3_000, "3s"), (9_940, "9.9s"),
        (9_960, "10s"), (59_600, "1m00s"), (2_530_000, "42m10s"), (3_599_600, "1h00m"), (21_720_000, "6h02m"),
        (165_600_000, "1d22h"),
        (601_200_000, "6d23h"), (-3_000, "-3s"),
    ],
)  # fmt: skip
def test_durations(duration_ms: int, text: str) -> None:
    assert duration_text(duration_ms) == text


def test_counts_rates_times() -> None:
    assert count_text(1_204_331) == "1,204,331"
    assert [rate_text(n) for n in (80, 9_999, 402_000, 999_600, 1_250_000)] == [
        "80 /s", "9,999 /s", "402 k/s", "1.00 M/s", "1.25 M/s",
    ]  # fmt: skip
    assert utc_text(1_795_356_202_118) == "2026-11-22T14:03:22.118Z"
    assert utc_text(2**62) == str(2**62)  # a timestamp that is no date


def test_the_envelope() -> None:
    text = envelope_text("topic list", {"topics": [{"name": "é", "size_bytes": None}]})
    assert text == '{"_command":"topic list","_version":1,"topics":[{"name":"é","size_bytes":null}]}\n'


def test_errors() -> None:
    failure = Failure(
        "no broker answers at 127.0.0.1:9092 (connection refused)",
        Hint("start one", "kq broker start"),
        Hint("ask another", "kq topic list -b HOST:PORT, or set KQ_BOOTSTRAP"),
        Hint("a third", "x"),
        Hint("a fourth", "y"),
        code="UNREACHABLE",
    )
    assert failure_text(failure) == (
        "kq: no broker answers at 127.0.0.1:9092 (connection refused)\n"
        "    start one:    kq broker start\n"
        "    ask another:  kq topic list -b HOST:PORT, or set KQ_BOOTSTRAP\n"
        "    a third:      x\n"
    )
    assert json.loads(json_text(failure, "topic list")) == {
        "_command": "topic list",
        "_version": 1,
        "error": {
            "code": "UNREACHABLE",
            "message": "no broker answers at 127.0.0.1:9092 (connection refused)",
            "hints": ["kq broker start", "kq topic list -b HOST:PORT, or set KQ_BOOTSTRAP", "x"],
            "exit": 1,
        },
    }
    assert failure_text(Failure("bad \x1b[2J name")) == "kq: bad \\x1b[2J name\n"


def test_delimiters() -> None:
    assert unescaped(r"a\t\x1f\0\\é") == b"a\t\x1f\0\\" + "é".encode()
    with pytest.raises(ValueError, match="is not an escape"):
        unescaped("\\")
