"""Whether a crash image is loaded, and whether it holds the keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kdumpkey.host.host import Missing
from kdumpkey.host.later_loads import moment
from kdumpkey.kdump.doctor import fixes
from kdumpkey.kdump.doctor.finding import Finding, Verdict
from kdumpkey.kdump.doctor.proof import proven, unproven
from kdumpkey.kernel.record import RECORD

if TYPE_CHECKING:
    from kdumpkey.kdump.facts.host_facts import DeviceFacts, HostFacts

_WHY: Final = "Without a loaded image the machine just restarts, and leaves no dump."
_WHY_KEYS: Final = "An image without the key boots, and then cannot open the device to write the dump."


def check_image(facts: HostFacts) -> list[Finding]:
    """Judge what the kernel tells, and by the record which keys are loaded, because that it does not tell."""
    memory = facts.memory
    if memory.by_firmware:
        what = "This machine dumps by firmware (fadump), not by a crash image."
        why = "fadump boots the machine's own initramfs, with all of its memory: nothing is handed over."
        return [Finding("image", Verdict.UNKNOWN, what, why, fixes.without_fadump(facts.system))]
    if isinstance(memory.loaded, Missing):
        return [_unread(facts, memory.loaded)]
    if not memory.loaded and memory.forbidden:
        what = f"No crash image is loaded, and none can be until the machine restarts: {memory.forbidden}."
        fix = "Undo what sets it: grep -r kexec_load /etc/sysctl.conf /etc/sysctl.d /usr/lib/sysctl.d; reboot"
        return [Finding("image", Verdict.BROKEN, what, _WHY, fix)]
    if not memory.loaded and facts.is_prepared:
        what = "No crash image is loaded yet; the keys are named, and the next load takes them along."
        return [Finding("image", Verdict.WARNING, what, _WHY, fixes.restart(facts.system))]
    if not memory.loaded:
        return [Finding("image", Verdict.BROKEN, "No crash image is loaded.", _WHY, _load(facts))]
    found = [Finding("image", Verdict.GOOD, "A crash image is loaded.", _WHY)]
    return found + [_check_held(facts, about) for about in facts.devices]


def _unread(facts: HostFacts, loaded: Missing) -> Finding:
    if facts.memory.sysfs is True and loaded is Missing.ABSENT:
        what = f"There is no /{facts.memory.loaded_file}: this kernel has no kexec."
        fix = "Boot a kernel with CONFIG_KEXEC_FILE and CONFIG_CRASH_DUMP."
        return Finding("image", Verdict.BROKEN, what, _WHY, fix)
    fix = fixes.see_sysfs(facts, facts.memory.loaded_file)
    return Finding("image", Verdict.UNKNOWN, f"/{facts.memory.loaded_file} cannot be read.", _WHY, fix)


def _check_held(facts: HostFacts, about: DeviceFacts) -> Finding:
    """Whether the image holds a device's key."""
    verdict, what, fix = _without_record(facts) or _by_record(facts, about)
    return Finding("image-key", verdict, what, _WHY_KEYS, fix, about.device.name)


def _without_record(facts: HostFacts) -> tuple[Verdict, str, str] | None:
    """Verdict, what and fix, where no record of the load counts; None: a record does."""
    record, since, load = facts.record.record, facts.record.since, _load(facts)
    if record is not None and not since:
        return None
    if proof := proven(facts):
        return Verdict.GOOD, f"{proof}.", ""
    if why := unproven(facts):
        told = f"{since}, and no" if since else "No"
        what = f"{told} record says whether the image holds the key; {why}."
        return Verdict.UNKNOWN, what, f"kdumpctl test, which crashes this machine, or {load}"
    if since:
        what = f"{since}, after the load that the record is of; the kernel does not tell what is loaded."
        return Verdict.UNKNOWN, what, load
    if facts.record.unreadable:
        what = f"/{RECORD}, which says what the image holds, cannot be read."
        return Verdict.UNKNOWN, what, fixes.to_read(facts.system, RECORD)
    what = "No record says whether the image holds the key, and the kernel does not tell."
    return Verdict.UNKNOWN, what, load


def _by_record(facts: HostFacts, about: DeviceFacts) -> tuple[Verdict, str, str]:
    held = facts.record.descriptions
    if not about.device.uuid and held:
        what = "By its record, the image holds keys; without a UUID, this device names none of them."
        return Verdict.UNKNOWN, what, "kdumpkey kdump status, which names the keys"
    if held.isdisjoint(about.names):
        return Verdict.BROKEN, "By the record of the load, the image does not hold this key.", _load(facts)
    loaded_at = facts.record.record.loaded_at if facts.record.record else facts.now
    what = f"By the record of its load ({moment(loaded_at)}), the image holds the key."
    return Verdict.GOOD, what, ""


def _load(facts: HostFacts) -> str:
    return fixes.arm(facts.crypts) if facts.devices else fixes.restart(facts.system)
