"""Where the keys that are handed over can be seen, and whether the loaded ones are still their devices'."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kdumpkey.kdump.freshness import KeyState, keys_now
from kdumpkey.kernel.protocol import Audit, AuditEntry, Stage

if TYPE_CHECKING:
    from kdumpkey.kernel.protocol import Kernel


def audit(kernel: Kernel) -> Audit:
    """Look at what the kernel shows, and whether the keys of its record fit their devices still."""
    seen = kernel.audit()
    return replace(seen, entries=(*seen.entries, *_image(kernel)))


def _image(kernel: Kernel) -> list[AuditEntry]:
    status = kernel.status()
    if status.stage is Stage.KDUMP:
        what = "The keys that were handed over stay in the reserved memory until the machine restarts."
        return [AuditEntry(what)]
    if not status.loaded:
        return [AuditEntry("No crash image is loaded, so none holds keys.")]
    if status.keys is None:
        what = "No record of this boot says whether the loaded image holds keys."
        return [AuditEntry(what, True, "kdumpkey kdump arm")]
    record = kernel.record()
    now = {each.description: each for each in (keys_now(kernel.root, record) if record else ())}
    found = []
    for key in status.keys:
        own = now.get(key.description)
        stale = own is not None and own.state is KeyState.STALE
        reason = f": {own.reason}" if own is not None and own.reason else ""
        fix = "kdumpkey kdump arm, or kdumpkey kdump unload" if stale else ""
        found.append(AuditEntry(f"The loaded image holds {key.description}{reason}.", stale, fix))
    if status.keys:
        found.append(
            AuditEntry("While it is loaded, the kernel keeps another copy of its keys in its own heap.")
        )
    return found
