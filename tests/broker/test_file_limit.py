"""The limit of open files is raised as far as the system lets it."""

from __future__ import annotations

import resource

import pytest

from kq.broker import file_limit

MACOS_UNLIMITED = 2**63 - 1


class System:
    """A system's limits; `most` is what it takes at most, whatever the hard limit says."""

    def __init__(self, soft: int, hard: int, most: int) -> None:
        self.soft, self.hard, self.most = soft, hard, most

    def getrlimit(self, _: int) -> tuple[int, int]:
        return self.soft, self.hard

    def setrlimit(self, _: int, limits: tuple[int, int]) -> None:
        if limits[0] > self.most:
            raise ValueError("current limit exceeds maximum limit")
        self.soft, self.hard = limits


@pytest.mark.parametrize(
    ("system", "raised"),
    [
        (System(1024, 20_000, 20_000), 20_000),
        (System(20_000, 20_000, 20_000), 20_000),
        (System(256, MACOS_UNLIMITED, 10_240), 10_240),
        (System(50_000, MACOS_UNLIMITED, 61_440), 50_000),
    ],
    ids=["linux", "at its end", "macos", "macos, raised by hand"],
)
def test_the_limit_of_open_files_is_raised(system: System, raised: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", system.getrlimit)
    monkeypatch.setattr(resource, "setrlimit", system.setrlimit)
    file_limit.make_the_most()
    assert system.soft == file_limit.now() == raised
    assert system.hard in (20_000, MACOS_UNLIMITED)
