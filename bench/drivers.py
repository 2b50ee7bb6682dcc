"""The clients that put the load on, each a process of its own that prints one line of figures.

kload (C, librdkafka), confluent-kafka (Python on librdkafka) and Apache Kafka's Java perf tool. Compiled once a run.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from bench.subjects import tool

HERE = Path(__file__).resolve().parent
TIMEOUT_S = 300
Figures = dict[str, float]


class Failed(RuntimeError):
    """A run that counts for nothing: the load was not carried in full."""


def compile_kload(room: Path) -> Path:
    binary = room / "kload"
    try:
        subprocess.run(["cc", "-O2", "-o", str(binary), str(HERE / "kload.c"), "-lrdkafka"], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SystemExit(f"kload cannot be built ({error}): apt-get install gcc librdkafka-dev") from error
    return binary


def kload(binary: Path, mode: str, bootstrap: str, topic: str, count: int, third: int, **settings: str) -> Figures:
    """`third` is the record size, or for `consume` the number of partitions."""
    words = [f"{name.replace('_', '.')}={value}" for name, value in settings.items()]
    return json.loads(_output([str(binary), mode, bootstrap, topic, str(count), str(third), *words]))  # type: ignore[no-any-return]


def confluent(mode: str, bootstrap: str, topic: str, count: int, third: int, **settings: str) -> Figures:
    words = [f"{name.replace('_', '.')}={value}" for name, value in settings.items()]
    script = [sys.executable, str(HERE / "confluent_load.py")]
    return json.loads(_output([*script, mode, bootstrap, topic, str(count), str(third), *words]))  # type: ignore[no-any-return]


def java_produce(bootstrap: str, topic: str, count: int, size: int, **settings: str) -> Figures:
    """kafka-producer-perf-test; its own start-up is not in its figures."""
    properties = [f"{name.replace('_', '.')}={value}" for name, value in settings.items()]
    load = ["--topic", topic, "--num-records", str(count), "--record-size", str(size), "--throughput", "-1"]
    command = tool(
        "kafka-producer-perf-test", "--bootstrap-server", bootstrap, *load, "--command-property", *properties
    )
    printed = _output(command).strip().splitlines()[-1]
    match = re.match(r"(\d+) records sent, ([\d.]+) records/sec \(([\d.]+) MB/sec\)", printed)
    if match is None or int(match[1]) != count:
        raise Failed(f"kafka-producer-perf-test: {printed}")
    return {"records": count, "records_s": float(match[2]), "mb_s": float(match[2]) * size / 1e6}


def _output(command: list[str]) -> str:
    environment = {**os.environ, "KAFKA_HEAP": "512m"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, env=environment, check=False)
    if done.returncode:
        raise Failed(f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout
