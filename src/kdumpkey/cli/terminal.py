"""A passphrase typed at a terminal: no echo, and the terminal as it was before on every way out."""

from __future__ import annotations

import os
import select
import signal
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from kdumpkey.errors import UsageError
from kdumpkey.printable import printable
from kdumpkey.secret import SecretBuffer
from kdumpkey.storage.transfer import write_in_full
from kdumpkey.streams import Streams, encode

LONGEST: Final = 512  # characters; what is typed beyond is dropped, as cryptsetup drops it
_LINE: Final = 4096  # the kernel's longest line in canonical mode
_ECHO: Final = termios.ECHO | termios.ECHONL
_LOCAL_FLAGS: Final = 3  # of the list that tcgetattr returns
_DEADLY: Final = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_UNREAD: Final = "Error reading passphrase from terminal."


class _KilledError(Exception):
    """A signal that ends the process arrived while the terminal did not echo."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def ask_secret(streams: Streams, prompt: str, *, timeout_s: int = 0) -> SecretBuffer:
    """Ask for a passphrase at the terminal.

    Args:
        streams: Where the terminal is; without one, standard input and error are taken.
        prompt: What to ask.
        timeout_s: After how many seconds to give up; 0: never.

    Raises:
        UsageError: Nothing came: the end of input, an interrupt, or the time was over.
    """
    try:
        fd = terminal = os.open(streams.terminal, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        opened = True
    except OSError:
        fd, terminal, opened = streams.stdin, streams.stderr, False
    try:
        with _deadly_signals_raised(), _no_echo(fd):
            write_in_full(terminal, encode(printable(prompt, lines=True)))
            passphrase = _read_line(fd, timeout_s)
        write_in_full(terminal, b"\n")
        return passphrase
    except (OSError, termios.error, KeyboardInterrupt) as error:
        raise UsageError(_UNREAD) from error
    except _KilledError as killed:
        signal.signal(killed.number, signal.SIG_DFL)
        signal.raise_signal(killed.number)
        raise UsageError(_UNREAD) from killed
    finally:
        if opened:
            os.close(fd)


def _read_line(fd: int, timeout_s: int) -> SecretBuffer:
    if not select.select([fd], [], [], timeout_s or None)[0]:
        raise UsageError(_UNREAD)
    with SecretBuffer(_LINE) as buffer, memoryview(buffer) as view:
        got = os.readv(fd, [view])
        if got == 0:
            raise UsageError(_UNREAD)
        end = got - 1 if view[got - 1] == ord("\n") else got
        return SecretBuffer.copy_of(view[: min(end, LONGEST)])


@contextmanager
def _no_echo(fd: int) -> Iterator[None]:
    before = termios.tcgetattr(fd)
    silent = list(before)
    silent[_LOCAL_FLAGS] &= ~_ECHO
    try:
        termios.tcsetattr(fd, termios.TCSAFLUSH, silent)
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSAFLUSH, before)


@contextmanager
def _deadly_signals_raised() -> Iterator[None]:
    """Make signals that would end the process unwind it first, so that the terminal is put back."""

    def unwind(number: int, _frame: FrameType | None) -> None:
        raise _KilledError(number)

    before = {number: signal.getsignal(number) for number in _DEADLY}
    caught = [number for number in _DEADLY if before[number] is signal.SIG_DFL]
    for number in caught:
        signal.signal(number, unwind)
    try:
        yield
    finally:
        for number in caught:
            signal.signal(number, before[number])


def ask_line(streams: Streams, prompt: str) -> str | None:
    """Ask for a visible answer at standard input, which is a terminal; None: there was none."""
    streams.show(prompt)
    try:
        answer = os.read(streams.stdin, _LINE)
    except (OSError, KeyboardInterrupt):
        return None
    return answer.decode("utf-8", "replace").rstrip("\n") if answer else None
