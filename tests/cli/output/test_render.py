"""The two forms of a table, to the character (CLI-OUTPUT.md)."""

from __future__ import annotations

import re

from kq.cli.output.render import NONE, Both, Column, Form, Row, envelope_text, table_text

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


def test_the_envelope() -> None:
    text = envelope_text("topic list", {"topics": [{"name": "é", "size_bytes": None}]})
    assert text == '{"_command":"topic list","_version":1,"topics":[{"name":"é","size_bytes":null}]}\n'
