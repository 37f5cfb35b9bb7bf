"""Times two things in turn, so that a machine whose speed drifts cannot favour one of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One figure: what was measured, ours, the peer's, their ratio, and the ratio to reach."""

    what: str
    ours: str
    peer: str
    ratio: float
    target: float
    at_most: bool = False

    @property
    def reached(self) -> bool:
        """Whether the ratio keeps the promise."""
        return self.ratio <= self.target if self.at_most else self.ratio >= self.target


def seconds(call: Callable[[], object]) -> float:
    """Wall-clock seconds of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def fastest_in_turn(calls: list[Callable[[], float]], rounds: int) -> list[float]:
    """The least that each call returned, over `rounds` rounds in which each had its turn.

    The least, not the mean: noise from other tenants of the machine only ever adds.
    """
    best = [float("inf")] * len(calls)
    for _ in range(rounds):
        for i, call in enumerate(calls):
            best[i] = min(best[i], call())
    return best
