"""Which Argon2 parameters are the strongest that a kdump kernel can still open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from kdumpkey.errors import ResourceError
from kdumpkey.kdump.cost.measure import (
    DEFAULT_PASSES,
    UNPACKED_BYTES,
    Cell,
    Cost,
    Verdict,
    available_kib,
    measure,
    measure_reference,
)

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
    return f"{seconds:g} s are too short for Argon2id with any memory worth having."


def _cheaper(cell: Cell, share: float, *, passes_too: bool = True) -> Cell | None:
    """A cell of so much of the work: fewer passes; less memory at the least of them, or if they stay.

    Fewer than `DEFAULT_PASSES` would be advice that cryptsetup does not take. None: there is nothing less.
    """
    if passes_too and cell.passes > DEFAULT_PASSES:
        return replace(cell, passes=max(DEFAULT_PASSES, min(cell.passes - 1, int(cell.passes * share))))
    if cell.memory_kib <= _LEAST_KIB:
        return None
    memory = min(cell.memory_kib - 1024, int(cell.memory_kib * share) // 1024 * 1024)
    return replace(cell, memory_kib=max(_LEAST_KIB, memory))


def advise(
    reserved_bytes: int,
    seconds: float,
    *,
    default: Cell,
    parallel: int,
    unpacked_bytes: int = UNPACKED_BYTES,
    runs: int = 3,
    measuring: Callable[[Cell], None] = lambda _cell: None,
) -> Advice:
    """Find the strongest Argon2id parameters that fit memory and time here.

    Memory counts twice in the product, passes once: as much memory as fits is taken first, and then as many
    passes as the time allows. What is returned was measured, and lies under both limits.

    Args:
        reserved_bytes: What is reserved for the kdump kernel.
        seconds: How long unlocking may take here.
        default: What is compared with.
        parallel: How many lanes.
        unpacked_bytes: What the kdump kernel's initramfs takes unpacked.
        runs: How often the result is measured.
        measuring: Told what is measured next.

    Raises:
        ResourceError: Nothing fits: too little memory, or too little time for the four
            passes that cryptsetup asks at the least; or this machine has no room to measure.
    """

    def measured(cell: Cell, times: int) -> Cost:
        measuring(cell)
        return measure(cell, times)

    overhead = measured(Cell("argon2id", 8 * 1024, 1, 1), 1).peak_kib - 8 * 1024
    room = available_kib(reserved_bytes, unpacked_bytes) - overhead - _SLACK_KIB
    memory = room // 1024 * 1024
    if memory < _LEAST_KIB:
        raise ResourceError(
            f"In {reserved_bytes // _MIB} MiB nothing is left for Argon2: "
            f"{max(room, 0) // 1024} MiB. Reserve more, or hand the key over."
        )
    cell = Cell("argon2id", min(memory, _MOST_KIB), 1, parallel)
    while True:
        one = measured(cell, 1)
        if one.refused:
            raise ResourceError(f"This has to be measured where there is room: {one.refused}.")
        passes = int(seconds * _TIME_MARGIN / one.seconds) if one.seconds else 1
        if passes >= DEFAULT_PASSES or cell.memory_kib <= _LEAST_KIB:
            break
        # Too slow for the passes that cryptsetup asks at the least: less memory.
        shrunk = int(cell.memory_kib * seconds * _TIME_MARGIN / (one.seconds * DEFAULT_PASSES))
        cell = replace(cell, memory_kib=max(_LEAST_KIB, min(shrunk, cell.memory_kib - 1024) // 1024 * 1024))
    passes = max(passes, DEFAULT_PASSES)  # what that takes is measured below
    # The first pass is dearer than the others: it is the one that the memory is given out in.
    first, many = one.seconds, measured(replace(cell, passes=passes), 1).seconds
    each = (many - first) / (passes - 1)
    if each > 0:
        passes = max(passes, 1 + int((seconds * _TIME_MARGIN - first) / each))
    cell = replace(cell, passes=passes)
    while True:
        cost = measured(cell, runs)
        if cost.refused:  # it has no time and no peak: it would look as if it fitted
            raise ResourceError(f"This has to be measured where there is room: {cost.refused}.")
        fits = cost.verdict(reserved_bytes, unpacked_bytes) is Verdict.FITS
        if fits and cost.seconds <= seconds:
            break
        less = _cheaper(cell, min(_TIME_MARGIN, seconds / cost.seconds), passes_too=fits)
        if less is None:
            raise ResourceError(_too_short(seconds))
        cell = less
    measuring(cell)
    cost = replace(cost, reference_seconds=measure_reference(cell))
    ratio = memory_time_product(default) / memory_time_product(cell)
    return Advice(cost, default, ratio, reserved_bytes, seconds)
