"""The sources of kq as the house tests see them: every module with its name, its syntax tree and its imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Module:
    path: Path

    @property
    def name(self) -> str:
        """Dotted: kq.engine.log; a package by its own name."""
        parts = self.path.relative_to(ROOT).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def room(self) -> str:
        """The part of kq it belongs to: engine, wire, cli; `errors` for kq/errors.py, `` for kq itself."""
        return [*self.name.split("."), ""][1]

    @property
    def package(self) -> str:
        """The module or package of its room that it lies in: kq.cli.topic for kq.cli.topic.listing."""
        return ".".join(self.name.split(".")[:3])

    @cached_property
    def text(self) -> str:
        return self.path.read_text()

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def lines(self) -> int:
        return self.text.count("\n")

    def imports(self) -> Iterator[tuple[int, str]]:
        """(line, dotted name) of everything of kq it imports, also inside functions and for type checking."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = node.module or ""
                if node.level:
                    here = self.name.split(".") if self.path.name == "__init__.py" else self.name.split(".")[:-1]
                    base = ".".join(here[: len(here) - node.level + 1] + ([base] if base else []))
                yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


def modules(folder: str = "kq") -> list[Module]:
    return [Module(path) for path in sorted((ROOT / folder).rglob("*.py"))]
