"""One run of one action: what was asked for, and whom it talks to."""

from __future__ import annotations

from dataclasses import dataclass

from kdumpkey.cli.argv import Invocation
from kdumpkey.cli.streams import Streams


@dataclass(frozen=True)
class Session:
    """The invocation and the streams of a run."""

    invocation: Invocation
    streams: Streams

    @property
    def verbose(self) -> bool:
        """Whether -v or --debug was given."""
        return any(self.invocation.flag(name) for name in ("verbose", "debug", "debug-json"))

    @property
    def batch(self) -> bool:
        """Whether to ask for no confirmation."""
        return self.invocation.flag("batch-mode")

    @property
    def device(self) -> str:
        """The first argument, which most actions take for the device."""
        return self.invocation.arguments[0]

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
