"""Costs, proofs and advice as tables, CSV and sentences."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Final

from kdumpkey.kdump.cost.advice import Advice
from kdumpkey.kdump.cost.measure import Cell, Cost, Proof, Verdict, as_row

_MIB: Final = 1 << 20
_SHORT: Final = {Verdict.FITS: "fits", Verdict.DOES_NOT_FIT: "-", Verdict.KILLED: "killed"}


def table(measured: Sequence[Cost], reserved: Sequence[int], unpacked_bytes: int) -> list[str]:
    """One line a cell: what it costs, and what becomes of it in each reserved memory."""
    head = f"{'':24}{'memory':>9}{'passes':>9}{'lanes':>6}{'seconds':>9}{'reference':>11}{'peak':>10}  "
    lines = [head + "".join(f"{f'{nbytes // _MIB}M':>8}" for nbytes in reserved)]
    for cost in measured:
        cell = cost.cell
        name = cell.label or cell.kdf
        memory = f"{cell.memory_kib // 1024} MiB" if cell.memory_kib >= 1024 else f"{cell.memory_kib} KiB"
        if len(name) > 23:
            name = f"…{name[-22:]}"
        line = f"{name:24}{memory if cell.memory_kib else '':>9}{cell.passes:>9}{cell.parallel:>6}"
        if cost.refused:
            line += f"{'not measured here':>30}  "
        else:
            other = f"{cost.reference_seconds:.3f}" if cost.reference_seconds else "-"
            line += f"{cost.seconds:>9.3f}{other:>11}{f'{cost.peak_kib / 1024:.0f} MiB':>10}  "
        verdicts = (_SHORT[cost.verdict(nbytes, unpacked_bytes)] for nbytes in reserved)
        lines.append(line + "".join(f"{verdict:>8}" for verdict in verdicts))
    lines.append("")
    lines.append("seconds: by kdumpkey. reference: by the implementation that cryptsetup uses, from one run.")
    lines.append(
        "An attacker has at least kdumpkey's speed: judge a passphrase by seconds, not by reference."
    )
    lines.append(
        "fits: it opens there. -: does not fit, and is refused. killed: is granted memory, and then killed."
    )
    return lines


def csv_text(measured: Sequence[Cost], reserved: Sequence[int], unpacked_bytes: int) -> str:
    """The same for other programs, with a heading."""
    rows = [as_row(cost, reserved, unpacked_bytes) for cost in measured]
    out = io.StringIO()
    writer = csv.DictWriter(out, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def proof_row(proof: Proof) -> dict[str, object]:
    """A proof as plain values."""
    return {
        "kdf": proof.cell.kdf,
        "memory_kib": proof.cell.memory_kib,
        "passes": proof.cell.passes,
        "parallel": proof.cell.parallel,
        "label": proof.cell.label,
        "reserved_bytes": proof.reserved_bytes,
        "verdict": proof.verdict.value,
        "outcome": proof.outcome.value,
        "mechanism": proof.mechanism,
        "agrees": proof.agrees,
    }


def proof_lines(proofs: Sequence[Proof]) -> list[str]:
    """What happened under real limits."""
    if not proofs:
        return []
    lines = ["", f"Proven by {proofs[0].mechanism}:"]
    for proof in proofs:
        cell, mib = proof.cell, proof.reserved_bytes // _MIB
        verdict = "" if proof.agrees else f"   IT WAS SAID: {proof.verdict.value}"
        lines.append(f"  {_name(cell)} in {mib}M: {proof.outcome.value}{verdict}")
    right = sum(proof.agrees for proof in proofs)
    lines.append(f"{right} of {len(proofs)} came as they were said.")
    return lines


def advice_lines(advice: Advice, device: str | None, available_kib: int) -> list[str]:
    """What to do, what it is worth, and what would cost nothing."""
    cell, default = advice.cost.cell, advice.default
    reserved = f"{advice.reserved_bytes // _MIB}M"
    lines = [
        f"Of {reserved} reserved, a kdump kernel leaves {available_kib // 1024} MiB for programs.",
        f"The strongest Argon2id that opens there within {advice.seconds:g} s, as measured on this machine:",
        f"  {cell.memory_kib // 1024} MiB, {cell.passes} passes, {cell.parallel} lanes: "
        f"{advice.cost.seconds:.2f} s, peak {advice.cost.peak_kib / 1024:.0f} MiB",
        *_reference_lines(advice.cost),
        "",
    ]
    against = default.label or "cryptsetup's default"
    if advice.ratio > 1:
        lines.append(
            f"A guess becomes {advice.ratio:.3g} times cheaper than with {against} ({_name(default)})."
        )
    else:
        lines.append(f"A guess is no cheaper than with {against} ({_name(default)}).")
    lines += [
        "That is the ratio of memory held times the time it is held, which goes as memory times passes:",
        "what an attacker pays who builds for it. It assumes that Argon2 cannot be computed with less",
        "memory at a profit, and says nothing about a passphrase that is guessed at once.",
        "",
        "To apply it:",
        f"  {convert_line(cell, device)}",
        "",
        "What costs nothing: leave the keyslot as it is, and hand the volume key over. It opens whatever",
        "Argon2 costs, in milliseconds and some 24 MiB:",
        f"  kdumpkey kdump name {device or 'DEVICE'}; kdumpkey kdump load",
    ]
    return lines


def _reference_lines(cost: Cost) -> list[str]:
    """What the same takes others, and an attacker."""
    if not cost.reference_seconds:
        return []
    return [
        "Both limits are kdumpkey's own implementation's, which opens the keyslot in the kdump kernel.",
        f"cryptsetup's takes {cost.reference_seconds:.2f} s here; an attacker has at least kdumpkey's speed.",
    ]


def convert_line(cell: Cell, device: str | None) -> str:
    """The command that gives a keyslot these parameters."""
    return (
        f"cryptsetup luksConvertKey --pbkdf {cell.kdf} --pbkdf-memory {cell.memory_kib} "
        f"--pbkdf-force-iterations {cell.passes} --pbkdf-parallel {cell.parallel} {device or 'DEVICE'}"
    )


def advice_json(advice: Advice, device: str | None) -> dict[str, object]:
    """The advice as plain values."""
    cell = advice.cost.cell
    return {
        "kdf": cell.kdf,
        "memory_kib": cell.memory_kib,
        "passes": cell.passes,
        "parallel": cell.parallel,
        "seconds": advice.cost.seconds,
        "reference_seconds": advice.cost.reference_seconds,
        "peak_kib": advice.cost.peak_kib,
        "reserved_bytes": advice.reserved_bytes,
        "seconds_allowed": advice.seconds,
        "memory_time_ratio": advice.ratio,
        "compared_with": _name(advice.default),
        "apply": convert_line(cell, device),
        "instead": f"kdumpkey kdump name {device or 'DEVICE'}",
    }


def _name(cell: Cell) -> str:
    if cell.kdf == "pbkdf2":
        return f"{cell.label or 'pbkdf2'}, {cell.passes} iterations"
    name, mib = cell.label or cell.kdf, cell.memory_kib // 1024
    return f"{name}, {mib} MiB, {cell.passes} passes, {cell.parallel} lanes"
