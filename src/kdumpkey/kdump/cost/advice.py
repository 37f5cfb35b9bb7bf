"""Which Argon2 parameters are the strongest that a kdump kernel can still open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from kdumpkey.errors import ResourceError
from kdumpkey.kdump.cost.measure import (
    DEFAULT_PASSES,
    Cell,
    Cost,
    Fit,
    available_kib,
    measure,
    measure_reference,
)
from kdumpkey.memory.kdump_kernel import UNPACKED_BYTES

_MIB: Final = 1 << 20
_SLACK_KIB: Final = 2048  # page tables and what the allocator rounds up
_TIME_MARGIN: Final = 0.97
_LEAST_KIB: Final = 8 * 1024
_MOST_KIB: Final = 4 * 1024 * 1024  # what a LUKS2 header may ask for


@dataclass(frozen=True)
class Advice:
    """The strongest parameters that fit, as measured, and what they are worth against the default.

    Attributes:
        cost: What was measured of them.
        default: What is compared with.
        ratio: The default's memory-time product over theirs: by so much a guess is cheaper.
        reserved_bytes: The memory that they had to fit.
        seconds: The time that they had to fit.
    """

    cost: Cost
    default: Cell
    ratio: float
    reserved_bytes: int
    seconds: float


def memory_time_product(cell: Cell) -> float:
    """What an attacker pays for a guess: memory held for a time that goes with memory times passes."""
    return float(cell.memory_kib) ** 2 * cell.passes


def _too_short(seconds: float) -> str:
    return f"{seconds:g} s are too short for Argon2id with a useful amount of memory."


def _cheaper(cell: Cell, share: float, *, passes_too: bool = True) -> Cell | None:
    """A cell with that share of the work: fewer passes, or with the fewest of them less memory.

    cryptsetup accepts no fewer than `DEFAULT_PASSES`. None: nothing is cheaper.
    """
    if passes_too and cell.passes > DEFAULT_PASSES:
        return replace(cell, passes=max(DEFAULT_PASSES, min(cell.passes - 1, int(cell.passes * share))))
    if cell.memory_kib <= _LEAST_KIB:
        return None
    memory = min(cell.memory_kib - 1024, int(cell.memory_kib * share) // 1024 * 1024)
    return replace(cell, memory_kib=max(_LEAST_KIB, memory))


@dataclass(frozen=True)
class Bounds:
    """What unlocking in the kdump kernel has to fit.

    Attributes:
        reserved_bytes: The memory that is reserved for the kdump kernel.
        seconds: How long unlocking may take here.
        unpacked_bytes: What the kdump kernel's initramfs takes unpacked.
    """

    reserved_bytes: int
    seconds: float
    unpacked_bytes: int = UNPACKED_BYTES

    def admit(self, cost: Cost) -> bool:
        """Whether a derivation that was measured fits the memory."""
        return cost.verdict(self.reserved_bytes, self.unpacked_bytes) is Fit.FITS


def advise(
    bounds: Bounds,
    *,
    default: Cell,
    parallel: int,
    runs: int = 3,
    measuring: Callable[[Cell], None] = lambda _cell: None,
) -> Advice:
    """Find the strongest Argon2id parameters that fit memory and time here.

    Memory counts twice in the product, passes once: so the search takes as much memory as fits, and then as
    many passes as the time allows. What is returned was measured, and lies under both limits.

    Args:
        bounds: Memory and time.
        default: What is compared with.
        parallel: How many lanes.
        runs: How often the result is measured.
        measuring: Told what is measured next.

    Raises:
        ResourceError: Nothing fits: too little memory, or too little time for the four passes that cryptsetup
            demands; or this machine has too little memory to measure.
    """

    def measured(cell: Cell, times: int) -> Cost:
        measuring(cell)
        cost = measure(cell, times)
        if cost.refused:  # it has no time and no peak: it would look as if it fitted
            raise ResourceError(f"This machine has too little memory to measure that: {cost.refused}.")
        return cost

    overhead = measured(Cell("argon2id", 8 * 1024, 1, 1), 1).peak_kib - 8 * 1024
    cell = _with_passes(bounds, _with_memory(bounds, overhead, parallel), measured)
    while True:
        cost = measured(cell, runs)
        fits = bounds.admit(cost)
        if fits and cost.seconds <= bounds.seconds:
            break
        less = _cheaper(cell, min(_TIME_MARGIN, bounds.seconds / cost.seconds), passes_too=fits)
        if less is None:
            raise ResourceError(_too_short(bounds.seconds))
        cell = less
    measuring(cell)
    cost = replace(cost, reference_seconds=measure_reference(cell))
    ratio = memory_time_product(default) / memory_time_product(cell)
    return Advice(cost, default, ratio, bounds.reserved_bytes, bounds.seconds)


def _with_memory(bounds: Bounds, overhead_kib: int, parallel: int) -> Cell:
    """A single pass over as much memory as fits beside the program itself."""
    room = available_kib(bounds.reserved_bytes, bounds.unpacked_bytes) - overhead_kib - _SLACK_KIB
    memory = room // 1024 * 1024
    if memory < _LEAST_KIB:
        raise ResourceError(
            f"In {bounds.reserved_bytes // _MIB} MiB nothing is left for Argon2: "
            f"{max(room, 0) // 1024} MiB. Reserve more, or hand the key over."
        )
    return Cell("argon2id", min(memory, _MOST_KIB), 1, parallel)


def _with_passes(bounds: Bounds, cell: Cell, measured: Callable[[Cell, int], Cost]) -> Cell:
    """As many passes as the time allows; if too few, over less memory."""
    seconds = bounds.seconds * _TIME_MARGIN
    while True:
        one = measured(cell, 1)
        passes = int(seconds / one.seconds) if one.seconds else 1
        if passes >= DEFAULT_PASSES or cell.memory_kib <= _LEAST_KIB:
            break
        # Too slow for the fewest passes that cryptsetup accepts: less memory.
        shrunk = int(cell.memory_kib * seconds / (one.seconds * DEFAULT_PASSES))
        cell = replace(cell, memory_kib=max(_LEAST_KIB, min(shrunk, cell.memory_kib - 1024) // 1024 * 1024))
    passes = max(passes, DEFAULT_PASSES)  # the caller measures how long that takes
    # The first pass takes longer than the others, because the kernel hands out the memory in it.
    first, many = one.seconds, measured(replace(cell, passes=passes), 1).seconds
    each = (many - first) / (passes - 1)
    if each > 0:
        passes = max(passes, 1 + int((seconds - first) / each))
    return replace(cell, passes=passes)
