"""From the words of a command line to an exit code."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from kdumpkey.cli.app import app
from kdumpkey.cli.outcome import PROGRAM, describe, exit_code
from kdumpkey.cli.session import Run
from kdumpkey.streams import Streams


def main(argv: Sequence[str], streams: Streams) -> int:
    """Run one command.

    Args:
        argv: The words after the program's name.
        streams: What it reads, writes and asks.

    Returns:
        The exit code: 0, one of cryptsetup's 1 to 5, 10 where the doctor cannot tell, or 130: interrupted.
    """
    run = Run(streams, describe)
    command = typer.main.get_command(app)
    return exit_code(run, lambda: command.main(list(argv), prog_name=PROGRAM, standalone_mode=False, obj=run))
