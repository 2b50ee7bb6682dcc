"""From an order to a broker process: detached, in a session of its own, or in the place of this one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any

from kq.cli.broker.banner import banner
from kq.cli.broker.order import Order
from kq.cli.broker.running import LOG_FILE
from kq.cli.run.failures import Failure, Hint


def detached(order: Order) -> dict[str, Any]:
    """Starts it in a session of its own; returns what it said when its port answered."""
    order.data_dir.mkdir(parents=True, exist_ok=True)
    log = order.data_dir / LOG_FILE
    begin = log.stat().st_size if log.exists() else 0
    reader, writer = os.pipe()
    with log.open("ab") as sink:
        child = subprocess.Popen(
            order.argv(writer),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=sink,
            pass_fds=[writer],
            start_new_session=True,
        )
    os.close(writer)
    ready = read_ready(reader)
    if ready is None:
        code = child.wait()
        said = log.read_bytes()[begin:].decode("utf-8", "replace").strip().splitlines()
        last = said[-1].removeprefix("kq: ") if said else f"it ended with {code}"
        raise Failure(f"the broker did not start: {last}", Hint("its log", f"cat {log}"))
    return ready


def read_ready(reader: int) -> dict[str, Any] | None:
    """The line the broker writes when its port answers; None when it ended before."""
    with os.fdopen(reader, "rb") as pipe:
        line = pipe.readline()
    if not line.endswith(b"\n"):
        return None
    ready: dict[str, Any] = json.loads(line)
    return ready


def become(order: Order, *, color: bool, quiet: bool) -> None:
    """Replaces this process by the broker. The banner is left to a grandchild, which nobody has to wait for."""
    began_s = time.monotonic()
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        if os.fork() == 0:
            os.close(writer)
            ready = read_ready(reader)
            if ready is not None and not quiet:
                os.write(2, banner(order, ready, took_s=time.monotonic() - began_s, color=color).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(reader)
    os.set_inheritable(writer, True)
    argv = order.argv(writer)
    os.execv(argv[0], argv)
