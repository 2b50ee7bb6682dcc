"""Runs kq as its users do: whole commands, with bytes in and out; in this process for speed, or in a real terminal."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Iterator, Mapping
from typing import IO, NamedTuple

from kq.cli.app import main

KQ = (sys.executable, "-m", "kq.cli.app")


class Ran(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    def ok(self) -> Ran:
        assert self.code == 0, f"exit {self.code}\n{self.out}\n{self.err}"
        return self


def run(*args: str, stdin: bytes = b"", env: Mapping[str, str | None] | None = None) -> Ran:
    """A command line in this process, with file descriptors of its own. stdin is a pipe."""
    with _environment(env), _descriptors(stdin) as (out, err):
        code = main(list(args))
        _flush()
        out.seek(0)
        err.seek(0)
        return Ran(code, out.read().decode("utf-8", "surrogateescape"), err.read().decode("utf-8", "replace"))


def spawn(*args: str, env: Mapping[str, str] | None = None, **options: object) -> subprocess.Popen[bytes]:
    """A command line as a process of its own."""
    return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
        [*KQ, *args],
        stdin=options.pop("stdin", subprocess.DEVNULL),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **(env or {})},
        **options,
    )


class Terminal:
    """A command in a real terminal of this size, or a shell line that names kq once.

    `type` waits for words on the screen, then types."""

    def __init__(
        self, *args: str, columns: int = 100, env: Mapping[str, str] | None = None, shell: str | None = None
    ) -> None:
        self.screen = ""
        self._pid, self._descriptor = pty.fork()
        if self._pid == 0:
            # Spelled out: readline puts COLUMNS into the environment behind Python's back.
            environ = {**os.environ, "TERM": "xterm-256color", **(env or {})}
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
            argv = [*KQ, *args] if shell is None else ["/bin/sh", "-c", shell.replace("kq", " ".join(KQ), 1)]
            os.execve(argv[0], argv, environ)

    def wait_for(self, words: str, timeout_s: float = 30) -> None:
        deadline = time.monotonic() + timeout_s
        while words not in self.screen:
            assert time.monotonic() < deadline, f"{words!r} did not appear in:\n{self.screen}"
            if not self._read(0.1):
                break
        assert words in self.screen, self.screen

    def type(self, text: str, *, after: str) -> None:
        self.wait_for(after)
        os.write(self._descriptor, text.encode())

    def end(self, timeout_s: float = 30) -> int:
        """Waits for the end; the exit code."""
        deadline = time.monotonic() + timeout_s
        while self._read(0.1):
            assert time.monotonic() < deadline, f"did not end:\n{self.screen}"
        _, status = os.waitpid(self._pid, 0)
        os.close(self._descriptor)
        return os.waitstatus_to_exitcode(status)

    def _read(self, timeout_s: float) -> bool:
        if not select.select([self._descriptor], [], [], timeout_s)[0]:
            return True
        try:
            data = os.read(self._descriptor, 1 << 16)
        except OSError:  # EIO: the other side has gone
            return False
        self.screen += data.decode("utf-8", "replace").replace("\r\n", "\n")
        return bool(data)


@contextlib.contextmanager
def _environment(changes: Mapping[str, str | None] | None) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in changes or {}}
    try:
        _apply(changes or {})
        yield
    finally:
        _apply(before)


def _apply(changes: Mapping[str, str | None]) -> None:
    for name, value in changes.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@contextlib.contextmanager
def _descriptors(stdin: bytes) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    _flush()
    saved = [os.dup(number) for number in range(3)]
    streams = sys.stdin, sys.stdout, sys.stderr
    reader, writer = os.pipe()
    feeder = threading.Thread(target=_feed, args=(writer, stdin))
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        os.dup2(reader, 0)
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        os.close(reader)
        sys.stdin, sys.stdout, sys.stderr = (
            open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115  closed with the descriptors
            for number, mode in ((0, "r"), (1, "w"), (2, "w"))
        )
        feeder.start()
        try:
            yield out, err
        finally:
            _flush()
            sys.stdin, sys.stdout, sys.stderr = streams
            for number, copy in enumerate(saved):
                os.dup2(copy, number)
                os.close(copy)
            feeder.join()


def _feed(writer: int, data: bytes) -> None:
    with contextlib.suppress(BrokenPipeError), os.fdopen(writer, "wb") as pipe:
        pipe.write(data)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(ValueError):
            stream.flush()
