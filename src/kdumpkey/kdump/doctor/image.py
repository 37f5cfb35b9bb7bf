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
    from kdumpkey.kdump.doctor.facts import DeviceFacts, HostFacts

_WHY: Final = "Without a loaded image the machine only restarts: there is no dump."
_WHY_KEYS: Final = "An image without the key boots, and then cannot open the device: no dump."


def check_image(facts: HostFacts) -> list[Finding]:
    """Look at what the kernel tells, and for the keys at the record: of those the kernel tells nothing."""
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
    device = about.device

    def finding(verdict: Verdict, what: str, fix: str) -> Finding:
        return Finding("image-key", verdict, what, _WHY_KEYS, fix, device.name)

    record, since, load = facts.record.record, facts.record.since, _load(facts)
    if record is None or since:
        if proof := proven(facts):
            return finding(Verdict.GOOD, f"{proof}.", "")
        if why := unproven(facts):
            load = f"kdumpctl test, which crashes this machine, or {load}"
            told = f"{since}, and no" if since else "No"
            what = f"{told} record says whether the image holds the key; {why}."
            return finding(Verdict.UNKNOWN, what, load)
    if record is None and facts.record.unreadable:
        what = f"/{RECORD}, which says what the image holds, cannot be read."
        return finding(Verdict.UNKNOWN, what, fixes.to_read(facts.system, RECORD))
    if record is None:
        what = "No record says whether the image holds the key, and the kernel does not tell."
        return finding(Verdict.UNKNOWN, what, load)
    if since:
        what = f"{since}, after the load that the record is of; the kernel does not tell what is loaded."
        return finding(Verdict.UNKNOWN, what, load)
    if not device.uuid and record.descriptions:
        what = "By the record of its load, the image holds keys; none is named by this device, without UUID."
        return finding(Verdict.UNKNOWN, what, "kdumpkey kdump status, which names the keys")
    if not set(record.descriptions).isdisjoint(about.names):
        what = f"By the record of its load ({moment(record.loaded_at)}), the image holds the key."
        return finding(Verdict.GOOD, what, "")
    return finding(Verdict.BROKEN, "By the record of the load, the image does not hold this key.", load)


def _load(facts: HostFacts) -> str:
    return fixes.arm(facts.crypts) if facts.devices else fixes.restart(facts.system)
