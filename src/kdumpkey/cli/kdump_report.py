"""What the kdump commands say of a simulated machine, for people and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdumpkey.cli.columns import folded
from kdumpkey.kernel.protocol import HeldKey, KernelStatus, Stage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from kdumpkey.kernel.simulated.audit import KeyPages
    from kdumpkey.kernel.simulated.machine import Machine

_STAGES = {Stage.FIRST: "first kernel", Stage.KDUMP: "kdump kernel"}


def status_json(path: Path, machine: Machine, status: KernelStatus) -> dict[str, object]:
    """Everything that status knows."""
    state = machine.state
    return {
        "machine": str(path),
        "stage": status.stage.value,
        "boot": state.boot,
        "policy": state.policy.value,
        "ram_bytes": state.ram_bytes,
        "reserved_bytes": status.reserved_bytes,
        "reserved_at": state.base,
        "command_line": state.command_line,
        "named": [{"item": named.item, "description": named.description} for named in status.named],
        "reuse": status.reuse,
        "loaded": status.loaded,
        "holds_keys": bool(status.keys),
        "keys": keys_json(status.keys or (), machine.clock()),
        "address": status.address,
        "restored": status.restored,
        "warnings": list(status.warnings),
    }


def keys_json(keys: Sequence[HeldKey], now: float) -> list[dict[str, object]]:
    """Keys of an image, with their ages."""
    return [
        {
            "description": key.description,
            "nbytes": key.nbytes,
            "age_s": None if key.copied_at is None else round(now - key.copied_at, 3),
        }
        for key in keys
    ]


def status_lines(path: Path, machine: Machine, status: KernelStatus) -> list[str]:
    """The same for people: first what a crash would find."""
    state, now = machine.state, machine.clock()
    lines = [
        *_row("Machine", f"{path}: {_STAGES[status.stage]}, boot {state.boot}, policy {state.policy.value}"),
        *_row(
            "Reserved", f"{state.reserved_bytes >> 20} MiB at {state.base:#x}, of {state.ram_bytes >> 20} MiB"
        ),
    ]
    if status.stage is Stage.FIRST:
        for named in status.named:
            lines += _row("Named", named.description or f"(item {named.item}, no description)")
        lines += [] if status.named else _row("Named", "no key")
        image = state.image
        loaded = "not loaded" if image is None else f"loaded {duration(now - image.loaded_at)} ago"
        lines += _row("Image", loaded + (", keys will be reused" if status.reuse else ""))
    else:
        lines += _row("Booted with", state.command_line or "an empty command line")
        lines += _row("Restored", "yes" if status.restored else "not yet")
    for line in _held(status.keys or (), now):
        lines += _row("Holds key", line)
    if not status.keys:
        lines += _row("Holds key", "NONE")
    if status.address is not None:
        lines += _row("Keys at", f"{status.address:#x}")
    for warning in status.warnings:
        lines += _row("Warning", warning)
    return lines


def key_lines(keys: Sequence[HeldKey], now: float, indent: int) -> list[str]:
    """A row for each key; where there are many, for the first and the last."""
    return [line for key in _held(keys, now) for line in folded(" " * indent, key, 2 * indent)]


def _held(keys: Sequence[HeldKey], now: float) -> list[str]:
    lines = [_key_line(key, now) for key in keys]
    if len(lines) > 8:
        lines[3:-1] = [f"… {len(lines) - 4} more"]
    return lines


def _key_line(key: HeldKey, now: float) -> str:
    age = "" if key.copied_at is None else f", copied {duration(now - key.copied_at)} ago"
    return f"{key.description} ({key.nbytes} bytes{age})"


def audit_lines(found: Sequence[KeyPages]) -> list[str]:
    """Where keys lie."""
    lines = []
    for place in found:
        names = place.descriptions[:3] or ("not a record that can be read",)
        kind = "STALE copy" if place.stale else "loaded image"
        pages = place.nbytes // 4096
        what = f"{place.address:#010x}  {pages:3} page{' ' if pages == 1 else 's'}  {kind}"
        lines += [what, *(f"    {name}" for name in names)]
    stale = sum(place.stale for place in found)
    if not found:
        return ["No keys are in the reserved memory."]
    return [*lines, f"{stale} stale of {len(found)} places with keys." if stale else "No stale copies."]


def audit_json(found: Sequence[KeyPages]) -> list[dict[str, object]]:
    """Where keys lie."""
    return [
        {
            "address": place.address,
            "nbytes": place.nbytes,
            "descriptions": list(place.descriptions),
            "stale": place.stale,
        }
        for place in found
    ]


def duration(seconds: float) -> str:
    """A time that has passed, as one reads it."""
    whole = max(int(seconds), 0)
    if whole < 120:
        return f"{whole} s"
    return f"{whole // 60} min" if whole < 7200 else f"{whole // 3600} h"


def _row(left: str, right: str) -> list[str]:
    return folded(f"{left + ':':14}", right)
