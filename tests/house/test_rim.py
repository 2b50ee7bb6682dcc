"""Time, randomness, sockets and files come in through the rim (broker/, client/, coordination/, engine/disk.py) and
through arguments everywhere else, so that a seed replays a failure."""

from __future__ import annotations

import ast

from tests.house.tree import Module, modules

PURE = {"errors", "config", "record", "wire", "engine", "machines"}
OUTSIDE = {"socket", "asyncio", "selectors", "subprocess", "mmap", "shutil", "tempfile"}
HARMLESS_OS = {"path", "getpid", "fspath", "PathLike"}  # what os has that is neither file nor clock
# Where the engine touches the operating system: the disk itself and the descriptors it hands out.
OS_MODULES = {"kq.engine.disk", "kq.engine.filepool", "kq.engine.region"}

CLOCKS = {
    "time": {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "sleep"},
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
}
RANDOM = {
    "random": {
        "random",
        "randint",
        "randrange",
        "choice",
        "choices",
        "shuffle",
        "sample",
        "getrandbits",
        "uniform",
        "seed",
    },
    "secrets": None,
    "uuid": {"uuid1", "uuid4"},
}
FILES = {"open", "read_text", "read_bytes", "write_text", "write_bytes", "unlink", "rename", "rmdir", "mkdir", "touch"}


def offences(module: Module) -> list[str]:
    found = []
    touches_os = module.name in OS_MODULES
    for line, name in module.imports():
        if name.split(".")[0] in OUTSIDE and not touches_os:
            found.append(f"{module.path}:{line} imports {name.split('.')[0]}: let broker/ or client/ do it")
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "os" and node.attr not in HARMLESS_OS:
            if not touches_os:
                found.append(
                    f"{module.path}:{node.lineno} uses os.{node.attr}: ask the Disk, which tests can make fail"
                )
            continue
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name) and node.func.id == "open" and not touches_os:
            found.append(f"{module.path}:{node.lineno} calls open(): ask the Disk, or take the bytes as an argument")
        if not isinstance(node.func, ast.Attribute) or not isinstance(node.func.value, ast.Name):
            continue
        owner, called = node.func.value.id, node.func.attr
        if called in CLOCKS.get(owner, ()):
            found.append(f"{module.path}:{node.lineno} calls {owner}.{called}(): take now_ms as an argument")
        if owner in RANDOM and (RANDOM[owner] is None or called in RANDOM[owner]):
            found.append(f"{module.path}:{node.lineno} calls {owner}.{called}(): take a random.Random as an argument")
        if owner == "Path" and called in FILES and not touches_os:
            found.append(f"{module.path}:{node.lineno} touches a file: ask the Disk")
    return found


def test_nothing_from_outside_but_through_the_rim() -> None:
    found = [offence for module in modules() if module.room in PURE for offence in offences(module)]
    assert not found, "\n".join(found)
