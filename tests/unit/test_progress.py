"""The progress bar: a line on a terminal, and nothing anywhere else."""

from __future__ import annotations

import os
import pty

import pytest

from kdumpkey.cli.progress import progress_bar
from kdumpkey.cli.streams import Streams

MIB = 1 << 20


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def drawn(steps: list[tuple[float, int]], total: int) -> str:
    """What stands on the terminal after each (seconds, bytes) was done."""
    clock = Clock()
    screen, terminal = pty.openpty()
    try:
        with progress_bar(Streams(stderr=terminal), total, clock) as advance:
            assert advance is not None
            for seconds, nbytes in steps:
                clock.now += seconds
                advance(nbytes)
        os.write(terminal, b"|")
        text = b""
        while not text.endswith(b"|"):
            text += os.read(screen, 100_000)
        return text.decode()
    finally:
        os.close(screen)
        os.close(terminal)


def test_share_amount_rate_and_time_left_are_shown() -> None:
    text = drawn([(1.0, 25 * MIB), (1.0, 25 * MIB)], 100 * MIB)
    first, second, *_ = text.removeprefix("\r").split("\r")
    assert first == "[======                  ]  25%  25.0 MiB of 100.0 MiB  25.0 MiB/s  0:03 left\x1b[K"
    assert second.startswith("[============            ]  50%  50.0 MiB of 100.0 MiB  25.0 MiB/s  0:02 left")


def test_the_last_line_says_how_long_it_took_and_ends() -> None:
    text = drawn([(3661.0, 100 * MIB)], 100 * MIB)
    assert "100%" in text
    assert text.endswith("1:01:01\x1b[K\r\n|")


def test_what_is_done_at_once_draws_nothing() -> None:
    assert drawn([(0.1, MIB), (0.1, MIB)], 2 * MIB) == "|"


def test_it_is_drawn_five_times_a_second_at_most() -> None:
    assert drawn([(0.01, 1)] * 200, 200).count("\r[") <= 10


@pytest.mark.parametrize("kind", ["pipe", "file"])
def test_no_terminal_no_bar(kind: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    if kind == "pipe":
        reading, fd = os.pipe()
        os.close(reading)
    else:
        fd = os.open(tmp_path_factory.mktemp("x") / "f", os.O_WRONLY | os.O_CREAT)
    with progress_bar(Streams(stderr=fd), 10) as advance:
        assert advance is None
    os.close(fd)


def test_a_terminal_that_goes_away_stops_no_work() -> None:
    clock = Clock()
    screen, terminal = pty.openpty()
    with progress_bar(Streams(stderr=terminal), 10, clock) as advance:
        assert advance is not None
        os.close(screen)
        clock.now += 10
        advance(5)
        advance(5)
    os.close(terminal)
