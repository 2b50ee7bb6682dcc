"""`kq --help-json`: every command and flag as one JSON object."""

from __future__ import annotations

import sys
from typing import Any

from kq import __version__
from kq.cli.output.render import envelope_text
from kq.cli.tree.walk import Node, command_tree


def print_tree() -> None:
    sys.stdout.write(envelope_text("help", {"kq_version": __version__, **_as_json(command_tree())}))


def _as_json(node: Node) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": node.path[-1],
        "path": " ".join(node.path),
        "help": node.help,
        "aliases": list(node.aliases),
    }
    if node.commands:
        described["alone"] = node.alone
        described["commands"] = [_as_json(command) for command in node.commands]
    else:
        described["arguments"] = [
            {"metavar": a.metavar, "help": a.help, "required": a.required, "choices": list(a.choices)}
            for a in node.arguments
        ]
    described["options"] = [
        {"names": list(o.opts), "metavar": o.metavar, "help": o.help, "repeats": o.repeats, "choices": list(o.choices)}
        for o in node.options
    ]
    described["examples"] = list(node.examples)
    return described
