"""What kdump status says of Linux's own kernel, which tells far less than a simulated one."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from kdumpkey.cli.kdump_report import duration, keys_json
from kdumpkey.kdump.kernel import Stage

if TYPE_CHECKING:
    from kdumpkey.cli.session import Session
    from kdumpkey.kdump.kernel import Kernel, KernelStatus


def status(session: Session, kernel: Kernel) -> None:
    """Show what can be told, and say what cannot."""
    found, now = kernel.status(), time.time()
    if session.invocation.flag("json"):
        session.say(json.dumps(_json(found, now)))
        return
    for line in _lines(found, now):
        session.say(line)


def _json(found: KernelStatus, now: float) -> dict[str, object]:
    return {
        "machine": "linux",
        "stage": found.stage.value,
        "interface": found.interface,
        "reserved_bytes": found.reserved_bytes,
        "named": [{"item": key.item, "description": key.description} for key in found.named],
        "reuse": found.reuse,
        "loaded": found.loaded,
        "holds_keys": None if found.keys is None else bool(found.keys),
        "keys": None if found.keys is None else keys_json(found.keys, now),
        "restored": found.restored,
        "warnings": list(found.warnings),
    }


def _lines(found: KernelStatus, now: float) -> list[str]:
    stage = "kdump kernel" if found.stage is Stage.KDUMP else "first kernel"
    reserved = "unknown" if found.reserved_bytes is None else f"{found.reserved_bytes >> 20} MiB"
    rows = [("Machine", f"this one: {stage}, {found.interface}"), ("Reserved", reserved)]
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
    if found.loaded and not found.keys:
        rows.append(("Holds key", "UNKNOWN" if found.keys is None else "NONE"))
    rows += [("Warning", warning) for warning in found.warnings]
    return [f"{left + ':':14}{right}" for left, right in rows]
