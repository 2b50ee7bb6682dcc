"""Where kq runs: Linux and macOS; elsewhere it says so at once."""

from __future__ import annotations

import subprocess
import sys


def test_on_windows_it_says_where_it_runs() -> None:
    imported = subprocess.run(
        [sys.executable, "-c", "import sys; sys.platform = 'win32'; import kq.cli.app"], capture_output=True, text=True
    )
    assert imported.returncode == 1
    assert imported.stderr.endswith(
        "ImportError: kq runs on Linux and macOS; on Windows install it in WSL (https://aka.ms/wsl)\n"
    )
