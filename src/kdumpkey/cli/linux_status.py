"""What kdump status says of Linux's own kernel: what can be told, and what cannot."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from kdumpkey.cli.columns import folded
from kdumpkey.cli.kdump_report import duration
from kdumpkey.errors import CannotTellError, NoDumpError
from kdumpkey.kdump.freshness import Freshness, State, keys_now
from kdumpkey.kernel.protocol import HandOver, HeldKey, KernelStatus, Stage

if TYPE_CHECKING:
    from kdumpkey.cli.session import Session
    from kdumpkey.kernel.linux.kernel import LinuxKernel


def status(session: Session, kernel: LinuxKernel, chosen: str, *, as_json: bool) -> None:
    """Show what can be told, say what cannot, and end as a monitor wants it.

    Args:
        session: The run.
        kernel: This machine's.
        chosen: Why it is this one.
        as_json: Whether to print JSON.

    Raises:
        NoDumpError: No image with keys is loaded, or one whose keys are no longer those of their devices.
        CannotTellError: Whether the image that is loaded has keys cannot be told.
    """
    found, now = kernel.status(), time.time()
    record = kernel.record() if found.loaded and found.keys is not None else None
    fresh = {each.description: each for each in (keys_now(kernel.root, record) if record else ())}
    stale = [each for each in fresh.values() if each.state is State.STALE]
    if as_json:
        session.say(json.dumps(_json(found, now, fresh, chosen)))
    else:
        unchecked = {each.description for each in (record.origins if record else ()) if not each.checked}
        for line in _lines(found, now, fresh, unchecked, chosen):
            session.say(line)
    if stale and not as_json:
        session.say(f"{'Hand-over:':14}STALE, {len(stale)} of its keys: kdumpkey kdump arm, or kdump unload")
    if found.stage is Stage.KDUMP:
        return  # what would be handed over has been
    if stale or found.hand_over is HandOver.NOT_LOADED:
        raise NoDumpError
    if found.hand_over is HandOver.UNKNOWN:
        raise CannotTellError


def _json(found: KernelStatus, now: float, fresh: dict[str, Freshness], chosen: str) -> dict[str, object]:
    keys = None if found.keys is None else [_key_json(key, now, fresh) for key in found.keys]
    return {
        "machine": "linux",
        "chosen": chosen,
        "stage": found.stage.value,
        "interface": found.interface,
        "reserved_bytes": found.reserved_bytes,
        "named": [{"item": key.item, "description": key.description} for key in found.named],
        "reuse": found.reuse,
        "loaded": found.loaded,
        "holds_keys": None if found.keys is None else bool(found.keys),
        "hand_over": found.hand_over.name.lower(),
        "keys": keys,
        "stale": any(each.state is State.STALE for each in fresh.values()),
        "restored": found.restored,
        "warnings": list(found.warnings),
    }


def _key_json(key: HeldKey, now: float, fresh: dict[str, Freshness]) -> dict[str, object]:
    own = fresh.get(key.description)
    return {
        "description": key.description,
        "age_s": None if key.copied_at is None else round(now - key.copied_at, 3),
        "state": (own.state if own else State.UNKNOWN).value,
        "reason": own.reason if own else "",
    }


def _lines(
    found: KernelStatus, now: float, fresh: dict[str, Freshness], unchecked: set[str], chosen: str
) -> list[str]:
    stage = "kdump kernel" if found.stage is Stage.KDUMP else "first kernel"
    reserved = "unknown" if found.reserved_bytes is None else f"{found.reserved_bytes >> 20} MiB"
    where = found.interface or "no interface"
    rows = [("Machine", f"this one: {stage}, {where}"), ("Chosen", chosen), ("Reserved", reserved)]
    rows += [("Named", key.description or f"(item {key.item}, no description)") for key in found.named]
    if found.stage is Stage.FIRST:
        rows.append(("Image", "loaded" if found.loaded else "NOT LOADED: a crash would leave no dump"))
        if found.reuse:
            rows.append(("Reuse", "on: loads take the keys of the image before"))
    else:
        rows.append(("Restored", "yes" if found.restored else "not yet"))
    for key in found.keys or ():
        age = "" if key.copied_at is None else f", copied {duration(now - key.copied_at)} ago"
        rows.append(("Holds key", f"{key.description}{age}, by the record of its load"))
        own = fresh.get(key.description)
        if own is not None and own.state is State.STALE:
            rows.append(("STALE", own.reason))
        elif own is not None and own.state is State.UNKNOWN and own.reason:
            rows.append(("Not checked", own.reason))
        if key.description in unchecked:
            rows.append(("Not checked", "it was a logon key in the keyring, on trust"))
    if found.loaded and not found.keys:
        rows.append(("Holds key", "UNKNOWN" if found.keys is None else "NONE"))
    rows += [("Warning", warning) for warning in found.warnings]
    return [line for left, right in rows for line in folded(f"{left + ':':14}", right)]
