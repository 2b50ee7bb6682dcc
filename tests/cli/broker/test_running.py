"""Whose process a number is, on systems with /proc and without."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kq.cli.broker import running


@pytest.fixture
def other() -> Iterator[int]:
    """A process that is not a broker, though it lives."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield child.pid
    child.communicate()


@pytest.fixture
def posing() -> Iterator[int]:
    """A process whose command line is a broker's."""
    child = subprocess.Popen([sys.executable, "-c", "input()", "-m", "kq.broker"], stdin=subprocess.PIPE)
    yield child.pid
    child.communicate()


@pytest.mark.parametrize("proc", [running.PROC, Path("/nowhere")], ids=["proc", "ps"])
def test_a_number_that_another_process_has_now_is_no_broker(
    other: int, posing: int, proc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "PROC", proc)
    assert running.is_broker(posing)
    assert not running.is_broker(other)
    assert not running.is_broker(os.getpid())


@pytest.mark.parametrize("pid", [0, -1, True, "1", None])
def test_a_state_file_of_nonsense_names_nobody(tmp_path: Path, pid: object) -> None:
    """A signal to 0 or -1 would go to a whole group of processes."""
    state = {"bootstrap": "a:1", "node_id": 1, "cluster_id": "c", "version": "0", "started_ms": 0}
    (tmp_path / running.STATE_FILE).write_text(json.dumps({**state, "pid": pid}))
    assert running.find_running(tmp_path) is None


def test_nobody_has_the_number() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert not running.is_broker(child.pid)
