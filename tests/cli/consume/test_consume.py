"""`kq consume`: which records come, in which form, and what ends it."""

from __future__ import annotations

import json
import struct
import time
from pathlib import Path

import pytest

from kq.testing import Broker
from tests.cli.harness import run, spawn

HOUR_MS = 3_600_000


@pytest.fixture
def numbers(cluster: str, topic: str) -> str:
    """Partition 0 holds 0 to 9, partition 1 holds 10 to 19; keys k0 to k4; a record an hour, the last just now."""
    run("topic", "create", topic, "-p", "2").ok()
    now_ms = time.time_ns() // 1_000_000
    lines = [
        json.dumps(
            {
                "partition": number // 10,
                "key": f"k{number % 5}",
                "value": str(number),
                "headers": {"even": "yes"} if number % 2 == 0 else None,
                "timestamp_ms": now_ms - (9 - number % 10) * HOUR_MS,
            }
        )
        for number in range(20)
    ]
    run("produce", topic, "--json", stdin="\n".join(lines).encode()).ok()
    return topic


def consumed(*args: str) -> list[int]:
    return sorted(int(line) for line in run("consume", *args).ok().lines)


def test_everything_in_order(numbers: str) -> None:
    lines = run("consume", numbers, "-e").ok().lines
    assert [n for n in map(int, lines) if n < 10] == list(range(10))
    assert [n for n in map(int, lines) if n >= 10] == list(range(10, 20))


RANGES = {
    ("-o", "5"): [*range(5, 10), *range(15, 20)],
    ("-o", "+8"): [8, 9, 18, 19],
    ("-o", "-2"): [8, 9, 18, 19],
    ("-o", "3:5"): [3, 4, 13, 14],
    ("-o", ":2"): [0, 1, 10, 11],
    ("-o", ":end"): list(range(20)),
    ("-o", "end"): [],
    ("-o", "7:end", "-p", "1"): [17, 18, 19],
    ("-o", "@-90m"): [8, 9, 18, 19],
    ("-o", "@-150m:-30m", "-p", "0"): [7, 8],
    ("-o", "+8", "-p", "0-1"): [8, 9, 18, 19],
    ("-o", "5:5"): [],
}


@pytest.mark.parametrize("args", RANGES, ids=" ".join)
def test_ranges(numbers: str, args: tuple[str, ...]) -> None:
    assert consumed(numbers, "-e", *args) == RANGES[args]


def test_partitions(numbers: str) -> None:
    assert consumed(f"{numbers}:1", "-e") == list(range(10, 20))
    assert consumed("-t", f"{numbers}:0,1", "-e") == list(range(20))
    assert run("consume", f"{numbers}:2", "-e") == (
        3,
        "",
        f"kq: topic {numbers} has no partition 2; it has partitions 0 to 1\n",
    )


def test_several_topics(cluster: str, topic: str) -> None:
    for letter in "abc":
        run("produce", f"{topic}-{letter}", "--create", stdin=f"{letter}\n".encode()).ok()
    assert sorted(run("consume", f"{topic}-a", f"{topic}-c", "-e").ok().lines) == ["a", "c"]
    assert sorted(run("consume", f"{topic}-*", "-e").ok().lines) == ["a", "b", "c"]
    assert sorted(run("consume", f"{topic}-[bc]$", "--regex", "-e").ok().lines) == ["b", "c"]


def test_counts(numbers: str) -> None:
    assert run("consume", f"{numbers}:0", "-n", "3").ok().lines == ["0", "1", "2"]
    assert run("consume", f"{numbers}:0", "-o", "4", "-n", "2").ok().lines == ["4", "5"]
    assert run("consume", f"{numbers}:0", "-n", "0").ok().lines == []
    assert run("consume", f"{numbers}:0", "-n", "2", "-G", "h:even=yes").ok().lines == ["0", "2"]
    assert len(run("consume", f"{numbers}:0", "-e", "-n", "100").ok().lines) == 10


def test_time_is_up(numbers: str) -> None:
    ran = run("consume", f"{numbers}:0", "-n", "100", "--timeout", "0.5")
    assert ran.code == 4
    assert len(ran.lines) == 10
    assert ran.err == "kq: 0.5s are over after 10 records, -n 100 is not reached\n"


FILTERS = {
    ("-G", "v:1"): [1, *range(10, 20)],
    ("-G", "k:k3"): [3, 8, 13, 18],
    ("-G", "k:k3", "-G", "!h:even=yes"): [3, 13],
    ("-G", "!hk:even"): [1, 3, 5, 7, 9, 11, 13, 15, 17, 19],
    ("-G", "v:1?"): list(range(10, 20)),
    ("-G", "v:^.$", "--regex", "-o", "8"): [8, 9],
    ("-G", "t:@-90m", "-G", "v:1*"): [18, 19],
}


@pytest.mark.parametrize("args", FILTERS, ids=" ".join)
def test_filters(numbers: str, args: tuple[str, ...]) -> None:
    if "--regex" in args:
        assert consumed(f"^{numbers}$", "-e", *args) == FILTERS[args]
    else:
        assert consumed(numbers, "-e", *args) == FILTERS[args]


def test_forms(numbers: str) -> None:
    one = [f"{numbers}:0", "-o", "8:9"]
    assert run("consume", *one).out == "8\n"
    assert run("consume", *one, "-K", ":", "-D", "|").out == "k3:8|"
    assert run("consume", *one, "-f", r"%t %p %o %k %v %H\n").out == f"{numbers} 0 8 k3 8 1\n"
    assert run("consume", *one, "-f", "raw").out == "8\n"
    record = json.loads(run("consume", *one, "--json").out)
    assert (record["key"], record["value"], record["headers"]) == ("k3", "8", [{"name": "even", "value": "yes"}])
    head, row = run("consume", *one, "-f", "table").lines
    assert head == "TIME\tPARTITION\tOFFSET\tKEY\tVALUE"
    assert row.split("\t")[1:] == [f"{numbers}:0", "8", "k3", "8"]


def test_bytes_pass_untouched(cluster: str, topic: str) -> None:
    data = bytes(range(256)).replace(b"\n", b"") * 40
    run("produce", topic, "--create", stdin=data + b"\n").ok()
    assert run("consume", topic, "-e").out.encode("utf-8", "surrogateescape") == data + b"\n"


def test_null_and_empty(cluster: str, topic: str) -> None:
    run("produce", topic, "--create", "-Z", stdin=b"a\n\nb\n").ok()
    assert run("consume", topic, "-e").out == "a\n\nb\n"
    assert run("consume", topic, "-e", "-f", r"%V,").out == "1,-1,1,"


def test_into_a_file(numbers: str, tmp_path: Path) -> None:
    target = tmp_path / "out"
    ran = run("consume", f"{numbers}:0", "-e", "--output", str(target)).ok()
    assert (ran.out, ran.err) == ("", "")
    assert target.read_text().split() == [str(n) for n in range(10)]
    ran = run("consume", numbers, "-e", "--output", str(tmp_path / "no" / "where"))
    assert ran == (1, "", f"kq: --output {tmp_path}/no/where: no such file or directory\n")


def test_decoding(cluster: str, topic: str) -> None:
    run("topic", "create", topic).ok()
    run("produce", topic, "--whole", "-k", "\x07", stdin=struct.pack(">iq", -5, 2**40)).ok()
    assert run("consume", topic, "-e", "--decode", ">iq").out == "[-5,1099511627776]\n"
    ran = run("consume", topic, "-e", "--decode", "key=int8", "--decode", "value=>iq$", "--json").ok()
    assert (json.loads(ran.out)["key"], json.loads(ran.out)["value"]) == (7, [-5, 2**40])
    ran = run("consume", topic, "-e", "--decode", "key=int32", "-f", r"%K\n").ok()
    assert ran.out == "1\n"
    assert ran.err == (
        "kq: 1 field could not be decoded, the first because: too few for '>i$': 1 byte; shown as they are\n"
    )


def test_a_topic_that_does_not_exist(numbers: str, cluster: str) -> None:
    assert run("consume", f"{numbers}x", "-e") == (
        3,
        "",
        f"kq: no topic '{numbers}x' on {cluster}; did you mean '{numbers}'?\n",
    )
    assert run("consume") == (2, "", "kq: consume: TOPIC is missing\n")
    assert run("topic", "list", "--names", f"{numbers}*").ok().lines == [numbers]  # asking has created nothing


def test_offsets_outside_of_the_log(numbers: str) -> None:
    run("topic", "trim", f"{numbers}:0", "-o", "4", "--execute").ok()
    ran = run("consume", f"{numbers}:0", "-o", "2", "-e").ok()
    assert ran.lines == [str(n) for n in range(4, 10)]
    assert ran.err == f"kq: {numbers}:0 begins at 4: what stood before is gone\n"
    ran = run("consume", f"{numbers}:0", "-o", "50", "-e").ok()
    assert (ran.out, ran.err) == ("", f"kq: {numbers}:0 ends at 10: reading from there\n")


def test_it_follows_and_flushes_each_fetch(cluster: str, topic: str) -> None:
    run("topic", "create", topic).ok()
    with spawn("consume", topic) as process:
        assert process.stdout is not None
        for number in range(3):
            run("produce", topic, stdin=b"%d\n" % number).ok()
            assert process.stdout.readline() == b"%d\n" % number
        process.terminate()


def test_the_end_is_the_end_as_of_the_start(cluster: str, topic: str) -> None:
    run("produce", topic, "--create", stdin=b"x\n" * 1000).ok()
    with spawn("produce", topic, "--rate", "2000", stdin=-1) as more:
        assert more.stdin is not None
        more.stdin.write(b"y\n" * 4000)
        more.stdin.close()
        began = time.monotonic()
        count = len(run("consume", topic, "-e").ok().lines)
        assert 1000 <= count < 5000
        assert time.monotonic() - began < 20
        assert more.wait(30) == 0
    assert len(run("consume", topic, "-e").ok().lines) == 5000


def test_a_broker_that_comes_back(topic: str) -> None:
    with Broker() as own:
        at = ("-b", own.bootstrap)
        run("produce", topic, "--create", *at, stdin=b"before\n").ok()
        with spawn("consume", topic, *at) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"before\n"
            own.restart()
            run("produce", topic, *at, stdin=b"after\n").ok()
            assert process.stdout.readline() == b"after\n"
            process.terminate()
