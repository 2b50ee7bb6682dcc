"""`kq`: the root of the commands, and what happens at the end of a run: exit codes, errors, a closed pipe, Ctrl-C.

Commands load when they are used (`tree/nouns.py`); this table alone knows them all.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Sequence

from kq import __version__

INTERRUPTED = 130
TERMINATED = 143
LAST_STANDARD = 2

HELP = """\
kq: Kafka without the JVM

Usage: kq COMMAND [FLAGS]

Run       broker      start, stop, status, logs: a broker on this machine
          demo        see it work: a broker, a topic, a file in and out again
Data      produce     lines, files or JSON into a topic
          consume     records to stdout, with filters and formats
          topic       list, describe, create, alter, delete, trim, offsets
          bench       produce, consume: how fast is it here
Groups    groups      list, describe, history, peek, delete, delete-offsets
          reset-offsets  where a group reads on: plan, execute, undo
          wait        until lag, members or a topic are as they should be
Look      cluster     info, api-versions, log-dirs
Settings  config      describe, alter: settings of topics and brokers
          profile     list, use, show, edit: which cluster, which login
          completion  for bash, zsh and fish

Everywhere: -b HOST:PORT, -C PROFILE, --json, -h    Here: --version, --help-json

Start with:
  kq broker start
  seq 5 | kq produce numbers --create
  kq consume numbers -e
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line; its exit code. Without `argv` this is the program itself and does not return."""
    if argv is not None:
        return _run(list(argv))
    _fill_missing_descriptors()
    code = _run(sys.argv[1:])
    # Taking the interpreter down costs 60 of the 220 ms of a one-shot command here, and nothing is left to be done:
    # files, sockets and threads are closed where they were opened.
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _fill_missing_descriptors() -> None:
    """`kq … >&-`: a socket must not become descriptor 1, nor sys.stdout be None."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= LAST_STANDARD:
        stream = ("stdin", "stdout", "stderr")[descriptor]
        setattr(sys, stream, os.fdopen(descriptor, "r" if descriptor == 0 else "w", closefd=False))
    os.close(descriptor)
    for output in (sys.stdout, sys.stderr):  # a name that the terminal's encoding lacks is no reason to fail
        if isinstance(output, io.TextIOWrapper):
            output.reconfigure(errors="backslashreplace")


def _run(args: list[str]) -> int:
    if args == ["--version"]:  # before Typer is imported: 62 of the 80 ms of a command
        print(f"kq {__version__}")
        return 0
    try:
        from kq.cli.run.ending import run_to_the_end

        return run_to_the_end(args)
    except KeyboardInterrupt:  # while the commands are being loaded, or an error is being printed
        return INTERRUPTED


if __name__ == "__main__":
    main()
