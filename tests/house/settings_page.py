"""docs/settings.md: every setting that kq knows, made from the tables of `kq.config`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from kq.config import BROKER, TOPIC, Setting
from kq.config.table import Mode, render_value

PAGE = Path(__file__).resolve().parents[2] / "docs" / "settings.md"

HEAD = """# Settings

Names, types, defaults and meanings are Apache Kafka's; a `server.properties` can be used as it is
(`kq broker start --config FILE`, or `-s KEY=VALUE` for one setting). `kq config describe topic|broker NAME` shows what
holds and where it comes from, `kq config alter` changes what can be changed while the broker runs. This page is made by
`python -m tests.house.settings_page`.

"""


def made() -> str:
    broker = sorted(BROKER.values(), key=lambda setting: (not setting.name.startswith("kq."), setting.name))
    return (
        HEAD
        + _section("Topic settings", (s for s in TOPIC.values() if s.honoured))
        + _section("Broker settings", (s for s in broker if s.honoured), with_mode=True)
        + _names(
            "Topic settings without effect",
            "Accepted, kept and reported.",
            (s for s in TOPIC.values() if not s.honoured),
        )
        + _names(
            "Broker settings without effect",
            "Accepted and reported, and named at the start: they are about what kq does not have, or not yet.",
            (s for s in broker if not s.honoured),
        )
    )


def _section(title: str, settings: Iterable[Setting], *, with_mode: bool = False) -> str:
    changes = {Mode.READ_ONLY: "at the start", Mode.PER_BROKER: "a broker", Mode.CLUSTER_WIDE: "a broker, or all"}
    head = (
        "| setting | default | changed for | |\n|---|---|---|---|\n"
        if with_mode
        else "| setting | default | |\n|---|---|---|\n"
    )
    rows = []
    for setting in settings:
        cells = [f"`{setting.name}`", _default(setting), *([changes[setting.mode]] if with_mode else []), setting.doc]
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n")
    return f"## {title}\n\n{head}{''.join(rows)}\n"


def _default(setting: Setting) -> str:
    text = render_value(setting.default)
    return f"`{text}`" if text else "none"


def _names(title: str, why: str, settings: Iterable[Setting]) -> str:
    return f"## {title}\n\n{why}\n\n" + ", ".join(f"`{setting.name}`" for setting in settings) + "\n\n"


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(made())
