"""The command line as a whole: flags anywhere, words for mistakes, exit codes, and one meaning for every flag."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys

import pytest

from kq import __version__
from kq.cli.tree.flags import SHARED
from kq.cli.tree.walk import Node, command_tree
from tests.cli.harness import KQ, run, spawn

NOBODY = "127.0.0.1:1"
TREE = command_tree()
COMMANDS = [node for node in TREE.walk() if not node.commands]


def names(node: Node) -> str:
    return " ".join(node.path[1:])


def test_version() -> None:
    assert run("--version") == (0, f"kq {__version__}\n", "")
    assert run("topic", "--version").code == 2


def test_help_is_short_and_starts_somebody() -> None:
    for args in ((), ("--help",), ("-h",)):
        ran = run(*args).ok()
        assert len(ran.lines) <= 24
        assert max(map(len, ran.lines)) <= 80
        assert ran.lines[-1].strip().startswith("kq ")
        assert ran.err == ""
    listed = set(re.findall(r"^ *(?:[A-Z]\w+)? +([\w-]+)  +", run().out, re.MULTILINE))
    assert listed == {node.path[1] for node in TREE.commands}


@pytest.mark.parametrize("node", COMMANDS, ids=names)
def test_each_help_ends_with_real_examples(node: Node) -> None:
    ran = run(*node.path[1:], "-h").ok()
    assert ran.lines[0].startswith(f"Usage: kq {names(node)}")
    assert ran.out.rstrip().endswith("\n".join(f"  {line}" for line in node.examples))
    assert len(node.examples) >= 2
    own = [line for line in node.examples if f"kq {names(node)}" in line or "kq topic ls" in line]
    assert own, "an example must show the command itself"


@pytest.mark.parametrize("node", [n for n in TREE.walk() if n.commands and len(n.path) > 1], ids=names)
def test_a_nouns_help_lists_its_commands(node: Node) -> None:
    ran = run(*node.path[1:], "--help").ok()
    for command in node.commands:
        assert re.search(rf"^  {command.path[-1]} ", ran.out, re.MULTILINE)


# Meanings that differ from the table of CLI.md on purpose, as that table says itself.
ALLOWED = {("topic create", "-p"), ("topic alter", "-p")}


@pytest.mark.parametrize("node", COMMANDS, ids=names)
def test_a_flag_has_one_meaning_everywhere(node: Node) -> None:
    shared = {opt: flag for flag in SHARED.values() for opt in flag.opts}
    for option in node.options:
        for opt in option.opts:
            if opt not in shared or (names(node), opt) in ALLOWED:
                continue
            assert set(shared[opt].opts) <= set(option.opts), f"{opt} of kq {names(node)} is another option"
            assert option.metavar == shared[opt].metavar, f"{opt} of kq {names(node)} takes something else"


# The table of CLI.md: short and long form, and whether a value follows.
CONTRACT = {
    "-b": ("--bootstrap", True), "-C": ("--profile", True), "-X": (None, True), "-t": ("--topic", True),
    "-p": ("--partition", True), "-r": ("--replication-factor", True), "-c": (None, True), "-s": (None, True),
    "-o": ("--offset", True), "-k": ("--key", True), "-K": ("--key-delimiter", True), "-D": ("--delimiter", True),
    "-H": ("--header", True), "-Z": ("--tombstones", False), "-z": ("--compression", True), "-f": ("--format", True),
    "-g": ("--group", True), "-n": ("--count", True), "-e": ("--exit", False), "-G": ("--grep", True),
    "-q": ("--quiet", False), "-v": ("--verbose", False),
}  # fmt: skip
LONG = {"--partitions": True, "--acks": True, "--json": False, "--timeout": True, "--data-dir": True}


def test_the_shared_flags_are_those_of_the_contract() -> None:
    spelled = {opt: flag for flag in SHARED.values() for opt in flag.opts}
    for short, (long, takes_value) in CONTRACT.items():
        assert (spelled[short].metavar is not None) == takes_value
        assert long is None or long in spelled[short].opts
    for long, takes_value in LONG.items():
        assert (spelled[long].metavar is not None) == takes_value
    taken = {opt for node in COMMANDS for option in node.options for opt in option.opts}
    assert {opt for opt in taken if re.fullmatch("-[A-Za-z]", opt)} <= {*CONTRACT, "-d"}


def test_every_command_has_json() -> None:
    assert all(any("--json" in option.opts for option in node.options) for node in COMMANDS)


def test_the_tree_as_json() -> None:
    tree = json.loads(run("--help-json").ok().out)
    assert (tree["_command"], tree["_version"], tree["kq_version"]) == ("help", 1, __version__)
    by_name = {noun["name"]: noun for noun in tree["commands"]}
    assert by_name["topic"]["alone"] == "list"
    assert by_name["topic"]["aliases"] == ["topics"]
    created = next(command for command in by_name["topic"]["commands"] if command["name"] == "create")
    assert {"names": ["-p", "--partitions"], "metavar": "N"}.items() <= next(
        option for option in created["options"] if "-p" in option["names"]
    ).items()
    consumed = by_name["consume"]
    assert any(option["names"] == ["-g", "--group"] for option in consumed["options"])


MISTAKES = {
    ("topik",): "kq: kq has no command 'topik'; did you mean 'topic'?\n    see:          kq --help\n",
    ("topic", "lst"): "kq: topic has no command 'lst'; did you mean 'list'?\n    see:          kq topic --help\n",
    ("topic", "list", "--jsno"): "kq: topic list has no option --jsno; did you mean '--json'?\n"
    "    see:          kq topic list --help\n",
    ("--bootsrap", "x", "topic"): "kq: kq has no option --bootsrap; did you mean '--bootstrap'?\n"
    "    see:          kq --help\n",
    ("topic", "list", "-X"): "kq: topic list: -X needs a value\n    see:          kq topic list --help\n",
    ("-b",): "kq: -b needs a value: -b HOST:PORT,…\n",
    ("topic", "create"): "kq: topic create: TOPIC is missing\n",
    ("topic", "create", "a", "-p", "x"): "kq: topic create -p: 'x' is not a whole number\n"
    "    see:          kq topic create --help\n",
    ("config", "describe", "topik", "a"): "kq: config describe topic|broker: 'topik' is not one of 'topic', 'broker'\n"
    "    see:          kq config describe --help\n",
    (
        "config",
        "describe",
        "topic",
    ): "kq: config describe: NAME is missing\n    see:          kq config describe --help\n",
    ("broker", "status", "x"): "kq: broker status takes no further word: x\n"
    "    see:          kq broker status --help\n",
    ("consume", "t", "-o", "@yesterday"): "kq: -o @yesterday: not a time; write @2026-11-21, @14:00, @-1h or "
    "@1700000000000\n",
    ("consume", "t", "-o", "14:00"): "kq: -o 14:00: ends before it begins; a time is written with @, as in -o @14:00\n",
    ("consume", "t", "-o", "-1h"): "kq: -o -1h: not an offset; a time is written with @, as in -o @-1h\n",
    (
        "topic",
        "offsets",
        "t",
        "-o",
        "2026-11-21",
    ): "kq: -o 2026-11-21: not an offset; a time is written with @, as in -o @2026-11-21\n",
    ("consume", "t", "-o", "14:13"): "kq: -o 14:13: ends before it begins; a time is written with @, as in -o @14:13\n",
    ("consume", "t", "-o", "14:90", "-o", "3"): "kq: consume: -o is given more than once\n"
    "    see:          kq consume --help\n",
    ("-C", "a", "topic", "list", "--profile=b"): "kq: topic list: -C is given more than once\n"
    "    see:          kq topic list --help\n",
    ("topic", "list", "-b", "a:1,127.0.0.1:99999"): "kq: 'a:1,127.0.0.1:99999' does not name brokers: "
    "a port is 1 to 65535, and 99999 is none\n",
    ("consume", "t", "-G", "billing"): "kq: -G billing: say where to look: k:, v:, hk:, hv:, h:NAME= or t:; a consumer "
    "group would be -g\n    in values:    -G 'v:billing'\n",
    ("consume", "t", "-f", "jsn"): "kq: -f jsn: not a format; did you mean 'json'?; write json, raw, table or a format "
    "as '%k %v\\n'\n",
    ("consume", "t", "-f", "json", "-K", ":"): "kq: -K and -D are for lines; they do not go with -f json\n",
    ("produce", "t", "--acks", "2"): "kq: --acks 2: write 0, 1 or all\n",
    ("produce", "t", "-z", "zip"): "kq: -z zip: write none, gzip, snappy, lz4 or zstd\n",
    ("produce", "t", "-p", "0,1"): "kq: -p 0,1: produce takes one partition\n",
    ("produce", "t", "-D", ""): "kq: produce: a delimiter cannot be empty\n",
    ("topic", "list", "-b", "a:b"): "kq: 'a:b' does not name brokers; write HOST:PORT,HOST:PORT (IPv6 as [::1]:9092)\n",
    ("topic", "trim", "t"): "kq: topic trim: -o is missing: delete the records before which offset or time?\n",
    ("topic", "create", "a", "-p", "0"): "kq: topic create -p: 0 is too small; write 1 or more\n"
    "    see:          kq topic create --help\n",
    ("topic", "create", "a", "-r", "99999"): "kq: topic create -r: 99999 is too large; write 32767 or less\n"
    "    see:          kq topic create --help\n",
    ("consume", "t", "--timeout", "nan"): "kq: consume --timeout: 'nan' is not a number\n"
    "    see:          kq consume --help\n",
    ("produce", "t", "--rate", "0"): "kq: produce --rate: 0 is too small; write a number above 0\n"
    "    see:          kq produce --help\n",
    ("produce", "t", "-n", "0"): "kq: produce -n 0: nothing would be sent\n",
    ("consume", "t:x"): "kq: t:x: 'x' is not a partition; write 0,2-4\n",
    ("consume", "t", "-p", "3-1"): "kq: -p 3-1: 3-1 is not a range of partitions\n",
    ("consume", "(", "--regex"): "kq: --regex (: missing ), unterminated subpattern at position 0\n",
    ("topic", "delete", "t:1", "--yes"): "kq: topic delete takes whole topics, not partitions: write t\n",
    ("topic", "alter", "t:1", "-p", "3"): "kq: topic alter takes whole topics, not partitions: write t\n",
    ("topic", "list", "\udcff"): "kq: topic '\\xff' is not UTF-8\n",
    ("topic", "list", "-b", "\udcff"): "kq: -b '\\xff' is not UTF-8\n",
    ("topic", "create", "\udcff"): "kq: topic '\\xff' is not UTF-8\n",
    ("topic", "alter", "t", "--unset", ""): "kq: --unset: which setting?\n",
    ("topic", "alter", "t", "-c", "+=1"): "kq: -c +=1: write -c key=value\n",
    ("consume", "t", "-f", "%v{unpack[z]}"): "kq: -f %v{unpack[z]}: 'z' is not a pack string: no z in it\n",
    ("produce", "t", "-H", "\udcff=x"): "kq: -H '\\xff' is not UTF-8\n",
    (
        "produce",
        "t",
        "--timestamp",
        "²",
    ): "kq: --timestamp ²: not a time; write 2026-11-21, 14:00, -1h or 1700000000000\n",
    ("produce", "t", "--timestamp", "1969-12-31"): "kq: --timestamp 1969-12-31: a record's time is 1970 or later\n",
    ("produce", "t:1", "-p", "0"): "kq: t:1 and -p 0 both name the partition; give one\n",
    ("produce", "t", "-f", "jsn"): "kq: -f jsn: not a format; did you mean 'json'?; write json, raw or a format as "
    "'%k %v\\n'\n",
    ("produce", "t", "-f", ""): "kq: -f : not a format; write json, raw or a format as '%k %v\\n'\n",
    ("produce", "t:0-1"): "kq: t:0-1: produce takes one partition\n",
    ("completion",): "kq: completion: which shell? kq completion bash, zsh or fish\n",
}


@pytest.mark.parametrize("args", MISTAKES, ids=" ".join)
def test_a_mistake_gets_a_sentence_and_exit_2(args: tuple[str, ...]) -> None:
    assert run(*args, env={"KQ_BOOTSTRAP": NOBODY}) == (2, "", MISTAKES[args])


def test_a_setting_that_does_not_exist() -> None:
    ran = run("consume", "t", "-X", "liner.ms=1", env={"KQ_BOOTSTRAP": NOBODY})
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("kq: -X: no client setting is called 'liner.ms'")  # the rest is the client's to word
    assert "linger.ms" in ran.err


def test_mistakes_as_json() -> None:
    ran = run("topic", "list", "--jsno", "--json")
    assert (ran.code, ran.out) == (2, "")
    assert json.loads(ran.err) == {
        "_command": "topic list",
        "_version": 1,
        "error": {
            "code": "USAGE",
            "message": "topic list has no option --jsno; did you mean '--json'?",
            "hints": ["kq topic list --help"],
            "exit": 2,
        },
    }


def test_nobody_there() -> None:
    expected = (
        f"kq: no broker answers at {NOBODY} (connection refused)\n"
        "    start one:    kq broker start\n"
        "    ask another:  kq topic list -b HOST:PORT, or set KQ_BOOTSTRAP\n"
    )
    assert run("topic", "list", "-b", NOBODY) == (1, "", expected)
    assert run("-b", NOBODY, "topics", "ls") == (1, "", expected)
    assert run("-b", NOBODY, "topics") == (1, "", expected)
    assert run("topic", "-b", NOBODY, "list") == (1, "", expected)
    assert run(f"-b{NOBODY}", "topic") == (1, "", expected)
    assert run(f"--bootstrap={NOBODY}", "topic") == (1, "", expected)
    ran = run("--json", "cluster", "-b", NOBODY)
    assert ran.code == 1
    assert json.loads(ran.err)["error"]["code"] == "UNREACHABLE"
    assert json.loads(ran.err)["_command"] == "cluster info"


def test_a_fault_of_kqs_own_is_still_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **options: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("kq.cli.topic.listing.run", broken)
    ran = run("topic", "list")
    assert ran == (
        1,
        "",
        "kq: a fault in kq itself: ZeroDivisionError: division by zero\n    show where:   kq topic list -vv\n",
    )
    assert "Traceback" in run("topic", "list", "-vv").err


def test_a_closed_pipe_ends_quietly(cluster: str, topic: str) -> None:
    lines = b"".join(b"%d\n" % number for number in range(200_000))
    run("produce", topic, "--create", stdin=lines).ok()
    with spawn("consume", topic, "-e") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(100)[:2] == b"0\n"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 0


def test_a_closed_pipe_under_a_table() -> None:
    done = subprocess.run(
        f"{' '.join(KQ)} --help-json | head -c 10", shell=True, capture_output=True, check=False, executable="/bin/bash"
    )
    assert done.stdout == b'{"_command'
    assert done.stderr == b""


def test_ctrl_c_is_130_where_nothing_is_followed(cluster: str, topic: str) -> None:
    run("produce", topic, "--create", stdin=b"one\n").ok()
    with spawn("consume", topic, "-n", "5") as waiting, spawn("consume", topic) as following:
        for process in (waiting, following):
            assert process.stdout is not None
            assert process.stdout.readline() == b"one\n"
            process.send_signal(signal.SIGINT)
        assert waiting.wait(20) == 130
        assert following.wait(20) == 0


def test_sigterm_is_as_ctrl_c(cluster: str, topic: str) -> None:
    run("produce", topic, "--create", stdin=b"one\n").ok()
    with spawn("consume", topic, "-n", "5") as waiting, spawn("consume", topic) as following:
        for process in (waiting, following):
            assert process.stdout is not None
            assert process.stdout.readline() == b"one\n"
            process.send_signal(signal.SIGTERM)
        assert waiting.wait(20) == 143
        assert following.wait(20) == 0


def test_descriptors_that_are_closed(cluster: str, topic: str) -> None:
    """A socket that became descriptor 1 would get what was meant for stdout."""
    run("produce", topic, "--create", stdin=b"x\n").ok()
    kq = " ".join(KQ)
    for line, code in ((f"{kq} consume {topic} -e >&-", 0), (f"{kq} topic list >&-", 0), (f"{kq} topic lst 2>&-", 2)):
        assert subprocess.run(["sh", "-c", line], check=False, capture_output=True).returncode == code
    done = subprocess.run(["sh", "-c", f"{kq} produce {topic} <&-"], check=False, capture_output=True)
    assert done.returncode == 0
    assert run("consume", topic, "-e").out == "x\n"


def test_a_terminal_without_unicode(cluster: str, topic: str) -> None:
    run("topic", "create", topic).ok()
    environ = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    with spawn("topic", "list", topic, "--table", env=environ) as process:
        out, err = process.communicate()
    assert (process.returncode, err) == (0, b"")
    assert topic.encode() in out


HEAVY = ("rich", "textual", "asyncio", "ssl", "typer", "tomllib", "uvloop")


def imported(*args: str) -> set[str]:
    code = "import sys\nfrom kq.cli.app import main\nmain(sys.argv[1:])\nprint('|', *sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, check=True)
    return set(done.stderr.rpartition("|")[2].split()) & set(HEAVY)


def modules_of(*args: str) -> set[str]:
    """The packages of kq.cli that a command line loads."""
    code = "import sys\nfrom kq.cli.app import main\nmain(sys.argv[1:])\nprint('|', *sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, check=True)
    loaded = done.stderr.rpartition("|")[2].split()
    return {name.split(".")[2] for name in loaded if name.startswith("kq.cli.")}


def test_a_command_loads_its_own_packages_and_no_others(cluster: str) -> None:
    assert modules_of("--version") == {"app"}
    start = {"app", "root", "run", "tree", "output"}
    assert modules_of("--help") == start
    assert modules_of("topic", "list", "--help") == {*start, "topic"}
    assert modules_of("topic", "list") == {*start, "topic", "partitions", "profile"}
    assert modules_of("config", "list") == {*start, "config", "partitions", "profile"}
    assert modules_of("broker", "status") == {*start, "broker"}


def test_what_a_start_imports(cluster: str) -> None:
    assert imported("--version") == set()
    assert imported("--help") == {"typer"}
    assert imported("topic", "list", "--help") == {"typer"}
    assert not imported("topic", "list") & {"rich", "textual", "uvloop", "tomllib"}
    assert not imported("broker", "status") & {"rich", "asyncio", "ssl"}
