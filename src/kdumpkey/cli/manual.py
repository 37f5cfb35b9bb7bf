"""The manual page, from the tables of actions and options: ``python -m kdumpkey.cli.manual`` writes it."""

from __future__ import annotations

import sys
from typing import Final

from kdumpkey import __version__
from kdumpkey.cli.actions import ACTIONS, ALIASES, Action
from kdumpkey.cli.options import OPTIONS, Option

_DESCRIPTION: Final = """
kdumpkey unlocks LUKS1 and LUKS2 disks and images in user space, as an ordinary user and without
device-mapper, and carries a volume key across a kernel crash, so that the kdump kernel opens its dump target
without a passphrase. Actions and options that cryptsetup has are called as there and mean the same; options
may stand before, between or after the action and its arguments.
"""
_EXIT: Final = (
    ("0", "It was done."),
    ("1", "Wrong or missing parameters; no LUKS device; a damaged header; a file that exists or is missing."),
    ("2", "No permission, or a passphrase or key that does not fit."),
    ("3", "Out of memory: what Argon2 needs is not there."),
    ("4", "A device or file that does not exist or is of the wrong kind."),
    ("5", "A device that exists already or is in use."),
    ("130", "Interrupted."),
)
_ENVIRONMENT: Final = (
    (
        "KDUMPKEY_AESXTS",
        "The implementation of AES-XTS to use, one of benchmark --tiers: a demand.",
    ),
    ("KDUMPKEY_MACHINE", "The directory of the simulated machine."),
    ("KDUMPKEY_SESSION", "The session of the simulated machine that calls."),
)


def done() -> list[Action]:
    """The actions that kdumpkey does."""
    return [action for action in ACTIONS if action.command]


def helped() -> list[Option]:
    """The options that do something here."""
    return [option for option in OPTIONS if option.help]


def man_page() -> str:
    """The manual page, as roff with the man macros."""
    lines = [
        f'.TH KDUMPKEY 8 "" "kdumpkey {__version__}" "System Administration"',
        ".SH NAME",
        "kdumpkey \\- unlock LUKS in user space, and carry a volume key across a kernel crash",
        ".SH SYNOPSIS",
        ".B kdumpkey",
        '.RI [ options ] " action arguments"',
        ".SH DESCRIPTION",
        *_text(_DESCRIPTION),
        ".SH ACTIONS",
    ]
    for action in done():
        lines += [
            ".TP",
            f".B {_escaped(action.name)} {_escaped(action.arguments)}".rstrip(),
            *_text(f"{action.help}."),
        ]
        names = [name for name, alias in ALIASES.items() if alias.action == action.name]
        if names:
            lines += _text(f"Also called {', '.join(names)}.")
    lines.append(".SH OPTIONS")
    for option in helped():
        spelled = f"\\-{option.short}, " if option.short else ""
        value = f"={_escaped(option.metavar)}" if option.metavar else ""
        lines += [".TP", f".B {spelled}\\-\\-{_escaped(option.name)}{value}", *_text(f"{option.help}.")]
        if option.actions is not None:
            names = [action.name for action in done() if action.name in option.actions]
            lines += _text(f"With {', '.join(names)}.")
    lines.append(".SH EXIT STATUS")
    for code, meaning in _EXIT:
        lines += [".TP", f".B {code}", *_text(meaning)]
    lines.append(".SH ENVIRONMENT")
    for name, meaning in _ENVIRONMENT:
        lines += [".TP", f".B {name}", *_text(meaning)]
    lines += [".SH SEE ALSO", ".BR cryptsetup (8),", ".BR kdumpctl (8),", ".BR crypttab (5)"]
    return "\n".join(lines) + "\n"


def _text(text: str) -> list[str]:
    return [_escaped(line) for line in text.strip().splitlines()]


def _escaped(text: str | None) -> str:
    escaped = (text or "").replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


if __name__ == "__main__":
    sys.stdout.write(man_page())
