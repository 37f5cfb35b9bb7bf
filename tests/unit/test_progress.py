"""The progress bar: a line on a terminal, and nothing anywhere else."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import termios

import pytest

from kdumpkey.cli.progress import deriving_line, progress_bar
from kdumpkey.crypto.kdf import Argon2
from kdumpkey.luks.model import Area, Keyslot
from kdumpkey.streams import Streams

MIB = 1 << 20


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def drawn(steps: list[tuple[float, int]], total: int, columns: int = 80, *, colour: bool = False) -> str:
    """What stands on the terminal after each (seconds, bytes) was done."""
    clock = Clock()
    screen, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    streams = Streams(stderr=terminal, environment={} if colour else {"NO_COLOR": "1"})
    try:
        with progress_bar(streams, total, clock) as advance:
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


def lines(text: str) -> list[str]:
    return [line.removesuffix("\x1b[K") for line in text.removeprefix("\r").split("\r")]


def test_share_amount_rate_and_time_left_are_shown() -> None:
    first, second, *_ = lines(drawn([(1.0, 25 * MIB), (1.0, 25 * MIB)], 100 * MIB))
    assert first.split()[1:] == ["25%", "25.0", "MiB", "of", "100.0", "MiB", "25.0", "MiB/s", "0:03", "left"]
    assert second.split()[1:] == ["50%", "50.0", "MiB", "of", "100.0", "MiB", "25.0", "MiB/s", "0:02", "left"]
    assert second.count("━") == 2 * first.count("━") == 12


def test_the_last_line_says_how_long_it_took_and_ends() -> None:
    text = drawn([(3661.0, 100 * MIB)], 100 * MIB)
    assert "100%" in text
    assert lines(text)[-2].rstrip().endswith("1:01:01")
    assert text.endswith("\x1b[K\r\n|")


@pytest.mark.parametrize("columns", [20, 40, 80, 200])
def test_a_line_is_never_wider_than_the_terminal(columns: int) -> None:
    steps = [(1.0, 25 * MIB), (1.0, 25 * MIB)]
    assert all(len(line) < columns for line in lines(drawn(steps, 100 * MIB, columns)))


@pytest.mark.parametrize("colour", [False, True])
def test_the_bar_has_colour_unless_no_color_is_set(colour: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    text = drawn([(1.0, MIB)], 2 * MIB, colour=colour)
    assert ("\x1b[38" in text or "\x1b[3" in text) == colour
    assert "\x1b[?25l" not in text  # the cursor stays: a signal could not bring it back


def test_what_is_done_at_once_draws_nothing() -> None:
    assert drawn([(0.1, MIB), (0.1, MIB)], 2 * MIB) == "|"


def test_it_is_drawn_five_times_a_second_at_most() -> None:
    assert drawn([(0.01, 1)] * 200, 200).count("\x1b[K") <= 10


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


# -- what a passphrase waits for

SLOT = 3
KEYSLOT = Keyslot(
    id=SLOT,
    type="luks2",
    key_size=64,
    area=Area(type="raw", offset=32768, size=258048, encryption="aes-xts-plain64", key_size=64),
    kdf=Argon2("argon2id", 4, 1024 * 1024, 4, bytes(32)),
)


def derived(steps: list[float]) -> str:
    """What stands on the terminal after slices that took so many seconds."""
    clock = Clock()
    screen, terminal = pty.openpty()
    try:
        with deriving_line(Streams(stderr=terminal), clock) as show:
            assert show is not None
            for done, seconds in enumerate(steps, 1):
                clock.now += seconds
                show(KEYSLOT, done, len(steps))
        os.write(terminal, b"|")
        text = b""
        while not text.endswith(b"|"):
            text += os.read(screen, 100_000)
        return text.decode().removesuffix("|")
    finally:
        os.close(screen)
        os.close(terminal)


def test_a_long_derivation_says_what_it_derives_and_leaves_nothing() -> None:
    first, second, last = lines(derived([0.4, 0.4, 0.4, 0.4])[: -len("\r\x1b[K")])
    assert first == "Deriving the key of keyslot 3 (argon2id, 1.0 GiB)… 50 %"
    assert (second[-4:], last[-5:]) == ("75 %", "100 %")
    assert derived([0.4, 0.4]).endswith("\r\x1b[K")


def test_a_short_derivation_writes_nothing() -> None:
    assert derived([0.1, 0.1, 0.1, 0.1]) == ""


def test_a_derivation_is_shown_on_a_terminal_alone() -> None:
    reading, writing = os.pipe()
    try:
        with deriving_line(Streams(stderr=writing)) as show:
            assert show is None
    finally:
        os.close(reading)
        os.close(writing)
