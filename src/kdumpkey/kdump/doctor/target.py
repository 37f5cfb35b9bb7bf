"""Whether it can be told where the dump goes, and which encrypted devices lie beneath."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kdumpkey.host.settings import KDUMP_CONF, KDUMP_TOOLS
from kdumpkey.kdump.doctor.finding import Finding, Verdict
from kdumpkey.kdump.doctor.fixes import to_read

if TYPE_CHECKING:
    from kdumpkey.host.system import System
    from kdumpkey.kdump.facts.devices import DumpDevices, TargetDevices
    from kdumpkey.kdump.facts.targets import DumpTargets

_WHY: Final = "The dump goes where kdump's configuration says; its devices are what must be opened."
_NAME_DEVICES: Final = "Name the encrypted devices: kdumpkey kdump doctor DEVICE…"


def check_target(system: System, devices: DumpDevices) -> list[Finding]:
    """Judge the settings of kdump, and what the targets that they name are made of."""
    settings = check_settings(system, devices.targets) if devices.targets is not None else []
    return [*settings, *(_check_beneath(each) for each in devices.beneath)]


def check_settings(system: System, targets: DumpTargets) -> list[Finding]:
    """Judge the settings of kdump alone."""
    found = []
    if targets.disabled:
        what, why = f"USE_KDUMP=0 in /{KDUMP_TOOLS}.", "kdump-tools then loads no image at the next boot."
        fix = f"sed -i 's/^USE_KDUMP=.*/USE_KDUMP=1/' /{KDUMP_TOOLS}"
        found.append(Finding("kdump-tools", Verdict.WARNING, what, why, fix))
    if targets.conflicting:
        named = " and ".join(target.source for target in targets.targets)
        what = f"/{KDUMP_CONF} names more than one target: {named}. kdumpctl refuses that."
        why = "kdump's service does not start, and after the next boot no image is loaded."
        found.append(Finding("kdump.conf", Verdict.BROKEN, what, why, f"Keep one of them in /{KDUMP_CONF}."))
    if targets.unknown:
        fix = to_read(system, targets.config) if targets.unread else _NAME_DEVICES
        found.append(Finding("target", Verdict.UNKNOWN, targets.unknown, _WHY, fix))
    return found


def _check_beneath(devices: TargetDevices) -> Finding:
    target = devices.target
    where = f"The dump goes to {target.source} ({target.origin})"
    if target.remote:
        what = f"{where}, not to a disk of this machine: no device has to be opened for it."
        return Finding("target", Verdict.GOOD, what, _WHY)
    if devices.absent:
        what = f"{where}, which is not a block device that is there."
        return Finding("target", Verdict.UNKNOWN, what, _WHY, _NAME_DEVICES)
    if devices.made_of:
        what = f"{where}, which is not open; by crypttab, it is made of {devices.made_of}."
        return Finding("target", Verdict.GOOD, what, _WHY)
    names = ", ".join(device.name for device in devices.crypts) or "nothing encrypted"
    if devices.unseen:
        what = f"{where}; beneath that is {names}, and then {'; '.join(devices.unseen)}."
        return Finding("target", Verdict.UNKNOWN, what, _WHY, _NAME_DEVICES)
    return Finding("target", Verdict.GOOD, f"{where}, and beneath that is {names}.", _WHY)
