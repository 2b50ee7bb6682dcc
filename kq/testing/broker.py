"""`Broker`: a real kq broker of one's own, from Python code that is not asynchronous.

    with Broker() as broker:
        broker.create_topic("orders")
        run_my_code(broker.bootstrap)
        assert [r.value for r in broker.records("orders")] == [b"..."]

It keeps its address over restart() and kill() + start(), so that clients under test find it again. Calls that talk to
the broker (create_topic, produce, records) use kq's own client and meet injected faults like anyone else.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from kq.testing import faults
from kq.testing.ports import free_port, is_free
from kq.testing.process import Process, StartFailed, tail
from kq.testing.rooms import Room

if TYPE_CHECKING:
    from kq.testing import contents
    from kq.testing.contents import Record

__all__ = ["Broker", "StartFailed"]

START_ATTEMPTS = 5  # each with another port, when somebody else took the one found free

# Kafka gives a new group 3 s for more members to come; a test knows how many there will be.
TESTS_DO_NOT_WAIT = {"group.initial.rebalance.delay.ms": "0"}


class Broker:
    """One broker, its directory and the handles of its faults.

    `settings` are broker settings under Kafka's names; ValueError for one that nobody knows, or a value that is none.
    create_topic, produce and records give up after `timeout_s`, each."""

    def __init__(
        self,
        settings: Mapping[str, str] | None = None,
        *,
        data_dir: str | Path | None = None,
        host: str = "127.0.0.1",
        start_timeout_s: float = 30.0,
        timeout_s: float = 30.0,
    ) -> None:
        self._settings = _checked(settings or {})
        self._given_data_dir = None if data_dir is None else Path(data_dir)
        self._host = host
        self._start_timeout_s = start_timeout_s
        self._timeout_s = timeout_s
        self._paused = False
        self._room: Room | None = None  # temporary: the log, the fault socket, the data unless a data_dir was given
        self._port = 0
        self._process: Process | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and self._room is not None:
            error.add_note(f"kq broker log:\n{self.log_tail()}")
        self.close()

    # -- life ---------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Starts it, or starts it again on the same address and data. Does nothing while it runs."""
        if self.running:
            return
        if self._room is None:
            self._room = Room()
        for attempt in range(START_ATTEMPTS):
            port = self._port or free_port(self._host)
            self._paused = False
            try:
                self._process = Process(self._arguments(port), log=self._log, start_timeout_s=self._start_timeout_s)
            except StartFailed:
                if self._port or is_free(self._host, port) or attempt == START_ATTEMPTS - 1:
                    raise
            else:
                self._port = port
                return

    def stop(self) -> None:
        """A clean stop (SIGTERM); the data stays for the next start()."""
        if self._process is not None:
            self._process.stop()

    def restart(self) -> None:
        self.stop()
        self.start()

    def kill(self) -> None:
        """SIGKILL: nothing is flushed, nobody is told. start() brings it back."""
        if self._process is not None:
            self._process.kill()

    def pause(self) -> None:
        """SIGSTOP: connections stay open and nothing answers, until resume()."""
        self._running_process().signal(signal.SIGSTOP)
        self._paused = True

    def resume(self) -> None:
        self._running_process().signal(signal.SIGCONT)
        self._paused = False

    def close(self) -> None:
        """Stops it and removes what it made; a data_dir that was given stays."""
        self.stop()
        if self._room is not None:
            self._room.close()
            self._room = None

    # -- what it is ---------------------------------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.running

    @property
    def bootstrap(self) -> str:
        """host:port, for bootstrap.servers."""
        return str(self._started().ready["bootstrap"])

    @property
    def admin(self) -> str | None:
        """URL of its metrics and status, None where they are off."""
        url = self._started().ready.get("admin")
        return None if url is None else str(url)

    @property
    def pid(self) -> int:
        return self._running_process().pid

    @property
    def data_dir(self) -> Path:
        if self._given_data_dir is not None:
            return self._given_data_dir
        if self._room is None:
            raise RuntimeError("the broker has no directory: start it first")
        return self._room.path / "data"

    def log_tail(self, lines: int = 60) -> str:
        """The end of what it logged, over all its starts; nothing once it is closed."""
        return "" if self._room is None else tail(self._log, lines)

    # -- contents -----------------------------------------------------------------------------------------------------

    def create_topic(self, name: str, partitions: int = 1, config: Mapping[str, str] | None = None) -> None:
        """`config` holds topic settings under Kafka's names."""
        from kq.testing import contents

        contents.create_topic(self._address(), name, partitions, config or {})

    def produce(
        self,
        topic: str,
        *values: bytes | str | None,
        key: bytes | str | None = None,
        partition: int | None = None,
        headers: Sequence[tuple[str, bytes | str | None]] = (),
        timestamp_ms: int | None = None,
    ) -> list[Record]:
        """Sends one record a value, in order, and returns them as they are stored."""
        from kq.testing import contents

        return contents.produce(
            self._address(),
            topic,
            values,
            key=key,
            partition=partition,
            headers=headers,
            timestamp_ms=timestamp_ms,
        )

    def records(self, topic: str, partition: int | None = None) -> list[Record]:
        """Everything committed in a topic, by partition and offset."""
        from kq.testing import contents

        return contents.records(self._address(), topic, partition)

    # -- faults -------------------------------------------------------------------------------------------------------

    def inject(
        self,
        api: str | int,
        *,
        error: str | None = None,
        delay_s: float = 0.0,
        drop: bool = False,
        times: int = 1,
        topic: str | None = None,
    ) -> None:
        """The next `times` requests of that API (by name or key) get that Kafka error, that delay, or no answer; with a
        topic, of those that name it. ValueError when nothing could come of it."""
        self._running_process()
        if self._paused:
            raise RuntimeError("the broker is paused and takes no orders: resume() it first")
        faults.inject(self._fault_socket, api, error=error, delay_s=delay_s, drop=drop, times=times, topic=topic)

    # -- inside -------------------------------------------------------------------------------------------------------

    def _arguments(self, port: int) -> list[str]:
        self._fault_socket.unlink(missing_ok=True)
        arguments = ["--data-dir", str(self.data_dir), "--listen", f"{self._host}:{port}"]
        arguments += ["--testing", str(self._fault_socket)]
        for name, value in {**TESTS_DO_NOT_WAIT, **self._settings}.items():
            arguments += ["-s", f"{name}={value}"]
        return arguments

    @property
    def _fault_socket(self) -> Path:
        assert self._room is not None
        return self._room.path / "faults"

    @property
    def _log(self) -> Path:
        assert self._room is not None
        return self._room.path / "broker.log"

    def _address(self) -> contents.Address:
        from kq.testing import contents

        return contents.Address(self.bootstrap, self._timeout_s, lambda: self._paused)

    def _started(self) -> Process:
        if self._process is None:
            raise RuntimeError("the broker was not started: use `with Broker() as broker`, or call start()")
        return self._process

    def _running_process(self) -> Process:
        process = self._started()
        if not process.running:
            raise RuntimeError("the broker is not running: start() brings it back")
        return process


def _checked(settings: Mapping[str, object]) -> dict[str, str]:
    """The broker passes over what it does not know, for the sake of files of other programs; a test means what it
    says."""
    from kq.config import BROKER
    from kq.config.broker import refuse_unknown
    from kq.errors import KafkaError

    texts = {name: str(value) for name, value in settings.items()}
    for name, text in texts.items():
        try:
            refuse_unknown(name)
            if name in BROKER:
                BROKER.parse(name, text)
        except KafkaError as error:
            raise ValueError(str(error)) from None
    return texts
