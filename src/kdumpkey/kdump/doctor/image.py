"""Whether a crash image is loaded, and whether it holds the keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kdumpkey.host.kexec_limits import forbidden
from kdumpkey.host.later_loads import loaded_after, moment
from kdumpkey.kdump.doctor import fixes
from kdumpkey.kdump.doctor.finding import Finding, Verdict
from kdumpkey.kernel.linux.record import RECORD, parse_record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kdumpkey.host.host import CryptDevice, Host
    from kdumpkey.kernel.linux.record import LoadRecord

_LOADED: Final = "sys/kernel/kexec_crash_loaded"
_WHY: Final = "Without a loaded image the machine only restarts: there is no dump."
_WHY_KEYS: Final = "An image without the key boots, and then cannot open the device: no dump."


def is_loaded(host: Host) -> bool | None:
    """Whether an image is loaded; None: the kernel does not say."""
    return {"1": True, "0": False}.get(host.word(_LOADED) or "")


def record_of(host: Host) -> LoadRecord | None:
    """The record of the last load since boot, if an image is loaded; None: there is none that counts."""
    record = parse_record(host.text(RECORD) or "")
    # A kernel without sysctl names no boot, and a record of it neither; /run does not outlast a boot.
    boot = host.word("proc/sys/kernel/random/boot_id") or ""
    return record if record and record.boot_id == boot and is_loaded(host) else None


def recorded(host: Host) -> frozenset[str]:
    """The keys that the loaded image holds, as far as that is sure."""
    record = record_of(host)
    return frozenset(record.descriptions) if record and not loaded_since(host, record) else frozenset()


def loaded_since(host: Host, record: LoadRecord) -> str:
    """What another program did after the record's load that may have loaded another image; empty: nothing."""
    return loaded_after(host, record.loaded_at)


def check_image(host: Host, devices: Sequence[CryptDevice]) -> list[Finding]:
    """Look at what the kernel tells, and for the keys at the record: of those the kernel tells nothing."""
    load = fixes.arm(devices) if devices else fixes.restart(host)
    if host.word("sys/kernel/fadump_enabled") == "1":
        what = "This machine dumps by firmware (fadump), not by a crash image."
        why = "fadump boots the machine's own initramfs, with all of its memory: nothing is handed over."
        fix = "Have kdump in its place: grubby --update-kernel=ALL --remove-args=fadump && reboot"
        return [Finding("image", Verdict.UNKNOWN, what, why, fix)]
    loaded = is_loaded(host)
    if loaded is None:
        if host.exists("sys/kernel") and host.absent(_LOADED):
            what = f"There is no /{_LOADED}: this kernel has no kexec."
            fix = "Boot a kernel with CONFIG_KEXEC_FILE and CONFIG_CRASH_DUMP."
            return [Finding("image", Verdict.BROKEN, what, _WHY, fix)]
        fix = "mount -t sysfs sysfs /sys" if host.absent("sys/kernel") else fixes.to_read(host, _LOADED)
        return [Finding("image", Verdict.UNKNOWN, f"/{_LOADED} cannot be read.", _WHY, fix)]
    if not loaded and (why_not := forbidden(host)):
        what = f"No crash image is loaded, and none can be until the machine restarts: {why_not}."
        fix = "Undo what sets it: grep -r kexec_load /etc/sysctl.conf /etc/sysctl.d /usr/lib/sysctl.d; reboot"
        return [Finding("image", Verdict.BROKEN, what, _WHY, fix)]
    if not loaded:
        return [Finding("image", Verdict.BROKEN, "No crash image is loaded.", _WHY, load)]
    found = [Finding("image", Verdict.GOOD, "A crash image is loaded.", _WHY)]
    record = record_of(host)
    since = loaded_since(host, record) if record else ""
    for device in devices:
        if record is None:
            what = "No record says whether the image holds the key, and the kernel does not tell."
            if not host.absent(RECORD) and host.text(RECORD) is None:
                what, load = (
                    f"/{RECORD}, which says what the image holds, cannot be read.",
                    fixes.to_read(host, RECORD),
                )
            verdict, fix = Verdict.UNKNOWN, load
        elif since:
            what = f"{since}, after the load that the record is of; the kernel does not tell what is loaded."
            verdict, fix = Verdict.UNKNOWN, load
        elif not device.uuid and record.descriptions:
            what = (
                "By the record of its load, the image holds keys; none is named by this device, without UUID."
            )
            verdict, fix = Verdict.UNKNOWN, "kdumpkey kdump status, which names the keys"
        elif device.description in record.descriptions:
            what = f"By the record of its load ({moment(record.loaded_at)}), the image holds the key."
            verdict, fix = Verdict.GOOD, ""
        else:
            what, verdict = "By the record of the load, the image does not hold this key.", Verdict.BROKEN
            fix = load
        found.append(Finding("image-key", verdict, what, _WHY_KEYS, fix, device.name))
    return found
