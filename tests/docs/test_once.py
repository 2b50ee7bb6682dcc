"""The programs and the command of docs/once.md, run as they stand there, killed and run again."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kq.testing import Broker

PAGE = Path(__file__).resolve().parents[2] / "docs" / "once.md"
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
KQ = str(Path(sys.executable).parent / "kq")
BALANCES = {"apple": 3, "plum": 30}


def _ask(path: Path, question: str) -> dict[str, int]:
    try:
        with sqlite3.connect(path) as database:
            return dict(database.execute(question).fetchall())
    except sqlite3.OperationalError:  # not there yet
        return {}


@pytest.mark.parametrize(
    ("number", "question"),
    [
        (0, "SELECT name, balance FROM account"),
        (1, "SELECT name, SUM(amount) FROM ledger GROUP BY name"),
        (2, "SELECT name, pieces FROM stock"),
    ],
)
def test_a_program_has_the_effect_of_each_record_once(number: int, question: str, tmp_path: Path) -> None:
    assert len(PROGRAMS) == 3
    with Broker() as broker:
        broker.create_topic("payments", partitions=2)
        for version, (apples, plums) in enumerate([(1, 10), (2, 20)] if number < 2 else [(1, 10), (3, 30)]):
            headers = [("follows", str(version))]
            broker.produce("payments", str(apples), key="apple", partition=0, headers=headers)
            broker.produce("payments", str(plums), key="plum", partition=1, headers=headers)
        # A static member has no session to sit out after a kill.
        settings = f'settings = {{"bootstrap.servers": "{broker.bootstrap}", "group.instance.id": "teller", "auto.'
        program = PROGRAMS[number].replace('settings = {"auto.', settings)

        def has_effect() -> bool:
            return _ask(tmp_path / "bank.db", question) == BALANCES

        def is_committed() -> bool:
            lag = [KQ, "wait", "-b", broker.bootstrap, "-g", f"bank-{number + 1}", "lag==0", "--timeout", "1"]
            return subprocess.run(lag, stderr=subprocess.DEVNULL, check=False).returncode == 0

        _run_until(program.replace("await consumer.commit()", "pass"), tmp_path, has_effect)
        assert not is_committed()
        _run_until(program, tmp_path, is_committed)  # all records came again
        assert has_effect()


def _run_until(program: str, room: Path, reached: Callable[[], bool]) -> None:
    running = subprocess.Popen([sys.executable, "-c", program], cwd=room, stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 60
        while not reached():
            assert running.poll() is None, running.stderr and running.stderr.read().decode()
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        running.send_signal(signal.SIGKILL)
        running.communicate()


def test_the_command(tmp_path: Path) -> None:
    (command,) = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    with sqlite3.connect(tmp_path / "tally.db") as database:
        database.execute("CREATE TABLE tally (total INTEGER)")
        database.execute("INSERT INTO tally VALUES (0)")
    with Broker() as broker:
        broker.create_topic("payments")
        broker.produce("payments", "5", "6", "7")
        path = f"{Path(KQ).parent}:{os.environ['PATH']}"
        environment = {**os.environ, "KQ_BOOTSTRAP": broker.bootstrap, "PATH": path}
        for _ in range(2):
            subprocess.run(["sh", "-c", command], cwd=tmp_path, env=environment, check=True, timeout=60)
    assert sqlite3.connect(tmp_path / "tally.db").execute("SELECT total FROM tally").fetchone() == (18,)
