"""How an option is declared: what typer is told of flags, texts, numbers, sizes and choices.

An option without help does nothing here and is not shown.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, get_args

import typer

from kdumpkey.cli import parsers


class Declared(NamedTuple):
    """An option as it was declared: every start makes all 170, and typer's own takes ten times as long.

    Attributes:
        names: All spellings, the usual one first.
        metavar: What stands for the value in help.
        parser: What makes the value from its text; None: the text is the value.
        help: One imperative sentence without its full stop; empty: help does not show the option.
        panel: The heading under which help lists it.
        completion: What completes a value.
    """

    names: tuple[str, ...]
    metavar: str | None = None
    parser: Callable[[str], Any] | None = None
    help: str = ""
    panel: str | None = None
    completion: Callable[[str], list[str]] | None = None

    def for_typer(self) -> Any:
        """The option as typer has it, for an action that takes it."""
        return typer.Option(
            *self.names,
            metavar=self.metavar,
            parser=self.parser,
            help=self.help,
            hidden=not self.help,
            rich_help_panel=self.panel,
            autocompletion=self.completion,
        )


def completing(*words: str) -> Callable[[str], list[str]]:
    """What completes a value: those of the words that begin as the value does."""

    def complete(incomplete: str) -> list[str]:
        return [word for word in words if word.startswith(incomplete)]

    return complete


def flag(*names: str, help: str = "", panel: str | None = None) -> Any:
    """An option without value.

    Args:
        names: How it is spelled, the usual way first.
        help: One imperative sentence without its full stop.
        panel: The heading under which help lists it.
    """
    return Declared(names, help=help, panel=panel)


def text(
    *names: str,
    metavar: str = "TEXT",
    parser: Callable[[str], Any] | None = None,
    help: str = "",
    words: tuple[str, ...] = (),
) -> Any:
    """An option with a value.

    Args:
        names: How it is spelled, the usual way first.
        metavar: What stands for the value in help.
        parser: What makes the value from its text; default: the text.
        help: One imperative sentence without its full stop.
        words: Values to offer when a shell completes.
    """
    return Declared(names, metavar, parser, help, completion=completing(*words) if words else None)


def number(
    *names: str,
    metavar: str = "NUMBER",
    parser: Callable[[str], int | None] = parsers.uint32,
    help: str = "",
    words: tuple[str, ...] = (),
) -> Any:
    """An option whose value is a number, of 32 bits without sign unless the parser says otherwise."""
    return text(*names, metavar=metavar, parser=parser, help=help, words=words)


def size(*names: str, help: str = "") -> Any:
    """An option whose value is a number of bytes with a unit, such as ``4096``, ``3k`` or ``1MiB``."""
    return text(*names, metavar="SIZE", parser=parsers.size(_word(names)), help=help)


def choice(*names: str, words: tuple[str, ...], help: str = "") -> Any:
    """An option whose value is one of a few words."""
    parser = parsers.one_of(_word(names), words)
    return text(*names, metavar="|".join(words), parser=parser, help=help, words=words)


def like(option: Any, *, metavar: str | None = None, help: str = "") -> Any:
    """An option that is declared already, for an action on which it says something else.

    Args:
        option: The annotated type of the option.
        metavar: What stands for the value in help; default: as there.
        help: What it does on that action; default: nothing, and help does not show it.
    """
    declared: Declared = get_args(option)[1]
    return declared._replace(metavar=metavar or declared.metavar, help=help)


def _word(names: tuple[str, ...]) -> str:
    """An option's name in messages."""
    return names[0].removeprefix("--")
