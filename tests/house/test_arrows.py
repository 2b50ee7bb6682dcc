"""Left never imports right: errors, config -> record -> {wire, engine, machines, coordination} -> {broker, client} ->
{cli, tui, testing}. See ARCHITECTURE.md, "Arrows"."""

from __future__ import annotations

from tests.house.tree import ROOT, modules

BASE = {"", "errors", "config"}
DATA = BASE | {"record"}
SEES = {
    "errors": {""},
    "config": BASE,
    "record": DATA,
    "wire": DATA | {"wire"},
    "engine": DATA | {"engine"},
    "machines": DATA | {"machines"},
    "coordination": DATA | {"coordination"},
    "broker": DATA | {"wire", "engine", "machines", "coordination", "broker"},
    "client": DATA | {"wire", "client"},
    "cli": DATA | {"wire", "client", "cli"},
    "tui": DATA | {"wire", "client", "tui"},
    "testing": DATA | {"wire", "client", "testing"},
}
ALONE = {"kq.cli.log": "kq.engine.inspect"}  # offline forensics: the one command that reads files


def test_left_never_imports_right() -> None:
    # Modules that lie directly in kq/ (a helper beside errors.py) belong to the base.
    loose = {m.room for m in modules() if m.path.parent.name == "kq"}
    wrong = []
    for module in modules():
        may_see = SEES.get(module.room, BASE | loose) | loose
        for line, name in module.imports():
            if not name.startswith("kq.") or name.startswith(ALONE.get(module.package, "\0")):
                continue
            if name.split(".")[1] not in may_see and name.split(".")[1] in SEES:
                wrong.append(f"{module.path}:{line} imports {name}")
    assert not wrong, (
        "an arrow points the wrong way. Move what is shared to the left (errors, config, record), or hand it in as an "
        "argument from broker/, where concrete classes meet:\n" + "\n".join(wrong)
    )


def test_every_room_is_known() -> None:
    unknown = {m.room for m in modules() if m.path.parent.name != "kq"} - set(SEES)
    assert not unknown, f"new rooms {unknown}: give them a place in ARCHITECTURE.md's arrows and in SEES here"


def test_every_module_is_used() -> None:
    every = modules()
    used = {name for module in every for _, name in module.imports()}
    # `from kq.wire.apis import produce` and `from kq.wire.apis.produce import PRODUCE` both use kq.wire.apis.produce.
    used |= {name.rsplit(".", 1)[0] for name in used}
    texts = "\n".join(module.text for module in every)
    entry_points = (ROOT / "pyproject.toml").read_text()
    dead = [
        str(module.path)
        for module in every
        if module.name not in used
        and module.path.name not in {"__init__.py", "__main__.py"}
        and f'"{module.name}"' not in texts  # loaded by name: lazy commands, lazily built tables
        and module.name not in entry_points
    ]
    assert not dead, "nobody imports these modules; delete them, or wire them in:\n" + "\n".join(dead)
