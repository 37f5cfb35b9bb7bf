"""The worker pipeline: every piece once, and no thread left behind by errors and interrupts."""

from __future__ import annotations

import signal
import threading

import pytest

from forked import in_child
from kdumpkey.storage.pipeline import CHUNK, in_order, spread

LENGTHS = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 7 * CHUNK + 5]


@pytest.mark.parametrize("length", LENGTHS)
def test_every_piece_is_worked_on_once(length: int) -> None:
    seen: list[tuple[int, int]] = []
    told: list[int] = []
    spread(length, lambda view, at: seen.append((at, len(view))), told.append)
    assert sorted(seen) == [(at, min(CHUNK, length - at)) for at in range(0, length, CHUNK)]
    assert sum(told) == length


@pytest.mark.parametrize("length", LENGTHS)
def test_pieces_in_order_are_those_that_were_filled(length: int) -> None:
    def fill(view: memoryview, at: int) -> None:
        view[:] = bytes([at // CHUNK]) * len(view)

    got = [(bytes(view[:1]), len(view)) for view in in_order(length, fill)]
    assert got == [(bytes([at // CHUNK]), min(CHUNK, length - at)) for at in range(0, length, CHUNK)]


@pytest.mark.parametrize("kind", [LookupError, KeyboardInterrupt])
def test_an_error_stops_the_others_at_their_next_piece(kind: type[BaseException]) -> None:
    begun: list[int] = []
    before = threading.active_count()

    def work(_view: memoryview, at: int) -> None:
        begun.append(at)
        raise kind

    with pytest.raises(kind):
        spread(1000 * CHUNK, work)
    assert len(begun) <= 4
    assert threading.active_count() == before


def test_an_interrupt_stops_all_threads_before_the_end() -> None:
    pieces = 1 << 40  # they would take for ever
    before, main = threading.active_count(), threading.current_thread()

    def work(_view: memoryview, _at: int) -> None:
        if threading.current_thread() is main:
            signal.raise_signal(signal.SIGINT)

    def body() -> None:
        with pytest.raises(KeyboardInterrupt):
            spread(pieces * CHUNK, work)
        assert threading.active_count() == before

    in_child(body)
