"""Who came and went, in a terminal of 80 columns."""

from __future__ import annotations

import time

import pytest

from kq.cli.groups.generations import Generation
from kq.cli.groups.history import COLUMNS, _rows
from kq.cli.groups.short_names import few, rest_of, short_names
from kq.cli.output.render import Form, table_text

REST = "-8cdb-4b0e-9d0c-6a5c7c1f0001"
ONE, TWO, NEW = f"kq-b2ff5f9e{REST}", f"kq-c2ff5f9e{REST}", f"1d5e7c3b{REST}"
PEOPLE = Form(plain=False, width=80)


def test_the_client_id_says_enough_if_nobody_shares_it() -> None:
    assert short_names([ONE, f"web-1-{NEW}", NEW, "billing-1", "AbCdEfGhIjKlMnOpQrStU_"]) == {
        ONE: "kq",
        f"web-1-{NEW}": "web-1",
        NEW: "1d5e7c3b",
        "billing-1": "billing-1",
        "AbCdEfGhIjKlMnOpQrStU_": "AbCdEfGh",
    }
    assert short_names([ONE, TWO]) == {ONE: "kq-b2ff", TWO: "kq-c2ff"}


def test_nobody_is_mistaken_for_somebody_else() -> None:
    alike = [ONE, f"kq-b2ff0000{REST}", "kq"]
    assert short_names(alike) == {name: name for name in alike}


def test_many_are_counted() -> None:
    said = {name: name * 3 for name in "abcd"}
    assert few("abcd", said, 15) == "aaa,bbb,ccc,ddd"
    assert few("abcd", said, 14) == "aaa,bbb,ccc +1"
    assert few("", said, 14) == ""
    assert few(["a"], {"a": "kq-some-long-host-4711"}, 13) == "kq-som\u2026t-4711"
    assert few(["a", "b"], {"a": "kq-some-long-host-4711", "b": ""}, 13) == "kq-s\u2026-4711 +1"


@pytest.mark.parametrize(
    ("reason", "rest"),
    [
        (f"{ONE} joined, {TWO} joined", ""),
        (f"{ONE} joined: scaling", "joined: scaling"),
        (f"{ONE}, {TWO} left", ""),
        (f"{ONE} was not heard of for 45 s", "was not heard of for 45 s"),
        (f"{NEW} subscribes to other topics", "1d5e7c3b subscribes to other topics"),
        ("topics have changed", "topics have changed"),
    ],
)
def test_what_the_columns_say_is_not_said_again(reason: str, rest: str) -> None:
    assert rest_of(reason, (ONE, TWO), short_names([ONE, TWO, NEW])) == rest


def test_all_is_readable_at_80_columns() -> None:
    now_ms = time.time_ns() // 1_000_000
    told = [
        Generation(1, now_ms, f"{ONE} joined", (ONE, TWO), (), 0, 3001),
        Generation(2, now_ms, f"the group goes over to the consumer protocol, {NEW} joined", (NEW,), (), 2, None),
        Generation(3, now_ms, f"{ONE} was not heard of for 45 s", (), (ONE,), 2, 2040),
    ]
    lines = table_text(COLUMNS, _rows(told, "broker", PEOPLE), PEOPLE).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == [column.name for column in COLUMNS]
    assert lines[1].split()[2:] == ["0", "3s", "kq-b2ff", "+1", "-", "-"]
    second = " ".join(word for line in lines[2:] for word in line.split())
    assert "2 \u00b7 1d5e7c3b - the group" in second
    assert second.endswith("- kq-b2ff was not heard of for 45 s")


def test_long_names_on_another_day_fit_too() -> None:
    names = [f"kq-ip-10-20-30-40-{pid}-b2ff5f9e{REST}" for pid in (101, 102)]
    told = [
        Generation(7, 1_700_000_000_000, f"{names[0]} was not heard of for 45 s", (names[1],), (names[0],), 12, None)
    ]
    lines = table_text(COLUMNS, _rows(told, "broker", PEOPLE), PEOPLE).splitlines()
    assert max(map(len, lines)) <= 80
    assert "0-102" in lines[1]
    assert "0-101" in lines[1]
    reason = lines[0].index("REASON")
    assert " ".join(line[reason:].strip() for line in lines[1:]) == "was not heard of for 45 s"
