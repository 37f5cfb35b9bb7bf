"""A line on the terminal: how far long work has come, how fast it goes, how long it will take."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from kdumpkey.crypto.kdf import Argon2
from kdumpkey.storage.transfer import write_in_full
from kdumpkey.streams import Streams, encode

if TYPE_CHECKING:
    from kdumpkey.luks.model import Keyslot
    from kdumpkey.luks.unlock import Deriving

_PERIOD_S: Final = 0.2
_FIRST_S: Final = 0.5  # what is done by then needs no bar
_CELLS: Final = 24
_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")


@contextmanager
def progress_bar(
    streams: Streams, total: int, clock: Callable[[], float] = time.monotonic
) -> Iterator[Callable[[int], None] | None]:
    """Draw a bar on standard error while the block runs; None: that is not a terminal.

    Args:
        streams: Where standard error is.
        total: Bytes to be done.
        clock: Seconds.
    """
    if not streams.stderr_is_terminal:
        yield None
        return
    bar = _Bar(streams, total, clock)
    try:
        yield bar.advance
    finally:
        bar.end()


@contextmanager
def status_line(streams: Streams) -> Iterator[Callable[[str], None]]:
    """Show on standard error, if that is a terminal, what is being done; the line goes with the block.

    Args:
        streams: Where standard error is.
    """
    if not streams.stderr_is_terminal:
        yield lambda _text: None
        return

    shown = False

    def put(text: str) -> None:
        nonlocal shown
        shown = True
        with suppress(OSError):  # the terminal is gone; the work is not for it
            write_in_full(streams.stderr, encode(f"\r{text}\x1b[K"))

    try:
        yield put
    finally:
        if shown:
            put("")


@contextmanager
def deriving_line(streams: Streams, clock: Callable[[], float] = time.monotonic) -> Iterator[Deriving | None]:
    """Show on standard error what a passphrase waits for; None: that is not a terminal.

    Args:
        streams: Where standard error is.
        clock: Seconds.
    """
    if not streams.stderr_is_terminal:
        yield None
        return
    begun = clock()
    with status_line(streams) as put:

        def show(keyslot: Keyslot, done: int, of: int) -> None:
            if clock() - begun >= _FIRST_S:
                put(f"Deriving the key of keyslot {keyslot.id}{_costs(keyslot)}… {100 * done // of} %")

        yield show


def _costs(keyslot: Keyslot) -> str:
    function = keyslot.kdf
    if not isinstance(function, Argon2):
        return ""
    return f" ({function.variant}, {_size(function.memory_kib * 1024)})"


class _Bar:
    def __init__(self, streams: Streams, total: int, clock: Callable[[], float]) -> None:
        self._streams = streams
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
        """Draw the line anew; rich lays it out, but must not hide the cursor: a signal would leave it so."""
        from rich.console import Console  # noqa: PLC0415 - what is done at once draws nothing, and needs no rich
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn  # noqa: PLC0415 - as above

        self._drawn = True
        page = io.StringIO()
        console = Console(
            file=page,
            force_terminal=True,
            width=self._columns() - 1,
            color_system=None if self._streams.environment.get("NO_COLOR") else "auto",
        )
        fields = (TextColumn(f"{{task.fields[{name}]}}") for name in ("amount", "rate", "left"))
        bar = Progress(
            BarColumn(bar_width=_CELLS), TaskProgressColumn(), *fields, console=console, auto_refresh=False
        )
        passed = max(now - self._begun, 1e-9)
        rate = self._done / passed
        left = (self._total - self._done) / rate if rate else 0.0
        bar.add_task(
            "",
            total=self._total or 1,
            completed=self._done if self._total else 1,
            amount=f"{_size(self._done)} of {_size(self._total)}",
            rate=f"{_size(rate)}/s",
            left=f"{_duration(left)} left" if self._done < self._total else _duration(passed),
        )
        console.print(bar.get_renderable())
        self._put(f"\r{page.getvalue().partition(chr(10))[0]}\x1b[K")

    def _columns(self) -> int:
        try:
            return os.get_terminal_size(self._streams.stderr).columns or 80
        except OSError:
            return 80

    def _put(self, text: str) -> None:
        try:
            write_in_full(self._streams.stderr, encode(text))
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
