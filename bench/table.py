"""The results as a page for people and as JSON for programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench.drivers import Figures
from bench.runner import Result
from bench.stats import Bar, Spread

TITLES = {
    "records_s": "records/s",
    "cpu_s_per_gb": "broker CPU s/GB",
    "p50_ms": "p50 ms",
    "p99_ms": "p99 ms",
}

EXPLANATION = """\
Medians of {pairs} interleaved pairs after a warm-up, loads at scale {scale:g}. A ratio is kq / Kafka, pair by pair,
with its interquartile range. `held`: the median is on the right side of the bar; `close`: only a part of the range is;
`MISSED`: none of it. Absolute figures differ from run to run; ratios count.
"""


def page(machine: Mapping[str, str], pairs: int, scale: float, sections: Iterable[list[str]]) -> str:
    lines = ["# kq beside Apache Kafka 4.3.1", ""]
    lines += ["| | |", "|---|---|", *(f"| {name} | {text} |" for name, text in machine.items())]
    lines += ["", EXPLANATION.format(pairs=pairs, scale=scale)]
    for section in sections:
        lines += [*section, ""]
    return "\n".join(lines)


def throughput_section(results: Sequence[Result]) -> list[str]:
    lines = [
        "## Load",
        "",
        "| row | client | what | kq | Kafka | ratio (IQR) | bar | |",
        "|---|---|---|---:|---:|---|---|---|",
    ]
    for result in results:
        for metric, bar in result.row.bars.items():
            ratio = result.ratio(metric)
            lines.append(
                f"| {result.row.name} | {result.row.client} | {TITLES[metric]} "
                f"| {_number(result.spread('kq', metric).median)} | {_number(result.spread('kafka', metric).median)} "
                f"| {_spread(ratio)} | {bar} | {bar.judge(ratio)} |"
            )
    return lines


def state_section(state: Mapping[str, list[Figures]], bars: Mapping[str, Bar]) -> list[str]:
    titles = {
        "start_s": "port answers after, s",
        "idle_mb": "resident idle, MB",
        "load_mb": "resident at most under load, MB",
    }
    lines = ["## Start and memory", "", "| what | kq (IQR) | Kafka (IQR) | bar for kq | |", "|---|---|---|---|---|"]
    for metric, bar in bars.items():
        spreads = {
            name: Spread.of([figures[metric] for figures in taken if metric in figures])
            for name, taken in state.items()
        }
        kq, kafka = spreads["kq"], spreads["kafka"]
        lines.append(f"| {titles[metric]} | {_spread(kq)} | {_spread(kafka)} | {bar} | {bar.judge(kq)} |")
    return lines


def lines_section(taken: Mapping[str, list[Figures]], bars: Mapping[str, Bar], count: int) -> list[str]:
    lines = [f"## Command line: {count:,} lines of 20 to 179 bytes, on a kq broker", ""]
    lines += ["| what | kq lines/s | other | its lines/s | ratio (IQR) | bar | |", "|---|---:|---|---:|---|---|---|"]
    for metric in ("produce_lines_s", "consume_lines_s"):
        for other, bar in bars.items():
            ratio = Spread.of([a[metric] / b[metric] for a, b in zip(taken["kq"], taken[other], strict=True)])
            kq, its = (Spread.of([figures[metric] for figures in taken[name]]).median for name in ("kq", other))
            what = metric.removesuffix("_lines_s")
            lines.append(
                f"| {what} | {_number(kq)} | {other} | {_number(its)} | {_spread(ratio)} | {bar} | {bar.judge(ratio)} |"
            )
    return lines


def as_json(machine: Mapping[str, str], results: Sequence[Result], **others: Any) -> dict[str, Any]:
    rows = [
        {
            "row": result.row.name,
            "client": result.row.client,
            "figures": result.figures,
            "ratios": {metric: vars(result.ratio(metric)) for metric in result.row.bars},
            "verdicts": {metric: bar.judge(result.ratio(metric)) for metric, bar in result.row.bars.items()},
        }
        for result in results
    ]
    return {"machine": dict(machine), "rows": rows, **others}


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _spread(spread: Spread) -> str:
    return f"{spread.median:.2f} ({spread.low:.2f}-{spread.high:.2f})"
