"""What an action came to, and what its exit code means."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from kdumpkey import outcome
from kdumpkey.cli.session import NothingDone, Reported, Run
from kdumpkey.outcome import INTERRUPTED

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
USAGE: Final = outcome.usage(PROGRAM)


def exit_code(run: Run, work: Callable[[], object]) -> int:
    """Do some work, say what went wrong, and tell the code for it.

    Args:
        run: The command line; before its action has begun, a line of usage goes with what is refused.
        work: What to do; an integer that it returns is the code where nothing goes wrong.
    """

    def checked() -> object:
        try:
            return work()
        except NothingDone:
            run.streams.say("No action taken. Invoked with --test-args option.")
            return None
        except Reported as reported:
            _explain(run, reported.error)
            return reported.error.exit_code

    return outcome.exit_code(
        run.streams,
        PROGRAM,
        checked,
        begun=lambda: run.begun,
        explain=lambda error: _explain(run, error),
    )


def describe(run: Run) -> None:
    """Say with --debug what runs where, and what the device of the command line is."""
    from kdumpkey.cli.debugging import describe_run  # noqa: PLC0415 - it looks at far more than is used

    describe_run(run)


def _explain(run: Run, error: Exception) -> None:
    """Say with --debug where an error came from."""
    if run.debug and run.begun:
        from kdumpkey.cli.debugging import describe_error  # noqa: PLC0415 - it looks at far more than is used

        describe_error(run, error)
