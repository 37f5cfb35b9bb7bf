"""What a keyslot's key derivation costs here, and in which reserved memory it fits: measured."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from statistics import median
from typing import TYPE_CHECKING, Final

from kdumpkey.crypto.kdf import Kdf, Pbkdf2
from kdumpkey.errors import ResourceError
from kdumpkey.interpreter import PYTHON
from kdumpkey.memory.kdump_kernel import UNPACKED_BYTES, left_bytes
from kdumpkey.memory.limits import memory_limit

if TYPE_CHECKING:
    from kdumpkey.memory.limits import Limit

_MIB: Final = 1 << 20
DEFAULT_MEMORY_MIB: Final = (64, 128, 256, 512, 1024)
DEFAULT_PASSES: Final = 4
DEFAULT_RESERVED: Final = tuple(mib * _MIB for mib in (128, 160, 192, 256, 320, 512, 1024))


class Fit(Enum):
    """What becomes of a key derivation in a kdump kernel."""

    FITS = "fits"
    DOES_NOT_FIT = "does not fit"  # its memory alone is more than is available: kdumpkey refuses it
    KILLED = "would be killed"  # its memory fits, but the program around it does not


class RunOutcome(Enum):
    """What became of one under a real limit."""

    OPENED = "opened"
    REFUSED = "refused"
    KILLED = "killed"


@dataclass(frozen=True)
class Cell:
    """A key derivation to be measured.

    Attributes:
        kdf: ``argon2id``, ``argon2i`` or ``pbkdf2``.
        memory_kib: Argon2's memory; 0 for PBKDF2.
        passes: Argon2's time cost, or PBKDF2's iterations.
        parallel: Argon2's lanes; 1 for PBKDF2.
        hash: PBKDF2's hash; empty for Argon2.
        label: Where it comes from: empty for the grid, ``disk.img keyslot 0`` for a device's.
    """

    kdf: str
    memory_kib: int
    passes: int
    parallel: int
    hash: str = ""
    label: str = ""

    @staticmethod
    def of(function: Kdf, label: str) -> Cell:
        """The cell of a keyslot's function."""
        if isinstance(function, Pbkdf2):
            return Cell("pbkdf2", 0, function.iterations, 1, function.hash, label)
        return Cell(function.variant, function.memory_kib, function.time, function.parallel, "", label)

    def request(self, *, check: bool, reference: bool = False) -> bytes:
        """What the measuring process is told; `reference`: to run cryptsetup's implementation, not ours."""
        names = {"kdf": self.kdf, "check": check, "reference": reference}
        if self.kdf == "pbkdf2":
            names |= {"hash": self.hash, "iterations": self.passes}
        else:
            names |= {"memory_kib": self.memory_kib, "time": self.passes, "parallel": self.parallel}
        return json.dumps(names).encode()


@dataclass(frozen=True)
class Cost:
    """What a cell was measured to cost: the medians of some runs, or why it could not be run here.

    `reference_seconds` is the time of the implementation that cryptsetup uses; 0 where it was not measured.
    """

    cell: Cell
    seconds: float = 0.0
    peak_kib: int = 0
    refused: str = ""
    reference_seconds: float = 0.0

    def verdict(self, reserved_bytes: int, unpacked_bytes: int = UNPACKED_BYTES) -> Fit:
        """What becomes of it in so much reserved memory."""
        there = available_kib(reserved_bytes, unpacked_bytes)
        if self.cell.memory_kib > there or (self.refused and self.cell.memory_kib * 1.02 > there):
            return Fit.DOES_NOT_FIT
        return Fit.FITS if self.peak_kib <= there else Fit.KILLED


@dataclass(frozen=True)
class Proof:
    """What happened to a cell under a real limit, and by which mechanism."""

    cell: Cell
    reserved_bytes: int
    verdict: Fit
    outcome: RunOutcome
    mechanism: str
    weaker: bool

    @property
    def agrees(self) -> bool:
        """Whether the outcome is the one predicted; a mechanism that never kills refuses instead."""
        due = {
            Fit.FITS: {RunOutcome.OPENED},
            Fit.DOES_NOT_FIT: {RunOutcome.REFUSED},
            Fit.KILLED: {RunOutcome.REFUSED} if self.weaker else {RunOutcome.KILLED},
        }
        return self.outcome in due[self.verdict]


def available_kib(reserved_bytes: int, unpacked_bytes: int = UNPACKED_BYTES) -> int:
    """What a kdump kernel leaves for programs of so much reserved memory, in KiB."""
    return max(0, left_bytes(reserved_bytes, unpacked_bytes)) // 1024


def grid(memory_mib: Sequence[int], passes: Sequence[int], parallel: Sequence[int], kdf: str) -> list[Cell]:
    """Every combination, the cheapest first, except lanes that need more memory than the cell has."""
    return [
        Cell(kdf, mib * 1024, times, lanes)
        for mib in sorted(set(memory_mib))
        for times in sorted(set(passes))
        for lanes in sorted(set(parallel))
        if mib * 1024 >= 8 * lanes
    ]


def measure(
    cell: Cell,
    runs: int = 3,
    *,
    reference: bool = False,
    done: Callable[[float], None] | None = None,
) -> Cost:
    """Run a cell a number of times, each in a process of its own.

    Args:
        cell: What is run.
        runs: How often; the median counts.
        reference: Run the implementation that cryptsetup uses, too; once, as it is the slower one.
        done: Told the seconds of each run of ours when it is over.

    Returns:
        The medians; or `refused`, where this machine has not the memory for it.
    """
    seconds, peaks = [], []
    for _ in range(runs):
        result, _status = _run(cell, check=True)
        if "refused" in result:
            return Cost(cell, refused=str(result["refused"]))
        if "seconds" not in result:
            return Cost(cell, refused="the process that measured it was killed")
        seconds.append(float(str(result["seconds"])))
        peaks.append(int(str(result["peak_kib"])))
        if done:
            done(seconds[-1])
    other = measure_reference(cell) if reference else 0.0
    return Cost(cell, median(seconds), round(median(peaks)), "", other)


def measure_reference(cell: Cell) -> float:
    """Run a cell once by the implementation that cryptsetup uses.

    Returns:
        Seconds; 0 where it cannot be run here.
    """
    return float(str(_run(cell, check=True, reference=True)[0].get("seconds", 0.0)))


def prove(cost: Cost, reserved_bytes: int, unpacked_bytes: int = UNPACKED_BYTES) -> Proof:
    """Run a cell once under the memory that a kdump kernel would leave.

    What does not fit is run as kdumpkey runs it, looking first; what would be killed as others run it, which
    do not look.
    """
    verdict = cost.verdict(reserved_bytes, unpacked_bytes)
    with memory_limit(available_kib(reserved_bytes, unpacked_bytes) * 1024) as limit:
        outcome = _under(limit, cost.cell, check=verdict is Fit.DOES_NOT_FIT)
        return Proof(cost.cell, reserved_bytes, verdict, outcome, limit.kind, limit.weaker)


def expected_seconds(
    cells: Sequence[Cell],
    runs: int,
    proofs: Sequence[int] = (),
    unpacked_bytes: int = UNPACKED_BYTES,
    *,
    reference: bool = False,
) -> float:
    """How long measuring will take, from one short run: Argon2's time goes with memory times passes.

    Args:
        cells: What is measured.
        runs: How often.
        proofs: The reserved sizes in bytes that each is proven in.
        unpacked_bytes: Of the initramfs.
        reference: Whether each is run once by the implementation that cryptsetup uses, too.
    """
    probe = Cell("argon2id", 64 * 1024, DEFAULT_PASSES, 1)
    result, _ = _run(probe, check=False)
    per_kib = float(str(result.get("seconds", 0.3))) / (probe.memory_kib * probe.passes)
    other, _ = _run(probe, check=False, reference=True) if reference else ({}, 0)
    times = float(str(other.get("seconds", 0.0))) / (per_kib * probe.memory_kib * probe.passes)
    cpus = _processors()
    total = 0.0
    for cell in cells:
        # Lanes run in parallel, as far as there are processors; PBKDF2 is assumed to do two million a second.
        lanes = min(cell.parallel, cpus)
        work = cell.memory_kib * cell.passes * per_kib / lanes if cell.memory_kib else cell.passes / 2e6
        # Under a limit, what does not fit ends before it does any work.
        fitting = sum(cell.memory_kib <= available_kib(nbytes, unpacked_bytes) for nbytes in proofs)
        total += (work + 0.25) * runs + work * fitting + 0.25 * len(proofs)
        total += work * times + 0.25 if reference else 0.0
    return total


def _processors() -> int:
    return len(os.sched_getaffinity(0))


def _run(
    cell: Cell, *, check: bool, reference: bool = False, enter: Callable[[], None] | None = None
) -> tuple[dict[str, object], int]:
    """The measuring process's answer, empty if it was killed, and how it ended."""
    try:
        child = subprocess.run(
            [*PYTHON, "-m", "kdumpkey.kdump.cost.run"],
            input=cell.request(check=check, reference=reference),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
            preexec_fn=enter,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise ResourceError(f"The measuring process cannot be started: {error}.") from error
    try:
        answer = json.loads(child.stdout) if child.stdout else {}
    except ValueError:
        answer = {}
    return answer, child.returncode


def _under(limit: Limit, cell: Cell, *, check: bool) -> RunOutcome:
    before = limit.killed()
    answer, status = _run(cell, check=check, enter=limit.enter)
    if "seconds" in answer:
        return RunOutcome.OPENED
    if status == -signal.SIGKILL or limit.killed() > before:
        return RunOutcome.KILLED
    return RunOutcome.REFUSED


def as_row(cost: Cost, reserved: Sequence[int], unpacked_bytes: int = UNPACKED_BYTES) -> dict[str, object]:
    """A cost as plain values, for JSON and CSV."""
    row: dict[str, object] = asdict(cost.cell)
    row |= {"seconds": round(cost.seconds, 6), "reference_seconds": round(cost.reference_seconds, 6)}
    row |= {"peak_kib": cost.peak_kib, "refused": cost.refused}
    for nbytes in reserved:
        row[f"{nbytes // _MIB}M"] = cost.verdict(nbytes, unpacked_bytes).value
    return row
