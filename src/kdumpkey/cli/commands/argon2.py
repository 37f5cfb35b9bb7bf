"""argon2 compare and advise: what unlocking costs, and what would cost less."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Final

from kdumpkey.cli import argon2_text as text
from kdumpkey.cli.opening import device_path, refusing
from kdumpkey.cli.values import size_of
from kdumpkey.errors import OutputError, UsageError
from kdumpkey.kdump.cost import measure as costs
from kdumpkey.kdump.cost.advice import advise as find_advice
from kdumpkey.kdump.cost.measure import Cell

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kdumpkey.cli.session import Session
    from kdumpkey.kdump.cost.measure import Cost, Proof

_MIB: Final = 1 << 20
_RUNS: Final = 3
_MOST_RUNS: Final = 100
_DEFAULT_LANES: Final = 4  # cryptsetup's, if there are as many processors
_GIB_KIB: Final = 1024 * 1024


def compare(session: Session) -> None:
    """Measure a grid of parameters and the keyslots of devices, and say where each would open."""
    options = session.invocation
    reserved = _sizes(options.text("reserved"), costs.DEFAULT_RESERVED)
    unpacked = _unpacked(session)
    cells = [*_keyslots(options.arguments), *_grid(session)]
    runs = _runs(session)
    if not cells:
        raise UsageError("There is nothing to measure: the grid is empty, and no device is named.")
    proving = reserved if options.flag("prove") else ()
    seconds = costs.expected_seconds(cells, runs, proving, unpacked)
    also = f", and {len(cells) * len(proving)} proofs" if proving else ""
    session.complain(f"{len(cells)} measurements of {runs} runs each{also}: about {seconds:.0f} s.")
    measured = _measured(session, cells, runs)
    proofs = _proofs(measured, proving, unpacked)
    if (path := options.text("plot")) is not None:
        from kdumpkey.cli.argon2_plot import plot  # noqa: PLC0415 - matplotlib takes a second to import

        plot(path, measured, reserved, unpacked)
    if (path := options.text("csv")) is not None:
        _write_csv(path, text.csv_text(measured, reserved, unpacked))
    if options.flag("json"):
        rows = [costs.as_row(cost, reserved, unpacked) for cost in measured]
        session.say(json.dumps({"runs": runs, "costs": rows, "proofs": [text.proof_row(p) for p in proofs]}))
    else:
        for line in text.table(measured, reserved, unpacked):
            session.say(line)
        for line in text.proof_lines(proofs):
            session.say(line)
    if not all(proof.agrees for proof in proofs):
        raise OutputError("A proof came out otherwise than it was said.")


def advise(session: Session) -> None:
    """Find the strongest parameters that fit a reserved memory and a time."""
    options = session.invocation
    if options.arguments:
        raise UsageError(f"argon2 advise takes no {options.arguments[0]!r}; name a device with --device.")
    reserved = size_of("crashkernel", options.text("crashkernel") or "256M")
    seconds = _seconds(options.text("time") or "2s")
    device = options.text("device")
    keyslots = _keyslots([device]) if device else []
    cpus = len(os.sched_getaffinity(0))
    lanes = min(_DEFAULT_LANES, cpus)
    default = Cell("argon2id", _GIB_KIB, costs.DEFAULT_PASSES, lanes)
    strongest = max((cell for cell in keyslots if cell.memory_kib), key=lambda c: c.memory_kib, default=None)
    found = find_advice(
        reserved,
        seconds,
        default=strongest or default,
        parallel=lanes,
        unpacked_bytes=_unpacked(session),
        runs=_runs(session),
    )
    if options.flag("json"):
        session.say(json.dumps(text.advice_json(found, device)))
        return
    for line in text.advice_lines(found, device, costs.available_kib(reserved, _unpacked(session))):
        session.say(line)


def _measured(session: Session, cells: Sequence[Cell], runs: int) -> list[Cost]:
    from kdumpkey.cli.progress import progress_bar  # noqa: PLC0415 - only where something takes long

    # In the bar's unit, work done: memory times passes.
    weights = [max(cell.memory_kib * cell.passes, 1) * 1024 for cell in cells]
    found = []
    with progress_bar(session.streams, sum(weights) * runs) as advance:
        for cell, weight in zip(cells, weights, strict=True):
            found.append(
                costs.measure(cell, runs, done=None if advance is None else _advancing(advance, weight))
            )
    return found


def _advancing(advance: Callable[[int], None], weight: int) -> Callable[[float], None]:
    return lambda _seconds: advance(weight)


def _proofs(measured: Sequence[Cost], reserved: Sequence[int], unpacked: int) -> list[Proof]:
    """Each verdict under a real limit, as far as this machine has the memory to run it."""
    found = []
    for cost in measured:
        if cost.refused and not cost.cell.memory_kib:
            continue
        for nbytes in reserved:
            if not cost.refused or cost.verdict(nbytes, unpacked) is costs.Verdict.DOES_NOT_FIT:
                found.append(costs.prove(cost, nbytes, unpacked))
    return found


def _grid(session: Session) -> list[Cell]:
    options = session.invocation
    cpus = len(os.sched_getaffinity(0))
    given = options.text("memory")
    memory: tuple[int, ...] = costs.DEFAULT_MEMORY_MIB
    if given is not None:
        memory = tuple(nbytes // _MIB for nbytes in _sizes(given, ())) if given else ()
    passes = _numbers("passes", options.text("passes"), (costs.DEFAULT_PASSES,))
    lanes = _numbers("parallel", options.text("parallel"), tuple({1, cpus}))
    kdf = options.text("pbkdf") or "argon2id"
    if kdf == "pbkdf2":
        raise UsageError("The grid is of argon2id or argon2i; PBKDF2 needs no memory to speak of.")
    return costs.grid(memory, passes, lanes, kdf)


def _keyslots(devices: Sequence[str]) -> list[Cell]:
    from kdumpkey.kdump.cost.keyslots import keyslot_cells  # noqa: PLC0415 - only devices need the header's code

    cells = []
    for device in map(device_path, devices):
        with refusing(device):
            cells += keyslot_cells(device)
    return cells


def _runs(session: Session) -> int:
    runs = session.invocation.number("runs")
    runs = _RUNS if runs is None else runs
    if not 0 < runs <= _MOST_RUNS:
        raise UsageError(f"Option --runs can be 1 to {_MOST_RUNS}.")
    return runs


def _unpacked(session: Session) -> int:
    given = session.invocation.number("unpacked-size")
    return costs.UNPACKED_BYTES if given is None else given


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


def _write_csv(path: str, content: str) -> None:
    try:
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.write(content)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise OutputError(f"Cannot write {path}: {reason}.") from error
