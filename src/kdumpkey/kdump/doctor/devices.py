"""The encrypted devices that a dump has to pass, with what their headers say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kdumpkey.crypto.kdf import Argon2
from kdumpkey.errors import HeaderError, KdumpkeyError
from kdumpkey.host.blocks import aliases, beneath, block_name, crypt_devices, folder_of, numbered
from kdumpkey.host.crypttab import CRYPTTAB, entry_named, entry_of
from kdumpkey.host.system import read_system
from kdumpkey.kdump.doctor import CryptDevice, Finding, Host, Verdict, fixes
from kdumpkey.kdump.doctor.target import NAME_DEVICES, WHY, DumpTarget, dump_targets
from kdumpkey.luks.data_access import data_access
from kdumpkey.luks.device import open_luks
from kdumpkey.luks.model import PRIORITY_IGNORE

if TYPE_CHECKING:
    from kdumpkey.luks.model import LuksHeader

_WHY_HEADER: Final = "What the header asks for decides whether anything can open the device."
_IMAGE_OF_HEADER: Final = (
    "There: cryptsetup luksHeaderBackup DEVICE --header-backup-file FILE; then name FILE as the device."
)
_CAPTURE_BY_KDUMPKEY: Final = "Have the kdump kernel run kdumpkey kdump save, or encrypt with another cipher."
_MAPPED: Final = "/dev/mapper/"


def find_devices(host: Host, devices: Sequence[str], found: list[Finding]) -> list[CryptDevice] | None:
    """The encrypted devices that were named, or those beneath the dump target.

    Args:
        host: The machine.
        devices: Paths; empty: look at the dump target.
        found: Gets what was found on the way.

    Returns:
        The devices, with what their headers say; None: where the dump goes cannot be told.
    """
    crypts: list[CryptDevice] | None = [each for device in devices for each in _named(host, device)]
    if not devices:
        crypts = _beneath_targets(host, found)
    return None if crypts is None else [_with_header(host, device, found) for device in crypts]


def place_of(host: Host, name: str) -> Path:
    """The file of a device: in another machine's tree, what lies under /dev is the tree's.

    Raises:
        OSError: The tree has none.
    """
    return Path(name) if host.is_here or not name.startswith("/dev/") else host.path(name)


def _beneath_targets(host: Host, found: list[Finding]) -> list[CryptDevice] | None:
    """The encrypted devices beneath the dump targets; None: what they are cannot be told."""
    targets = dump_targets(host, found)
    if targets is None:
        return None
    crypts: list[CryptDevice] = []
    for target in targets:
        lower = _beneath_target(host, target, found)
        if lower is None:
            return None
        crypts += [device for device in lower if device.name not in {each.name for each in crypts}]
    return crypts


def _beneath_target(host: Host, target: DumpTarget, found: list[Finding]) -> list[CryptDevice] | None:
    where = f"{target.source} ({target.origin})"
    if target.remote:
        what = f"The dump goes to {where}, no disk of this machine: for it, no device has to be opened."
        found.append(Finding("target", Verdict.GOOD, what, WHY))
        return []
    block = numbered(host, target.number) or block_name(host, target.source)
    if block is None:
        return _closed(host, target, where, found)
    lower = beneath(host, block)
    names = ", ".join(device.name for device in lower.crypts) or "nothing encrypted"
    if lower.unseen:
        what = f"The dump goes to {where}; beneath that is {names}, and then {'; '.join(lower.unseen)}."
        found.append(Finding("target", Verdict.UNKNOWN, what, WHY, NAME_DEVICES))
        return lower.crypts
    what = f"The dump goes to {where}, and beneath that is {names}."
    found.append(Finding("target", Verdict.GOOD, what, WHY))
    return lower.crypts


def _closed(host: Host, target: DumpTarget, where: str, found: list[Finding]) -> list[CryptDevice] | None:
    """A target that is not there now; if crypttab makes it, its device is known all the same."""
    entry = None
    if target.source.startswith(_MAPPED):
        entry = entry_named(host.text(CRYPTTAB) or "", target.source.removeprefix(_MAPPED))
    if entry is None:
        what = f"The dump goes to {where}, which is not a block device that is there."
        found.append(Finding("target", Verdict.UNKNOWN, what, WHY, NAME_DEVICES))
        return None
    block = block_name(host, entry.device)
    kind, _, value = entry.device.partition("=")
    link = f"/dev/disk/by-{kind.lower()}/{value}"
    name = entry.device if entry.device.startswith("/") else f"/dev/{block}" if block else link
    what = f"The dump goes to {where}, which is not open; by crypttab, it is made of {name}."
    found.append(Finding("target", Verdict.GOOD, what, WHY))
    known = value.strip("\"'").lower() if kind == "UUID" else ""
    return [CryptDevice(name, known, "", entry.name, None, aliases(host, name))]


def _named(host: Host, device: str) -> list[CryptDevice]:
    """A device as it was named: what is mapped from it says its UUID, where its header cannot be read.

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


def _with_header(host: Host, device: CryptDevice, found: list[Finding]) -> CryptDevice:
    def finding(verdict: Verdict, what: str, fix: str = "") -> None:
        found.append(Finding("header", verdict, what, _WHY_HEADER, fix, device.name))

    if device.kind and not device.kind.startswith("LUKS"):
        finding(Verdict.GOOD, f"It is mapped as {device.kind}, without a LUKS header.")
        return device
    entry = entry_of(host, device, host.text(CRYPTTAB) or "")
    detached = entry.value("header") if entry else None
    try:
        # What crypttab names is a file of its machine; what a person names may be a copy on this one.
        with open_luks(host.path(detached) if detached else place_of(host, device.name)) as luks:
            header = luks.header
    except HeaderError as error:
        fix = f"cryptsetup luksHeaderRestore {device.name} --header-backup-file FILE"
        if not device.uuid:
            fix = "Name the LUKS device itself: lsblk --fs shows which is one."
        finding(Verdict.BROKEN, f"The header: {_relative(host, error)}", fix)
        return device
    except (KdumpkeyError, OSError) as error:
        fix = fixes.to_read(read_system(host), device.name) if host.is_here else _IMAGE_OF_HEADER
        finding(Verdict.UNKNOWN, f"The header: {_relative(host, error)}", fix)
        return device
    largest = _largest_kib(header)
    kind = f"LUKS{header.version}"
    named = f"{kind}, UUID {header.uuid}"
    if device.kind == "LUKS2-OPAL":
        fix = "Dump to a device that is encrypted by software alone."
        finding(Verdict.UNKNOWN, f"{named}; the disk itself encrypts it too, and is locked by a reset.", fix)
    elif device.uuid and header.uuid != device.uuid:
        what = f"{named}; but what is mapped has the UUID {device.uuid}: it was formatted anew meanwhile."
        finding(Verdict.BROKEN, what, f"reboot, and then {fixes.arm([device])}")
        return replace(device, memory_kib=largest)
    elif not (access := data_access(header)).possible:
        what = f"{named}, whose data cannot be opened: {access.user_space}."
        if header.requirements:
            what = f"{kind} demands {', '.join(header.requirements)}: {access.user_space}."
        elif access.dm_crypt != access.user_space:
            what += f" By dm-crypt: {access.dm_crypt}."
        finding(Verdict.BROKEN, what, access.step.replace("DEVICE", device.name))
    elif not header.keyslots:
        what = f"{named}, without a keyslot: nobody can open it once its key is lost."
        finding(
            Verdict.WARNING, what, f"cryptsetup luksHeaderRestore {device.name} --header-backup-file FILE"
        )
    elif access.dm_crypt:
        what = f"{named}, whose data only kdumpkey opens, with kdump save. By dm-crypt: {access.dm_crypt}."
        finding(Verdict.WARNING, what, _CAPTURE_BY_KDUMPKEY)
    else:
        what = f"{named}, {largest // 1024} MiB for its largest keyslot."
        if access.user_space:
            what += f" Only dm-crypt opens its data, if the kdump kernel has the cipher: {access.user_space}."
        finding(Verdict.GOOD, what)
    return replace(device, uuid=header.uuid, kind=kind, memory_kib=largest)


def _relative(host: Host, error: Exception) -> str:
    """What an error says, without the tree's own place."""
    what = (
        str(error) if isinstance(error, KdumpkeyError) or not isinstance(error, OSError) else error.strerror
    )
    return str(what).replace(str(host.root), "") if not host.is_here else str(what)


def _largest_kib(header: LuksHeader) -> int:
    costs = [
        slot.kdf.memory_kib if isinstance(slot.kdf, Argon2) else 0
        for number, slot in header.keyslots.items()
        if slot.priority != PRIORITY_IGNORE and not header.is_unbound(number)
    ]
    return max(costs, default=0)
