"""One noun a module: at most 400 lines, a docstring that says what it is, nothing unfinished."""

from __future__ import annotations

import ast
import re
import statistics

import pytest

from tests.house.tree import Module, modules

MOST_LINES = 400
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK|WIP)\b|not implemented( yet)?\b|NotImplementedError|placeholder", re.I)


@pytest.mark.parametrize("folder", ["kq", "bench"])
def test_no_module_is_too_long(folder: str) -> None:
    long = [f"{m.path} has {m.lines} lines" for m in modules(folder) if m.lines > MOST_LINES]
    assert not long, f"past {MOST_LINES} lines there is a second noun; give it a module of its own:\n" + "\n".join(long)


def test_the_median_module_is_small() -> None:
    median = statistics.median(m.lines for m in modules() if m.path.name != "__init__.py")
    assert median <= 170, f"the median module of kq has {median} lines; STYLE.md aims at 130: split the long ones"


def test_every_module_says_what_it_is() -> None:
    silent = [str(m.path) for m in modules() if m.text.strip() and ast.get_docstring(m.tree) is None]
    assert not silent, "begin with a docstring: what the module is and the rules it keeps:\n" + "\n".join(silent)


def test_nothing_is_unfinished() -> None:
    found = []
    for module in modules():
        for number, line in enumerate(module.text.splitlines(), 1):
            if UNFINISHED.search(line):
                found.append(f"{module.path}:{number} {line.strip()}")
        found += [f"{module.path}:{line} a body of nothing" for line in empty_bodies(module)]
    assert not found, "finish it or leave it out; say what is missing in the CHANGELOG or an issue:\n" + "\n".join(
        found
    )


def empty_bodies(module: Module) -> list[int]:
    """Functions whose body does nothing, outside of Protocols, abstract classes and overloads."""
    found: list[int] = []

    def visit(node: ast.AST, declares: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef):
                visit(child, any("Protocol" in ast.unparse(base) or "ABC" in ast.unparse(base) for base in child.bases))
            elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                body = [s for s in child.body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
                decorated = any(
                    "overload" in ast.unparse(d) or "abstract" in ast.unparse(d) for d in child.decorator_list
                )
                says_why = ast.get_docstring(child) is not None
                if not declares and not decorated and not says_why and all(isinstance(s, ast.Pass) for s in body):
                    found.append(child.lineno)
                visit(child, declares=False)
            elif not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
                visit(child, declares)

    visit(module.tree, declares=False)
    return found
