"""kq in a real terminal: the aligned form, colours, questions, notices, and records that try to drive the terminal."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.harness import Terminal, run

CONTROLS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def shown(*args: str, columns: int = 100, **env: str) -> str:
    """What stands on the screen at the end, with its escape codes."""
    terminal = Terminal(*args, columns=columns, env=env)
    assert terminal.end() == 0, terminal.screen
    return terminal.screen


@pytest.fixture
def filled(cluster: str, topic: str) -> str:
    run("topic", "create", topic, "-p", "2").ok()
    run("produce", topic, "-p", "0", stdin=b"x\n" * 1234).ok()
    return topic


def test_a_table(filled: str) -> None:
    screen = shown("topic", "list", filled)
    head, row, last = CONTROLS.sub("", screen).splitlines()
    assert head.split() == ["TOPIC", "PARTITIONS", "RF", "RECORDS", "SIZE", "LAST", "WRITE", "HEALTH"]
    assert row.startswith(f"  {filled}  ")
    assert " 1,234 " in row
    assert re.search(r" ago +ok$", row)
    assert last == "1 topic"
    assert "\x1b[1m" in screen
    assert "\x1b[32mok" in screen


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_not_one_colour_code(filled: str, env: dict[str, str]) -> None:
    assert "\x1b" not in shown("topic", "list", filled, **env)
    assert "\x1b" not in shown("topic", "list", filled, "--no-color")


def test_a_narrow_terminal(filled: str) -> None:
    head = CONTROLS.sub("", shown("topic", "list", filled, columns=len(filled) + 33)).splitlines()[0]
    assert head.split() == ["TOPIC", "PARTITIONS", "RECORDS", "SIZE", "HEALTH"]


def test_plain_on_a_terminal(filled: str) -> None:
    assert shown("topic", "offsets", filled, "--plain").splitlines()[1] == f"{filled}:0\t0\t1234\t1234"
    assert shown("topic", "list", filled, "--names") == f"{filled}\n"


def test_deleting_asks_for_the_name(filled: str, cluster: str) -> None:
    terminal = Terminal("topic", "delete", filled)
    terminal.type("something else\n", after="Type its name to go on: ")
    assert terminal.end() == 1
    assert "kq: nothing has been deleted" in terminal.screen
    terminal = Terminal("topic", "delete", filled)
    terminal.type(f"{filled}\n", after="Type its name to go on: ")
    assert terminal.end() == 0
    assert f"deleted {filled}" in terminal.screen
    assert run("topic", "describe", filled).code == 3


def test_deleting_several_asks_for_their_count(cluster: str, topic: str) -> None:
    run("topic", "create", f"{topic}-a", f"{topic}-b").ok()
    terminal = Terminal("topic", "delete", f"{topic}-*")
    terminal.type("2\n", after="These topics will be deleted. Type how many they are to go on: ")
    assert terminal.end() == 0
    assert run("topic", "list", f"{topic}-*").code == 3


def test_waiting_is_said_once(filled: str) -> None:
    terminal = Terminal("consume", filled, "-o", "-1")
    terminal.wait_for(f"kq: at the end of {filled}, waiting for more; Ctrl-C ends, -e stops by itself")
    run("produce", filled, "-p", "0", stdin=b"more\n").ok()
    terminal.type("\x03", after="more\n")
    assert terminal.end() == 0
    assert terminal.screen.count("waiting for more") == 1


def test_ctrl_c_before_the_end_of_a_count(filled: str) -> None:
    terminal = Terminal("consume", filled, "-n", "100000", "-o", "-1")
    terminal.type("\x03", after="x\n")
    assert terminal.end() == 130


def test_typing_records(cluster: str, topic: str) -> None:
    terminal = Terminal("produce", topic, "--create")
    terminal.type("typed\n\x04", after="kq: reading records from the terminal, one a line; Ctrl-D ends\n")
    assert terminal.end() == 0
    assert re.search(rf"{re.escape(topic)}: 1 record, 5 B in \S+s\n$", terminal.screen)
    assert run("consume", topic, "-e").out == "typed\n"


def test_records_cannot_drive_the_terminal(cluster: str, topic: str) -> None:
    wicked = b"a\x1b[2J\x07\x9b\xe2\x80\xaeb\tc"
    run("produce", topic, "--create", "-k", "\x1b]0;owned\x07", "-H", "\x1bh=\x1bv", stdin=wicked + b"\n").ok()
    for args in (("-f", "%k %v %h{%k=%v}\\n"), ("-f", "table"), ("-K:",), ()):
        screen = shown("consume", topic, "-e", *args, columns=200)
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e]", screen), args
        assert "a\\x1b[2J\\x07" in screen
    assert run("consume", topic, "-e").out.encode("utf-8", "surrogateescape") == wicked + b"\n"
    assert "\x1b[2J" in shown("consume", topic, "-e", "-f", "raw")


def test_errors_cannot_either(cluster: str) -> None:
    terminal = Terminal("topic", "describe", "bad\x1b[2Jname")
    assert terminal.end() in (1, 3)
    assert "\x1b[2J" not in terminal.screen
    assert "bad\\x1b[2Jname" in terminal.screen


def test_progress_is_drawn_in_place_and_replaced_by_the_summary(cluster: str, topic: str) -> None:
    run("topic", "create", topic).ok()
    terminal = Terminal(shell=f"yes line 2>/dev/null | head -n 2500 | kq produce {topic} --rate 1000")
    assert terminal.end() == 0
    drawn = terminal.screen.split("\r\x1b[2K")
    assert drawn[0] == ""
    assert len(drawn) > 3
    for line in drawn[1:-1]:
        assert re.fullmatch(rf"{topic}  [\d,]+ records  \S+ \w+  [\d,]+ /s  \S+ \w+/s", line), line
    assert re.fullmatch(rf"{topic}: 2,500 records, 9\.8 KB in \S+s\n", drawn[-1])


def test_progress_of_a_file_knows_its_end(cluster: str, topic: str, tmp_path: Path) -> None:
    run("topic", "create", topic).ok()
    file = tmp_path / "lines"
    file.write_bytes(b"line\n" * 2500)
    terminal = Terminal("produce", topic, "--rate", "1000", str(file))
    assert terminal.end() == 0
    percents = [int(percent) for percent in re.findall(r"  (\d+)%  \S+s left", terminal.screen)]
    assert len(set(percents)) > 2
    assert percents == sorted(percents)
    assert 20 < percents[0] < 80  # after the first of two and a half seconds


def test_a_record_table(filled: str) -> None:
    lines = shown("consume", filled, "-o", "-1", "-e", "-f", "table", "-p", "0").splitlines()
    assert lines[0].split() == ["TIME", "PARTITION", "OFFSET", "KEY", "VALUE"]
    assert re.fullmatch(rf"[\d-]+ [\d:.]+  {re.escape(filled)}:0 +1233  - +x", lines[1])


def test_a_measurement(cluster: str) -> None:
    screen = CONTROLS.sub("", shown("bench", "produce", "-n", "1000", "--size", "10"))
    head, row = screen.splitlines()
    assert head.split()[:3] == ["RECORDS", "SIZE", "TIME"]
    assert row.split()[:3] == ["1,000", "9.8", "KB"]
