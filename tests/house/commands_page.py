"""docs/commands.md: every command with its flags and examples, made from `kq --help-json`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

from tests.house.tree import ROOT

PAGE = ROOT / "docs" / "commands.md"

HEAD = """# Commands

What each command does; `kq COMMAND -h` says the same. Data goes to stdout and words to stderr. Tables are aligned on a
terminal and tab-separated with exact values in a pipe; `--json` gives one object. Exit codes: 0 done, 1 failed (also
when one item of many did), 2 wrong usage, 3 not found, 4 not in time, 130 after Ctrl-C and 143 after SIGTERM (a
following `kq consume` and `kq broker start` end with 0 then: it was asked for). This page is made by
`python -m tests.house.commands_page`.

"""

Node = dict[str, Any]


def tree() -> Node:
    command = [sys.executable, "-m", "kq.cli.app", "--help-json"]
    done = subprocess.run(command, capture_output=True, cwd=ROOT, timeout=60, check=True)
    found: Node = json.loads(done.stdout)
    return found


def leaves(node: Node) -> Iterator[Node]:
    if node.get("commands"):
        for child in node["commands"]:
            yield from leaves(child)
    else:
        yield node


def made() -> str:
    root = tree()
    commands = list(leaves(root))
    carried_by = Counter(_flag(option) for node in commands for option in node["options"])
    shared = {flag for flag, count in carried_by.items() if count > len(commands) * 2 / 3}
    by_flag = {_flag(option): option for node in commands for option in node["options"]}
    text = (
        HEAD + "## Flags of nearly every command\n\n" + _table(by_flag[flag] for flag in carried_by if flag in shared)
    )
    for group in root["commands"]:
        text += f"\n## {group['path']}\n\n"
        if group.get("commands"):
            alone = f" Alone it is `{group['path']} {group['alone']}`." if group["alone"] else ""
            text += f"{group['help']}{alone}{_aliases(group)}\n"
        for node in leaves(group):
            if group.get("commands"):
                text += f"\n### {node['path']}\n\n"
            text += f"{node['help']}{_aliases(node)}\n\n```sh\n" + "\n".join(node["examples"]) + "\n```\n"
            options = [option for option in node["options"] if _flag(option) not in shared]
            if node["arguments"] or options:
                text += "\n" + _table([*node["arguments"], *options])
    return text


def _flag(option: Node) -> str:
    return "/".join(option["names"])


def _aliases(node: Node) -> str:
    return f" Also: `{'`, `'.join(node['aliases'])}`." if node["aliases"] else ""


def _table(items: Any) -> str:
    rows = "| | |\n|---|---|\n"
    for item in items:
        words = ", ".join(item.get("names", []))
        called = " ".join(word for word in (words, item["metavar"] or "") if word).replace("|", "\\|")
        rows += f"| `{called}` | {item['help'].replace('|', chr(92) + '|')} |\n"
    return rows


if __name__ == "__main__":
    PAGE.write_text(made())
