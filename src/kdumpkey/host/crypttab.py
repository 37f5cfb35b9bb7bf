"""How devices are opened at boot: the lines of crypttab, and what the kernel's command line says.

Source: crypttab(5) of systemd 256 and of Debian's cryptsetup; systemd-cryptsetup-generator(8).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from kdumpkey.host.blocks import block_name, root_block, root_devices
from kdumpkey.host.mounts import unescaped
from kdumpkey.key_description import description_of

if TYPE_CHECKING:
    from kdumpkey.host.host import CryptDevice, Host

CRYPTTAB: Final = "etc/crypttab"
LINK_OPTION: Final = "link-volume-key"
_OF_UUID: Final = re.compile(r"(?:luks-)?([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})(?:=(.*))?")
_OFF: Final = ("no", "0", "off", "false", "n", "f")
_BY_LINK: Final = ("LABEL", "PARTUUID", "PARTLABEL", "ID")


@dataclass(frozen=True)
class Entry:
    """How a device is opened, by a line of crypttab or by the kernel's command line.

    Attributes:
        name: The mapping's.
        device: The device as it is named.
        options: Its options.
        argument: The argument on the command line that gives them; empty: crypttab does.
    """

    name: str
    device: str
    options: tuple[str, ...]
    argument: str = ""

    def value(self, option: str) -> str | None:
        """An option's value, the last one; None: it is not there."""
        start = f"{option}="
        found = [each[len(start) :] for each in self.options if each.startswith(start)]
        return found[-1] if found else None


def link_option(device: CryptDevice) -> str:
    """The option that has a device's volume key linked where a load looks for it."""
    return f"{LINK_OPTION}=@u::%logon:{description_of(device.uuid)}"


def linked_name(entry: Entry | None) -> str:
    """The description of the logon key that a device's volume key is linked as; empty: it is not linked."""
    link = (entry.value(LINK_OPTION) if entry else None) or ""
    return link.partition("::")[2].removeprefix("%logon:") if "::%logon:" in link else ""


def parse_entry(line: str) -> Entry | None:
    """Read a line; None: it is empty, a comment, or names no device."""
    fields = line.split()
    if len(fields) < 2 or fields[0].startswith("#"):
        return None
    options = _options(fields[3]) if len(fields) > 3 else ()
    return Entry(unescaped(fields[0]), unescaped(fields[1]), options)


def entry_of(host: Host, device: CryptDevice, text: str) -> Entry | None:
    """The first line about a device."""
    return next((parse_entry(line) for line in text.splitlines() if is_line_of(host, device, line)), None)


def opening_of(host: Host, device: CryptDevice, text: str, words: Sequence[str]) -> Entry | None:
    """How a device is opened, by crypttab and by the kernel's command line, which takes precedence.

    Options that the command line gives for a UUID replace those in crypttab; options without a UUID are for
    the devices that nothing else names.

    Args:
        host: The machine.
        device: The device.
        text: Its crypttab.
        words: The kernel's command line.
    """
    line = _CommandLine(words, initrd=_in_initrd(host, device))
    entry = entry_of(host, device, text) if line.reads_crypttab else None
    if not device.uuid:
        return entry
    argument, own = line.last("options", device.uuid)
    if entry is not None:
        by_uuid = device.uuid in entry.device.lower() or device.uuid in entry.name.lower()
        return entry if own is None or not by_uuid else replace(entry, options=own, argument=argument)
    if not line.opens(device.uuid) and own is None:
        return None
    if own is None:
        argument, own = line.last("options", "")
    named = line.last("name", device.uuid)[1]
    name = ",".join(named) if named else f"luks-{device.uuid}"
    return Entry(name, f"UUID={device.uuid}", own or (), argument or line.opens(device.uuid))


def unread_by(words: Sequence[str]) -> str:
    """The argument on the command line that makes systemd ignore crypttab; empty: systemd reads it."""
    line = _CommandLine(words, initrd=True)
    return next((word for word in words if line.is_off(word)), "")


@dataclass(frozen=True)
class _CommandLine:
    """The arguments for systemd-cryptsetup-generator; in an initrd, also those that begin with rd."""

    words: Sequence[str]
    initrd: bool

    @property
    def reads_crypttab(self) -> bool:
        return self._flag("luks") and self._flag("luks.crypttab")

    def is_off(self, word: str) -> bool:
        """Whether an argument turns crypttab off, and no later one turns it on again."""
        name, _, value = word.partition("=")
        key = name.removeprefix("rd.")
        return key in ("luks", "luks.crypttab") and value.lower() in _OFF and not self._flag(key)

    def last(self, key: str, uuid: str) -> tuple[str, tuple[str, ...] | None]:
        """An argument, and what it says of a UUID; with an empty UUID, of all. The last one counts."""
        found: tuple[str, tuple[str, ...] | None] = ("", None)
        for name, value in self._values(f"luks.{key}"):
            matched = _OF_UUID.fullmatch(value)
            whose, options = (matched[1].lower(), matched[2]) if matched else ("", value)
            if whose == uuid and options:
                found = name, _options(options)
        return found

    def opens(self, uuid: str) -> str:
        """The argument that opens a device; empty: none does."""
        for key in ("luks.uuid", "luks.name"):
            for name, value in self._values(key):
                matched = _OF_UUID.fullmatch(value)
                if matched is not None and matched[1].lower() == uuid and self._flag("luks"):
                    return name
        return ""

    def _values(self, key: str) -> list[tuple[str, str]]:
        names = (key, f"rd.{key}") if self.initrd else (key,)
        parted = (word.partition("=") for word in self.words)
        return [(name, value) for name, _, value in parted if name in names]

    def _flag(self, key: str) -> bool:
        values = self._values(key)
        return not values or values[-1][1].lower() not in _OFF


def _in_initrd(host: Host, device: CryptDevice) -> bool:
    """Whether the root filesystem lies on it, or that is not known: its initramfs then opens it."""
    return root_block(host) is None or device.uuid in {each.uuid for each in root_devices(host)}


def _options(text: str) -> tuple[str, ...]:
    return tuple(option.replace("\\,", ",") for option in re.split(r"(?<!\\),", text))


def entry_named(text: str, mapping: str) -> Entry | None:
    """The line that makes a mapping."""
    entries = (parse_entry(line) for line in text.splitlines())
    return next((entry for entry in entries if entry is not None and entry.name == mapping), None)


def is_line_of(host: Host, device: CryptDevice, line: str) -> bool:
    """Whether a line of crypttab is about a device, by any of its names."""
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
    # A tree without these links does not say which device has a label; but only one line can make a mapping.
    untold = kind in _BY_LINK and not host.names(f"dev/disk/by-{kind.lower()}", "*")
    return untold and bool(device.mapping) and entry.name == device.mapping


def by_initramfs_tools(host: Host, device: CryptDevice, entry: Entry) -> bool:
    """Whether Debian's scripts open it before systemd does, and do not know the option.

    Source: cryptsetup-initramfs 2.8.8, which warns about unknown options, and ignores them.
    """
    scripts = host.text("usr/lib/cryptsetup/functions") or host.text("lib/cryptsetup/functions")
    if not scripts or "crypttab_parse_options" not in scripts or "link-volume-key" in scripts:
        return False
    return "initramfs" in entry.options or device.uuid in {each.uuid for each in root_devices(host)}
