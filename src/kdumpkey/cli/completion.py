"""The shells' completions, from the tables of actions and options.

``python -m kdumpkey.cli.completion bash`` (or ``zsh``, ``fish``) writes one to standard output.
"""

from __future__ import annotations

import sys
from typing import Final

from kdumpkey.cli.actions import ALIASES, BY_NAME, Action
from kdumpkey.cli.manual import done, helped
from kdumpkey.cli.options import Option

_NAME: Final = "kdumpkey"


def bash() -> str:
    """The completion for bash."""
    return f"""# bash completion for kdumpkey
_kdumpkey() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}} action= word
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case $word in -*) ;; *) action="${{action:+$action }}$word" ;; esac
    done
    COMPREPLY=()
    if [[ $current == -* ]]; then
        local options
        case "$action" in
{_bash_cases()}
            *) options="{_spellings(None)}" ;;
        esac
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
        return
    fi
    case "$action" in
        '') mapfile -t COMPREPLY < <(compgen -W "{" ".join(_first_words())}" -- "$current") ;;
{_bash_groups()}
        *) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
    esac
}}
complete -o filenames -F _kdumpkey kdumpkey
"""


def _bash_cases() -> str:
    rows = []
    for action in done():
        names = [action.name, *(name for name, alias in ALIASES.items() if alias.action == action.name)]
        patterns = "|".join(f'"{name}"|"{name} "*' for name in names)
        rows.append(f'            {patterns}) options="{_spellings(action)}" ;;')
    return "\n".join(rows)


def _bash_groups() -> str:
    return "\n".join(
        f'        {group}) mapfile -t COMPREPLY < <(compgen -W "{" ".join(seconds)}" -- "$current") ;;'
        for group, seconds in _groups().items()
    )


def zsh() -> str:
    """The completion for zsh."""
    rows = [
        f"        {' '.join(_zsh_quoted(f'{name}:{help_}') for name, help_ in seconds)}"
        for seconds in [[(name, _help(name)) for name in _first_words()]]
    ]
    options = " \\\n        ".join(_zsh_quoted(_zsh_option(option)) for option in helped())
    groups = "\n".join(
        f"        ({group}) _values action {' '.join(seconds)} ;;" for group, seconds in _groups().items()
    )
    return f"""#compdef kdumpkey
_kdumpkey_actions() {{
    local -a actions
    actions=(
{chr(10).join(rows)}
    )
    _describe action actions
}}
_kdumpkey_rest() {{
    case $words[1] in
{groups}
        (*) _files ;;
    esac
}}
_arguments -S \\
        {options} \\
        '1:action:_kdumpkey_actions' \\
        '*::argument:_kdumpkey_rest'
"""


def _zsh_option(option: Option) -> str:
    value = f":{option.metavar}:_files" if option.metavar else ""
    help_ = (option.help or "").replace("[", "(").replace("]", ")").replace(":", " ")
    equals = "=" if option.metavar else ""
    return f"--{option.name}{equals}[{help_}]{value}"


def _zsh_quoted(text: str) -> str:
    quoted = text.replace("'", "'\\''")
    return f"'{quoted}'"


def fish() -> str:
    """The completion for fish."""
    lines = ["# fish completion for kdumpkey"]
    first = " ".join(_first_words())
    for name in _first_words():
        lines.append(
            f"complete -c {_NAME} -n 'not __fish_seen_subcommand_from {first}' "
            f"-a {name} -d {_fish_quoted(_help(name))}"
        )
    for group, seconds in _groups().items():
        lines += [
            f"complete -c {_NAME} -n '__fish_seen_subcommand_from {group}' "
            f"-a {second} -d {_fish_quoted(BY_NAME[f'{group} {second}'].help)}"
            for second in seconds
        ]
    for option in helped():
        short = f" -s {option.short}" if option.short else ""
        value = " -r" if option.metavar else ""
        lines.append(
            f"complete -c {_NAME}{short} -l {option.name}{value} -d {_fish_quoted(option.help or '')}"
        )
    return "\n".join(lines) + "\n"


def _fish_quoted(text: str) -> str:
    quoted = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{quoted}'"


def _spellings(action: Action | None) -> str:
    return " ".join(f"--{option.name}" for option in helped() if action is None or _takes(action, option))


def _takes(action: Action, option: Option) -> bool:
    return option.actions is None or action.name in option.actions


def _first_words() -> list[str]:
    names = [action.name.partition(" ")[0] for action in done()]
    aliases = [name for name, alias in ALIASES.items() if BY_NAME[alias.action].command]
    return list(dict.fromkeys([*names, *aliases]))


def _groups() -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for action in done():
        first, _, second = action.name.partition(" ")
        if second:
            groups.setdefault(first, []).append(second)
    return groups


def _help(name: str) -> str:
    if name in BY_NAME:
        return BY_NAME[name].help
    if name in ALIASES:
        return f"Another name of {ALIASES[name].action}"
    return f"{name} {' | '.join(_groups()[name])}"


WRITERS: Final = {"bash": bash, "zsh": zsh, "fish": fish}


if __name__ == "__main__":
    sys.stdout.write(WRITERS[sys.argv[1]]())
