"""docs/testing.md is true: every Python block in it is run as it stands, tests by pytest, scripts by python."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "testing.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", DOCUMENT.read_text(), re.M | re.S)


def run(*command: str, cwd: Path) -> str:
    done = subprocess.run([sys.executable, *command], cwd=cwd, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.timeout(200)
def test_the_tests_in_the_document_pass(tmp_path: Path) -> None:
    written = 0
    for number, block in enumerate(BLOCKS):
        if tests := len(re.findall(r"^def test_", block, re.M)):
            (tmp_path / f"test_block_{number}.py").write_text(block)
            written += tests
    assert written >= 8
    # No option names the plugin: pytest finds it by its entry point, as it will for users.
    assert f"{written} passed" in run("-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=tmp_path)


def test_the_scripts_in_the_document_run(tmp_path: Path) -> None:
    scripts = [block for block in BLOCKS if "def test_" not in block]
    assert scripts
    for script in scripts:
        (tmp_path / "script.py").write_text(script)
        run("script.py", cwd=tmp_path)
