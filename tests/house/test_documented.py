"""No command without documentation: what it does, what each option means, two examples that somebody would type."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from tests.house.tree import ROOT


def leaves(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if node.get("commands"):
        for child in node["commands"]:
            yield from leaves(child)
    else:
        yield node


def test_every_command_is_documented() -> None:
    command = [sys.executable, "-m", "kq.cli.app", "--help-json"]
    tree = json.loads(subprocess.run(command, capture_output=True, cwd=ROOT, timeout=60, check=True).stdout)
    commands = list(leaves(tree))
    assert len(commands) > 20
    silent = []
    for node in commands:
        if not node["help"].rstrip().endswith("."):
            silent.append(f"{node['path']}: its help is a sentence that says what it does")
        if len(node["examples"]) < 2:
            silent.append(f"{node['path']}: show two real examples")
        silent += [
            f"{node['path']} {'/'.join(o['names'])}: say what it means" for o in node["options"] if not o["help"]
        ]
    assert not silent, "\n".join(silent)


def test_every_noun_is_in_the_readme_or_the_docs() -> None:
    command = [sys.executable, "-m", "kq.cli.app", "--help-json"]
    tree = json.loads(subprocess.run(command, capture_output=True, cwd=ROOT, timeout=60, check=True).stdout)
    pages = (ROOT / "README.md").read_text() + "".join(p.read_text() for p in (ROOT / "docs").glob("*.md"))
    unseen = [node["path"] for node in tree["commands"] if node["path"] not in pages]
    assert not unseen, f"no page for people mentions {unseen}: give each a line in README.md or docs/"
