"""The manual page, docs/cli.md and the shells' completions, made of what the app declares.

``python -m kdumpkey.cli.reference`` writes them below the current directory; with ``--check`` it tells
whether they are current.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer
from typer import completion

from kdumpkey import __version__
from kdumpkey.cli.action import LazyGroup
from kdumpkey.cli.app import ABOUT, Program, app
from kdumpkey.cli.outcome import PROGRAM

if TYPE_CHECKING:
    from typer.core import TyperOption

_EXIT: Final = (
    ("0", "Success."),
    (
        "1",
        "Wrong or missing parameters; not a LUKS device; a damaged header; a file exists or is missing.",
    ),
    ("2", "No permission; a wrong passphrase or key."),
    ("3", "Not enough memory: Argon2 needs more than is available."),
    ("4", "A device or file does not exist, or is of the wrong kind."),
    ("5", "A device already exists or is in use."),
    ("10", "kdump doctor or kdump status cannot tell."),
    (
        "130",
        "Interrupted with Ctrl-C; while a passphrase is checked, the exit code is 1, as cryptsetup's is.",
    ),
)
_ENVIRONMENT: Final = (
    (
        "KDUMPKEY_AESXTS",
        "The implementation of AES-XTS to use, as named by benchmark --tiers; an error if it cannot run.",
    ),
    ("KDUMPKEY_MACHINE", "The directory of the simulated machine."),
    ("KDUMPKEY_SESSION", "The session of the simulated machine to act from."),
    ("NO_COLOR", "If set, output has no colour."),
)


@dataclass(frozen=True)
class Described:
    """An option as the reference describes it."""

    spelling: str
    metavar: str
    help: str

    @classmethod
    def of(cls, option: TyperOption) -> Described:
        """What typer knows of an option."""
        names = sorted(option.opts, key=len)  # the short one first
        return cls(
            ", ".join(names),
            "" if option.is_flag else option.metavar or "TEXT",
            (option.help or "").rstrip("."),
        )


@dataclass(frozen=True)
class DescribedAction:
    """An action as the reference describes it."""

    name: str
    panel: str
    summary: str
    arguments: tuple[str, ...]
    options: tuple[Described, ...]
    example: str
    other_names: tuple[str, ...]

    @property
    def usage(self) -> str:
        """How it is called."""
        return " ".join([PROGRAM, self.name, *(["[OPTION...]"] if self.options else []), *self.arguments])


def program() -> tuple[Program, typer.Context]:
    """The app's command, and a context in which nothing is run."""
    command: Any = typer.main.get_command(app)
    return command, command.make_context(PROGRAM, [], resilient_parsing=True)


def shared_options() -> list[Described]:
    """The options that every action takes."""
    params: list[Any] = program()[0].params
    return [Described.of(each) for each in params if each.help]


def actions() -> Iterator[DescribedAction]:
    """All actions, in the order in which help lists them."""
    command, context = program()
    for name, entry in command.entries.items():
        found = command.get_command(context, name)
        if isinstance(found, LazyGroup):
            for inner, each in found.entries.items():
                action = found.get_command(context, inner)
                yield _described(f"{name} {inner}", each.panel, action, each.summary)
        elif not entry.hidden:
            others = tuple(other for other, alias in command.aliases.items() if alias.action == name)
            yield _described(name, entry.panel, found, entry.summary, others)


def man_page() -> str:
    """The manual page, as roff with the man macros."""
    lines = [
        f'.TH KDUMPKEY 8 "" "kdumpkey {__version__}" "System Administration"',
        ".SH NAME",
        "kdumpkey \\- unlock encrypted volumes in user space, and carry volume keys across a kernel crash",
        ".SH SYNOPSIS",
        ".B kdumpkey",
        '.RI [ option... ] " action arguments"',
        ".SH DESCRIPTION",
        _roff(ABOUT),
        "Options may stand before, between or after the action and its arguments.",
        ".SH ACTIONS",
    ]
    panel, options = None, dict.fromkeys(shared_options())
    for action in actions():
        if action.panel != panel:
            panel = action.panel
            lines.append(f'.SS "{_roff(panel)}"')
        lines += [
            ".TP",
            f".B {_roff(' '.join([action.name, *action.arguments]))}",
            _roff(f"{action.summary}."),
        ]
        if action.options:
            names = [each.spelling.rpartition(" ")[2] for each in action.options]
            lines += [".br", _roff(f"Options: {', '.join(names)}.")]
        if action.other_names:
            lines += [".br", _roff(f"Other names: {', '.join(action.other_names)}.")]
        lines += [".br", _roff(f"Example: {action.example}")]
        options |= dict.fromkeys(action.options)
    lines.append(".SH OPTIONS")
    for option in sorted(options, key=lambda each: each.spelling.rpartition("--")[2]):
        value = f" {option.metavar}" if option.metavar else ""
        lines += [".TP", f".B {_roff(option.spelling + value)}", _roff(f"{option.help}.")]
    lines.append(".SH EXIT STATUS")
    for code, meaning in _EXIT:
        lines += [".TP", f".B {code}", _roff(meaning)]
    lines.append(".SH ENVIRONMENT")
    for name, meaning in _ENVIRONMENT:
        lines += [".TP", f".B {name}", _roff(meaning)]
    lines += [".SH SEE ALSO", ".BR cryptsetup (8),", ".BR kdumpctl (8),", ".BR crypttab (5)"]
    return "\n".join(lines) + "\n"


def markdown() -> str:
    """The page docs/cli.md."""
    lines = [
        "# The command line",
        "<!-- Generated by make man; do not edit. -->",
        ABOUT,
        "Options may stand before, between or after the action and its arguments.",
        "",
        *_table("Options of every action", shared_options()),
    ]
    panel = None
    for action in actions():
        if action.panel != panel:
            panel = action.panel
            lines += ["", f"## {panel}"]
        lines += ["", f"### {action.name}", f"{action.summary}.", "", f"    {action.usage}", ""]
        if action.other_names:
            lines += [f"Other names: {', '.join(f'`{name}`' for name in action.other_names)}.", ""]
        lines += [f"Example: `{action.example}`"]
        if action.options:
            lines += ["", *_table("Option", action.options)]
    lines += ["", "## Exit status", "| code | meaning |", "|---|---|"]
    lines += [f"| {code} | {meaning} |" for code, meaning in _EXIT]
    lines += ["", "## Environment", "| variable | meaning |", "|---|---|"]
    lines += [f"| `{name}` | {meaning} |" for name, meaning in _ENVIRONMENT]
    return "\n".join(lines) + "\n"


def completion_for(shell: str) -> str:
    """The completion for a shell: a small script that asks kdumpkey itself."""
    variable = f"_{PROGRAM.upper()}_COMPLETE"
    script = completion.get_completion_script(  # type: ignore[attr-defined]
        prog_name=PROGRAM, complete_var=variable, shell=shell
    )
    script = script.rstrip() + "\n"
    if shell == "zsh":  # zsh reads the file when it first completes: that time, too, there must be an answer
        script += f'[[ $funcstack[1] == _{PROGRAM} ]] && _{PROGRAM}_completion "$@"\n'
    return script


def _described(
    name: str, panel: str, command: Any, summary: str, other_names: tuple[str, ...] = ()
) -> DescribedAction:
    visible = [each for each in command.params if not each.hidden]
    return DescribedAction(
        name,
        panel,
        summary,
        tuple(each.metavar for each in visible if each.param_type_name == "argument"),
        tuple(Described.of(each) for each in visible if each.param_type_name == "option"),
        command.epilog.partition("\n")[0].removeprefix("Example: "),
        other_names,
    )


def _table(heading: str, options: Any) -> list[str]:
    rows = [f"| {heading} | |", "|---|---|"]
    for each in options:
        value = f" {each.metavar}" if each.metavar else ""
        spelling = f"{each.spelling}{value}".replace("|", "\\|")
        rows.append(f"| `{spelling}` | {each.help} |")
    return rows


def _roff(text: str) -> str:
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


FILES: Final[dict[str, Callable[[], str]]] = {
    "man/kdumpkey.8": man_page,
    "docs/cli.md": markdown,
    "completion/kdumpkey.bash": lambda: completion_for("bash"),
    "completion/_kdumpkey": lambda: completion_for("zsh"),
    "completion/kdumpkey.fish": lambda: completion_for("fish"),
}


def stale(root: Path) -> list[str]:
    """The files of a source tree that are not what the app's declarations make of them."""
    return [
        name
        for name, text in FILES.items()
        if not (root / name).exists() or (root / name).read_text(encoding="utf-8") != text()
    ]


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(f"run make man: {', '.join(names)} are not current" if (names := stale(Path())) else 0)
    for path, make in FILES.items():
        Path(path).write_text(make(), encoding="utf-8")
