"""What a command is connected to: file descriptors and environment, passed in so that tests pass others."""

import os
from collections.abc import Mapping
from typing import NamedTuple

from kdumpkey.printable import printable, printable_json
from kdumpkey.storage.transfer import write_in_full


class Streams(NamedTuple):
    """Standard input, output and error as file descriptors, the terminal's path, and the environment.

    Nothing is buffered: what is written has reached the system, or has raised.
    """

    stdin: int = 0
    stdout: int = 1
    stderr: int = 2
    terminal: str = "/dev/tty"
    environment: Mapping[str, str] = os.environ

    @property
    def stdin_is_terminal(self) -> bool:
        """Whether a person types what is read."""
        return os.isatty(self.stdin)

    @property
    def stdout_is_terminal(self) -> bool:
        """Whether a person sees the result."""
        return os.isatty(self.stdout)

    @property
    def stderr_is_terminal(self) -> bool:
        """Whether a person sees what is said."""
        return os.isatty(self.stderr)

    def say(self, line: str) -> None:
        """Write a line to standard output.

        Raises:
            OSError: It cannot be written.
        """
        self.show(line + "\n")

    def show(self, text: str) -> None:
        """Write text to standard output: as it is, but to a terminal without what that would obey.

        Raises:
            OSError: It cannot be written.
        """
        write_in_full(self.stdout, encode(printable(text, lines=True) if self.stdout_is_terminal else text))

    def show_json(self, text: str) -> None:
        """Write JSON text to standard output: to a terminal with its own escapes for what that would obey.

        Raises:
            OSError: It cannot be written.
        """
        write_in_full(self.stdout, encode(printable_json(text) if self.stdout_is_terminal else text))

    def quoted(self, text: str) -> str:
        """A text that others wrote, for a part of a line: at a terminal it cannot pass for lines."""
        return printable(text) if self.stdout_is_terminal else text

    def complain(self, line: str) -> None:
        """Write a line to standard error; where that is closed or full, there is nobody left to tell."""
        try:
            shown = printable(line, lines=True) if self.stderr_is_terminal else line
            write_in_full(self.stderr, encode(shown + "\n"))
        except OSError:
            return


def encode(text: str) -> bytes:
    """Text as it goes out: names that are not UTF-8 as their own bytes."""
    return text.encode("utf-8", "surrogateescape")
