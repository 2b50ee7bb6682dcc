"""No command without documentation: what it does, what each option means, two examples that somebody would type."""

from __future__ import annotations

from tests.house import commands_page


def test_every_command_is_documented() -> None:
    commands = list(commands_page.leaves(commands_page.tree()))
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


def test_the_page_of_commands_is_current() -> None:
    assert commands_page.PAGE.read_text() == commands_page.made(), (
        "docs/commands.md is behind the commands; run: python -m tests.house.commands_page"
    )
