"""argon2 compare and advise: what unlocking costs, and what would cost less."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Annotated, Final

import typer

from kdumpkey.cli import argon2_plot, plots
from kdumpkey.cli import argon2_text as text
from kdumpkey.cli.action import action
from kdumpkey.cli.arguments import Devices
from kdumpkey.cli.options import (
    AdvisedDevice,
    Crashkernel,
    Csv,
    Json,
    Memory,
    Parallel,
    Passes,
    Pbkdf,
    Plot,
    Prove,
    Reserved,
    Runs,
    Time,
    UnpackedSize,
)
from kdumpkey.cli.parsers import size_of
from kdumpkey.cli.progress import progress_bar, status_line
from kdumpkey.cli.session import Run, Session
from kdumpkey.errors import OutputError, UsageError
from kdumpkey.kdump.cost import measure as costs
from kdumpkey.kdump.cost.advice import Bounds
from kdumpkey.kdump.cost.advice import advise as find_advice
from kdumpkey.kdump.cost.keyslots import keyslot_cells
from kdumpkey.kdump.cost.measure import Cell
from kdumpkey.luks.words import device_path, refusing
from kdumpkey.memory.kdump_kernel import UNPACKED_BYTES
from kdumpkey.storage.publish import write_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kdumpkey.kdump.cost.measure import Cost, Proof

app = typer.Typer()
_MIB: Final = 1 << 20
_RUNS: Final = 3
_MOST_RUNS: Final = 100
_DEFAULT_LANES: Final = 4  # cryptsetup's, if there are as many processors
_GIB_KIB: Final = 1024 * 1024


@action(app, "compare", "[<device> ...]", example="kdumpkey argon2 compare /dev/sda2 --memory 64M,256M")
def compare(
    run: Run,
    devices: Devices = None,
    pbkdf: Pbkdf = None,
    memory: Memory = None,
    passes: Passes = None,
    parallel: Parallel = None,
    runs_wanted: Runs = None,
    reserved_sizes: Reserved = None,
    unpacked_size: UnpackedSize = None,
    prove: Prove = False,
    plot: Plot = None,
    csv: Csv = None,
    as_json: Json = False,
) -> None:
    """Measure a grid of parameters and the keyslots of devices, and say where each would open."""
    session = run.begin()
    if plot is not None:
        plots.check(plot)
    reserved = _sizes(reserved_sizes, costs.DEFAULT_RESERVED)
    unpacked = _unpacked(unpacked_size)
    cells = [*_keyslots(devices or ()), *_grid(pbkdf or "argon2id", memory, passes, parallel)]
    runs = _runs(runs_wanted)
    if not cells:
        raise UsageError("There is nothing to measure: the grid is empty, and no device is named.")
    proving = reserved if prove else ()
    seconds = costs.expected_seconds(cells, runs, proving, unpacked, reference=True)
    also = f", and {len(cells) * len(proving)} proofs" if proving else ""
    session.complain(f"{len(cells)} measurements of {runs} runs each{also}: about {seconds:.0f} s.")
    measured: list[Cost] = []
    proofs: list[Proof] = []
    try:
        _measure(session, cells, runs, measured)
        _prove(measured, proving, unpacked, proofs)
    finally:  # what was measured before an interrupt took its time, and counts
        if measured:
            if as_json:
                session.say(_json(measured, proofs, reserved, unpacked, runs))
            else:
                for line in (*text.table(measured, reserved, unpacked), *text.proof_lines(proofs)):
                    session.say(line)
    if csv is not None:
        write_file(csv, text.csv_text(measured, reserved, unpacked).encode(), mode=0o644, replace=True)
    if plot is not None:
        argon2_plot.plot(plot, measured, reserved, unpacked)
    if not all(proof.agrees for proof in proofs):
        raise OutputError("A proof came out otherwise than it was said.")


@action(app, "advise", example="kdumpkey argon2 advise --crashkernel 256M --time 2s")
def advise(
    run: Run,
    argument: Annotated[str | None, typer.Argument(hidden=True)] = None,
    crashkernel: Crashkernel = None,
    time: Time = None,
    device: AdvisedDevice = None,
    runs: Runs = None,
    unpacked_size: UnpackedSize = None,
    as_json: Json = False,
) -> None:
    """Find the strongest parameters that fit a reserved memory and a time."""
    if argument is not None:
        raise UsageError(f"argon2 advise takes no {argument!r}; name a device with --device.")
    session = run.begin()
    reserved = size_of("crashkernel", crashkernel or "256M")
    seconds = _seconds(time or "2s")
    keyslots = _keyslots([device]) if device else []
    cpus = len(os.sched_getaffinity(0))
    lanes = min(_DEFAULT_LANES, cpus)
    default = Cell("argon2id", _GIB_KIB, costs.DEFAULT_PASSES, lanes)
    strongest = max((cell for cell in keyslots if cell.memory_kib), key=lambda c: c.memory_kib, default=None)
    with status_line(session.streams) as show:
        found = find_advice(
            Bounds(reserved, seconds, _unpacked(unpacked_size)),
            default=strongest or default,
            parallel=lanes,
            runs=_runs(runs),
            measuring=lambda cell: show(
                f"Measuring {cell.kdf}, {cell.memory_kib // 1024} MiB, {cell.passes} passes…"
            ),
        )
    if as_json:
        session.say(json.dumps(text.advice_json(found, device)))
        return
    for line in text.advice_lines(found, device, costs.available_kib(reserved, _unpacked(unpacked_size))):
        session.say(line)


def _json(
    measured: Sequence[Cost], proofs: Sequence[Proof], reserved: Sequence[int], unpacked: int, runs: int
) -> str:
    rows = [costs.as_row(cost, reserved, unpacked) for cost in measured]
    return json.dumps({"runs": runs, "costs": rows, "proofs": [text.proof_row(proof) for proof in proofs]})


def _measure(session: Session, cells: Sequence[Cell], runs: int, measured: list[Cost]) -> None:
    """Measure every cell; even after an error, what was measured is in the list."""
    # In the bar's unit, work done: memory times passes.
    weights = [max(cell.memory_kib * cell.passes, 1) * 1024 for cell in cells]
    with progress_bar(session.streams, sum(weights) * runs) as advance:
        for cell, weight in zip(cells, weights, strict=True):
            measured.append(
                costs.measure(
                    cell, runs, reference=True, done=None if advance is None else _advancing(advance, weight)
                )
            )


def _advancing(advance: Callable[[int], None], weight: int) -> Callable[[float], None]:
    return lambda _seconds: advance(weight)


def _prove(measured: Sequence[Cost], reserved: Sequence[int], unpacked: int, proofs: list[Proof]) -> None:
    """Prove each verdict under a real limit, as far as this machine has the memory to run it."""
    for cost in measured:
        if cost.refused and not cost.cell.memory_kib:
            continue
        for nbytes in reserved:
            if not cost.refused or cost.verdict(nbytes, unpacked) is costs.Fit.DOES_NOT_FIT:
                proofs.append(costs.prove(cost, nbytes, unpacked))


def _grid(kdf: str, memory: str | None, passes: str | None, parallel: str | None) -> list[Cell]:
    cpus = len(os.sched_getaffinity(0))
    memory_mib: tuple[int, ...] = costs.DEFAULT_MEMORY_MIB
    if memory is not None:
        memory_mib = tuple(nbytes // _MIB for nbytes in _sizes(memory, ())) if memory else ()
    costs_in_time = _numbers("passes", passes, (costs.DEFAULT_PASSES,))
    lanes = _numbers("parallel", parallel, tuple({1, cpus}))
    if kdf == "pbkdf2":
        raise UsageError("The grid is of argon2id or argon2i; PBKDF2 needs no memory to speak of.")
    return costs.grid(memory_mib, costs_in_time, lanes, kdf)


def _keyslots(devices: Sequence[str]) -> list[Cell]:
    cells = []
    for device in map(device_path, devices):
        with refusing(device):
            cells += keyslot_cells(device)
    return cells


def _runs(wanted: int | None) -> int:
    runs = _RUNS if wanted is None else wanted
    if not 0 < runs <= _MOST_RUNS:
        raise UsageError(f"Option --runs can be 1 to {_MOST_RUNS}.")
    return runs


def _unpacked(given: int | None) -> int:
    return UNPACKED_BYTES if given is None else given


def _sizes(words: str | None, usual: Sequence[int]) -> tuple[int, ...]:
    if words is None:
        return tuple(usual)
    found = tuple(sorted({size_of("reserved", word) for word in words.split(",")}))
    if not all(_MIB <= nbytes <= 1 << 42 for nbytes in found):
        raise UsageError("Sizes are 1M or more.")
    return found


def _numbers(name: str, words: str | None, usual: Sequence[int]) -> tuple[int, ...]:
    if words is None:
        return tuple(usual)
    try:
        found = tuple(int(word) for word in words.split(","))
    except ValueError as error:
        raise UsageError(f"Option --{name} takes numbers with commas between.") from error
    if not all(0 < number < 1 << 24 for number in found):
        raise UsageError(f"Option --{name} takes numbers from 1 on.")
    return found


def _seconds(word: str) -> float:
    number, unit = (word[:-2], 0.001) if word.endswith("ms") else (word.removesuffix("s"), 1.0)
    try:
        seconds = float(number) * unit
    except ValueError as error:
        raise UsageError("Option --time takes seconds, such as 2s or 500ms.") from error
    if not 0 < seconds < 3600:
        raise UsageError("Option --time takes more than nothing and less than an hour.")
    return seconds
