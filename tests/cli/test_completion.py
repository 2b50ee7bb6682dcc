"""The completion scripts: current in `completions/`, valid, and they complete."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from kq.cli.completion_scripts import FILES, SCRIPTS
from tests.cli.harness import KQ, run

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("shell", FILES)
def test_the_files_are_current(shell: str) -> None:
    script = SCRIPTS[shell]()
    kept = (ROOT / "completions" / FILES[shell]).read_text()
    assert kept == script, f"stale: kq completion {shell} > completions/{FILES[shell]}"
    assert run("completion", shell).ok().out == script


@pytest.mark.parametrize("shell", FILES)
def test_the_shell_takes_them(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    flag = "--no-execute" if shell == "fish" else "-n"
    subprocess.run([shell, flag, str(ROOT / "completions" / FILES[shell])], check=True, capture_output=True)


def completed(line: str, **env: str) -> list[str]:
    """What bash offers for the last word of this line."""
    words = line.split(" ")
    array = " ".join(f"'{word}'" for word in words)
    script = (
        f'kq() {{ {" ".join(KQ)} "$@"; }}\n'
        f". {ROOT}/completions/kq.bash\n"
        f"COMP_WORDS=({array}); COMP_CWORD={len(words) - 1}; _kq\n"
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, env={**_environ(), **env})
    return done.stdout.split()


def _environ() -> dict[str, str]:
    import os

    return dict(os.environ)


def test_words() -> None:
    assert completed("kq to") == ["topic"]
    assert completed("kq topic d") == ["describe", "delete"]
    assert completed("kq topics desc --se") == ["--section"]
    assert completed("kq -b a:1 broker st") == ["start", "stop", "status"]
    assert completed("kq produce t -z l") == ["lz4"]
    assert completed("kq config alter b") == ["broker"]
    assert completed("kq completion z") == ["zsh"]


def test_names_of_topics(cluster: str, topic: str) -> None:
    run("topic", "create", topic).ok()
    assert topic in completed(f"kq topic describe {topic[:8]}")
    assert topic in completed(f"kq -b {cluster} consume -t {topic[:8]}", KQ_BOOTSTRAP="127.0.0.1:1")
    assert completed("kq topic describe x", KQ_BOOTSTRAP="127.0.0.1:1") == []


def test_asking_for_names_is_quiet() -> None:
    assert run("completion", "--topic-names", "-b", "127.0.0.1:1") == (0, "", "")
    assert run("completion", "--topic-names", "-C", "nope") == (0, "", "")
