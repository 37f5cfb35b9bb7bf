"""How an option is declared: what typer is told of flags, texts, numbers, sizes and choices.

An option without help does nothing here and is not shown.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import typer

from kdumpkey.cli import parsers


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
    return typer.Option(*names, help=help, hidden=not help, rich_help_panel=panel)


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
    return typer.Option(
        *names,
        metavar=metavar,
        parser=parser,
        help=help,
        hidden=not help,
        autocompletion=completing(*words) if words else None,
    )


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
    info = get_args(option)[1]
    return typer.Option(
        info.default,
        *(info.param_decls or ()),
        metavar=metavar or info.metavar,
        parser=info.parser,
        help=help,
        hidden=not help,
        autocompletion=info.autocompletion,
    )


def _word(names: tuple[str, ...]) -> str:
    """An option's name in messages."""
    return names[0].removeprefix("--")
