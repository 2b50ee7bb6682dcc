"""`python -m kq.broker`: what it is told, what it says when that cannot be, how it ends."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from kq.broker.__main__ import main
from kq.testing import Broker
from kq.wire.apis.configs import DESCRIBE_CONFIGS
from kq.wire.apis.metadata import METADATA
from tests.support.wire import Wire

COMMAND = (sys.executable, "-m", "kq.broker")


def refused(data_dir: Path, *arguments: str) -> str:
    """The one sentence that a start ends with; in this process, since nothing comes of it."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(["--data-dir", str(data_dir), "--listen", "127.0.0.1:0", *arguments])
    assert (code, out.getvalue()) == (1, ""), err.getvalue()
    assert err.getvalue().startswith("kq: ")
    assert err.getvalue().count("\n") == 1, err.getvalue()
    return err.getvalue()[4:].strip()


def test_a_refusal_is_the_same_from_a_process_of_its_own(tmp_path: Path) -> None:
    command = [*COMMAND, "--data-dir", str(tmp_path), "-s", "num.partitions=many"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("kq: ")
    assert "num.partitions" in done.stderr
    assert done.stderr.count("\n") == 1


@contextmanager
def started(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [*COMMAND, *arguments, "--ready-fd", str(writer)], pass_fds=[writer], stderr=subprocess.PIPE, text=True
    )
    os.close(writer)
    try:
        with os.fdopen(reader) as lines:
            yield process, json.loads(lines.readline())
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-s", "retention"], "-s retention: write -s KEY=VALUE"),
        (["-s", "num.partitions=0"], "num.partitions"),
        (["-s", "num.partitions=many"], "num.partitions"),
        (["-s", "log.cleanup.policy=shred"], "log.cleanup.policy"),
        (["-s", "node.id=1", "-s", "broker.id=2"], "leave one of them out"),
        (["--listen", "nowhere"], "'PLAINTEXT://nowhere' is not of the form NAME://HOST:PORT"),
        (["--listen", "127.0.0.1:99999"], "above 65535"),
        (["--listen", "no-such-host.invalid:0"], "cannot listen on no-such-host.invalid:0"),
        (["--listen", "192.0.2.1:0"], "cannot listen on 192.0.2.1:0"),
        (["-s", "listeners=SSL://127.0.0.1:0"], "PLAINTEXT only"),
        (["-s", "kq.admin.listener=here"], "kq.admin.listener"),
        (["--config", "/no/such/file"], "/no/such/file"),
        (["--config", "/"], "/"),
    ],
)
def test_what_cannot_be_is_one_sentence(arguments: list[str], words: str, tmp_path: Path) -> None:
    assert words in refused(tmp_path / "data", *arguments)
    assert not (tmp_path / "data" / "kq-metadata.db").exists(), "nothing was begun"


def test_a_broken_line_of_the_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "server.properties").write_text("num.partitions=2\nlog.dirs=\\u00\n")
    assert "Line 2" in refused(tmp_path / "data", "--config", str(tmp_path / "server.properties"))


def test_the_file_then_the_flags(tmp_path: Path) -> None:
    file = tmp_path / "server.properties"
    file.write_bytes("# Größe\nnum.partitions=7\nlog.retention.hours=3\nnum.partitons=9\n".encode("latin-1"))
    arguments = ["--data-dir", str(tmp_path / "d"), "--listen", "127.0.0.1:0", "--config", str(file)]
    with started(*arguments, "-s", "num.partitions=8") as (process, ready):
        with Wire(ready["bootstrap"]) as wire:
            resource = DESCRIBE_CONFIGS.Request.Resource(resource_type=4, resource_name="1")
            answer = wire.call(DESCRIBE_CONFIGS, 4, DESCRIBE_CONFIGS.Request(resources=[resource]))
        values = {config.name: config.value for config in answer.results[0].configs}
        assert values["num.partitions"] == "8"
        assert values["log.retention.hours"] == "3"
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert process.stderr is not None
        assert "unknown setting num.partitons; did you mean num.partitions?" in process.stderr.read()


def test_an_address_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert refused(tmp_path / "data", "--listen", address).startswith(f"{address} is in use")
        sentence = refused(tmp_path / "data", "-s", f"kq.admin.listener={address}")
        assert sentence.startswith(f"kq.admin.listener: cannot listen on {address}")


def test_a_directory_of_another_node_and_a_damaged_one_are_named_and_left_alone(tmp_path: Path) -> None:
    with Broker(data_dir=tmp_path / "data"):
        pass
    sentence = refused(tmp_path / "data", "-s", "node.id=5")
    assert "belongs to node 1, this broker is node 5" in sentence
    meta = tmp_path / "data" / "meta.properties"
    content = meta.read_bytes()
    meta.write_bytes(b"version=nonsense\n")
    assert str(meta) in refused(tmp_path / "data")
    meta.write_bytes(content)
    with Broker(data_dir=tmp_path / "data") as broker:
        assert broker.running, "nothing was made of the damage"


def test_a_damaged_file_says_nothing_about_the_cluster_of_a_new_store(tmp_path: Path) -> None:
    """A random id that was kept then would make the restored directory a foreign one."""
    with Broker(data_dir=tmp_path / "data"):
        pass
    for file in (tmp_path / "data").glob("kq-metadata.db*"):
        file.unlink()
    meta = tmp_path / "data" / "meta.properties"
    content = meta.read_bytes()
    meta.write_bytes(b"")
    refused(tmp_path / "data")
    meta.write_bytes(content)
    with Broker(data_dir=tmp_path / "data") as broker:
        assert broker.running


def test_a_file_where_the_directory_should_be(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    assert str(tmp_path / "data") in refused(tmp_path / "data")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_both_signals_stop_it_cleanly_with_clients_waiting(number: signal.Signals, tmp_path: Path) -> None:
    with (
        started("--data-dir", str(tmp_path), "--listen", "127.0.0.1:0") as (process, ready),
        Wire(ready["bootstrap"]) as wire,
    ):
        assert wire.call(METADATA, 12, METADATA.Request(topics=[])).brokers
        process.send_signal(number)
        assert process.wait(20) == 0
        assert wire.is_closed()
    assert (tmp_path / ".kafka_cleanshutdown").exists()
    assert not (tmp_path / "kq-broker.json").exists()


def test_a_starter_who_has_gone_does_not_take_the_broker_along(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [*COMMAND, "--data-dir", str(tmp_path), "--listen", "127.0.0.1:0", "--ready-fd", str(writer)]
    process = subprocess.Popen(command, pass_fds=[writer], stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert process.stderr is not None
    lines = []
    while "serves" not in (line := process.stderr.readline()):
        assert line, lines
        lines.append(line)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert any("nobody reads from descriptor" in line for line in lines)
