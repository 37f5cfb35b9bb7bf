"""The help of an action or a group, as typer and rich draw it, wrapped to the terminal."""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import typer

    from kdumpkey.streams import Streams


class _Page(io.StringIO):
    """Text that is a terminal's where colour is wanted."""

    def __init__(self, colour: bool) -> None:
        super().__init__()
        self._colour = colour

    def isatty(self) -> bool:
        """Whether it is to have colour."""
        return self._colour


def help_text(command: Any, context: typer.Context, streams: Streams) -> str:
    """The help of a command.

    Args:
        command: The program, a group, or an action.
        context: Its own, for the names before it.
        streams: Where the help will go: it has colour on a terminal, unless $NO_COLOR is set.
    """
    from typer import rich_utils  # noqa: PLC0415 - rich costs as much as everything else: only help draws with it

    colour = streams.stdout_is_terminal and not streams.environment.get("NO_COLOR")
    rich_utils.FORCE_TERMINAL = colour
    page = _Page(colour)
    with contextlib.redirect_stdout(page):
        command.get_help(context)
    return page.getvalue()
