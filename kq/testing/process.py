"""One run of `python -m kq.broker`: from its start to its end, with its log.

The broker says on a pipe (`--ready-fd`) that its port answers; nothing here polls a port or reads a log to find out.
It runs in a session of its own, so that Ctrl-C in the terminal reaches the test run, which then stops it in order.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

STOP_TIMEOUT_S = 15.0  # a clean stop flushes every partition; past this it is killed


class StartFailed(RuntimeError):
    """The broker ended, or did not answer in time; the message ends with what it wrote."""


class Process:
    def __init__(self, arguments: list[str], *, log: Path, start_timeout_s: float) -> None:
        self._log = log
        reader, writer = os.pipe()
        try:
            with log.open("ab") as sink:
                self._child = subprocess.Popen(
                    [sys.executable, "-m", "kq.broker", *arguments, "--ready-fd", str(writer), "--until-stdin-ends"],
                    stdin=subprocess.PIPE,  # never written to: it ends when this process does, even by SIGKILL
                    stdout=sink,
                    stderr=sink,
                    pass_fds=[writer],
                    start_new_session=True,
                )
            os.close(writer)
            writer = -1
            self.ready = self._await_ready(reader, start_timeout_s)
        finally:
            os.close(reader)
            if writer >= 0:
                os.close(writer)

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def running(self) -> bool:
        return self._child.poll() is None

    def stop(self) -> None:
        """SIGTERM, and SIGKILL when that is not obeyed. A paused broker is resumed first: it could not obey."""
        if not self.running:
            return
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            self._child.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
        self._let_go()

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self._child.wait()
        self._let_go()

    def _let_go(self) -> None:
        """Of its stdin: an open file that is forgotten is a warning, and tests may count that as a failure."""
        if self._child.stdin is not None:
            self._child.stdin.close()

    def signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._child.send_signal(number)

    def _await_ready(self, reader: int, timeout_s: float) -> dict[str, Any]:
        """The line of JSON that the broker writes when its port answers."""
        line = b""
        deadline = time.monotonic() + timeout_s
        while not line.endswith(b"\n"):
            readable, _, _ = select.select([reader], [], [], max(0.0, deadline - time.monotonic()))
            chunk = os.read(reader, 65536) if readable else b""
            if not chunk:
                reason = "ended before its port answered" if readable else f"did not answer within {timeout_s:g} s"
                self.kill()
                raise StartFailed(f"the broker {reason}; its log:\n{tail(self._log)}")
            line += chunk
        ready: dict[str, Any] = json.loads(line)
        return ready


def tail(log: Path, lines: int = 60) -> str:
    """The last lines of a log, for messages."""
    text = log.read_text(errors="replace") if log.exists() else ""
    return "\n".join(text.splitlines()[-lines:]) or "(nothing was written)"
