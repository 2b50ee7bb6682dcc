"""`python -m kq.broker`: one broker in the foreground.

`kq broker start` and `kq.testing` run this as a process of its own. Logs go to stderr. When the port answers, one
JSON line with the address and the identity goes to the descriptor of `--ready-fd`, and the same stands in
`kq-broker.json` in the data directory for as long as the broker runs. SIGTERM or SIGINT stop it cleanly, a second one
at once.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import os
import signal
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from kq import __version__
from kq.broker.broker import Broker, Options
from kq.broker.status import StatusServer
from kq.config import parse_properties
from kq.config.broker import disregarded
from kq.engine.directory import DirectoryInUse, ForeignDirectory
from kq.errors import KafkaError

STATE_FILE = "kq-broker.json"
STOPPED_AT_ONCE = 130

log = logging.getLogger("kq.broker")


def main(argv: Sequence[str] | None = None) -> int:
    args = _parser().parse_args(argv)
    logging.basicConfig(
        level=logging.DEBUG if args.verbose else logging.INFO,
        format="%(asctime)s.%(msecs)03d %(levelname)-5s %(message)s",
        datefmt="%H:%M:%S",
    )
    try:
        options = Options(args.data_dir, _properties(args), args.testing)
        return _run(_serve(options, args.ready_fd, until_stdin_ends=args.until_stdin_ends))
    except (KafkaError, DirectoryInUse, ForeignDirectory, OSError, ValueError) as error:
        print(f"kq: {_sentence(error)}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m kq.broker", description=__doc__.partition("\n")[0])
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--listen", metavar="HOST:PORT", help="short for -s listeners=PLAINTEXT://HOST:PORT")
    parser.add_argument("--advertise", metavar="HOST:PORT", help="the address that clients are told")
    parser.add_argument("--config", metavar="FILE", help="settings as in Kafka's server.properties")
    parser.add_argument("-s", dest="settings", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--ready-fd", type=int, metavar="N")
    parser.add_argument("--testing", metavar="PATH", help="take fault orders on a unix socket; for tests only")
    parser.add_argument("--until-stdin-ends", action="store_true", help="stop when whoever started it is gone")
    parser.add_argument("-v", "--verbose", action="store_true")
    return parser


def _properties(args: argparse.Namespace) -> dict[str, str]:
    """The file's settings, then the flags: the later one counts."""
    properties = parse_properties(_text_of(Path(args.config))) if args.config else {}
    if args.listen:
        properties["listeners"] = f"PLAINTEXT://{args.listen}"
    if args.advertise:
        properties["advertised.listeners"] = f"PLAINTEXT://{args.advertise}"
    for setting in args.settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise ValueError(f"-s {setting}: write -s KEY=VALUE")
        properties[name.strip()] = value
    if {"log.dirs", "log.dir"} & properties.keys():  # --data-dir has decided, and what is reported is true
        properties.pop("log.dir", None)
        properties["log.dirs"] = os.path.abspath(args.data_dir)
    return properties


def _text_of(file: Path) -> str:
    """UTF-8, or else Latin-1, which is what Java takes every properties file for."""
    data = file.read_bytes()
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _run(main: Any) -> int:
    try:
        import uvloop
    except ImportError:
        return int(asyncio.run(main))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return int(runner.run(main))


async def _serve(options: Options, ready_fd: int | None, *, until_stdin_ends: bool) -> int:
    signalled = _signals()
    if until_stdin_ends:
        _stop_with_stdin(signalled)
    broker = Broker(options)
    _name_what_has_no_effect(options)
    status = _status_server(broker)
    await _unless(signalled, broker.start())
    _settle_memory()
    _announce(broker, _ready(broker, status), ready_fd)
    log.info("broker %d serves %s", broker.node_id, broker.bootstrap)
    if status is not None:
        status.start()
    await signalled
    log.info("stopping")
    if status is not None:
        status.stop()
    try:
        await broker.stop()
    finally:
        _state_file(broker).unlink(missing_ok=True)
    return 0


def _settle_memory() -> None:
    """What was built until now stays for good: later collections need not look at it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _name_what_has_no_effect(options: Options) -> None:
    for line in disregarded(options.properties).lines():
        log.warning("%s", line)


def _state_file(broker: Broker) -> Path:
    return Path(broker.data_dir, STATE_FILE)


def _announce(broker: Broker, ready: str, ready_fd: int | None) -> None:
    """Neither a full disk nor a starter who has gone is a reason not to serve."""
    try:
        broker.disk.replace(str(_state_file(broker)), ready.encode(), sync=False)
    except OSError as error:
        log.warning("%s is not written: %s", _state_file(broker), error.strerror)
    if ready_fd is not None:
        try:
            os.write(ready_fd, ready.encode())
            os.close(ready_fd)
        except OSError as error:
            log.warning("nobody reads from descriptor %d: %s", ready_fd, error.strerror)


def _status_server(broker: Broker) -> StatusServer | None:
    """On the address that was set. The default one gives way to a free port: several brokers can share a machine."""
    address = broker.settings.kq_admin_listener
    if address is None:
        return None
    try:
        return StatusServer(broker, address.host, address.port)
    except OSError as error:
        if "kq.admin.listener" in broker.layers.static:
            reason = f"kq.admin.listener: cannot listen on {address.host or '*'}:{address.port}: {error.strerror}"
            raise OSError(error.errno, reason) from error
        return StatusServer(broker, address.host, 0)


def _ready(broker: Broker, status: StatusServer | None) -> str:
    partitions = list(broker.partitions)
    ready = {
        "bootstrap": broker.bootstrap,
        "listens": broker.server.addresses,
        "pid": os.getpid(),
        "node_id": broker.node_id,
        "cluster_id": broker.image.cluster_id,
        "version": __version__,
        "data_dir": broker.data_dir,
        "started_ms": broker.started_ms,
        "ready_ms": broker.now_ms(),
        "topics": len(broker.image.topics),
        "partitions": len(partitions),
        "size_bytes": sum(partition.log.size_bytes for partition in partitions),
        "clean": broker.started_clean,
        "admin": None if status is None else status.url,
    }
    return json.dumps(ready) + "\n"


def _signals() -> asyncio.Future[None]:
    """Done with SIGTERM or SIGINT; another one ends the process without a clean stop."""
    loop = asyncio.get_running_loop()
    first: asyncio.Future[None] = loop.create_future()

    def on_signal() -> None:
        if first.done():
            os._exit(STOPPED_AT_ONCE)
        first.set_result(None)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    return first


def _stop_with_stdin(signalled: asyncio.Future[None]) -> None:
    """The other end of stdin is held by the starter alone: it ends with the starter, however that one dies."""
    loop, fd = asyncio.get_running_loop(), sys.stdin.fileno()

    def on_readable() -> None:
        if not os.read(fd, 4096):
            loop.remove_reader(fd)
            if not signalled.done():
                signalled.set_result(None)

    loop.add_reader(fd, on_readable)


async def _unless(signalled: asyncio.Future[None], start: Coroutine[Any, Any, None]) -> None:
    """A start that is stopped has nothing to lose: recovery is safe from a kill at any moment, and may take long."""
    starting = asyncio.ensure_future(start)
    await asyncio.wait([signalled, starting], return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        log.info("stopped before the port answered")
        os._exit(STOPPED_AT_ONCE)
    starting.result()


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return str(error)


if __name__ == "__main__":
    sys.exit(main())
