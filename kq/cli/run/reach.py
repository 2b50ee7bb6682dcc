"""The way from a command to the cluster and back: one event loop, one connection set, failures as sentences.

Ctrl-C and SIGTERM (systemd, docker and plain kill) cancel the work, which then ends in order: what was dealt with is
committed, the group left, what was read sent. The second one ends it at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import TYPE_CHECKING, TypeVar

from kq.cli.run.failures import Terminated
from kq.cli.run.problems import check_client_settings, failure_of
from kq.client import connect
from kq.errors import KafkaError

if TYPE_CHECKING:
    from kq.cli.run.call import Call
    from kq.client import Cluster

T = TypeVar("T")


def run(
    call: Call,
    work: Callable[[Cluster], Awaitable[T]],
    *,
    overrides: Mapping[str, str] | None = None,
    defaults: Mapping[str, str] | None = None,
    many_records: bool = False,
) -> T:
    """Connects, awaits `work`, disconnects. `many_records`: worth uvloop's import."""
    config = call.settings.client(overrides, defaults)
    check_client_settings(config, call)

    terminated = threading.Event()

    async def main() -> T:
        _cancel_on_sigterm(terminated)
        async with connect(config) as cluster:
            return await work(cluster)

    try:
        with _requests_shown(call), asyncio.Runner(loop_factory=_fast_loop if many_records else None) as runner:
            return runner.run(main())
    except asyncio.CancelledError:
        if not terminated.is_set():
            raise
        raise Terminated from None
    except KafkaError as error:
        raise failure_of(error, call) from error


def _cancel_on_sigterm(terminated: threading.Event) -> None:
    """What asyncio's Runner does for SIGINT, for the running task: unless the signal is ignored or somebody's."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        return
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def terminate() -> None:
        loop.remove_signal_handler(signal.SIGTERM)  # the next one finds the default
        terminated.set()
        if task is not None:
            task.cancel()

    loop.add_signal_handler(signal.SIGTERM, terminate)


@contextlib.contextmanager
def _requests_shown(call: Call) -> Iterator[None]:
    """`-v`: each request of the client, a line on stderr."""
    if not call.verbose:
        yield
        return
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s.%(msecs)03d %(message)s", "%H:%M:%S"))
    log = logging.getLogger("kq.client")
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(logging.NOTSET)


def _fast_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
