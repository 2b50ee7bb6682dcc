"""The start of a broker process, and the banner of CLI-OUTPUT.md."""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kq.cli.broker.running import LOG_FILE, home_short
from kq.cli.output.units import size_text
from kq.cli.run.failures import Failure, Hint, Usage

START_TIMEOUT_S = 600.0  # a recovery may take long; the broker reports its progress


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked of `kq broker start`."""

    data_dir: Path
    listen: str | None
    advertise: str | None = None
    config: str | None = None
    settings: list[str] = field(default_factory=list)
    verbose: bool = False

    def argv(self, ready_fd: int) -> list[str]:
        argv = [sys.executable, "-m", "kq.broker", "--data-dir", str(self.data_dir), "--ready-fd", str(ready_fd)]
        for flag, value in (("--listen", self.listen), ("--advertise", self.advertise), ("--config", self.config)):
            if value is not None:
                argv += [flag, value]
        for setting in self.settings:
            argv += ["-s", setting]
        return [*argv, *(["-v"] if self.verbose else [])]

    def setting(self, name: str) -> str | None:
        """A broker setting as this start gives it: -s, else the file."""
        values: dict[str, str] = {}
        if self.config:
            from kq.config import parse_properties

            values = dict(parse_properties(Path(self.config).read_text(encoding="utf-8")))
        for setting in self.settings:
            key, _, value = setting.partition("=")
            values[key.strip()] = value
        return values.get(name)


def check(order: Order) -> None:
    """What can be said before the broker starts: the address, the settings, the file, the port."""
    for flag, address in (("--listen", order.listen), ("--advertise", order.advertise)):
        if address is not None:
            _split(address, flag)
    for setting in order.settings:
        if "=" not in setting or setting.startswith("="):
            raise Usage(f"-s {setting}: write -s key=value, as in -s num.partitions=3")
    if order.config is not None and not Path(order.config).is_file():
        raise Failure(f"--config {order.config}: no such file")
    if order.listen is not None and order.setting("listeners") is None:
        _check_port(order.listen)


def _split(address: str, flag: str) -> tuple[str, int]:
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65535:
        raise Usage(f"{flag} {address}: write HOST:PORT, as in 127.0.0.1:9092")
    return host.strip("[]"), int(port)


def _check_port(listen: str) -> None:
    host, port = _split(listen, "--listen")
    try:
        family, kind, _, _, target = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError:
        raise Failure(f"--listen {listen}: '{host}' is no address of this machine") from None
    with socket.socket(family, kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(target)
        except OSError as fault:
            if fault.errno == errno.EADDRINUSE:
                raise Failure(
                    f"{listen} is in use; take a free port: kq broker start --listen {_bracketed(host)}:0",
                    code="PORT_IN_USE",
                ) from None
            if fault.errno == errno.EADDRNOTAVAIL:
                raise Failure(f"--listen {listen}: '{host}' is no address of this machine") from None
            if fault.errno == errno.EACCES:
                raise Failure(f"--listen {listen}: ports under 1024 are for root") from None
            raise


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


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


def banner(order: Order, ready: dict[str, Any], *, took_s: float, color: bool) -> str:
    address, data = ready["bootstrap"], home_short(order.data_dir)
    width = max(len(address), len(data)) + 2
    held = [
        _counted(ready["topics"], "topic"),
        _counted(ready["partitions"], "partition"),
        size_text(ready["size_bytes"]),
        "clean start" if ready["clean"] else "recovered: it was not stopped cleanly",
    ]
    identity = f"broker {ready['node_id']}, cluster {ready['cluster_id']}"
    here = address.startswith(("127.", "localhost", "[::1]"))
    bold, plain = ("\x1b[1m", "\x1b[0m") if color else ("", "")
    lines = [
        f"{bold}kq {ready['version']}{plain}: {identity}, ready in {took_s:.2f}s",
        f"  listens on  {address:<{width}}{'this machine only' if here else 'other machines too'}",
        f"  data        {data:<{width}}{', '.join(held)}",
        *_safety(order),
    ]
    if ready.get("admin"):
        lines.append(f"  metrics     {ready['admin'].rstrip('/')}/metrics")
    lines.append("Try: kq demo      Stop: Ctrl-C")
    return "".join(line + "\n" for line in lines)


def _safety(order: Order) -> list[str]:
    synced = (order.setting("kq.log.fsync.before.ack") or "").lower() == "true"
    if synced or order.setting("log.flush.interval.messages") == "1":
        return ["  safety      an acked record survives kill -9 and a power cut"]
    return [
        "  safety      an acked record survives kill -9, not a power cut",
        "              (-s log.flush.interval.messages=1 makes it survive both)",
    ]


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
