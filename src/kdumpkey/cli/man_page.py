"""The manual page, from the same tables of actions and options as --help."""

from __future__ import annotations

from kdumpkey.cli import actions, options
from kdumpkey.cli.actions import Action
from kdumpkey.cli.options import Option

_INTRO = (
    "kdumpkey unlocks and changes LUKS volumes in user space, and hands their keys over to the kernel "
    "that runs after a crash. Its actions, options, prompts and exit codes are those of cryptsetup(8)."
)
_EXIT = (
    ("0", "Success."),
    ("1", "Wrong parameters, no valid header, or anything not below."),
    ("2", "No permission, or a passphrase or key that does not fit."),
    ("3", "Not enough memory."),
    ("4", "Wrong device or file."),
    ("5", "The device exists already, or is busy."),
)


def man_page() -> str:
    """The page in man(7) macros, ending in a newline."""
    lines = [
        ".TH KDUMPKEY 8",
        ".SH NAME",
        r"kdumpkey \- unlock LUKS volumes in user space, and across a kernel crash",
        ".SH SYNOPSIS",
        r".B kdumpkey",
        r"[\fIoptions\fR] \fIaction\fR [\fIarguments\fR]",
        ".SH DESCRIPTION",
        _text(_INTRO),
        ".PP",
        "Options may stand before, between and after the arguments.",
        ".SH ACTIONS",
    ]
    for action in actions.ACTIONS:
        if action.command:
            lines += [".TP", _action(action), _text(f"{action.help}.{_aliases(action)}")]
    lines.append(".SH OPTIONS")
    for option in options.OPTIONS:
        if option.help:
            lines += [".TP", _option(option), _text(f"{option.help}.{_allowed(option)}")]
    lines.append(".SH EXIT STATUS")
    for code, meaning in _EXIT:
        lines += [".TP", f".B {code}", _text(meaning)]
    lines += [".SH SEE ALSO", ".BR cryptsetup (8),", ".BR kdump (8)"]
    return "\n".join(lines) + "\n"


def _action(action: Action) -> str:
    arguments = f" {_text(action.arguments)}" if action.arguments else ""
    return rf"\fB{_text(action.name)}\fR{arguments}"


def _aliases(action: Action) -> str:
    names = [name for name, alias in actions.ALIASES.items() if alias.action == action.name]
    return f" Other names: {', '.join(names)}." if names else ""


def _option(option: Option) -> str:
    short = rf"\fB\-{option.short}\fR, " if option.short else ""
    value = rf"=\fI{_text(option.metavar)}\fR" if option.metavar else ""
    return rf"{short}\fB\-\-{_text(option.name)}\fR{value}"


def _allowed(option: Option) -> str:
    done = {action.name for action in actions.ACTIONS if action.command}
    names = sorted((option.actions or frozenset()) & done)
    return f" With {', '.join(names)}." if names else ""


def _text(text: str) -> str:
    escaped = text.replace("\\", r"\e").replace("-", r"\-")
    return rf"\&{escaped}" if escaped.startswith((".", "'")) else escaped
