"""A missing tool is a loud skip on a laptop and a failure in CI."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import missing, peers


@pytest.fixture(autouse=True)
def nothing_is_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CI", raising=False)


def test_on_a_laptop_it_is_skipped_with_the_remedy() -> None:
    with pytest.raises(pytest.skip.Exception, match="kcat is missing: apt-get install kcat"):
        missing.need_command("kcat", "kcat")
    with pytest.raises(pytest.skip.Exception, match="java is missing: apt-get install default-jre-headless"):
        peers.tool()


def test_in_ci_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="kcat is missing"):
        missing.need_command("kcat", "kcat")


def test_without_the_peers_tool_its_place_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("java", "mvn"):
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setattr(peers, "TOOL", tmp_path / "nowhere" / "kafka")
    with pytest.raises(pytest.skip.Exception, match="set KQ_PEERS"):
        peers.tool()
