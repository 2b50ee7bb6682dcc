"""The command line: the same lines through kq's commands, kcat and Apache Kafka's console tools, on one kq broker.

Whole commands are timed, from their start to their end: what a user of a pipeline waits for.
"""

from __future__ import annotations

import os
import random
import shutil
import string
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from bench.drivers import TIMEOUT_S, Failed, Figures
from bench.stats import Bar
from bench.subjects import tool
from bench.topics import topic

LINES, LINE_BYTES = 2_000_000, range(20, 180)
# kq against each of the others: at least half of kcat's rate, three times that of the console tools.
BARS = {"kcat": Bar(0.5, more_is_better=True), "console": Bar(3.0, more_is_better=True)}


@dataclass(frozen=True)
class LineClient:
    name: str
    produce: Callable[[str, str], list[str]]  # (bootstrap, topic) -> command that reads stdin
    consume: Callable[[str, str, int], list[str]]  # the same, with the number of lines -> command that writes stdout


def clients() -> list[LineClient]:
    kq = [str(Path(sys.executable).parent / "kq")]
    kcat = [shutil.which("kcat") or "kcat"]
    return [
        LineClient(
            "kq",
            lambda b, t: [*kq, "produce", t, "-b", b, "-q"],
            lambda b, t, n: [*kq, "consume", t, "-b", b, "-e", "-q"],
        ),
        LineClient(
            "kcat",
            lambda b, t: [*kcat, "-P", "-b", b, "-t", t],
            lambda b, t, n: [*kcat, "-C", "-b", b, "-t", t, "-o", "beginning", "-e", "-q"],
        ),
        LineClient(
            "console",
            lambda b, t: tool("kafka-console-producer", "--bootstrap-server", b, "--topic", t),
            lambda b, t, n: tool(
                *("kafka-console-consumer", "--bootstrap-server", b, "--topic", t, "--partition", "0"),
                *("--offset", "earliest", "--max-messages", str(n)),
            ),
        ),
    ]


def write_lines(path: Path, count: int) -> None:
    """Lines of letters and digits, of many lengths, all different, the same in every run."""
    rng = random.Random(7)
    pool = "".join(rng.choices(string.ascii_letters + string.digits, k=1 << 16))
    with path.open("w") as file:
        for i in range(count):
            at = (i * 7919) % (len(pool) - LINE_BYTES.stop)
            width = rng.choice(LINE_BYTES) - 11  # a number of ten digits and a blank come first
            file.write(f"{i:010d} {pool[at : at + width]}\n")


def measure(client: LineClient, bootstrap: str, text: Path, count: int, room: Path) -> Figures:
    """Lines a second in and out, whole commands. What comes out must be what went in."""
    out = room / "out"
    with topic(bootstrap, 1) as name:
        os.sync()
        with text.open("rb") as source:
            produce_s = _timed(client.produce(bootstrap, name), stdin=source)
        os.sync()
        with out.open("wb") as sink:
            consume_s = _timed(client.consume(bootstrap, name, count), stdout=sink)
    if subprocess.run(["cmp", "-s", str(text), str(out)], check=False).returncode:
        raise Failed(f"{client.name}: what came out is not what went in")
    out.unlink()
    return {"produce_lines_s": count / produce_s, "consume_lines_s": count / consume_s}


def _timed(
    command: list[str], *, stdin: BinaryIO | int = subprocess.DEVNULL, stdout: BinaryIO | int = subprocess.DEVNULL
) -> float:
    environment = {**os.environ, "KAFKA_HEAP": "512m"}
    started = time.perf_counter()
    done = subprocess.run(
        command, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE, env=environment, timeout=TIMEOUT_S, check=False
    )
    took = time.perf_counter() - started
    if done.returncode:
        raise Failed(
            f"{' '.join(command)} ended with {done.returncode}: {done.stderr.decode(errors='replace')[-2000:]}"
        )
    return took
