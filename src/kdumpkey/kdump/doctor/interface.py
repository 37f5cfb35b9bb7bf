"""Whether this kernel takes keys for the kdump kernel, and what it has been told so far."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kdumpkey.kdump.doctor.finding import Finding, Verdict

if TYPE_CHECKING:
    from kdumpkey.kdump.doctor.host import Host

PATH: Final = "sys/kernel/config/crash_dm_crypt_keys"
_ARCHES: Final = ("x86_64", "aarch64", "ppc64le")
_LONGEST: Final = 127  # characters: the kernel takes 128, cuts them to 127, and then finds no such key
_WHY: Final = "Without it no key reaches the kdump kernel, which can then ask nobody for a passphrase."


def check_interface(host: Host) -> list[Finding]:
    """Look for the configfs directory; where it is missing, for the reason."""
    if host.exists(PATH):
        found = Finding("interface", Verdict.GOOD, f"The kernel has /{PATH}.", _WHY)
        return [found, *_items(host)]
    mounted = any(
        line.split()[1:3] == ["/sys/kernel/config", "configfs"]
        for line in (host.text("proc/mounts") or "").splitlines()
    )
    config = host.config("CRASH_DM_CRYPT")
    name = f"Linux {host.release or 'of this machine'}"
    if host.arch and host.arch not in _ARCHES:
        what, fix = f"{name} cannot hand keys over on {host.arch}.", "Dump to a device without encryption."
    elif config == "n" or (mounted and config is None):
        what = f"{name} is built without CONFIG_CRASH_DM_CRYPT."
        fix = "Boot a kernel that has it: Linux 6.16 or newer, or RHEL 10's, with CONFIG_CRASH_DM_CRYPT=y."
    elif not mounted and config == "y":
        what = f"{name} has CONFIG_CRASH_DM_CRYPT, but configfs is not mounted."
        fix = "mount -t configfs configfs /sys/kernel/config"
    elif mounted:
        what = f"{name} is configured for it, yet /{PATH} is missing."
        fix = "Boot the kernel that /boot/config is of, and see dmesg."
    else:
        what = "configfs is not mounted, and the kernel's configuration is not to be found."
        fix = "mount -t configfs configfs /sys/kernel/config, then run this again."
        return [Finding("interface", Verdict.UNKNOWN, what, _WHY, fix)]
    return [Finding("interface", Verdict.BROKEN, what, _WHY, fix)]


def _items(host: Host) -> list[Finding]:
    found = []
    if host.word(f"{PATH}/reuse") == "1":
        found.append(
            Finding(
                "reuse",
                Verdict.WARNING,
                "reuse is set.",
                "Loads copy the keys of the image before; a key that changed since is handed over as it was.",
                f"Once the keys are in the keyring: echo 0 > /{PATH}/reuse",
            )
        )
    for item in host.names(PATH, "*"):
        description = host.word(f"{PATH}/{item}/description")
        if description is None:
            continue
        if description in ("", "(null)"):
            what = f"The item {item} has no description."
        elif len(description) > _LONGEST:
            what = f"The description of the item {item} is longer than {_LONGEST} characters."
        else:
            continue
        why = "The next load fails, and a load that fails takes the image before it along: no dump at all."
        found.append(Finding("items", Verdict.BROKEN, what, why, f"rmdir /{PATH}/{item}"))
    return found
