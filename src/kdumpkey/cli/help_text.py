"""Help, usage and version, from the tables of actions and options."""

from __future__ import annotations

from kdumpkey import __version__
from kdumpkey.cli import actions, options
from kdumpkey.cli.actions import Action
from kdumpkey.cli.options import Option

PROGRAM = "kdumpkey"
USAGE = f"Usage: {PROGRAM} [OPTION...] <action> <action-specific>"
_COLUMN = 36


def version_text() -> str:
    """Name and version."""
    return f"{PROGRAM} {__version__}"


def help_text(words: tuple[str, ...]) -> str:
    """Help on the action that the first of the words names, or on all of them."""
    name = words[0] if words else ""
    if name in actions.GROUPS:
        name = " ".join(words[:2])
        if name not in actions.BY_NAME:
            return "\n".join([USAGE, "", "<action> is one of:", *_actions(words[0])])
    alias = actions.ALIASES.get(name)
    action = actions.BY_NAME.get(alias.action if alias else name)
    if action is None or action.command is None:
        return "\n".join([USAGE, "", "Options:", *_options(None), "", "<action> is one of:", *_actions()])
    usage = f"Usage: {PROGRAM} [OPTION...] {action.name} {action.arguments}"
    return "\n".join([usage, "", f"{action.help}.", "", "Options:", *_options(action)])


def _actions(group: str | None = None) -> list[str]:
    done = [action for action in actions.ACTIONS if action.command]
    if group is not None:
        done = [action for action in done if action.name.startswith(f"{group} ")]
        return [_row(f"  {action.name} {action.arguments}", action.help) for action in done]
    lines = [_row(f"  {action.name} {action.arguments}", action.help) for action in done]
    names = {
        action.name: [n for n, a in actions.ALIASES.items() if a.action == action.name] for action in done
    }
    return [
        *lines,
        "",
        *(f"Other names of {name}: {', '.join(more)}" for name, more in names.items() if more),
    ]


def _options(action: Action | None) -> list[str]:
    return [
        _row(f"  {_spelling(option)}", option.help)
        for option in options.OPTIONS
        if option.help and (action is None or option.actions is None or action.name in option.actions)
    ]


def _spelling(option: Option) -> str:
    short = f"-{option.short}, " if option.short else "    "
    return f"{short}--{option.name}" + (f"={option.metavar}" if option.metavar else "")


def _row(left: str, right: str) -> str:
    return f"{left:{_COLUMN}}{right}" if len(left) < _COLUMN - 1 else f"{left}\n{'':{_COLUMN}}{right}"
