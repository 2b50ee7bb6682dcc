"""The journal: durable before anything is sent, in order whatever the clock does, one step back at a time."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest

from kq.cli.reset_offsets import journal
from kq.cli.reset_offsets.journal import Entry, Move
from kq.cli.run.failures import Failure
from kq.client import GroupOffset, TopicPartition

A, B = ("orders", 0), ("orders", 1)
MOVES = {A: Move("id", GroupOffset(50, 3, "é\n"), GroupOffset(20)), B: Move("id", None, GroupOffset(7))}


def write(room: Path, moves: dict[TopicPartition, Move] | None = None, undoes: str | None = None) -> Entry:
    return journal.write(
        room, group="billing", cluster_id="C", command="kq reset-offsets", moves=moves or MOVES, undoes=undoes
    )


def test_an_entry_comes_back_as_it_was(tmp_path: Path) -> None:
    room = tmp_path / "state" / "C" / "billing"
    assert journal.last(room) is None
    entry = write(room)
    assert journal.last(room) == entry
    assert [path.name for path in room.iterdir()] == [entry.name]
    assert stat.S_IMODE(entry.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(room.stat().st_mode) == 0o700


def test_it_is_on_disk_before_it_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is synced before it gets its name, its directory after."""
    did: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def synced(descriptor: int) -> None:
        did.append("sync directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "sync file")
        fsync(descriptor)

    def renamed(self: Path, target: Path) -> Path:
        did.append("rename")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed)
    write(tmp_path / "state" / "C" / "billing")
    assert did[:3] == ["sync file", "rename", "sync directory"]


def test_undoing_goes_back_step_by_step(tmp_path: Path) -> None:
    first, second = write(tmp_path), write(tmp_path)
    assert journal.last(tmp_path) == second
    write(tmp_path, {A: MOVES[A]}, undoes=second.name)
    left = journal.last(tmp_path)
    assert left is not None
    assert (left.name, set(left.moves)) == (second.name, {B})
    write(tmp_path, {B: MOVES[B]}, undoes=second.name)
    assert journal.last(tmp_path) == first
    write(tmp_path, undoes=first.name)
    assert journal.last(tmp_path) is None


def test_what_was_refused_is_taken_out(tmp_path: Path) -> None:
    first, second = write(tmp_path), write(tmp_path)
    journal.take_out(second, {A})
    left = journal.last(tmp_path)
    assert left is not None
    assert set(left.moves) == {B}
    journal.take_out(left, {B})
    assert journal.last(tmp_path) == first
    assert [path.name for path in tmp_path.iterdir()] == [first.name]


def test_the_order_survives_a_clock_that_is_set_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_ns = [1_800_000_000_000_000_000]
    monkeypatch.setattr(time, "time_ns", lambda: at_ns[0])
    names = [write(tmp_path).name, write(tmp_path).name]
    at_ns[0] -= 86_400_000_000_000
    names.append(write(tmp_path).name)
    assert names == sorted(set(names)) == sorted(path.name for path in tmp_path.iterdir())
    assert names[0] == "20270115T080000.000000Z.json"
    last = journal.last(tmp_path)
    assert last is not None
    assert last.name == names[-1]


@pytest.mark.parametrize("names", [["a", "A/b", "..", ".", "", "%", "a%2Fb", "ü" * 200, "ü" * 201, " "]])
def test_each_group_has_a_directory_of_its_own(tmp_path: Path, names: list[str]) -> None:
    environ = {"XDG_STATE_HOME": str(tmp_path)}
    rooms = [journal.journal_of(environ, "C", name) for name in names]
    assert len(set(rooms)) == len(names)
    for room in rooms:
        write(room)
        assert room.resolve().parent == tmp_path / "kq" / "resets" / "C"


def test_without_a_place_nothing_goes_on(tmp_path: Path) -> None:
    (tmp_path / "kq").write_text("a file")
    with pytest.raises(Failure) as caught:
        write(journal.journal_of({"XDG_STATE_HOME": str(tmp_path)}, "C", "billing"))
    assert caught.value.message.endswith("not a directory; nothing has been changed")
    assert caught.value.exit_code == 1


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"_version":1,"partitions":[{}]}', '{"_version":2}'])
def test_a_file_that_is_no_entry_is_named(tmp_path: Path, text: str) -> None:
    path = write(tmp_path).path
    path.write_text(text)
    (tmp_path / "notes.json").write_text("not ours")
    with pytest.raises(Failure) as caught:
        journal.last(tmp_path)
    assert str(path) in caught.value.message
