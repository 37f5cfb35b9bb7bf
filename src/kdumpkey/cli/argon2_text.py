"""Costs, proofs and advice as tables, CSV and sentences."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Final

from kdumpkey.cli.columns import folded, folded_fix
from kdumpkey.kdump.cost.advice import Advice
from kdumpkey.kdump.cost.measure import Cell, Cost, Fit, Proof, as_row

_MIB: Final = 1 << 20


def table(measured: Sequence[Cost], reserved: Sequence[int], unpacked_bytes: int) -> list[str]:
    """One line a cell: what it costs, and in which reserved memory it opens or is killed."""
    lines = [
        _columns("", "", "", "", "", "", "", "opens", "killed"),
        _columns("", "memory", "passes", "lanes", "seconds", "reference", "peak", "from", "in"),
    ]
    for cost in measured:
        cell = cost.cell
        if cell.label:
            lines.append(cell.label)
        memory = f"{cell.memory_kib // 1024} MiB" if cell.memory_kib >= 1024 else f"{cell.memory_kib} KiB"
        seconds = reference = peak = "-"
        if not cost.refused:
            seconds, peak = f"{cost.seconds:.3f}", f"{cost.peak_kib / 1024:.0f} MiB"
            reference = f"{cost.reference_seconds:.3f}" if cost.reference_seconds else "-"
        verdicts = {nbytes: cost.verdict(nbytes, unpacked_bytes) for nbytes in sorted(reserved)}
        fits = [nbytes for nbytes, verdict in verdicts.items() if verdict is Fit.FITS]
        killed = [f"{nbytes // _MIB}M" for nbytes, verdict in verdicts.items() if verdict is Fit.KILLED]
        lines.append(
            _columns(
                f"  {cell.kdf}" if cell.label else cell.kdf,
                memory if cell.memory_kib else "-",
                str(cell.passes),
                str(cell.parallel),
                seconds,
                reference,
                peak,
                f"{fits[0] // _MIB}M" if fits else "-",
                "-".join(dict.fromkeys([killed[0], killed[-1]])) if killed else "-",
            )
        )
    sizes = ", ".join(f"{nbytes // _MIB}M" for nbytes in sorted(reserved))
    return [
        *lines,
        "",
        *folded("seconds    ", "kdumpkey's time, and its memory as peak"),
        *folded("reference  ", "the time of the implementation that cryptsetup uses, from one run"),
        *folded("opens from ", f"the smallest reserved memory in which it opens, of {sizes}"),
        *folded("killed in  ", "reserved memory in which it gets its memory, and is killed while it runs"),
        "With less memory than that, kdumpkey refuses to start.",
        *folded(
            "", "An attacker has at least kdumpkey's speed: judge a passphrase by seconds, not by reference."
        ),
    ]


def _columns(*cells: str) -> str:
    """A row: the name, then what stands to the right in each column."""
    widths = (9, 8, 6, 8, 10, 9, 8, 10)
    right = "".join(f"{cell:>{width}}" for cell, width in zip(cells[1:], widths, strict=True))
    return f"{cells[0]:11}{right}".rstrip()


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
    lines = ["", *folded("", f"Proven by {proofs[0].mechanism}:")]
    for proof in proofs:
        cell, mib = proof.cell, proof.reserved_bytes // _MIB
        verdict = "" if proof.agrees else f"; PREDICTED: {proof.verdict.value}"
        lines += folded("  ", f"{_name(cell)} in {mib}M: {proof.outcome.value}{verdict}", indent=4)
    right = sum(proof.agrees for proof in proofs)
    lines.append(f"{right} of {len(proofs)} predictions were right.")
    return lines


def advice_lines(advice: Advice, device: str | None, available_kib: int) -> list[str]:
    """What to do, what it is worth, and what would cost nothing."""
    cell, default = advice.cost.cell, advice.default
    against = f"{default.label or 'the default of cryptsetup'} ({_name(default)})"
    worth = (
        f"A guess becomes {advice.ratio:.3g} times cheaper than with {against}."
        if advice.ratio > 1
        else f"A guess is no cheaper than with {against}."
    )
    return [
        *folded(
            "",
            f"With {advice.reserved_bytes // _MIB}M reserved, a kdump kernel has {available_kib // 1024} MiB "
            f"for programs. The strongest Argon2id that opens there within {advice.seconds:g} s, as measured "
            "on this machine:",
        ),
        f"  {cell.memory_kib // 1024} MiB, {cell.passes} passes, {cell.parallel} lanes: "
        f"{advice.cost.seconds:.2f} s, peak {advice.cost.peak_kib / 1024:.0f} MiB",
        *_reference_lines(advice.cost),
        "",
        *folded("", worth),
        *folded(
            "",
            "The ratio compares the memory that one guess occupies, multiplied by the time, which is what a "
            "guess costs an attacker with dedicated hardware. It assumes that saving memory would cost that "
            "attacker more than it gains. A weak passphrase is found at any ratio.",
        ),
        "",
        "To apply it:",
        *folded_fix("  ", convert_line(cell, device)),
        "",
        *folded(
            "",
            "Or leave the keyslot as it is, and hand the volume key over. The kdump kernel then opens the "
            "device without Argon2, in a fraction of a second and some 24 MiB:",
        ),
        f"  kdumpkey kdump arm {device or 'DEVICE'}",
    ]


def _reference_lines(cost: Cost) -> list[str]:
    """What the same takes others, and an attacker."""
    if not cost.reference_seconds:
        return []
    return folded(
        "  ",
        "This is the time of kdumpkey's own implementation, and an attacker has at least its speed; "
        f"the implementation that cryptsetup uses takes {cost.reference_seconds:.2f} s here.",
    )


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
        "instead": f"kdumpkey kdump arm {device or 'DEVICE'}",
    }


def _name(cell: Cell) -> str:
    if cell.kdf == "pbkdf2":
        return f"{cell.label or 'pbkdf2'}, {cell.passes} iterations"
    name, mib = cell.label or cell.kdf, cell.memory_kib // 1024
    return f"{name}, {mib} MiB, {cell.passes} passes, {cell.parallel} lanes"
