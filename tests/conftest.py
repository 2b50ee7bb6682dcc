"""What every test shares: the order (quick ones first), the markers, and loud words about what was not tested."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator

import hypothesis
import pytest

from tests.support import peers
from tests.support.peers import Kafka

INTEROP = "tests/interop/"

# How long an example takes says more about the machine than about kq.
hypothesis.settings.register_profile(
    "unhurried", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("unhurried")


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # Begun in the background (`make test &`): children would ignore Ctrl-C too, which tests of commands send them.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line(
        "markers", "interop: against foreign clients and Apache Kafka itself (all of tests/interop)"
    )
    config.addinivalue_line("markers", "java: needs a JRE, Maven and the peers tool that installs Apache Kafka")
    config.addinivalue_line("markers", "slow: takes more than a few seconds; runs last")
    config.addinivalue_line(
        "filterwarnings", "ignore:(read|open)_text is deprecated:DeprecationWarning"
    )  # kafka-python


@pytest.hookimpl(tryfirst=True)  # pytest-xdist reads the groups in its own turn
def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    for item in items:
        if item.nodeid.startswith(INTEROP):
            item.add_marker("interop")
        if marked(item, "java"):
            # Apache Kafka shows a new topic late when the machine is busy: such a test has one more try, which pytest
            # counts aloud. Tests of kq alone have none.
            item.add_marker(pytest.mark.flaky(reruns=1, reruns_delay=2))
        if marked(item, "java") and not {"kafka", "bootstrap"} & set(item.fixturenames):
            # It starts Kafkas of its own, some once a module: that module stays on one worker of pytest-xdist.
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
    # A stable sort: unit tests, then interop, then the slow ones; a broken basis shows in the first seconds.
    items.sort(key=lambda item: (marked(item, "slow"), marked(item, "interop") or marked(item, "java")))


def marked(item: pytest.Item, marker: str) -> bool:
    return item.get_closest_marker(marker) is not None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line a reason, for a missing tool the way to get it: a skip must not look like a pass."""
    reasons = Counter(
        str(report.longrepr[2]).removeprefix("Skipped: ")
        for report in terminalreporter.getreports("skipped")
        if isinstance(report.longrepr, tuple)
    )
    if reasons:
        terminalreporter.section("NOT TESTED HERE", yellow=True, bold=True)
    for reason, count in reasons.items():
        terminalreporter.write_line(f"{count:4d} tests: {reason}", yellow=True)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Kafka]:
    """One Apache Kafka for the session, shared among the workers of pytest-xdist."""
    base = tmp_path_factory.getbasetemp()
    with peers.shared((base if worker_id == "master" else base.parent) / "peer-kafka") as kafka:
        yield kafka
