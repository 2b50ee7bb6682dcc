"""The map in ARCHITECTURE.md: one line a module, made from the first sentence of its docstring."""

from __future__ import annotations

import ast
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "ARCHITECTURE.md"
BEGIN, END = "<!-- map -->\n", "<!-- /map -->"


def made() -> str:
    """The text between the marks."""
    paths = sorted((ROOT / "kq").rglob("*.py"), key=lambda path: (path.parent.as_posix(), path.name))
    blocks = []
    for folder, files in groupby(paths, key=lambda path: path.parent):
        name = folder.relative_to(ROOT).as_posix()
        lines = {path.stem: _first_sentence(path) for path in files}
        package = lines.pop("__init__", "")
        rows = "\n".join(f"| `{module}` | {sentence} |" for module, sentence in lines.items())
        blocks.append(f"### `{name}/`\n\n{package}\n" + (f"\n| module | |\n|---|---|\n{rows}\n" if rows else ""))
    return "\n".join(blocks)


def _first_sentence(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    paragraph = " ".join(text.split("\n\n")[0].split())
    for end in (". ", "; ", ": "):
        first, found, _ = paragraph.partition(end)
        if found and len(first) > 30:
            paragraph = first
    return paragraph.rstrip(".:").replace("|", "\\|")


def page_with(text: str) -> str:
    head, _, rest = PAGE.read_text().partition(BEGIN)
    return head + BEGIN + "\n" + text + "\n" + END + rest.partition(END)[2]


if __name__ == "__main__":
    PAGE.write_text(page_with(made()))
