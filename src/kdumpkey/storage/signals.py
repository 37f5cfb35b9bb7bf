"""Signals that end a process, held back while files are half done."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from types import FrameType

_ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class SignalledError(BaseException):
    """A signal ended the work inside `HeldSignals`, which delivers it once everything is cleaned up."""


class HeldSignals:
    """Hold SIGINT, SIGTERM and SIGHUP back until the end of a `with` block, and deliver the first one then.

    Where `interrupting` is set, a signal breaks off the work by a `SignalledError`, so that the block can
    clean up at once; the signal itself still comes at the end. Signals that were ignored stay ignored.
    Python runs handlers only in its main thread: elsewhere nothing is held back.
    """

    def __init__(self) -> None:
        self.interrupting = False
        self._number: int | None = None
        self._before: dict[int, signal._HANDLER] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in _ENDING:
                if (handler := signal.getsignal(number)) not in (signal.SIG_IGN, None):
                    self._before[number] = handler
                    signal.signal(number, self._note)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.interrupting = False
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._number is not None:
            signal.raise_signal(self._number)  # ends the process, or raises what its handler raises

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._number = self._number or number
        if self.interrupting:
            self.interrupting = False
            raise SignalledError
