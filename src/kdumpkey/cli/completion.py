"""Completion scripts for bash, zsh and fish, from the tables of actions and options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from kdumpkey.cli import actions, options
from kdumpkey.cli.options import Kind, Option


def bash() -> str:
    """The script for bash: actions first, then options and files; a group's second words after the group."""
    cases = [
        f"        {group}) words='{' '.join(_second_words(group))}' ;;" for group in sorted(actions.GROUPS)
    ]
    return "\n".join(
        [
            "# bash completion for kdumpkey",
            "_kdumpkey() {",
            "    local current=${COMP_WORDS[COMP_CWORD]} words= word action= n=0 i",
            "    COMPREPLY=()",
            "    for ((i = 1; i < COMP_CWORD; i++)); do",
            "        word=${COMP_WORDS[i]}",
            "        if [[ $word != -* ]]; then n=$((n + 1)); [[ -n $action ]] || action=$word; fi",
            "    done",
            "    if [[ $current == -* ]]; then",
            f"        words='{' '.join(f'--{option.name}' for option in _options())}'",
            "    elif ((n == 0)); then",
            f"        words='{' '.join(_first_words())}'",
            "    elif ((n == 1)); then",
            "        case $action in",
            *cases,
            "        esac",
            "    fi",
            "    if [[ -n $words ]]; then",
            '        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")',
            "    else",
            '        mapfile -t COMPREPLY < <(compgen -f -- "$current")',
            "    fi",
            "}",
            "complete -o filenames -F _kdumpkey kdumpkey",
            "",
        ]
    )


def zsh() -> str:
    """The script for zsh."""
    lines = ["#compdef kdumpkey", "_arguments \\"]
    for option in _options():
        value = f":{option.metavar}:_files" if option.kind is not Kind.FLAG else ""
        equals = "=" if value else ""
        lines.append(f"    '--{option.name}{equals}[{_quoted(option.help or '')}]{value}' \\")
    lines += [f"    '1:action:({' '.join(_first_words())})' \\", "    '*:file:_files'", ""]
    return "\n".join(lines)


def fish() -> str:
    """The script for fish."""
    lines = [f"complete -c kdumpkey -n __fish_use_subcommand -a {name}" for name in _first_words()]
    for group in sorted(actions.GROUPS):
        words = " ".join(_second_words(group))
        lines.append(f"complete -c kdumpkey -n '__fish_seen_subcommand_from {group}' -a '{words}'")
    for option in _options():
        short = f" -s '{option.short}'" if option.short else ""
        value = " -r" if option.kind is not Kind.FLAG else ""
        text = (option.help or "").replace("\\", "\\\\").replace("'", "\\'")
        lines.append(f"complete -c kdumpkey -l {option.name}{short}{value} -d '{text}'")
    return "\n".join([*lines, ""])


SCRIPTS: Final[Mapping[str, Callable[[], str]]] = {
    "kdumpkey.bash": bash,
    "_kdumpkey": zsh,
    "kdumpkey.fish": fish,
}


def _options() -> list[Option]:
    return [option for option in options.OPTIONS if option.help]


def _first_words() -> list[str]:
    done = [action.name for action in actions.ACTIONS if action.command]
    names = [name.partition(" ")[0] for name in done]
    aliases = [name for name, alias in actions.ALIASES.items() if alias.action in done]
    return sorted({*names, *aliases})


def _second_words(group: str) -> list[str]:
    names = (action.name.partition(" ") for action in actions.ACTIONS if action.command)
    return sorted(second for first, _, second in names if first == group)


def _quoted(text: str) -> str:
    for mark in "\\[]:":
        text = text.replace(mark, f"\\{mark}")
    return text.replace("'", "'\\''")
