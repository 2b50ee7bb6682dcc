"""Plans in files: what is written is read again, and the words for files that are something else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kq.cli.reset_offsets import files
from kq.cli.reset_offsets.files import Planned
from kq.cli.reset_offsets.steps import Step
from kq.cli.run.failures import Failure, Usage
from kq.client import GroupOffset

STEPS = [
    Step("orders", 0, 0, 90, GroupOffset(50, 3, "was"), GroupOffset(20, 2, 'a "note"')),
    Step("orders", 1, 0, 90, None, GroupOffset(7)),
]


def test_json_holds_everything(tmp_path: Path) -> None:
    path = str(tmp_path / "plan.json")
    removed = Step("orders", 2, 0, 90, GroupOffset(50), None)
    files.write(path, "billing", [*STEPS, removed])
    assert files.read(path, "billing") == {
        ("orders", 0): Planned(GroupOffset(20, 2, 'a "note"'), True, 50),
        ("orders", 1): Planned(GroupOffset(7), True, None),
        ("orders", 2): Planned(None, True, 50),
    }
    with pytest.raises(Usage, match="a plan for group billing, not for other"):
        files.read(path, "other")


def test_csv_holds_what_kafka_reads(tmp_path: Path) -> None:
    path = tmp_path / "plan.csv"
    files.write(str(path), "billing", STEPS)
    assert path.read_text() == "orders,0,20\norders,1,7\n"
    assert files.read(str(path), "any group") == {
        ("orders", 0): Planned(GroupOffset(20)),
        ("orders", 1): Planned(GroupOffset(7)),
    }
    with pytest.raises(Usage, match="a CSV cannot say that the commit of orders:2 is removed"):
        files.write(str(path), "billing", [Step("orders", 2, 0, 90, GroupOffset(50), None)])


@pytest.mark.parametrize(
    "text",
    [
        '"a-topic-with-a-long-name-is-quoted",0,5\r\norders,1,6\r\n',
        '\nbilling,"a-topic-with-a-long-name-is-quoted",0,5\nother,orders,1,9\nbilling,orders,1,6\n\n',
    ],
)
def test_csv_as_kafka_may_write_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "plan"
    path.write_text(text)
    assert files.read(str(path), "billing") == {
        ("a-topic-with-a-long-name-is-quoted", 0): Planned(GroupOffset(5)),
        ("orders", 1): Planned(GroupOffset(6)),
    }


STEP = {
    "group": "billing",
    "topic": "orders",
    "partition": 0,
    "committed_offset": 50,
    "new_offset": 20,
    "new_leader_epoch": -1,
    "new_metadata": "",
}


def plan_of(**changes: object) -> str:
    return json.dumps({"_command": "reset-offsets", "_version": 1, "steps": [STEP | changes]})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "there is nothing in it"),
        ("orders,0\n", "line 1: write topic,partition,offset"),
        ("orders,0,5\norders,x,5\n", "line 2: 'x' is not a partition"),
        ("orders,0,-5\n", "line 1: '-5' is not an offset"),
        ("orders,0,9223372036854775808\n", "line 1: '9223372036854775808' is not an offset"),
        ("orders,0,²\n", "line 1: '²' is not an offset"),
        ("orders,0,5\norders,0,6\n", "line 2: orders:0 stands there twice"),
        ("other,orders,0,5\n", "nothing about group billing; it is about other"),
        ("{", "not a plan: not JSON"),
        ('{"_command":"topic trim","_version":1,"steps":[]}', "not a plan of kq reset-offsets"),
        ('{"_command":"reset-offsets","_version":9,"steps":[]}', "a plan of version 9"),
        ('{"_command":"reset-offsets","_version":1,"steps":[]}', "there is nothing in it"),
        (plan_of(partition="0"), "not a plan of kq reset-offsets"),
        (plan_of(partition=True), "not a plan of kq reset-offsets"),
        (plan_of(more=1), "not a plan of kq reset-offsets"),
        (plan_of(new_offset=-3), "not a plan of kq reset-offsets"),
    ],
)
def test_files_that_are_something_else(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "plan"
    path.write_text(text)
    with pytest.raises(Failure) as caught:
        files.read(str(path), "billing")
    assert words in caught.value.message
    assert str(path) in caught.value.message
    assert caught.value.exit_code == 2


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(Usage, match="no such file or directory"):
        files.read(str(tmp_path / "none"), "billing")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(Usage, match="not text"):
        files.read(str(tmp_path / "bytes"), "billing")
