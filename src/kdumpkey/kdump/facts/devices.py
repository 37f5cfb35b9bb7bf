"""The encrypted devices that a dump has to pass, and their headers, as far as they can be read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kdumpkey.crypto.kdf import Argon2
from kdumpkey.errors import HeaderError, KdumpkeyError
from kdumpkey.host.blocks import aliases, beneath, block_name, crypt_devices, folder_of, numbered
from kdumpkey.host.crypttab import CRYPTTAB, entry_named, entry_of
from kdumpkey.host.host import CryptDevice, Host
from kdumpkey.kdump.facts.targets import DumpTarget, DumpTargets, read_targets
from kdumpkey.luks.data_access import DataAccess, data_access
from kdumpkey.luks.device import open_luks
from kdumpkey.luks.model import PRIORITY_IGNORE

if TYPE_CHECKING:
    from kdumpkey.luks.model import Keyslot, LuksHeader

_MAPPED: Final = "/dev/mapper/"


@dataclass(frozen=True)
class TargetDevices:
    """What a dump target is made of.

    Attributes:
        target: The target.
        crypts: The encrypted devices beneath it, nearest first.
        unseen: Where the machine does not say what comes next beneath it, and why.
        made_of: The target is not open, and crypttab would make it of this device; empty: it is open.
        absent: It is not a block device that is there, nor in crypttab: what is beneath cannot be told.
    """

    target: DumpTarget
    crypts: tuple[CryptDevice, ...] = ()
    unseen: tuple[str, ...] = ()
    made_of: str = ""
    absent: bool = False


@dataclass(frozen=True)
class HeaderFacts:
    """The header of an encrypted device.

    Attributes:
        device: The device as it was found: mapped, named, or in crypttab.
        header: Its LUKS header; None: it has none, or it cannot be read.
        access: How the data can be opened; None: no header was read.
        error: Why no header was read; empty: it was, or there is none to read.
        damaged: It was read, and is not a valid header.
        largest_kib: The most memory that a keyslot asks for which the kdump kernel may try.
    """

    device: CryptDevice
    header: LuksHeader | None = None
    access: DataAccess | None = None
    error: str = ""
    damaged: bool = False
    largest_kib: int = 0

    @property
    def is_replaced(self) -> bool:
        """Whether the mapping was made of another header than the one that is there now."""
        return self.header is not None and bool(self.device.uuid) and self.header.uuid != self.device.uuid

    @property
    def known(self) -> CryptDevice:
        """The device with what its header says; its UUID stays that of the mapping, if it has another one."""
        if self.header is None:
            return self.device
        known = replace(self.device, memory_kib=self.largest_kib)
        if self.is_replaced:
            return known
        return replace(known, uuid=self.header.uuid, kind=f"LUKS{self.header.version}")


@dataclass(frozen=True)
class DumpDevices:
    """The devices that a dump has to pass.

    Attributes:
        targets: Where the dump goes; None: the devices were named, and nobody asked.
        beneath: What each target is made of, up to the first of which that cannot be told.
        headers: The devices; None: which they are cannot be told.
    """

    targets: DumpTargets | None
    beneath: tuple[TargetDevices, ...]
    headers: tuple[HeaderFacts, ...] | None


def read_dump_devices(host: Host, named: Sequence[str]) -> DumpDevices:
    """Find the encrypted devices that were named, or those beneath the dump target, and read their headers.

    Args:
        host: The machine.
        named: Paths; empty: look at the dump target.
    """
    if named:
        crypts = [each for device in named for each in _named(host, device)]
        return DumpDevices(None, (), tuple(_header_facts(host, each) for each in crypts))
    targets = read_targets(host)
    found: list[TargetDevices] = []
    for target in () if targets.conflicting else targets.targets if not targets.unknown else ():
        found.append(_beneath_target(host, target))
        if found[-1].absent:
            break
    if targets.unknown or targets.conflicting or any(each.absent for each in found):
        return DumpDevices(targets, tuple(found), None)
    # Two targets may lie on the same device.
    below = {crypt.name: crypt for each in reversed(found) for crypt in each.crypts}
    ordered = dict.fromkeys(crypt.name for each in found for crypt in each.crypts)
    return DumpDevices(targets, tuple(found), tuple(_header_facts(host, below[name]) for name in ordered))


def device_file(host: Host, name: str) -> Path:
    """The file of a device: in another machine's tree, what lies under /dev is the tree's.

    Raises:
        OSError: The tree has none.
    """
    return Path(name) if host.is_here or not name.startswith("/dev/") else host.path(name)


def _beneath_target(host: Host, target: DumpTarget) -> TargetDevices:
    if target.remote:
        return TargetDevices(target)
    block = numbered(host, target.number) or block_name(host, target.source)
    if block is None:
        return _closed(host, target)
    lower = beneath(host, block)
    return TargetDevices(target, tuple(lower.crypts), tuple(lower.unseen))


def _closed(host: Host, target: DumpTarget) -> TargetDevices:
    """A target that is not open; if crypttab would make it, its device is known all the same."""
    entry = None
    if target.source.startswith(_MAPPED):
        entry = entry_named(host.text(CRYPTTAB) or "", target.source.removeprefix(_MAPPED))
    if entry is None:
        return TargetDevices(target, absent=True)
    block = block_name(host, entry.device)
    kind, _, value = entry.device.partition("=")
    link = f"/dev/disk/by-{kind.lower()}/{value}"
    name = entry.device if entry.device.startswith("/") else f"/dev/{block}" if block else link
    known = value.strip("\"'").lower() if kind == "UUID" else ""
    device = CryptDevice(name, known, "", entry.name, None, aliases(host, name))
    return TargetDevices(target, (device,), made_of=name)


def _named(host: Host, device: str) -> list[CryptDevice]:
    """A device as it was named: what is mapped from it says its UUID, if its header cannot be read.

    What is made of encrypted devices, such as a logical volume, stands for all of them.
    """
    block = block_name(host, device)
    if block is not None:
        if below := crypt_devices(host, block):
            return below
        for holder in host.names(f"{folder_of(host, block)}/holders", "dm-*"):
            for crypt in crypt_devices(host, holder):
                return [replace(crypt, name=device)]
    return [CryptDevice(device, "", "", "", None, aliases(host, device) if block else frozenset({device}))]


def _header_facts(host: Host, device: CryptDevice) -> HeaderFacts:
    if device.kind and not device.kind.startswith("LUKS"):
        return HeaderFacts(device)
    entry = entry_of(host, device, host.text(CRYPTTAB) or "")
    detached = entry.value("header") if entry else None
    try:
        # What crypttab names is a file of its machine; what a person names may be a copy on this one.
        with open_luks(host.path(detached) if detached else device_file(host, device.name)) as luks:
            header = luks.header
    except HeaderError as error:
        return HeaderFacts(device, error=_relative(host, str(error)), damaged=True)
    except KdumpkeyError as error:
        return HeaderFacts(device, error=_relative(host, str(error)))
    except OSError as error:
        return HeaderFacts(device, error=_relative(host, str(error.strerror)))
    tried = (slot for number, slot in header.keyslots.items() if not header.is_unbound(number))
    return HeaderFacts(device, header, data_access(header), largest_kib=_largest_kib(tried))


def _relative(host: Host, what: str) -> str:
    """What an error says, without the path of the tree itself."""
    return what if host.is_here else what.replace(str(host.root), "")


def _largest_kib(keyslots: Iterable[Keyslot]) -> int:
    costs = [
        slot.kdf.memory_kib
        for slot in keyslots
        if isinstance(slot.kdf, Argon2) and slot.priority != PRIORITY_IGNORE
    ]
    return max(costs, default=0)
