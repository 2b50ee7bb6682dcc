"""The size of the house, in one line at the end of a run."""

from __future__ import annotations

import statistics

import pytest

from tests.house.tree import modules


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    sizes = sorted((m.lines, m.name) for m in modules() if m.path.name != "__init__.py")
    median = statistics.median(lines for lines, _ in sizes)
    terminalreporter.write_line(
        f"kq: {len(sizes)} modules, median {median:g} lines, longest {sizes[-1][0]} ({sizes[-1][1]})"
    )
