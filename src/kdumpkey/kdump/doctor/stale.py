"""Whether the keys of the loaded image are still those of their devices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kdumpkey.kdump.doctor import fixes
from kdumpkey.kdump.doctor.finding import Finding, Verdict
from kdumpkey.kdump.freshness import KeyState

if TYPE_CHECKING:
    from kdumpkey.host.host import CryptDevice
    from kdumpkey.kdump.facts.host_facts import HostFacts
    from kdumpkey.kdump.freshness import Freshness
    from kdumpkey.kernel.record import KeyOrigin

_WHY: Final = (
    "The kdump kernel would get an old key, which opens nothing now, or with which it writes a dump that "
    "nobody can open."
)


def check_stale(facts: HostFacts) -> list[Finding]:
    """Compare the keys of the record with their devices as they are now."""
    found = []
    for about in facts.devices:
        device = about.device
        found += [_check(facts, device, origin, now) for origin, now in about.origins]
        if not about.origins and not facts.record.descriptions.isdisjoint(about.names):
            what = "The record of the load does not say which volume key of the device was loaded."
            found.append(Finding("stale", Verdict.UNKNOWN, what, _WHY, fixes.arm([device]), device.name))
    return found


def _check(facts: HostFacts, device: CryptDevice, origin: KeyOrigin, now: Freshness) -> Finding:
    if now.state is KeyState.STALE:
        what, verdict = f"The hand-over is stale: {now.reason}.", Verdict.BROKEN
        fix = f"kdumpkey kdump unload && {fixes.arm([device])}"
    elif now.state is KeyState.UNKNOWN:
        what = f"Whether the key is still the device's cannot be told: {now.reason}"
        verdict, fix = Verdict.UNKNOWN, fixes.to_read(facts.system, origin.device)
    elif not origin.checked:
        what = "The key that was loaded is a logon key, which nobody can read to check it against the device."
        verdict, fix = Verdict.WARNING, fixes.arm([device])
    else:
        what, verdict, fix = "The key that was loaded is still the device's.", Verdict.GOOD, ""
    return Finding("stale", verdict, what, _WHY, fix, device.name)
