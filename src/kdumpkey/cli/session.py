"""One run of the program: whom it talks to, how, and whether its action has begun."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from kdumpkey.cli.speech import Speech
from kdumpkey.errors import KdumpkeyError
from kdumpkey.streams import Streams


class NothingDone(Exception):  # noqa: N818 - not an error: the arguments are right, and --test-args asked no more
    """The arguments were all that was to be checked."""


class Reported(Exception):  # noqa: N818 - it carries an error, and is not one
    """An error that was reported already, or that cryptsetup reports by its exit code alone.

    Attributes:
        error: The error; only --debug shows its message.
    """

    def __init__(self, error: KdumpkeyError) -> None:
        super().__init__(str(error))
        self.error = error


class Run:
    """A command line on its way to an action.

    Until an action has begun, what is refused is the command line itself, and a line of usage helps.

    `describe` says what a bug report needs, with --debug.

    Attributes:
        streams: What is read and written.
        speech: How the program is to speak.
        begun: Whether the action has begun.
        given: The action's arguments and options, by their parameters' names.
    """

    def __init__(self, streams: Streams, describe: "Callable[[Run], None]" = lambda _run: None) -> None:
        self.streams = streams
        self._describe = describe
        self.speech = Speech()
        self.begun = False
        self.given: Mapping[str, object] = {}

    @property
    def debug(self) -> bool:
        """Whether what a bug report needs is wanted."""
        return self.speech.debug or self.speech.debug_json

    def begin(self) -> "Session":
        """Say that the arguments are right; what follows is the action's work.

        Raises:
            NothingDone: --test-args was given.
        """
        if self.speech.test_args:
            raise NothingDone
        self.begun = True
        if self.debug:
            self._describe(self)
        return Session(self.streams, self.speech.verbose or self.debug, self.speech.batch)


class Session(NamedTuple):
    """The streams of a run.

    Attributes:
        streams: What is read and written.
        verbose: Whether more than the result is wanted.
        batch: Whether to ask for no confirmation.
    """

    streams: Streams
    verbose: bool = False
    batch: bool = False

    def write(self, text: str) -> None:
        """Write text to standard output as it is."""
        self.streams.show(text)

    def say(self, line: str) -> None:
        """Write a line to standard output."""
        self.streams.say(line)

    def explain(self, line: str) -> None:
        """Write a line to standard output, if more than the result is wanted."""
        if self.verbose:
            self.streams.say(line)

    def complain(self, line: str) -> None:
        """Write a line to standard error."""
        self.streams.complain(line)
