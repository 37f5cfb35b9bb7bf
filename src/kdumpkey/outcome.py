"""What a program came to: the one place where errors become exit codes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from kdumpkey.errors import KdumpkeyError, UsageError

if TYPE_CHECKING:
    from kdumpkey.streams import Streams

INTERRUPTED: Final = 130  # as a shell reports a program that SIGINT ended


class OptionError(UsageError):
    """An option is unknown, lacks its value, or has one too many; cryptsetup says so without its own name."""


def usage(program: str) -> str:
    """The line of usage that goes with a command line that is refused."""
    return f"Usage: {program} [OPTION...] <action> <action-specific>"


def exit_code(
    streams: Streams,
    program: str,
    work: Callable[[], object],
    *,
    begun: Callable[[], bool],
    explain: Callable[[Exception], object] = lambda _error: None,
) -> int:
    """Do some work, say what went wrong, and tell the code for it.

    Args:
        streams: Where to say it.
        program: The program's name.
        work: What to do; an integer that it returns is the code where nothing goes wrong.
        begun: Whether the command line was accepted; until then, a line of usage goes with what is refused.
        explain: Told of an error before the user is.
    """
    try:
        code = work()
        return code if isinstance(code, int) else 0
    except KdumpkeyError as error:
        explain(error)
        if isinstance(error, UsageError) and not begun():
            prefix = "" if isinstance(error, OptionError) else f"{program}: "
            streams.complain(f"{usage(program)}\n{prefix}{error}")
        elif message := str(error):
            streams.complain(message)
        return error.exit_code
    except KeyboardInterrupt:
        streams.complain("Interrupted.")
        return INTERRUPTED
    except MemoryError:
        streams.complain("Not enough available memory.")
        return 3
    except OSError as error:  # of our own output: whatever else can fail has an error of its own
        explain(error)
        streams.complain(f"{program}: cannot write the output: {error.strerror or error}")
        return 1
