"""The completion scripts: current in `completions/`, valid, and they complete."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from kq.cli.completion.scripts import FILES, SCRIPTS
from tests.cli.harness import KQ, run

ROOT = Path(__file__).resolve().parents[3]


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


@pytest.mark.skipif(shutil.which("fish") is None, reason="no fish here")
def test_words_in_fish() -> None:
    def completed(line: str) -> list[str]:
        script = f"function kq; end; source {ROOT}/completions/kq.fish; complete -C '{line}'"
        done = subprocess.run(["fish", "--no-config", "-c", script], capture_output=True, text=True, check=True)
        assert done.stderr == ""
        return [row.partition("\t")[0] for row in done.stdout.splitlines()]

    assert completed("kq to") == ["topic"]
    assert completed("kq topic d") == ["delete", "describe"]
    assert completed("kq -b a:1 topics desc --se") == ["--section"]
    assert completed("kq produce t -z l") == ["lz4"]
    assert completed("kq config alter b") == ["broker"]


@pytest.mark.skipif(shutil.which("zsh") is None, reason="no zsh here")
def test_words_in_zsh() -> None:
    """A zsh inside a zsh: what is typed is completed and run by a `kq` that says what it was given."""
    script = f"""
        zmodload zsh/zpty
        zpty inner 'zsh -f -i'
        zpty -w inner 'fpath=({ROOT}/completions $fpath); autoload -U compinit; compinit -u -D'
        zpty -w inner 'kq() {{ print GIVEN:"$*"; }}'
        zpty -w inner $'kq topics desc\\t--sec\\tset\\t'
        zpty -w inner 'exit'
        while zpty -r inner line; do print -r -- "$line"; done
    """
    done = subprocess.run(["zsh", "-f", "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert "GIVEN:topics describe --section settings" in done.stdout, done.stdout


def test_names_of_topics(cluster: str, topic: str) -> None:
    run("topic", "create", topic).ok()
    assert topic in completed(f"kq topic describe {topic[:8]}")
    assert topic in completed(f"kq -b {cluster} consume -t {topic[:8]}", KQ_BOOTSTRAP="127.0.0.1:1")
    assert completed("kq topic describe x", KQ_BOOTSTRAP="127.0.0.1:1") == []


def test_names_of_groups(cluster: str, topic: str) -> None:
    from confluent_kafka import Consumer, TopicPartition

    run("topic", "create", topic).ok()
    group = f"{topic}-readers"
    consumer = Consumer({"bootstrap.servers": cluster, "group.id": group})
    try:
        consumer.commit(offsets=[TopicPartition(topic, 0, 0)], asynchronous=False)
    finally:
        consumer.close()
    assert completed(f"kq groups describe {group[:-3]}") == [group]
    assert completed(f"kq groups peek -g {group[:-3]}") == [group]
    assert {topic, group} <= set(completed(f"kq groups delete-offsets {topic}"))
    assert completed(f"kq topic describe {group}") == []


def test_asking_for_names_is_quiet() -> None:
    assert run("completion", "--topic-names", "-b", "127.0.0.1:1") == (0, "", "")
    assert run("completion", "--group-names", "-b", "127.0.0.1:1") == (0, "", "")
    assert run("completion", "--topic-names", "-C", "nope") == (0, "", "")
