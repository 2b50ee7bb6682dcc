"""`kq broker`, `kq demo`, `kq bench`: processes on this machine, started and stopped for real."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kq import __version__
from tests.cli.harness import Terminal, run, spawn


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Path]:
    """A data directory; whatever runs on it is stopped at the end."""
    path = tmp_path / "broker"
    yield path
    run("broker", "stop", "--data-dir", str(path))


def started(room: Path, *args: str) -> str:
    ran = run("broker", "start", "--detach", "--listen", "127.0.0.1:0", "--data-dir", str(room), *args).ok()
    assert re.fullmatch(r"127\.0\.0\.1:\d+\n", ran.out)
    assert ran.err == ""
    return ran.out.strip()


def test_none_running(room: Path) -> None:
    expected = f"kq: no broker is running on {room}; start one: kq broker start --data-dir {room}\n"
    for command in ("status", "stop"):
        assert run("broker", command, "--data-dir", str(room)) == (3, "", expected)
    ran = run("broker")  # the XDG directory of this test
    assert ran.code == 3
    assert ran.err.endswith("; start one: kq broker start\n")
    assert json.loads(run("broker", "status", "--json").err)["error"]["exit"] == 3


def test_start_status_stop(room: Path) -> None:
    address = started(room)
    assert run("topic", "create", "orders", "-b", address).code == 0
    status = json.loads(run("broker", "status", "--json", "--data-dir", str(room)).ok().out)
    assert status["address"] == address
    assert status["data_dir"] == str(room)
    assert (status["node_id"], status["version"]) == (1, __version__)
    assert re.fullmatch(r"[\w-]{22}", status["cluster_id"])
    assert 0 <= status["uptime_ms"] < 60_000
    os.kill(status["pid"], 0)
    head, row = run("broker", "--data-dir", str(room)).ok().lines
    assert head == "BROKER\tADDRESS\tPID\tUP\tCLUSTER\tVERSION\tDATA"
    assert row.split("\t")[:3] == ["1", address, str(status["pid"])]

    again = run("broker", "start", "--data-dir", str(room))
    assert again.code == 1
    assert again.err.startswith(f"kq: a broker is running on {room} already: {address}, pid {status['pid']}\n")
    assert "serves" in run("broker", "logs", "--data-dir", str(room)).ok().out
    assert len(run("broker", "logs", "--tail", "1", "--data-dir", str(room)).ok().lines) == 1

    assert run("broker", "stop", "--data-dir", str(room)) == (0, "", "")
    os.waitpid(status["pid"], os.WNOHANG)
    with pytest.raises(ProcessLookupError):
        os.kill(status["pid"], 0)
    assert run("broker", "status", "--data-dir", str(room)).code == 3
    address = started(room)
    assert run("topic", "list", "--names", "-b", address).ok().lines == ["orders"]


def test_a_killed_broker_is_not_running(room: Path) -> None:
    started(room)
    status = json.loads(run("broker", "status", "--json", "--data-dir", str(room)).ok().out)
    os.kill(status["pid"], signal.SIGKILL)
    os.waitpid(status["pid"], 0)
    assert run("broker", "status", "--data-dir", str(room)).code == 3
    (room / "kq-broker.json").write_text("not json")
    assert run("broker", "status", "--data-dir", str(room)).code == 3


def test_a_pid_that_is_another_process_now(room: Path) -> None:
    started(room)
    state = json.loads((room / "kq-broker.json").read_text())
    run("broker", "stop", "--data-dir", str(room)).ok()
    (room / "kq-broker.json").write_text(json.dumps({**state, "pid": os.getppid()}))
    assert run("broker", "stop", "--data-dir", str(room)).code == 3


def test_in_the_foreground(room: Path) -> None:
    terminal = Terminal(
        "broker", "start", "--data-dir", str(room), "--listen", "127.0.0.1:0", "--no-color", env={"HOME": "/nowhere"}
    )
    terminal.wait_for("Stop: Ctrl-C")
    screen = re.sub(r"\d\d:\d\d:\d\d\.\d{3} INFO .*\n", "", terminal.screen)
    screen = re.sub(r"\d+\.\d\ds", "T", re.sub(r"cluster [\w-]{22}", "cluster C", screen))
    address = re.search(r"127\.0\.0\.1:\d+", screen)
    assert address
    width = max(len(str(room)), len(address[0])) + 2
    assert screen.split("Try:")[0] == (
        f"kq {__version__}: broker 1, cluster C, ready in T\n"
        f"  listens on  {address[0]:<{width}}this machine only\n"
        f"  data        {room!s:<{width}}0 topics, 0 partitions, 0 B, clean start\n"
        "  safety      an acked record survives kill -9, not a power cut\n"
        "              (-s log.flush.interval.messages=1 makes it survive both)\n"
        + "".join(line + "\n" for line in screen.splitlines() if line.startswith("  metrics     http://127.0.0.1:"))
    )
    terminal.type("\x03", after="Stop: Ctrl-C")
    assert terminal.end() == 0
    assert run("broker", "status", "--data-dir", str(room)).code == 3


def test_stdout_stays_empty_and_sigterm_stops(room: Path) -> None:
    with spawn(
        "broker", "start", "--data-dir", str(room), "--listen", "127.0.0.1:0", "-s", "log.flush.interval.messages=1"
    ) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        said = b""
        while b"Stop: Ctrl-C" not in said:
            said += process.stderr.readline()
        assert b"survives kill -9 and a power cut" in said
        assert json.loads((room / "kq-broker.json").read_text())["pid"] == process.pid  # it became the broker
        process.terminate()
        assert process.wait(20) == 0
        assert process.stdout.read() == b""


def test_the_port_is_taken(room: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for detach in ((), ("--detach",)):
            assert run("broker", "start", *detach, "--listen", address, "--data-dir", str(room)) == (
                1,
                "",
                f"kq: {address} is in use; take a free port: kq broker start --listen 127.0.0.1:0\n",
            )


MISTAKES = {
    ("--listen", "9092"): (2, "kq: --listen 9092: write HOST:PORT, as in 127.0.0.1:9092 or [::1]:9092\n"),
    ("--listen", "no.such.host.invalid:1"): (
        1,
        "kq: --listen no.such.host.invalid:1: 'no.such.host.invalid' is no address of this machine\n",
    ),
    ("-s", "num.partitions"): (2, "kq: -s num.partitions: write -s key=value, as in -s num.partitions=3\n"),
    ("--listen", "127.0.0.1:²"): (2, "kq: --listen 127.0.0.1:²: write HOST:PORT, as in 127.0.0.1:9092 or [::1]:9092\n"),
    ("--listen", "::1:9092"): (2, "kq: --listen ::1:9092: write HOST:PORT, as in 127.0.0.1:9092 or [::1]:9092\n"),
    ("-s", "num.partitons=3"): (
        2,
        "kq: -s num.partitons=3: there is no broker setting num.partitons (did you mean num.partitions?)\n",
    ),
    ("--config", "/no/such/file"): (1, "kq: --config /no/such/file: no such file or directory\n"),
    ("--config", "/"): (1, "kq: --config /: is a directory\n"),
    ("-b", "a:1"): (2, "kq: broker start has no option -b\n    see:          kq broker start --help\n"),
}


@pytest.mark.parametrize("args", MISTAKES, ids=" ".join)
def test_mistakes(room: Path, args: tuple[str, ...]) -> None:
    code, said = MISTAKES[args]
    assert run("broker", "start", "--data-dir", str(room), *args) == (code, "", said)


def test_a_setting_the_broker_does_not_know(room: Path) -> None:
    ran = run(
        "broker", "start", "--detach", "--listen", "127.0.0.1:0", "--data-dir", str(room), "-s", "num.partitions=x"
    )
    assert ran.code == 1
    assert ran.err.startswith("kq: the broker did not start: ")
    assert "num.partitions" in ran.err


def test_no_directory_can_be_there(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ran = run("broker", "start", "--listen", "127.0.0.1:0", "--data-dir", str(tmp_path / "file" / "kq"))
    assert ran == (
        1,
        "",
        f"kq: no data directory can be made at {tmp_path}/file/kq: not a directory\n"
        "    elsewhere:    kq broker start --data-dir DIR\n",
    )


def test_a_file_of_settings_says_where_the_data_is(room: Path, tmp_path: Path) -> None:
    file = tmp_path / "server.properties"
    file.write_text(f"listeners=PLAINTEXT://127.0.0.1:0\nlog.dirs={room}\nnum.network.threads=3\nnum.partitons=2\n")
    ran = run("broker", "start", "--detach", "--config", str(file)).ok()
    assert ran.err == (
        f"kq: --config {file}: without effect in kq: num.network.threads\n"
        f"kq: --config {file}: unknown setting num.partitons; did you mean num.partitions?\n"
    )
    assert (room / "meta.properties").exists()
    address = ran.out.strip()
    described = run("config", "describe", "broker", "1", "-b", address, "--all").ok()
    assert f"log.dirs\t{room}\t" in described.out
    again = run("broker", "start", "--detach", "--config", str(file))
    assert again.code == 1
    assert f"    stop it:      kq broker stop --data-dir {room}\n" in again.err


def test_the_flag_counts_more_than_the_file(room: Path, tmp_path: Path) -> None:
    ran = run(
        *("broker", "start", "--detach", "--listen", "127.0.0.1:0"),
        *("--data-dir", str(room), "-s", f"log.dirs={tmp_path}/a,{tmp_path}/b"),
    ).ok()
    assert ran.err == f"kq: the data is in {room} (--data-dir), not in log.dirs={tmp_path}/a,{tmp_path}/b\n"
    assert (room / "meta.properties").exists()
    assert not (tmp_path / "a").exists()


def test_on_every_interface_the_address_told_is_one_that_can_be_used(room: Path) -> None:
    ran = run("broker", "start", "--detach", "--listen", "0.0.0.0:0", "--data-dir", str(room)).ok()
    host, _, port = ran.out.strip().rpartition(":")
    assert host not in ("", "0.0.0.0")
    state = json.loads((room / "kq-broker.json").read_text())
    assert state["listens"] == [f"0.0.0.0:{port}"]
    run("topic", "list", "-b", ran.out.strip()).ok()


def test_demo(tmp_path: Path) -> None:
    text = tmp_path / "poem.txt"
    text.write_text("roses are red\n\nviolets are\nblue\n\n\nroses\n are\n")
    ran = run("demo", str(text)).ok()
    assert ran.err == ""
    lines = ran.lines
    assert re.fullmatch(r"Starting a broker of its own in \S+/kq-demo-\S+ … 127\.0\.0\.1:\d+", lines[0])
    commands = [line for line in lines if line.startswith("$ ")]
    assert commands[0] == "$ kq topic create words -p 3"
    assert re.fullmatch(rf"\$ kq produce words -K' ' < {text}  +8 records in \d+\.\d\ds", commands[1])
    assert commands[2] == "$ kq topic describe words"
    assert commands[-2].endswith("8 records, byte for byte the same")
    assert commands[-1].endswith("kq consume words -g demo -e              lag of group demo: 0")
    assert "PARTITION  LEADER  EPOCH" in ran.out
    assert len(re.findall(r"words-\d/00000000000000000000\.log", ran.out)) == 3
    assert re.fullmatch(r"ok in \S+; broker stopped, directory removed \(--keep leaves both\)", lines[-1])
    room = re.search(r"\S+/kq-demo-\S+", lines[0])
    assert room
    assert not Path(room[0]).exists()
    assert run("demo", str(tmp_path / "none")).err == f"kq: {tmp_path}/none: no such file or directory\n"


def test_demo_tells_a_difference() -> None:
    from kq.cli.demo.steps import _by_partition, _difference

    held = _by_partition(b"0 1 ab c\n0 -1 \n1 -1 x\n1 0 y\n")
    assert held == {0: [b"a b c", b""], 1: [b"x", b" y"]}
    assert _difference([b"a b c", b"x", b"", b" y"], held) is None
    assert _difference([b"x", b"a b c", b" y", b""], held) is None
    assert _difference([b"x", b" y", b"", b"a b c"], held) == "line 3 is missing or out of order: b''"
    assert _difference([b"a b c", b"x", b""], held) == "4 records came out, 3 lines went in"


@pytest.fixture
def kept_rooms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where demos make their directories; a broker that one leaves running is stopped, also when the test fails."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield tmp_path
    for room in tmp_path.glob("kq-demo-*"):
        run("broker", "stop", "--data-dir", str(room))


def test_demo_that_fails_says_how_to_end_what_it_keeps(kept_rooms: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = kept_rooms / "t"
    text.write_text("a b\n")
    monkeypatch.setattr("kq.cli.demo.steps._difference", lambda lines, held: "line 1 is missing")
    ran = run("demo", str(text), "--keep")
    (room,) = kept_rooms.glob("kq-demo-*")
    assert ran.code == 1
    assert ran.err == (
        "kq: what came out is not what went in: line 1 is missing\n"
        f"    end it:       kq broker stop --data-dir {room}\n"
    )
    assert run("demo", str(text)).code == 1
    assert list(kept_rooms.glob("kq-demo-*")) == [room]  # without --keep nothing is left behind, failed or not


def test_demo_keeps_what_it_is_told_to(kept_rooms: Path) -> None:
    text = kept_rooms / "t"
    text.write_text("a b\n")
    document = json.loads(run("demo", str(text), "--keep", "--json").ok().out)
    assert document["ok"] is True
    assert [step["command"].split()[0] for step in document["steps"]] == ["kq", "kq", "kq", "wc", "kq", "kq"]
    run("broker", "stop", "--data-dir", document["kept"]).ok()


def test_bench(cluster: str, topic: str) -> None:
    run("topic", "create", topic).ok()
    result = json.loads(run("bench", "produce", topic, "-n", "5000", "--size", "50", "-z", "lz4", "--json").ok().out)
    assert (result["records"], result["size_bytes"]) == (5000, 250_000)
    assert result["records_per_s"] > 0
    assert result["latency_ms"]["p50"] <= result["latency_ms"]["p99"] <= result["latency_ms"]["max"]
    result = json.loads(run("bench", "produce", topic, "-n", "20", "--sync", "--json").ok().out)
    assert result["records"] == 20
    result = json.loads(run("bench", "consume", topic, "--json").ok().out)
    assert (result["records"], result["size_bytes"]) == (5020, 252_000)
    result = json.loads(run("bench", "consume", topic, "-n", "7", "--json").ok().out)
    assert (result["records"], result["size_bytes"]) == (7, 350)
    head, row = run("bench", "produce", "-n", "100").ok().lines
    assert head == "RECORDS\tSIZE\tTIME\tRECORDS/S\tBYTES/S\tP50\tP95\tP99\tMAX"
    assert row.startswith("100\t10000\t")
    assert not any(name.startswith("kq-bench") for name in run("topic", "list", "--names").ok().lines)
