"""`python -m bench`: runs the rows and writes the table.

python -m bench                                          everything, about 40 minutes
python -m bench --rows 'produce-100B*' --pairs 1 --scale 0.1      a quick look, printed and not written
python -m bench --list                                   the names of the rows
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench import lines, machine, state, table
from bench.drivers import Figures, compile_kload
from bench.rows import all_rows
from bench.runner import run
from bench.subjects import Kafka, Kq, Subject, memory

RESULTS = Path(__file__).resolve().parent / "results"
PARTS = ("start", "lines")  # rows beside those of rows.py


def main(argv: Sequence[str] | None = None) -> int:
    args = _parser().parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="kq-bench-", dir=args.dir) as folder:
        return _bench(Path(folder), args)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="kq beside Apache Kafka, side by side")
    parser.add_argument(
        "--rows", action="append", metavar="GLOB", help="only these rows (repeatable); also: start, lines"
    )
    parser.add_argument("--pairs", type=int, default=5, help="interleaved pairs a row (default 5)")
    parser.add_argument("--scale", type=float, default=1.0, help="of the loads (default 1)")
    parser.add_argument("--dir", help="where the brokers keep their data (default: the temporary directory)")
    parser.add_argument("--name", help="write bench/results/NAME.md and .json; default: full runs write `latest`")
    parser.add_argument("--list", action="store_true", help="print the names of the rows and end")
    return parser


def _bench(room: Path, args: argparse.Namespace) -> int:
    wanted = args.rows or ["*"]

    def asked(name: str) -> bool:
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in wanted)

    if args.list:
        print("\n".join([*(row.name for row in all_rows(room, args.scale)), *PARTS]))
        return 0
    rows = [row for row in all_rows(compile_kload(room), args.scale) if asked(row.name)]
    described = machine.describe(room)
    subjects: list[Subject] = [Kq(_made(room / "kq")), Kafka(_made(room / "kafka"))]
    try:
        print("starting both", file=sys.stderr)
        taken = {
            subject.name: state.start_and_idle(subject, args.pairs if asked("start") else 1) for subject in subjects
        }
        results = [run(row, subjects, args.pairs, warm_ups=1 if args.scale < 0.5 else 2) for row in rows]
        for subject in subjects:
            taken[subject.name].append({"load_mb": memory(subject)[1]})
        typed = _lines(room, subjects[0], args) if asked("lines") else {}
    finally:
        for subject in subjects:
            if subject.pid:
                subject.stop()
    sections = [table.throughput_section(results)] if results else []
    if asked("start"):
        sections.append(table.state_section(taken, state.BARS))
    if typed:
        sections.append(table.lines_section(typed, lines.BARS, _line_count(args)))
    page = table.page(described, args.pairs, args.scale, sections)
    print(page)
    name = args.name or ("latest" if not args.rows and args.scale == 1.0 else None)
    if name:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.md").write_text(page)
        everything = table.as_json(described, results, state=taken, lines=typed)
        (RESULTS / f"{name}.json").write_text(json.dumps(everything, indent=1) + "\n")
    return 0


def _lines(room: Path, subject: Subject, args: argparse.Namespace) -> dict[str, list[Figures]]:
    text = room / "lines"
    lines.write_lines(text, _line_count(args))
    taken: dict[str, list[Figures]] = {client.name: [] for client in lines.clients()}
    for turn in range(args.pairs):
        for client in lines.clients() if turn % 2 == 0 else reversed(lines.clients()):
            figures = lines.measure(client, subject.bootstrap, text, _line_count(args), room)
            print(f"  lines: {client.name} {figures}", file=sys.stderr)
            taken[client.name].append(figures)
    return taken


def _line_count(args: argparse.Namespace) -> int:
    return max(1000, int(lines.LINES * args.scale))


def _made(path: Path) -> Path:
    path.mkdir()
    return path


if __name__ == "__main__":
    sys.exit(main())
