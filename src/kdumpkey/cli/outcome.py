"""What an action came to: the one place where errors become exit codes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from kdumpkey.cli.manners import OptionError
from kdumpkey.cli.session import NothingDone, Run
from kdumpkey.errors import KdumpkeyError, UsageError

INTERRUPTED: Final = 130  # as a shell reports a program that SIGINT ended
MEANINGS: Final = {
    1: "wrong or missing parameters",
    2: "no permission or bad passphrase",
    3: "out of memory",
    4: "wrong device or file specified",
    5: "device already exists or device is busy",
    10: "cannot tell",
    INTERRUPTED: "interrupted",
}
PROGRAM: Final = "kdumpkey"
USAGE: Final = f"Usage: {PROGRAM} [OPTION...] <action> <action-specific>"


def exit_code(run: Run, work: Callable[[], object]) -> int:
    """Do some work, say what went wrong, and tell the code for it.

    Args:
        run: The command line; before its action has begun, a line of usage goes with what is refused.
        work: What to do; an integer that it returns is the code where nothing goes wrong.
    """
    streams = run.streams
    try:
        code = work()
        return code if isinstance(code, int) else 0
    except NothingDone:
        return exit_code(run, lambda: streams.say("No action taken. Invoked with --test-args option."))
    except KdumpkeyError as error:
        _explain(run, error)
        if isinstance(error, UsageError) and not run.begun:
            prefix = "" if isinstance(error, OptionError) else f"{PROGRAM}: "
            streams.complain(f"{USAGE}\n{prefix}{error}")
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
        _explain(run, error)
        streams.complain(f"{PROGRAM}: cannot write the output: {error.strerror or error}")
        return 1


def _explain(run: Run, error: Exception) -> None:
    """Say with --debug where an error came from."""
    if run.debug and run.begun:
        from kdumpkey.cli.debugging import describe_error  # noqa: PLC0415 - it looks at far more than is used

        describe_error(run, error)
