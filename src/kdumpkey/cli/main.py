"""From the words of a command line to an exit code: the one place where errors become codes."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Final, cast

import typer

from kdumpkey.cli.actions import Action
from kdumpkey.cli.argv import OptionError, resolve, split_words
from kdumpkey.cli.help_text import PROGRAM, USAGE, help_text, version_text
from kdumpkey.cli.rules import check
from kdumpkey.cli.session import Session
from kdumpkey.cli.streams import Streams
from kdumpkey.errors import KdumpkeyError, UsageError

Command = Callable[[Session], None]

_INTERRUPTED: Final = 130  # as a shell reports a program that SIGINT ended
_MEANINGS: Final = {
    1: "wrong or missing parameters",
    2: "no permission or bad passphrase",
    3: "out of memory",
    4: "wrong device or file specified",
    5: "device already exists or device is busy",
    10: "cannot tell",
    _INTERRUPTED: "interrupted",
}


def main(argv: Sequence[str], streams: Streams) -> int:
    """Run one command.

    Args:
        argv: The words after the program's name.
        streams: What it reads, writes and asks.

    Returns:
        The exit code: 0, one of cryptsetup's 1 to 5, or 130 after an interrupt.
    """
    try:
        words = split_words(argv)
        if words.at_once:
            text = {"help": help_text(words.others), "usage": USAGE, "version": version_text()}[words.at_once]
            return _exit_code(streams, lambda: streams.say(text))
        invocation = resolve(words)
        check(invocation)
    except UsageError as error:
        prefix = "" if isinstance(error, OptionError) else f"{PROGRAM}: "
        streams.complain(f"{USAGE}\n{prefix}{error}")
        return error.exit_code
    session = Session(invocation, streams)
    if invocation.flag("test-args"):
        no_action = "No action taken. Invoked with --test-args option."
        return _exit_code(streams, lambda: streams.say(no_action))
    if invocation.action.command is None:
        streams.complain(f"{PROGRAM} does not do {invocation.action.name}; cryptsetup does.")
        return 1
    code = _dispatch(invocation.action, session)
    if session.verbose:
        outcome = f"failed with code -{code} ({_MEANINGS[code]})" if code else "successful"
        code = max(code, _exit_code(streams, lambda: streams.say(f"Command {outcome}.")))
    return code


def _dispatch(action: Action, session: Session) -> int:
    """Have typer run the action's command, by its own name, with the options as they were read."""
    module, _, function = (action.command or "").partition(":")

    # Its own help option would make typer import pydantic: twice the time and the memory of everything else.
    app = typer.Typer(
        add_completion=False,
        add_help_option=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )

    @app.callback(add_help_option=False)
    def group() -> None:
        """Make it a group, however few commands it has."""

    @app.command(action.name, add_help_option=False)
    def run() -> int:
        def work() -> None:
            command = importlib.import_module(f"kdumpkey.cli.commands.{module}")
            cast("Command", getattr(command, function))(session)

        return _exit_code(session.streams, work)

    command = typer.main.get_command(app)
    return cast("int", command.main([action.name], prog_name=PROGRAM, standalone_mode=False))


def _exit_code(streams: Streams, work: Callable[[], None]) -> int:
    try:
        work()
    except KdumpkeyError as error:
        if message := str(error):
            streams.complain(message)
        return error.exit_code
    except KeyboardInterrupt:
        streams.complain("Interrupted.")
        return _INTERRUPTED
    except MemoryError:
        streams.complain("Not enough available memory.")
        return 3
    except OSError as error:  # of our own output: whatever else can fail has an error of its own
        streams.complain(f"{PROGRAM}: cannot write the output: {error.strerror or error}")
        return 1
    return 0
