"""`kq wait` on a broker: quiet success, exit 4 that says why, and waiting for what is not there yet."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable

import pytest

from kq.testing import Broker
from tests.cli.harness import run, spawn
from tests.cli.members import commit, fill, member

QUIET = (0, "", "")


def later(work: Callable[[], object]) -> threading.Timer:
    timer = threading.Timer(1.0, work)
    timer.start()
    return timer


def test_a_topic(cluster: str, topic: str) -> None:
    ran = run("wait", f"topic={topic}", "--timeout", "0")
    assert ran == (4, "", f"kq: after 0s: topic={topic} does not hold (there is no topic '{topic}')\n")
    waiting = spawn("wait", f"topic={topic}", "--timeout", "60")
    time.sleep(0.5)
    assert waiting.poll() is None
    run("topic", "create", topic).ok()
    assert waiting.communicate(timeout=60) == (b"", b"")
    assert waiting.returncode == 0
    assert run("wait", f"topic={topic}", "--timeout", "0") == QUIET
    assert run("wait", f"topic={topic}") == QUIET
    near = run("wait", f"topic={topic}x", "--timeout", "0")
    assert near.err.endswith(f"(there is no topic '{topic}x'; did you mean '{topic}'?)\n")
    assert f"{topic}x" not in run("topic", "list", "--names").lines  # asking makes none


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_lag_and_members_must_hold_at_once(cluster: str, topic: str, protocol: str) -> None:
    run("topic", "create", topic, "-p", "2").ok()
    fill(cluster, topic, {0: 10})

    def wait(*args: str, timeout: str = "0") -> tuple[int, str]:
        ran = run("wait", "-g", topic, *args, "--timeout", timeout)
        assert ran.out == ""
        return ran.code, ran.err

    assert wait("lag==0") == (4, f"kq: after 0s: lag==0 does not hold (there is no group '{topic}')\n")
    assert wait("members==0") == (0, "")
    with member(cluster, topic, topic, protocol=protocol):
        code, said = wait("lag==0", "members==1")
        assert code == 4
        assert said == f"kq: after 0s: lag==0 does not hold (lag is unknown: {topic}:0 has 10 records and no commit)\n"
        assert wait("members==1", "members!=2", "members>0", "members>=1", "members<2", "members<=1") == (0, "")
        both = wait("members==2", f"topic={topic}-none")[1]
        assert re.fullmatch(
            rf"kq: after 0s: members==2 does not hold \(members is 1\); topic={topic}-none does not hold \(.*\)\n", both
        )
    assert wait("members==0", timeout="60") == (0, "")
    commit(cluster, topic, {(topic, 0): 4})
    assert wait("lag==6", "lag<7", "members==0") == (0, "")
    assert wait("lag==0") == (4, "kq: after 0s: lag==0 does not hold (lag is 6)\n")
    timer = later(lambda: commit(cluster, topic, {(topic, 0): 10}))
    assert wait("lag==0", "members==0", timeout="60") == (0, "")
    timer.join()


def test_as_json(cluster: str, topic: str) -> None:
    run("topic", "create", topic).ok()
    fill(cluster, topic, {0: 3})
    commit(cluster, topic, {(topic, 0): 1})
    document = json.loads(run("wait", "-g", topic, "lag==2", f"topic={topic}", "--json").ok().out)
    assert (document["_command"], document["_version"]) == ("wait", 1)
    assert document["conditions"] == [
        {"condition": "lag==2", "value": 2, "holds": True},
        {"condition": f"topic={topic}", "value": None, "holds": True},
    ]
    assert 0 <= document["waited_ms"] < 60_000
    failed = run("wait", "-g", topic, "lag==0", "--timeout", "0", "--json")
    assert (failed.code, failed.out) == (4, "")
    assert json.loads(failed.err)["error"] == {
        "code": "NOT_IN_TIME",
        "message": "after 0s: lag==0 does not hold (lag is 2)",
        "hints": [],
        "exit": 4,
    }


def test_a_broker_that_is_not_there_yet() -> None:
    with Broker() as slow:
        run("topic", "create", "words", "-b", slow.bootstrap).ok()
        slow.stop()
        ran = run("wait", "topic=words", "-b", slow.bootstrap, "--timeout", "0.5")
        assert (ran.code, ran.out) == (4, "")
        assert ran.err == (
            f"kq: after 0.5s: topic=words does not hold (no broker answers at {slow.bootstrap} (connection refused))\n"
        )
        waiting = spawn("wait", "topic=words", "-b", slow.bootstrap)
        assert waiting.stderr is not None
        said = f"kq: no broker answers at {slow.bootstrap} (connection refused); waiting\n"
        assert waiting.stderr.readline().decode() == said
        slow.start()
        assert waiting.communicate(timeout=60) == (b"", b"")
        assert waiting.returncode == 0


def test_a_broker_that_goes_away_meanwhile_and_one_that_hangs() -> None:
    with Broker() as broker:
        waiting = spawn("wait", "topic=words", "-b", broker.bootstrap, "--timeout", "60")
        time.sleep(1)
        broker.restart()
        run("topic", "create", "words", "-b", broker.bootstrap).ok()
        assert waiting.communicate(timeout=60) == (b"", b"")
        assert waiting.returncode == 0

        broker.pause()
        began_s = time.monotonic()
        ran = run("wait", "topic=words", "-b", broker.bootstrap, "--timeout", "1")
        took_s = time.monotonic() - began_s
        broker.resume()
        assert (ran.code, ran.out) == (4, "")
        assert ran.err.startswith("kq: after 1s: topic=words does not hold (")
        assert took_s < 20  # not the 30 s of request.timeout.ms


def test_what_will_not_pass_ends_it(cluster: str) -> None:
    ran = run("wait", "topic=a/b", "--timeout", "60")
    assert (ran.code, ran.out) == (1, "")
    assert "a/b" in ran.err
    ran = run("wait", "topic=a", "-X", "security.protocol=SSL", "--timeout", "60")
    assert ran.code == 1
    assert "TLS" in ran.err
