"""How a failure is said: a sentence with hints, or JSON."""

from __future__ import annotations

import json

from kq.cli.run.ending import command_of, failure_text, json_text
from kq.cli.run.failures import Failure, Hint


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


def test_the_command_that_a_line_is_about() -> None:
    lines = {
        "topic list": ["topic", "topics ls", "-b a:1 topic", "--json topics list x", "topic -q list"],
        "topic describe": ["topic desc orders"],
        "consume": ["consume topic -n 3", "-v consume"],
        "bench": ["bench"],
        "bench produce": ["bench produce orders"],
        "kq": ["", "--json", "nope topic"],
    }
    for command, spellings in lines.items():
        for spelling in spellings:
            assert command_of(spelling.split()) == command, spelling
