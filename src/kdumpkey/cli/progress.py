"""A line on the terminal: how far long work has come, how fast it goes, how long it will take."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from kdumpkey.cli.streams import Streams, encode, write_all

_PERIOD_S: Final = 0.2
_FIRST_S: Final = 0.5  # what is done by then needs no bar
_CELLS: Final = 24
_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")


@contextmanager
def progress_bar(
    streams: Streams, total: int, clock: Callable[[], float] = time.monotonic
) -> Iterator[Callable[[int], None] | None]:
    """Draw a bar on standard error while the block runs; None where that is no terminal.

    Args:
        streams: Where standard error is.
        total: Bytes to be done.
        clock: Seconds.
    """
    if not streams.stderr_is_terminal:
        yield None
        return
    bar = _Bar(streams.stderr, total, clock)
    try:
        yield bar.advance
    finally:
        bar.end()


class _Bar:
    def __init__(self, fd: int, total: int, clock: Callable[[], float]) -> None:
        self._fd = fd
        self._total = total
        self._clock = clock
        self._begun = clock()
        self._next = self._begun + _FIRST_S
        self._done = 0
        self._drawn = False

    def advance(self, nbytes: int) -> None:
        self._done += nbytes
        now = self._clock()
        if now >= self._next:
            self._next = now + _PERIOD_S
            self._draw(now)

    def end(self) -> None:
        if self._drawn:
            self._draw(self._clock())
            self._put("\n")

    def _draw(self, now: float) -> None:
        self._drawn = True
        share = self._done / self._total if self._total else 1.0
        rate = self._done / max(now - self._begun, 1e-9)
        left = (self._total - self._done) / rate if rate else 0.0
        bar = "=" * int(share * _CELLS)
        line = (
            f"[{bar:{_CELLS}}] {share:4.0%}  {_size(self._done)} of {_size(self._total)}  {_size(rate)}/s  "
        )
        line += f"{_duration(left)} left" if self._done < self._total else f"{_duration(now - self._begun)}"
        self._put(f"\r{line[: self._columns() - 1]}\x1b[K")

    def _columns(self) -> int:
        try:
            return os.get_terminal_size(self._fd).columns or 80
        except OSError:
            return 80

    def _put(self, text: str) -> None:
        try:
            write_all(self._fd, encode(text))
        except OSError:  # the terminal is gone; the work is not for it
            return


def _size(nbytes: float) -> str:
    unit = 0
    while nbytes >= 1024 and unit < len(_UNITS) - 1:
        nbytes /= 1024
        unit += 1
    return f"{nbytes:.0f} {_UNITS[unit]}" if unit == 0 else f"{nbytes:.1f} {_UNITS[unit]}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
