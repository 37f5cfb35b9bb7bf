"""Whether kdump's service, which loads the image at boot, runs, hands keys over, and finds their keyring.

Source: systemd.exec(5), KeyringMode; kdumpctl(8); kdump-config(8).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kdumpkey.kdump.doctor import fixes
from kdumpkey.kdump.doctor.finding import Finding, Verdict

if TYPE_CHECKING:
    from kdumpkey.host.units import Unit
    from kdumpkey.kdump.facts.host_facts import HostFacts

_WHY: Final = (
    "systemd gives a service a session keyring of its own; unless that is linked to root's, the load finds "
    "no key, fails with ENOKEY, and destroys the previous image."
)
_WHY_BOOT: Final = "After a reboot no image is loaded, so a crash leaves no dump."
_WHY_NAMES: Final = "After a reboot or a restart of the service, the image is loaded without keys."


def check_service(facts: HostFacts) -> list[Finding]:
    """Judge the units with their drop-ins."""
    ours, unit = facts.arming, facts.service
    arming = fixes.arm_at_boot(facts)
    if ours is not None and facts.arms_itself:
        # It loads the image once more, with the keys, after kdump's own service.
        return [_keyring(facts, ours)]
    if unit is None:
        what = "There is no kdump service, so nothing loads the image at boot."
        fix = fixes.install_kdump(facts.system) or arming
        return [Finding("service", Verdict.WARNING, what, _WHY_BOOT, fix)]
    if unit.masked:
        fix = f"systemctl unmask {unit.name} && systemctl enable --now {unit.name}"
        return [Finding("service", Verdict.WARNING, f"{unit.name} is masked.", _WHY_BOOT, fix)]
    found = [_keyring(facts, unit)]
    if not unit.enabled:
        fix = f"systemctl enable {unit.name}"
        found.append(Finding("service", Verdict.WARNING, f"{unit.name} is not enabled.", _WHY_BOOT, fix))
    loader = "SUSE's kdump" if facts.system.is_suse else "kdump-config"
    names_none = facts.system.is_suse or unit.name == "kdump-tools.service"
    if names_none and not unit.unread and not unit.runs("kdumpkey"):
        what = f"{unit.name} loads the image with {loader}, which names no key to the kernel."
        found.append(Finding("service", Verdict.WARNING, what, _WHY_NAMES, arming))
    return found


def _keyring(facts: HostFacts, unit: Unit) -> Finding:
    if unit.unread:
        what, fix = f"/{unit.unread} cannot be read.", fixes.to_read(facts.system, unit.unread)
        return Finding("service", Verdict.UNKNOWN, what, _WHY, fix)
    mode = unit.setting("KeyringMode") or "private"
    if mode == "shared":
        return Finding("service", Verdict.GOOD, f"{unit.name} has KeyringMode=shared.", _WHY)
    what = f"{unit.name} has KeyringMode={mode}."
    # What a service inherits depends on how systemd itself was started.
    verdict = Verdict.UNKNOWN if mode == "inherit" else Verdict.BROKEN
    return Finding("service", verdict, what, _WHY, fixes.arm_at_boot(facts))
