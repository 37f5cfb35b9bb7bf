"""The lines of crypttab: which device each is about, and by whom it is opened.

Source: crypttab(5) of systemd 256 and of Debian's cryptsetup.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kdumpkey.host.blocks import block_name, crypt_devices, numbered
from kdumpkey.host.mounts import mount_at

if TYPE_CHECKING:
    from kdumpkey.host.host import CryptDevice, Host

CRYPTTAB: Final = "etc/crypttab"
_BY_LINK: Final = ("LABEL", "PARTUUID", "PARTLABEL", "ID")


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


def by_initramfs_tools(host: Host, device: CryptDevice, entry: Entry) -> bool:
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
