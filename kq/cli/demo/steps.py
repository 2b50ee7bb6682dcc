"""The steps of `kq demo`. Each runs as a command of its own, the way a reader would type it."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import kq
from kq.cli.broker.launch import detached
from kq.cli.broker.order import Order
from kq.cli.broker.running import is_broker
from kq.cli.output.units import counted, duration_text
from kq.cli.run.failures import Failure, Hint, os_reason

if TYPE_CHECKING:
    from kq.cli.run.call import Call

TOPIC = "words"
PARTITIONS = 3
NOTE_COLUMN = 43
STOP_PATIENCE_S = 15.0
GROUP = "demo"
NO_WAIT_FOR_MEMBERS = "group.initial.rebalance.delay.ms=0"  # else a new group waits 3 s for more of them


class Output(NamedTuple):
    text: bytes
    took_s: float


def run(call: Call, file: str | None, *, keep: bool) -> None:
    path = Path(file) if file is not None else _own_text()
    try:
        original = path.read_bytes()
    except OSError as fault:
        raise Failure(f"{path}: {os_reason(fault)}") from None
    began_s = time.monotonic()
    directory = Path(tempfile.mkdtemp(prefix="kq-demo-"))
    ready: dict[str, Any] = {}
    steps: list[dict[str, Any]] = []
    try:
        _show(call, f"Starting a broker of its own in {directory} …", end=" ")
        ready = detached(Order(str(directory), listen="127.0.0.1:0", settings=[NO_WAIT_FOR_MEMBERS]))
        _show(call, ready["bootstrap"])
        steps = _Demo(call, ready["bootstrap"], directory, path, original).run()
    except Failure as failure:
        if keep and ready:
            failure.hints = (*failure.hints, Hint("end it", f"kq broker stop --data-dir {directory}"))
        raise
    finally:
        if not keep:
            if ready:
                _stop(ready["pid"])
            shutil.rmtree(directory, ignore_errors=True)
    took = duration_text((time.monotonic() - began_s) * 1000)
    if call.json:
        call.envelope(ok=True, file=str(path), steps=steps, kept=str(directory) if keep else None)
    elif keep:
        call.print(f"ok in {took}; to go on: export KQ_BOOTSTRAP={ready['bootstrap']}\n")
        call.print(f"to end it: kq broker stop --data-dir {directory}\n")
    else:
        call.print(f"ok in {took}; broker stopped, directory removed (--keep leaves both)\n")


class _Demo:
    def __init__(self, call: Call, bootstrap: str, directory: Path, path: Path, original: bytes) -> None:
        self._call = call
        self._directory = directory
        self._path = path
        self._original = original
        self._environ = {**os.environ, "KQ_BOOTSTRAP": bootstrap}
        self._steps: list[dict[str, Any]] = []

    def run(self) -> list[dict[str, Any]]:
        lines = self._original.split(b"\n")
        if lines[-1] == b"":
            lines.pop()
        self._step(["kq", "topic", "create", TOPIC, "-p", str(PARTITIONS)])
        sent = self._kq(["produce", TOPIC, "-K "], stdin=self._original)
        self._note(
            f"kq produce {TOPIC} -K' ' < {shlex.quote(_short(self._path))}",
            f"{counted(len(lines), 'record')} in {sent.took_s:.2f}s",
        )
        self._step(["kq", "topic", "describe", TOPIC], also=["--table"])
        self._segments()
        came = self._kq(["consume", TOPIC, "-e", "-f", "%p %K %k%v\\n"])
        difference = _difference(lines, _by_partition(came.text))
        if difference is not None:
            raise Failure(f"what came out is not what went in: {difference}")
        self._note(f"kq consume {TOPIC} -e -K' '", f"{counted(len(lines), 'record')}, byte for byte the same")
        self._group(len(lines))
        return self._steps

    def _group(self, count: int) -> None:
        came = self._kq(["consume", TOPIC, "-g", GROUP, "-e", "-f", "%o\n"]).text.count(b"\n")
        if came != count:
            raise Failure(f"group {GROUP} was given {counted(came, 'record')} of {count:,}")
        self._kq(["wait", "-g", GROUP, "lag==0", "--timeout", "5"])
        self._note(f"kq consume {TOPIC} -g {GROUP} -e", f"lag of group {GROUP}: 0")

    def _step(self, command: Sequence[str], also: Sequence[str] = ()) -> None:
        output = self._kq([*command[1:], *also])
        self._note(shlex.join(command), "")
        if output.text:
            text = output.text.decode("utf-8", "replace")
            _show(self._call, "".join(f"  {line}".rstrip() + "\n" for line in text.splitlines()), end="")

    def _segments(self) -> None:
        files = sorted(self._directory.glob(f"{TOPIC}-*/*.log"))
        pattern = f"{self._directory}/{TOPIC}-*/*.log"
        sizes = [(file.stat().st_size, file) for file in files]
        self._note(f"wc -c {pattern}", "")
        width = len(str(sum(size for size, _ in sizes)))
        listing = "".join(f"  {size:>{width}} {file}\n" for size, file in sizes)
        _show(self._call, f"{listing}  {sum(size for size, _ in sizes):>{width}} total\n", end="")

    def _note(self, command: str, result: str) -> None:
        self._steps.append({"command": command, "result": result or None})
        gap = " " * max(NOTE_COLUMN - 2 - len(command), 2)
        _show(self._call, f"$ {command}{gap}{result}".rstrip())

    def _kq(self, arguments: Sequence[str], stdin: bytes | None = None) -> Output:
        began_s = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "kq.cli.app", *arguments],
            input=stdin if stdin is not None else b"",
            capture_output=True,
            env=self._environ,
            check=False,
        )
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").partition("\n")[0].removeprefix("kq: ")
            raise Failure(f"{shlex.join(['kq', *arguments])} ended with {done.returncode}: {said}")
        return Output(done.stdout, time.monotonic() - began_s)


def _own_text() -> Path:
    """The README of a checkout; in an installed package a source file, which is text as well."""
    package = Path(kq.__file__).parent
    readme = package.parent / "README.md"
    return readme if readme.is_file() else package / "errors.py"


def _short(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _show(call: Call, text: str, end: str = "\n") -> None:
    if not call.json:
        call.print(text + end)
        sys.stdout.flush()


def _by_partition(records: bytes) -> dict[int, list[bytes]]:
    """The lines of each partition, in its order, put together again from key and value (`%p %K %k%v`)."""
    lines: dict[int, list[bytes]] = {}
    for record in records.split(b"\n")[:-1]:
        partition, size, rest = record.split(b" ", 2)
        key_size = int(size)
        line = rest if key_size < 0 else rest[:key_size] + b" " + rest[key_size:]
        lines.setdefault(int(partition), []).append(line)
    return lines


def _difference(lines: Sequence[bytes], by_partition: dict[int, list[bytes]]) -> str | None:
    """None when the file is what the partitions hold, each in its order, nothing more and nothing less.

    Kafka keeps order within a partition: so the file must be an interleaving of them. `places` are the ways to have
    read up to here; there is more than one only where lines without a key are alike.
    """
    queues = [by_partition[partition] for partition in sorted(by_partition)]
    places = {(0,) * len(queues)}
    for number, line in enumerate(lines, 1):
        places = {
            (*place[:i], place[i] + 1, *place[i + 1 :])
            for place in places
            for i, queue in enumerate(queues)
            if place[i] < len(queue) and queue[place[i]] == line
        }
        if not places:
            return f"line {number} is missing or out of order: {line[:80]!r}"
    came = sum(map(len, queues))
    return None if came == len(lines) else f"{counted(came, 'record')} came out, {counted(len(lines), 'line')} went in"


def _stop(pid: int) -> None:
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_PATIENCE_S
    while is_broker(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
