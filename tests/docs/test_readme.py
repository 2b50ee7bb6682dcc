"""The five minutes of the README, typed as they stand there, on the port and with the defaults that a reader has."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

from tests.support.missing import give_up

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
PORT = 9092


def blocks(section: str) -> list[str]:
    """The shell blocks of a section, in order."""
    text = README.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", text, re.DOTALL)


def _port_is_free() -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", PORT))
        except OSError:
            return False
    return True


def test_five_minutes(tmp_path: Path) -> None:
    if not _port_is_free():
        give_up(f"port {PORT}", "something else listens on it; stop it")
    bin_dir = Path(sys.executable).parent
    env = {k: v for k, v in os.environ.items() if not k.startswith(("KQ_", "XDG_"))}
    env |= {"PATH": f"{bin_dir}:{env['PATH']}", "HOME": str(tmp_path)}
    printed = []
    try:
        for block in blocks("Five minutes"):
            done = subprocess.run(
                ["bash", "-e", "-o", "pipefail", "-c", block],
                cwd=tmp_path,
                env=env,
                capture_output=True,
                text=True,
                timeout=90,
            )
            assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
            assert "Traceback" not in done.stderr
            printed.append(done.stdout)
    finally:
        subprocess.run([bin_dir / "kq", "broker", "stop"], env=env, capture_output=True, timeout=30)
    start, fruit, ways, groups, resets, looks, _ = printed
    assert start == f"127.0.0.1:{PORT}\n"
    assert sorted(fruit.splitlines()) == ["apple:green", "apple:red", "grape:blue"]
    assert len({line.partition(":")[0] for line in re.findall(r"^\d:\d \w+=\w+$", ways, re.M)}) > 1, (
        "one partition only"
    )
    assert "k=v" not in ways
    assert '"key":"apple"' in ways.replace(" ", "")
    assert sorted(groups.splitlines()[:3]) == ["blue", "green", "red"]
    assert groups.count("red\n") == 1
    assert "shop\tEmpty\tclassic\t0\t1\t2\t" in groups
    assert resets.count("reads_again=") == 2 * len(re.findall(r"^shop\tfruit:\d\t[1-9]", groups, re.M))
    assert sorted(line for line in resets.splitlines() if re.fullmatch(r"\w+:\w+", line)) == [
        *("apple:green", "apple:red", "apple:yellow", "grape:black", "grape:blue"),
    ]
    assert "fruit\t3\t1\t5\t" in looks
    assert "basket\t3\t1\t3\t" in looks


def test_every_block_of_the_readme_is_known() -> None:
    """`make demo` and `make test` are run by CI, the tour by the test above, the Python in docs/testing.md's own."""
    assert len(blocks("Five minutes")) == 7
    assert "make demo" in blocks("Two commands")[0]
