"""Whether this kernel takes keys for the kdump kernel, and what it has been told so far."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Final

from kdumpkey.kdump.doctor.finding import Finding, Verdict
from kdumpkey.kdump.doctor.fixes import to_read

if TYPE_CHECKING:
    from kdumpkey.host.host import Host

PATH: Final = "sys/kernel/config/crash_dm_crypt_keys"
_ARCHES: Final = ("x86_64", "aarch64", "ppc64le")
_LATER: Final = ("aarch64", "ppc64le")  # by the devicetree, which came after x86_64
_HANDS_OVER: Final = (7, 2)
_MOST_KEYS: Final = 128
_LONGEST: Final = 127  # bytes: the kernel takes 128, cuts them to 127, and then finds no such key
_WHY: Final = "Without it no key reaches the kdump kernel, which can then ask nobody for a passphrase."


def check_interface(host: Host) -> list[Finding]:
    """Look for the configfs directory; where it is missing, for the reason."""
    name = f"Linux {host.release or 'of this machine'}"
    if host.exists(PATH):
        found = [Finding("interface", Verdict.GOOD, f"The kernel has /{PATH}.", _WHY)]
        if host.arch in _LATER and _version(host.release) < _HANDS_OVER:
            what = f"{name} takes keys; whether it passes them on, on {host.arch}, its version does not tell."
            fix = f"Boot Linux {'.'.join(map(str, _HANDS_OVER))} or newer."
            found.append(Finding("architecture", Verdict.UNKNOWN, what, _WHY, fix))
        return [*found, *_items(host)]
    if not host.absent(PATH):
        what = f"/{PATH} may not be looked for."
        return [Finding("interface", Verdict.UNKNOWN, what, _WHY, to_read(host, PATH))]
    mounted = any(
        line.split()[1:3] == ["/sys/kernel/config", "configfs"]
        for line in (host.text("proc/mounts") or "").splitlines()
    )
    config = host.config("CRASH_DM_CRYPT")
    if host.arch and host.arch not in _ARCHES:
        what, fix = (
            f"{name} cannot hand keys over on {host.arch}.",
            "Dump to another machine, or to a device without encryption: man 5 kdump.conf",
        )
    elif config == "n" or (mounted and config is None):
        what = f"{name} is built without CONFIG_CRASH_DM_CRYPT."
        fix = "Boot a kernel that has it: Linux 6.16 or newer, or RHEL 10's, with CONFIG_CRASH_DM_CRYPT=y."
    elif not host.exists("sys/kernel"):
        what, fix = "There is no /sys to look for the interface in.", "mount -t sysfs sysfs /sys"
        return [Finding("interface", Verdict.UNKNOWN, what, _WHY, fix)]
    elif not mounted and config == "y":
        what = f"{name} has CONFIG_CRASH_DM_CRYPT, but configfs is not mounted."
        fix = "mount -t configfs configfs /sys/kernel/config"
        return [Finding("configfs", Verdict.BROKEN, what, _WHY, fix)]
    elif mounted:
        what = f"{name} is configured for it, yet /{PATH} is missing."
        fix = "Install the running kernel's package anew, and boot its kernel."
    else:
        what = "configfs is not mounted, and the kernel's configuration is not to be found."
        fix = "mount -t configfs configfs /sys/kernel/config && kdumpkey kdump doctor"
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
                "kdumpkey kdump reuse off",
            )
        )
    items = [item for item in host.names(PATH, "*") if host.exists(f"{PATH}/{item}/description")]
    if len(items) > _MOST_KEYS:
        what = f"{len(items)} keys are named; with more than {_MOST_KEYS}, none is restored."
        why = "The load succeeds all the same, and the kdump kernel gets no key at all: no dump."
        forget = shlex.join(["rmdir", *(f"/{PATH}/{item}" for item in items[_MOST_KEYS:])])
        found.append(Finding("items", Verdict.BROKEN, what, why, forget))
    for item in items:
        description = host.word(f"{PATH}/{item}/description")
        if description is None:
            continue
        if description in ("", "(null)"):
            what = f"The item {item} has no description."
        elif len(description.encode()) > _LONGEST:
            what = f"The description of the item {item} is longer than {_LONGEST} bytes."
        else:
            continue
        why = "The next load fails, and a load that fails takes the image before it along: no dump at all."
        found.append(
            Finding("items", Verdict.BROKEN, what, why, shlex.join(["kdumpkey", "kdump", "forget", item]))
        )
    return found


def _version(release: str) -> tuple[int, ...]:
    matched = re.match(r"(\d+)\.(\d+)", release)
    return (int(matched[1]), int(matched[2])) if matched else (0, 0)
