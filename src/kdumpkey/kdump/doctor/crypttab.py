"""Whether crypttab links the volume key where kdump's service finds it, at every boot.

Source: crypttab(5) of systemd 256 and of Debian's cryptsetup.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Final

from kdumpkey.host.crypttab import CRYPTTAB, LINK_OPTION, link_option, linked_name, unread_by
from kdumpkey.host.host import Missing
from kdumpkey.kdump.doctor import fixes
from kdumpkey.kdump.doctor.finding import Finding, Verdict

if TYPE_CHECKING:
    from kdumpkey.host.crypttab import Entry
    from kdumpkey.host.host import CryptDevice
    from kdumpkey.kdump.facts.host_facts import DeviceFacts, HostFacts

_WHY: Final = "Then nothing puts the key into the keyring, and the image is loaded without it, or not at all."
_USER_KEYRING: Final = ("@u", "-4", "%:_uid.0", "%keyring:_uid.0", "_uid.0")


def check_crypttab(facts: HostFacts, about: DeviceFacts) -> list[Finding]:
    """Judge where the device's line links the key."""
    device, entry = about.device, about.entry
    if not device.uuid:
        return []
    if facts.crypttab is Missing.UNREADABLE:
        what, fix = f"/{CRYPTTAB} cannot be read.", fixes.to_read(facts.system, CRYPTTAB)
        return [Finding("crypttab", Verdict.UNKNOWN, what, _WHY, fix, device.name)]
    argument = unread_by(facts.system.command_line)
    if entry is None and argument:
        what = f"{argument} on the kernel's command line makes systemd ignore /{CRYPTTAB}."
        bad = Verdict.WARNING if facts.usable(about.names) else Verdict.BROKEN
        fix = fixes.without_argument(facts.system, argument)
        return [Finding("crypttab", bad, what, _WHY, fix, device.name)]
    if what := _unlinked(about):
        # A key that is there now serves the loads of this boot, but not of the next.
        bad = Verdict.WARNING if facts.usable(about.names) else Verdict.BROKEN
        fix = fixes.crypttab(facts.system, device)
        if entry is not None and entry.argument.endswith("luks.options"):
            fix = fixes.kernel_argument(facts.system, _with_option(device, entry))
        return [Finding("crypttab", bad, what, _WHY, fix, device.name)]
    return [_linked(facts, about, entry)] if entry is not None else []


def _unlinked(about: DeviceFacts) -> str:
    """Why no key is linked where a load looks for it; empty: a key is."""
    entry = about.entry
    if entry is None:
        return f"/{CRYPTTAB} has no line for this device."
    link = entry.value(LINK_OPTION)
    if link is None and entry.argument:
        return f"{entry.argument} on the kernel's command line opens {entry.name} without {LINK_OPTION}."
    if link is None:
        return f"The line of {entry.name} in /{CRYPTTAB} has no {LINK_OPTION}."
    if link.partition("::")[0] not in _USER_KEYRING or linked_name(entry) not in about.names:
        return f"{_where(entry)} links the key as {link}, where no load looks for it."
    return ""


def _where(entry: Entry) -> str:
    return f"{entry.argument} for {entry.name}" if entry.argument else f"The line of {entry.name}"


def _with_option(device: CryptDevice, entry: Entry) -> str:
    """The argument with the options, and the one that links the key."""
    kept = [each for each in entry.options if not each.startswith(f"{LINK_OPTION}=")]
    return f"{entry.argument}={device.uuid}={','.join([*kept, link_option(device)])}"


def _linked(facts: HostFacts, about: DeviceFacts, entry: Entry) -> Finding:
    """What a correct line leads to at boot."""
    device = about.device
    if "noauto" in entry.options:
        what = f"{_where(entry)} is noauto: at boot it is not opened, and no key is linked."
        unit = shlex.quote(f"systemd-cryptsetup@{_escaped(entry.name)}.service")
        start = f"systemctl start {unit} && {fixes.restart(facts.system)}"
        return Finding("crypttab", Verdict.WARNING, what, _WHY, start, device.name)
    if about.by_initramfs_tools:
        what = f"{entry.name} is opened by cryptsetup-initramfs, which ignores link-volume-key."
        fix = f"{fixes.arm([device])} after each boot, or apt-get install dracut, whose initramfs has systemd"
        return Finding("crypttab", Verdict.WARNING, what, _WHY, fix, device.name)
    what = f"{_where(entry)} links the key where loads look for it."
    return Finding("crypttab", Verdict.GOOD, what, _WHY, "", device.name)


def _escaped(name: str) -> str:
    """A name as systemd-escape has it in the name of a unit."""
    return re.sub(
        r"[^A-Za-z0-9:_.]", lambda found: "".join(f"\\x{byte:02x}" for byte in found[0].encode()), name
    )
