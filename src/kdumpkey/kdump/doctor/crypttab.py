"""Whether crypttab has the volume key put where kdump's service finds it, at every boot.

Source: crypttab(5) of systemd 256 and of Debian's cryptsetup.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kdumpkey.host.blocks import block_name, crypt_devices, numbered
from kdumpkey.host.mounts import mount_at
from kdumpkey.kdump.doctor import fixes
from kdumpkey.kdump.doctor.finding import Finding, Verdict

if TYPE_CHECKING:
    from kdumpkey.host.host import CryptDevice, Host

PATH: Final = "etc/crypttab"
_WHY: Final = "Nobody puts the key into the keyring then, so the image is loaded without it, or not at all."
_OPTION: Final = "link-volume-key="
_BY_LINK: Final = ("LABEL", "PARTUUID", "PARTLABEL", "ID")
_USER_KEYRING: Final = ("@u", "-4", "%:_uid.0", "%keyring:_uid.0", "_uid.0")


@dataclass(frozen=True)
class Entry:
    """A line of crypttab: the mapping's name, the device as it is named, and the options."""

    name: str
    device: str
    options: tuple[str, ...]

    def value(self, option: str) -> str | None:
        """What an option is set to; the last counts. None: it is not there."""
        start = f"{option}="
        found = [each[len(start) :] for each in self.options if each.startswith(start)]
        return found[-1] if found else None


def check_crypttab(host: Host, device: CryptDevice, *, has_key: bool) -> list[Finding]:
    """Find the device's line, by any of its names, and read where it has the key linked."""
    if not device.uuid:
        return []
    # A key that is there serves the loads of this boot; the next boot has none.
    bad = Verdict.WARNING if has_key else Verdict.BROKEN
    text = host.text(PATH)
    if text is None and not host.absent(PATH):
        what = f"/{PATH} cannot be read."
        return [Finding("crypttab", Verdict.UNKNOWN, what, _WHY, fixes.to_read(host, PATH), device.name)]
    entry = entry_of(host, device, text or "")
    fix = fixes.crypttab(host, device)
    if entry is None:
        what = f"/{PATH} has no line for this device."
        return [Finding("crypttab", bad, what, _WHY, fix, device.name)]
    link = entry.value(_OPTION.rstrip("="))
    if link is None:
        what = f"The line of {entry.name} in /{PATH} has no {_OPTION.rstrip('=')}."
        return [Finding("crypttab", bad, what, _WHY, fix, device.name)]
    keyring, _, key = link.partition("::")
    if keyring not in _USER_KEYRING or key != f"%logon:{device.description}":
        what = f"The line of {entry.name} links the key as {link}, where no load looks for it."
        return [Finding("crypttab", bad, what, _WHY, fix, device.name)]
    if "noauto" in entry.options:
        what = f"The line of {entry.name} is noauto: at boot it is not opened, and no key is linked."
        unit = shlex.quote(f"systemd-cryptsetup@{_escaped(entry.name)}.service")
        start = f"systemctl start {unit} && {fixes.restart(host)}"
        return [Finding("crypttab", Verdict.WARNING, what, _WHY, start, device.name)]
    if _by_initramfs_tools(host, device, entry):
        what = f"{entry.name} is opened by cryptsetup-initramfs, which passes link-volume-key over."
        fix = f"{fixes.arm([device])} after each boot, or apt-get install dracut, whose initramfs has systemd"
        return [Finding("crypttab", Verdict.WARNING, what, _WHY, fix, device.name)]
    what = f"The line of {entry.name} has the key linked where it is looked for."
    return [Finding("crypttab", Verdict.GOOD, what, _WHY, "", device.name)]


def wanted_option(device: CryptDevice) -> str:
    """The option that has the device's volume key linked where a load looks for it."""
    return f"{_OPTION}@u::%logon:{device.description}"


def parse_entry(line: str) -> Entry | None:
    """Read a line; None: it is empty, a comment, or names no device."""
    fields = line.split()
    if len(fields) < 2 or fields[0].startswith("#"):
        return None
    options = re.split(r"(?<!\\),", fields[3]) if len(fields) > 3 else []
    plain = tuple(option.replace("\\,", ",") for option in options)
    return Entry(_unescaped(fields[0]), _unescaped(fields[1]), plain)


def entry_of(host: Host, device: CryptDevice, text: str) -> Entry | None:
    """The first line about a device."""
    return next((parse_entry(line) for line in text.splitlines() if is_line_of(host, device, line)), None)


def entry_named(text: str, mapping: str) -> Entry | None:
    """The line that makes a mapping."""
    entries = (parse_entry(line) for line in text.splitlines())
    return next((entry for entry in entries if entry is not None and entry.name == mapping), None)


def is_line_of(host: Host, device: CryptDevice, line: str) -> bool:
    """Whether a line of crypttab is about a device, whichever of its names stands there."""
    entry = parse_entry(line)
    if entry is None:
        return False
    kind, tagged, value = entry.device.partition("=")
    value = value.strip("\"'")
    spec = f"{kind}={value}" if tagged else entry.device
    by_uuid = kind == "UUID" and value.lower() == device.uuid and bool(value)
    block = device.name.rpartition("/")[2]
    if by_uuid or spec in device.aliases or spec == device.name:
        return True
    if block_name(host, spec) == block:
        return True
    # A tree without these links does not say what a label is of; but two lines cannot make one mapping.
    untold = kind in _BY_LINK and not host.names(f"dev/disk/by-{kind.lower()}", "*")
    return untold and bool(device.mapping) and entry.name == device.mapping


def _by_initramfs_tools(host: Host, device: CryptDevice, entry: Entry) -> bool:
    """Whether Debian's scripts open it before systemd does, and do not know the option.

    Source: cryptsetup-initramfs 2.8.8, which warns of an option that it does not know, and goes on.
    """
    scripts = host.text("usr/lib/cryptsetup/functions") or host.text("lib/cryptsetup/functions")
    if not scripts or "crypttab_parse_options" not in scripts or "link-volume-key" in scripts:
        return False
    root = mount_at(host, "/")
    block = (numbered(host, root.number) or block_name(host, root.source)) if root else None
    below = crypt_devices(host, block) if block else []
    return "initramfs" in entry.options or device.uuid in {each.uuid for each in below}


def _unescaped(field: str) -> str:
    """Undo the octal escapes of blanks."""
    return re.sub(r"\\([0-3][0-7]{2})", lambda found: chr(int(found[1], 8)), field)


def _escaped(name: str) -> str:
    """A name as systemd-escape has it in the name of a unit."""
    return re.sub(
        r"[^A-Za-z0-9:_.]", lambda found: "".join(f"\\x{byte:02x}" for byte in found[0].encode()), name
    )
