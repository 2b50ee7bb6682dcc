"""Completion scripts for bash, zsh and fish, written from the command tree.

Words are static; names of topics and groups come from `kq completion --topic-names` and `--group-names`, which give up
after 300 ms, profile names from the directory of profiles. The files in `completions/` are these texts; a test holds
them current.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kq.cli.tree.walk import Node, Option, command_tree

_GENERATED = "# Completion of kq for {shell}. Written by `kq completion {shell}`; do not edit."
# Options that take a name which the cluster knows.
ASKED = {"topic": ("-t", "--topic"), "group": ("-g", "--group", "--from-group")}
PROFILE_OPTIONS = ("-C", "--profile")
PROFILES = "kq profile list --names -q 2>/dev/null"


class _Words:
    """What the scripts need, collected once."""

    def __init__(self, root: Node) -> None:
        self.root = root
        self.nodes = list(root.walk())
        self.takes_value: dict[str, Option] = {}
        for node in self.nodes:
            for option in node.options:
                if option.metavar is not None:
                    self.takes_value.update(dict.fromkeys(option.opts, option))

    def spellings(self, node: Node) -> list[tuple[str, str]]:
        """(path as typed, canonical path) for every way to write a node below the root."""
        names = [" ".join(node.path[1:])]
        if len(node.path) == 2:
            names += node.aliases
        elif len(node.path) == 3:
            noun = next(n for n in self.nodes if n.path == node.path[:2])
            names = [f"{a} {b}" for a in (noun.path[1], *noun.aliases) for b in (node.path[2], *node.aliases)]
        return [(name, " ".join(node.path[1:])) for name in names]

    def pattern(self, node: Node, quote: str) -> str:
        """The alternatives of a shell `case`."""
        return "|".join(f"{quote}{typed}{quote}" for typed, _ in self.spellings(node))

    def wants(self, node: Node) -> list[str]:
        """What the arguments of a command are names of."""
        return [kind for kind in ASKED if any(kind.upper() in argument.metavar for argument in node.arguments)]

    def words(self, node: Node) -> list[str]:
        if node.commands:
            return [command.path[-1] for command in node.commands]
        choices = [choice for argument in node.arguments for choice in argument.choices]
        return [*choices, *(opt for option in node.options for opt in option.opts), "--help"]

    @property
    def choices(self) -> dict[tuple[str, ...], tuple[str, ...]]:
        return {option.opts: option.choices for option in self.takes_value.values() if option.choices}


def _bar(words: Iterable[str]) -> str:
    return "|".join(words)


def bash() -> str:
    known = _Words(command_tree())
    valued = _bar(sorted(known.takes_value))
    paths = [
        f'            {known.pattern(node, chr(34))}) path="{" ".join(node.path[1:])}" ;;' for node in known.nodes[1:]
    ]
    choices = [
        f'        {_bar(opts)}) COMPREPLY=($(compgen -W "{" ".join(words)}" -- "$cur")); return ;;'
        for opts, words in sorted(known.choices.items())
    ]
    asked = [
        f'        {_bar(opts)}) COMPREPLY=($(compgen -W "$(_kq_names {kind})" -- "$cur")); return ;;'
        for kind, opts in ASKED.items()
    ]
    words = [
        f'        "{" ".join(node.path[1:])}") words="{" ".join(known.words(node))}"'
        + (f' names="{" ".join(kinds)}" ;;' if (kinds := known.wants(node)) else " ;;")
        for node in known.nodes
    ]
    return "\n".join(
        [
            _GENERATED.format(shell="bash"),
            "_kq_names() {",
            "    local args=() i",
            "    for ((i = 1; i < COMP_CWORD; i++)); do",
            '        case "${COMP_WORDS[i]}" in',
            '        -b | --bootstrap | -C | --profile) args+=("${COMP_WORDS[i]}" "${COMP_WORDS[i + 1]}") ;;',
            "        esac",
            "    done",
            '    kq completion "--$1-names" "${args[@]}" 2>/dev/null',
            "}",
            "_kq() {",
            '    local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD - 1]}"',
            '    local path="" words="" names="" skip="" i kind',
            "    for ((i = 1; i < COMP_CWORD; i++)); do",
            '        if [[ -n $skip ]]; then skip=""; continue; fi',
            '        case "${COMP_WORDS[i]}" in',
            f"        {valued}) skip=1 ;;",
            "        -*) ;;",
            "        *)",
            '            case "${path:+$path }${COMP_WORDS[i]}" in',
            *paths,
            "            esac ;;",
            "        esac",
            "    done",
            '    case "$prev" in',
            *choices,
            *asked,
            f'        {_bar(PROFILE_OPTIONS)}) COMPREPLY=($(compgen -W "$({PROFILES})" -- "$cur")); return ;;',
            f'        {valued}) COMPREPLY=($(compgen -f -- "$cur")); return ;;',
            "    esac",
            '    case "$path" in',
            *words,
            "    esac",
            "    if [[ $cur != -* ]]; then",
            '        for kind in $names; do words="$words $(_kq_names $kind)"; done',
            "    fi",
            '    COMPREPLY=($(compgen -W "$words" -- "$cur"))',
            "}",
            "complete -o default -F _kq kq",
            "",
        ]
    )


def _zsh_quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def zsh() -> str:
    known = _Words(command_tree())
    valued = _bar(sorted(known.takes_value))
    paths = [
        f"                {known.pattern(node, chr(39))}) where={_zsh_quoted(' '.join(node.path[1:]))} ;;"
        for node in known.nodes[1:]
    ]
    choices = [
        f"        {_bar(opts)}) compadd -- {' '.join(words)}; return ;;"
        for opts, words in sorted(known.choices.items())
    ]
    cases = []
    for node in known.nodes:
        if node.commands:
            rows = [f"{command.path[-1]}:{command.help.rstrip('.')}" for command in node.commands]
        else:
            rows = [f"{choice}:" for argument in node.arguments for choice in argument.choices]
            rows += [f"{opt}:{option.help}" for option in node.options for opt in option.opts]
        quoted = " ".join(_zsh_quoted(row.replace("\\", "\\\\")) for row in rows)
        kinds = known.wants(node)
        names = f" names=({' '.join(kinds)})" if kinds else ""
        cases.append(f"        {_zsh_quoted(' '.join(node.path[1:]))}) rows=({quoted}){names} ;;")
    return "\n".join(
        [
            "#compdef kq",
            _GENERATED.format(shell="zsh"),
            "_kq_names() {",
            "    local -a args found",
            "    local i",
            "    for ((i = 2; i < CURRENT; i++)); do",
            "        case $words[i] in",
            "        -b|--bootstrap|-C|--profile) args+=($words[i] $words[i+1]) ;;",
            "        esac",
            "    done",
            '    found=(${(f)"$(kq completion --$1-names $args 2>/dev/null)"})',
            "    compadd -a found",
            "}",
            "_kq() {",
            "    local where='' skip='' i word kind",
            "    local -a rows names",
            "    for ((i = 2; i < CURRENT; i++)); do",
            "        word=$words[i]",
            "        if [[ -n $skip ]]; then skip=''; continue; fi",
            "        case $word in",
            f"            {valued}) skip=1 ;;",
            "            -*) ;;",
            "            *)",
            '                case "${where:+$where }$word" in',
            *paths,
            "                esac ;;",
            "        esac",
            "    done",
            "    case $words[CURRENT-1] in",
            *choices,
            *[f"        {_bar(opts)}) _kq_names {kind}; return ;;" for kind, opts in ASKED.items()],
            f'        {_bar(PROFILE_OPTIONS)}) compadd -- ${{(f)"$({PROFILES})"}}; return ;;',
            f"        {valued}) _files; return ;;",
            "    esac",
            "    case $where in",
            *cases,
            "    esac",
            "    if [[ $words[CURRENT] != -* ]]; then for kind in $names; do _kq_names $kind; done; fi",
            "    _describe kq rows",
            "}",
            'if [[ $funcstack[1] == _kq ]]; then _kq "$@"; else compdef _kq kq; fi',
            "",
        ]
    )


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def fish() -> str:
    known = _Words(command_tree())
    lines = [
        _GENERATED.format(shell="fish"),
        "function __kq_path",
        "    set -l path; set -l skip",
        "    for word in (commandline -opc)[2..-1]",
        "        if set -q skip[1]; set -e skip; continue; end",
        "        switch $word",
        f"            case {' '.join(sorted(known.takes_value))}",
        "                set skip 1",
        "            case '-*'",
        "            case '*'",
        '                switch (string join " " $path $word)',
    ]
    for node in known.nodes[1:]:
        typed = " ".join(_fish_quoted(name) for name, _ in known.spellings(node))
        lines += [f"                    case {typed}", f"                        set path {' '.join(node.path[1:])}"]
    lines += [
        "                end",
        "        end",
        "    end",
        '    string join " " $path',
        "end",
        "function __kq_at",
        "    set -l at (__kq_path)",
        '    test "$at" = "$argv"',
        "end",
        "function __kq_names",
        "    kq completion --$argv-names 2>/dev/null",
        "end",
        "complete -c kq -f",
    ]
    for node in known.nodes:
        where = f"-n {_fish_quoted('__kq_at ' + ' '.join(node.path[1:]))}" if len(node.path) > 1 else "-n '__kq_at'"
        for command in node.commands:
            lines.append(f"complete -c kq {where} -a {command.path[-1]} -d {_fish_quoted(command.help.rstrip('.'))}")
        lines += [f"complete -c kq {where} -a '(__kq_names {kind})'" for kind in known.wants(node)]
        for argument in node.arguments:
            if argument.choices:
                lines.append(f"complete -c kq {where} -a {_fish_quoted(' '.join(argument.choices))}")
        lines += [f"complete -c kq {where} {_fish_option(option)}" for option in node.options]
    return "\n".join([*lines, ""])


def _fish_option(option: Option) -> str:
    names = [f"-l {opt[2:]}" if opt.startswith("--") else f"-s {opt[1:]}" for opt in option.opts]
    value = ""
    if option.metavar is not None:
        if option.choices:
            value = f" -x -a {_fish_quoted(' '.join(option.choices))}"
        elif kinds := [kind for kind, opts in ASKED.items() if set(opts) & set(option.opts)]:
            value = f" -x -a '(__kq_names {kinds[0]})'"
        elif set(PROFILE_OPTIONS) & set(option.opts):
            value = f" -x -a '({PROFILES})'"
        else:
            value = " -r"
    return f"{' '.join(names)}{value} -d {_fish_quoted(option.help)}"


SCRIPTS: dict[str, Callable[[], str]] = {"bash": bash, "zsh": zsh, "fish": fish}
FILES = {"bash": "kq.bash", "zsh": "_kq", "fish": "kq.fish"}
