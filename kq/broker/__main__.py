"""`python -m kq.broker`: one broker in the foreground.

`kq broker start` and `kq.testing` run this as a process of its own. Logs go to stderr. When the port answers, one
JSON line with the address and the identity goes to the descriptor of `--ready-fd`, and the same stands in
`kq-broker.json` in the data directory for as long as the broker runs. SIGTERM or SIGINT stop it cleanly, a second one
at once.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Sequence
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
        return _run(_serve(options, args.ready_fd))
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
    parser.add_argument("-v", "--verbose", action="store_true")
    return parser


def _properties(args: argparse.Namespace) -> dict[str, str]:
    """The file's settings, then the flags: the later one counts."""
    properties = parse_properties(Path(args.config).read_text()) if args.config else {}
    if args.listen:
        properties["listeners"] = f"PLAINTEXT://{args.listen}"
    if args.advertise:
        properties["advertised.listeners"] = f"PLAINTEXT://{args.advertise}"
    for setting in args.settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise ValueError(f"-s {setting}: write -s KEY=VALUE")
        properties[name.strip()] = value
    return properties


def _run(main: Any) -> int:
    try:
        import uvloop
    except ImportError:
        return int(asyncio.run(main))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return int(runner.run(main))


async def _serve(options: Options, ready_fd: int | None) -> int:
    broker = Broker(options)
    _name_what_has_no_effect(options)
    status = _status_server(broker)
    await broker.start()
    ready = _ready(broker, status)
    _announce(broker, ready, ready_fd)
    log.info("broker %d serves %s", broker.node_id, broker.bootstrap)
    if status is not None:
        status.start()
    await _signalled()
    log.info("stopping")
    if status is not None:
        status.stop()
    await broker.stop()
    _state_file(broker).unlink(missing_ok=True)
    return 0


def _name_what_has_no_effect(options: Options) -> None:
    names = disregarded(options.properties)
    if names.without_effect:
        log.warning("without effect in kq: %s", ", ".join(names.without_effect))
    for name, near in names.unknown:
        log.warning("unknown setting %s%s", name, f"; did you mean {near}?" if near else "")


def _state_file(broker: Broker) -> Path:
    return Path(broker.data_dir, STATE_FILE)


def _announce(broker: Broker, ready: str, ready_fd: int | None) -> None:
    _state_file(broker).write_text(ready)
    if ready_fd is not None:
        os.write(ready_fd, ready.encode())
        os.close(ready_fd)


def _status_server(broker: Broker) -> StatusServer | None:
    """On the address that was set. The default one gives way to a free port: several brokers can share a machine."""
    address = broker.settings.kq_admin_listener
    if address is None:
        return None
    try:
        return StatusServer(broker, address.host, address.port)
    except OSError:
        if "kq.admin.listener" in broker.layers.static:
            raise
        return StatusServer(broker, address.host, 0)


def _ready(broker: Broker, status: StatusServer | None) -> str:
    partitions = list(broker.partitions)
    ready = {
        "bootstrap": broker.bootstrap,
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


async def _signalled() -> None:
    """Until SIGTERM or SIGINT; another one ends the process without a clean stop."""
    loop = asyncio.get_running_loop()
    first: asyncio.Future[None] = loop.create_future()

    def on_signal() -> None:
        if first.done():
            os._exit(STOPPED_AT_ONCE)
        first.set_result(None)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    await first


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return str(error)


if __name__ == "__main__":
    sys.exit(main())
