"""`kq broker start`, `stop`, `status`, `logs`: a broker on this machine.

`start` becomes the broker (it executes `python -m kq.broker`, so signals and the exit code are the broker's own); the
banner comes from a helper process that ends when it is printed. The others find a running broker by its data directory.
"""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Annotated

import typer

from kq.cli.broker.running import LOG_FILE, Running, data_directory, find_running, home_short
from kq.cli.output.render import Column, Row
from kq.cli.run.failures import Failure, Hint, NotFound, NotInTime
from kq.cli.tree import flags
from kq.cli.tree.command import LocalCommand, LocalTableCommand
from kq.cli.tree.nouns import noun_app

if TYPE_CHECKING:
    from pathlib import Path

    from kq.cli.run.call import Call

app = noun_app("broker", "A broker on this machine.", "kq broker start\nkq broker stop", alone="status")

DEFAULT_LISTEN = "127.0.0.1:9092"
STOP_TIMEOUT_S = 30.0
POLL_S = 0.02


@app.command(
    "start",
    cls=LocalCommand,
    epilog="kq broker start\nexport KQ_BOOTSTRAP=$(kq broker start --detach --listen 127.0.0.1:0 --data-dir /tmp/kq)",
)
def start(
    ctx: typer.Context,
    data_dir: flags.DataDir = None,
    listen: Annotated[
        str | None, flags.own("--listen", metavar="HOST:PORT", help="port 0: a free one (127.0.0.1:9092)")
    ] = None,
    advertise: Annotated[
        str | None, flags.own("--advertise", metavar="HOST:PORT", help="the address clients are told")
    ] = None,
    settings: flags.BrokerSettings = None,
    config: Annotated[str | None, flags.own("--config", metavar="FILE", help="a server.properties")] = None,
    detach: Annotated[
        bool, flags.own("-d", "--detach", help="return when the port answers, with its address on stdout")
    ] = False,
) -> None:
    """Run a broker until Ctrl-C. Its log goes to stderr; with --detach into the data directory."""
    from kq.cli.broker import launch
    from kq.cli.broker.banner import misled
    from kq.cli.broker.order import Order

    call: Call = ctx.obj
    order = Order(
        data_dir,
        listen=listen if listen or config else DEFAULT_LISTEN,
        advertise=advertise,
        config=config,
        settings=settings or [],
        verbose=bool(call.verbose),
    )
    directory = order.data_dir
    running = find_running(directory)
    if running is not None:
        raise Failure(
            f"a broker is running on {home_short(directory)} already: {running.address}, pid {running.pid}",
            Hint("stop it", f"kq broker stop{_way_to(directory)}"),
            Hint("another one", "kq broker start --data-dir DIR --listen 127.0.0.1:0"),
        )
    order.check()
    if order.place.not_followed is not None:
        call.warn(order.place.not_followed)
    if detach:
        for remark in order.remarks():
            call.warn(remark)
        ready = launch.detached(order)
        if (warning := misled(order, ready)) is not None:
            call.warn(warning)
        if call.json:
            call.envelope(address=ready["bootstrap"], pid=ready["pid"], data_dir=str(directory))
        else:
            call.print(f"{ready['bootstrap']}\n")
    else:
        launch.become(order, color=call.error_color, quiet=call.quiet)


@app.command("stop", cls=LocalCommand, epilog="kq broker stop\nkq broker stop --data-dir /tmp/kq --timeout 10")
def stop(ctx: typer.Context, data_dir: flags.DataDir = None, timeout: flags.Timeout = None) -> None:
    """Stop the broker of a data directory cleanly, and wait until it has ended."""
    call: Call = ctx.obj
    directory = data_directory(data_dir)
    running = _require(directory, data_dir)
    limit_s = STOP_TIMEOUT_S if timeout is None else timeout
    try:
        os.kill(running.pid, signal.SIGTERM)
    except ProcessLookupError:  # it has ended by itself since
        limit_s = 0
    except PermissionError:
        raise Failure(f"the broker on {home_short(directory)}, pid {running.pid}, is another user's") from None
    deadline = time.monotonic() + limit_s
    while running.is_alive():
        if time.monotonic() > deadline:
            raise NotInTime(
                f"the broker on {home_short(directory)}, pid {running.pid}, has not ended after {limit_s:g}s",
                Hint("end it now", f"kill -9 {running.pid}"),
            )
        time.sleep(POLL_S)
    if call.json:
        call.envelope(pid=running.pid, address=running.address, data_dir=str(directory), stopped=True)
    call.note(f"stopped {running.address}")


COLUMNS = [
    Column("BROKER"),
    Column("ADDRESS"),
    Column("PID", "number"),
    Column("UP", "duration"),
    Column("CLUSTER", "text", drop=1),
    Column("VERSION", "text", drop=2),
    Column("DATA", "text", cut=True),
]


@app.command("status", cls=LocalTableCommand, epilog="kq broker status\nkq broker status --json --data-dir /tmp/kq")
def status(ctx: typer.Context, data_dir: flags.DataDir = None) -> None:
    """Whether a broker runs on a data directory, where it listens and how long. Exit 3 when none does."""
    call: Call = ctx.obj
    directory = data_directory(data_dir)
    running = _require(directory, data_dir)
    uptime_ms = max(round(time.time() * 1000) - running.started_ms, 0)
    if call.json:
        call.envelope(
            pid=running.pid,
            address=running.address,
            data_dir=str(directory),
            node_id=running.node_id,
            cluster_id=running.cluster_id,
            version=running.version,
            uptime_ms=uptime_ms,
            admin=running.admin,
        )
    else:
        cells = [running.node_id, running.address, running.pid, uptime_ms, running.cluster_id, running.version]
        call.table(COLUMNS, [Row([*cells, str(directory) if call.form.plain else home_short(directory)])])


@app.command("logs", cls=LocalCommand, epilog="kq broker logs\nkq broker logs --follow --tail 20")
def logs(
    ctx: typer.Context,
    data_dir: flags.DataDir = None,
    tail: Annotated[
        int | None, flags.own("--tail", metavar="N", help="the last N lines only", parser=flags.whole(0))
    ] = None,
    follow: Annotated[bool, flags.own("--follow", help="and what comes after, until Ctrl-C")] = False,
) -> None:
    """The log of a broker that was started with --detach."""
    from kq.cli.broker.log_file import print_log

    directory = data_directory(data_dir)
    path = directory / LOG_FILE
    if not path.exists():
        hints = [Hint("start one", f"kq broker start --detach{_flag(data_dir)}")]
        where = "; one in the foreground logs to its own terminal" if find_running(directory) else ""
        raise NotFound(f"no log in {home_short(directory)}{where}", *hints)
    print_log(path, tail=tail, follow=follow)


def _require(directory: Path, given: str | None) -> Running:
    running = find_running(directory)
    if running is None:
        raise NotFound(
            f"no broker is running on {home_short(directory)}; start one: kq broker start{_flag(given)}",
            code="NOT_RUNNING",
        )
    return running


def _way_to(directory: Path) -> str:
    """The flag that leads the other commands to this directory, where they would not find it by themselves."""
    return "" if directory == data_directory(None) else f" --data-dir {home_short(directory)}"


def _flag(data_dir: str | None) -> str:
    return f" --data-dir {data_dir}" if data_dir else ""
