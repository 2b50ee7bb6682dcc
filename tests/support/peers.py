"""Apache Kafka beside us: the peers tool installs it, starts it, stops it and runs its command-line tools.

The tool is a script outside this repository: $KQ_PEERS/kafka, by default ../shared/peers/kafka beside the clone.
Whoever needs it asks through `tool()`, which ends the test with a sentence when something is missing.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.missing import give_up, need_command

ROOT = Path(__file__).resolve().parents[2]
TOOL = Path(os.environ.get("KQ_PEERS") or ROOT.parent / "shared" / "peers") / "kafka"
# A tool that lives for a second is better off without the optimizing compiler: a third less CPU.
SHORT_LIVED = {"KAFKA_HEAP": "256m", "JDK_JAVA_OPTIONS": "-XX:TieredStopAtLevel=1"}
# And with the classes that the first tool on this machine has loaded, as the JVM keeps them: half of what is left.
CLASSES = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kq-peers" / "classes.jsa"
START_TIMEOUT_S = 180  # with the first download of the jars


def tool() -> str:
    """The peers tool, or the end of this test."""
    need_command("java", "default-jre-headless")
    need_command("mvn", "maven")
    if not TOOL.exists():
        give_up("Apache Kafka", f"set KQ_PEERS to the folder of the peers tool ({TOOL} does not exist)")
    return str(TOOL)


def run(
    name: str,
    *arguments: str | os.PathLike[str],
    stdin: str | bytes | None = None,
    timeout_s: float = 90,
    check: bool = True,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """One of Kafka's own tools, such as `kafka-topics`; its words are in the failure."""
    given = stdin.encode() if isinstance(stdin, str) else stdin
    with _short_lived() if name.startswith("kafka-") else contextlib.nullcontext(dict[str, str]()) as options:
        done = subprocess.run(
            [tool(), name, *map(os.fspath, arguments)],
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
            capture_output=True,
            timeout=timeout_s,
            env={**os.environ, **options, **(env or {})},
            check=False,
        )
    result = subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    )
    if check and result.returncode != 0:
        raise AssertionError(f"{name} ended with {result.returncode}\n{result.stdout[-4000:]}\n{result.stderr[-4000:]}")
    return result


@contextlib.contextmanager
def _short_lived() -> Iterator[dict[str, str]]:
    """The environment of a tool. An archive that does not fit (another JVM, other jars) is ignored by the JVM."""
    new = CLASSES.with_name(f"{uuid.uuid4().hex}.jsa")
    archive = f"-XX:SharedArchiveFile={CLASSES}" if CLASSES.exists() else f"-XX:ArchiveClassesAtExit={new}"
    options = f"{SHORT_LIVED['JDK_JAVA_OPTIONS']} -Xlog:disable {archive}"
    CLASSES.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield {**SHORT_LIVED, "JDK_JAVA_OPTIONS": options}
        if new.exists():
            new.replace(CLASSES)
    finally:
        new.unlink(missing_ok=True)


def idempotent_producer(bootstrap: str, topic: str, count: int, room: Path) -> list[str | os.PathLike[str]]:
    """Arguments of kafka-verifiable-producer for Java's producer as it is by default: the tool turns retries off,
    and idempotence with them."""
    settings = room / "producer.properties"
    settings.write_text("retries=2147483647\nenable.idempotence=true\nacks=all\n")
    where = ["--bootstrap-server", bootstrap, "--topic", topic]
    return [*where, "--max-messages", str(count), "--command-config", settings]


@dataclass
class Kafka:
    """An Apache Kafka of one node in a directory of its own; it keeps its port over stop() and start()."""

    directory: Path
    bootstrap: str = ""

    def start(self, *settings: str) -> None:
        overrides = [word for setting in settings for word in ("-o", setting)]
        done = run("start", "--dir", self.directory, *overrides, timeout_s=START_TIMEOUT_S, env={"KAFKA_HEAP": "512m"})
        self.bootstrap = done.stdout.split()[-1]

    def stop(self, *, purge: bool = False) -> None:
        run("stop", "--dir", self.directory, *(["--purge"] if purge else []))

    @property
    def data_dir(self) -> Path:
        return self.directory / "data-1"

    @property
    def pid(self) -> int:
        return int(json.loads((self.directory / "nodes.json").read_text())[0]["pid"])


@contextlib.contextmanager
def running(directory: Path, *settings: str) -> Iterator[Kafka]:
    """An Apache Kafka of one's own."""
    kafka = Kafka(directory)
    try:
        kafka.start(*settings)
        yield kafka
    finally:
        kafka.stop(purge=True)


@contextlib.contextmanager
def shared(room: Path) -> Iterator[Kafka]:
    """One Apache Kafka for all processes that name the same room (pytest-xdist's workers): the first starts it, the
    last stops it."""
    room.mkdir(parents=True, exist_ok=True)
    kafka = Kafka(room / "kafka")
    bootstrap, users = room / "bootstrap", room / "users"
    with _locked(room):
        count = int(users.read_text()) if users.exists() else 0
        if count == 0:
            kafka.start()
            bootstrap.write_text(kafka.bootstrap)
        kafka.bootstrap = bootstrap.read_text()
        users.write_text(str(count + 1))
    try:
        yield kafka
    finally:
        with _locked(room):
            count = int(users.read_text()) - 1
            users.write_text(str(count))
            if count == 0:
                kafka.stop(purge=True)


@contextlib.contextmanager
def _locked(room: Path) -> Iterator[None]:
    with (room / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
