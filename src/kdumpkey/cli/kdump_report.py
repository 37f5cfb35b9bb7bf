"""What the kdump commands say of a kernel, for people and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kdumpkey.cli.columns import folded
from kdumpkey.kdump.freshness import Freshness, KeyState
from kdumpkey.kernel.protocol import HeldKey, KernelStatus, Loaded, Stage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from kdumpkey.kernel.protocol import Audit
    from kdumpkey.kernel.record import LoadRecord

_STAGES: Final = {Stage.FIRST: "first kernel", Stage.KDUMP: "kdump kernel"}
_MOST_LINES: Final = 8


def identity_json(status: KernelStatus) -> dict[str, object]:
    """Which machine it is, and which kernel runs."""
    return {"machine": status.machine.id, "stage": status.stage.value}


def status_json(status: KernelStatus, now: float, freshness: Mapping[str, Freshness]) -> dict[str, object]:
    """Everything that status knows; null: the kernel does not tell.

    Args:
        status: The kernel's.
        now: Seconds since the epoch, on that machine.
        freshness: Whether the keys are still their devices', by their descriptions, as far as that is known.
    """
    keys = None if status.keys is None else keys_json(status.keys, now)
    for key in keys or ():
        own = freshness.get(str(key["description"]))
        key |= {"state": (own.state if own else KeyState.UNKNOWN).value, "reason": own.reason if own else ""}
    return {
        **identity_json(status),
        **dict(status.machine.details),
        "interface": status.interface,
        "ram_bytes": status.ram_bytes,
        "reserved_bytes": status.reserved_bytes,
        "reserved_at": status.reserved_at,
        "command_line": status.command_line or "",
        "named": [{"item": named.item, "description": named.description} for named in status.named],
        "reuse": status.reuse,
        "loaded": status.loaded,
        "holds_keys": None if status.keys is None else bool(status.keys),
        "hand_over": status.hand_over.name.lower(),
        "keys": keys,
        "stale": any(each.state is KeyState.STALE for each in freshness.values()),
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


def status_lines(
    status: KernelStatus,
    now: float,
    freshness: Mapping[str, Freshness],
    record: LoadRecord | None,
    chosen: str,
) -> list[str]:
    """The same for people: first what a crash would find.

    Args:
        status: The kernel's.
        now: Seconds since the epoch, on that machine.
        freshness: As for `status_json`.
        record: What was written down of the keys, where the kernel itself does not tell.
        chosen: Why it is this kernel.
    """
    machine = status.machine
    traits = ", ".join((_STAGES[status.stage], *(machine.traits or (status.interface or "no interface",))))
    rows = [("Machine", f"{machine.label}: {traits}"), ("Chosen", chosen), ("Reserved", _reserved(status))]
    rows += _first_rows(status, now) if status.stage is Stage.FIRST else _kdump_rows(status)
    rows += _key_rows(status, now, freshness, record)
    if status.address is not None:
        rows.append(("Keys at", f"{status.address:#x}"))
    rows += [("Warning", warning) for warning in status.warnings]
    lines = [line for left, right in rows for line in folded(f"{left + ':':14}", right)]
    return [*lines, *folded("", machine.notice)] if machine.notice else lines


def _reserved(status: KernelStatus) -> str:
    if status.reserved_bytes is None:
        return "unknown"
    where = "" if status.reserved_at is None else f" at {status.reserved_at:#x}"
    ram = "" if status.ram_bytes is None else f", of {status.ram_bytes >> 20} MiB"
    return f"{status.reserved_bytes >> 20} MiB{where}{ram}"


def _first_rows(status: KernelStatus, now: float) -> list[tuple[str, str]]:
    rows = [("Named", key.description or f"(item {key.item}, no description)") for key in status.named]
    image = "NOT LOADED: a crash would leave no dump"
    if status.loaded:
        image = "loaded" if status.loaded_at is None else f"loaded {duration(now - status.loaded_at)} ago"
    rows = rows or [("Named", "no key")]
    rows.append(("Image", image))
    if status.reuse:
        rows.append(("Reuse", "on: loads take the keys of the previous image"))
    return rows


def _kdump_rows(status: KernelStatus) -> list[tuple[str, str]]:
    rows = [("Restored", "yes" if status.restored else "not yet")]
    if status.command_line is not None:
        rows.insert(0, ("Booted with", status.command_line or "an empty command line"))
    return rows


def _key_rows(
    status: KernelStatus, now: float, freshness: Mapping[str, Freshness], record: LoadRecord | None
) -> list[tuple[str, str]]:
    if not status.keys:
        holds = "UNKNOWN" if status.keys is None else "NONE"
        return [("Holds key", holds)] if status.loaded or status.stage is Stage.KDUMP else []
    if record is None:
        return [("Holds key", line) for line in key_lines(status.keys, now)]
    unchecked = {each.description for each in record.origins if not each.checked}
    rows: list[tuple[str, str]] = []
    for key in status.keys:
        rows.append(("Holds key", f"{_key_line(key, now)}, by the record of its load"))
        own = freshness.get(key.description)
        if own is not None and own.reason and own.state is not KeyState.CURRENT:
            rows.append(("STALE" if own.state is KeyState.STALE else "Not checked", own.reason))
        if key.description in unchecked:
            rows.append(("Not checked", "it was a logon key in the keyring, on trust"))
    return rows


def loaded_lines(loaded: Loaded, kernel: Path | None, now: float) -> list[str]:
    """What a load did: how many keys, from where, and which."""
    what = "Loaded" if kernel is None else f"Loaded {kernel}"
    if loaded.keys is None:
        return folded("", f"{what}; which keys it holds is not known.", indent=2)
    count = len(loaded.keys)
    source = ", copied from the previous image" if loaded.reused else ", from the keyring"
    line = f"{what} with {count} key{'' if count == 1 else 's'}{source if count else ''}."
    keys = key_lines(loaded.keys, now)
    return [*folded("", line, indent=2), *(row for each in keys for row in folded("  ", each, indent=4))]


def loaded_json(loaded: Loaded, now: float) -> dict[str, object]:
    """The same as JSON."""
    return {
        "keys": None if loaded.keys is None else keys_json(loaded.keys, now),
        "reused": loaded.reused,
        "address": loaded.address,
        "warnings": list(loaded.warnings),
    }


def key_lines(keys: Sequence[HeldKey], now: float) -> list[str]:
    """One line for each key; if there are too many, for the first ones and the last."""
    return abridged([_key_line(key, now) for key in keys])


def abridged(lines: list[str]) -> list[str]:
    """The lines; if there are too many, the first ones and the last."""
    return lines if len(lines) <= _MOST_LINES else [*lines[:3], f"… {len(lines) - 4} more", lines[-1]]


def _key_line(key: HeldKey, now: float) -> str:
    known = [] if key.nbytes is None else [f"{key.nbytes} bytes"]
    known += [] if key.copied_at is None else [f"copied {duration(now - key.copied_at)} ago"]
    return f"{key.description} ({', '.join(known)})" if known else key.description


def audit_json(found: Audit) -> dict[str, object]:
    """What an audit found; `places` is null where the kernel shows nobody its memory."""
    return {
        "found": [{"what": each.what, "problem": each.problem, "fix": each.fix} for each in found.entries],
        "places": None
        if found.pages is None
        else [
            {
                "address": place.address,
                "nbytes": place.nbytes,
                "descriptions": list(place.descriptions),
                "stale": place.stale,
            }
            for place in found.pages
        ],
    }


def duration(seconds: float) -> str:
    """A time that has passed, as people say it."""
    whole = max(int(seconds), 0)
    if whole < 120:
        return f"{whole} s"
    return f"{whole // 60} min" if whole < 7200 else f"{whole // 3600} h"
