"""Plans in files: `--export plan.json` writes what was shown, `--from-file plan.json --execute` does exactly that."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kq.cli.run.failures import Failure, Usage

VERSION = 1


def write_plan(path: str, command: str, steps: Sequence[dict[str, Any]]) -> None:
    document = {"_command": command, "_version": VERSION, "steps": list(steps)}
    Path(path).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def read_plan(path: str, command: str) -> list[dict[str, Any]]:
    """The steps of a plan of this command. Raises a sentence when the file is another's."""
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Failure(f"{path}: no such file") from None
    except ValueError:
        raise Usage(f"{path}: not a plan: not JSON") from None
    if not isinstance(document, dict) or document.get("_command") != command:
        raise Usage(f"{path}: not a plan of kq {command}")
    if document.get("_version") != VERSION:
        raise Usage(f"{path}: a plan of version {document.get('_version')}; this kq reads version {VERSION}")
    steps = document.get("steps")
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        raise Usage(f"{path}: not a plan of kq {command}")
    return steps
