"""Whether a crash now would leave a dump: what kdump's findings say, with what LUKS headers know."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from kdumpkey.crypto.kdf import Argon2
from kdumpkey.errors import KdumpkeyError, KeyringError, UsageError
from kdumpkey.kdump.doctor import CryptDevice, Finding, Host, Verdict
from kdumpkey.kdump.doctor.crypttab import check_crypttab
from kdumpkey.kdump.doctor.image import check_image, is_loaded, recorded
from kdumpkey.kdump.doctor.initramfs import check_initramfs
from kdumpkey.kdump.doctor.interface import check_interface
from kdumpkey.kdump.doctor.key import check_key, has_key
from kdumpkey.kdump.doctor.programs import check_programs
from kdumpkey.kdump.doctor.reserved import check_reserved
from kdumpkey.kdump.doctor.service import check_service
from kdumpkey.kdump.doctor.target import aliases, block_name, crypt_devices, dump_target
from kdumpkey.kdump.estimate import Estimate, Keyslot
from kdumpkey.keyring import request_key
from kdumpkey.luks.model import PRIORITY_IGNORE
from kdumpkey.ops.estimate import Machine, estimate_machine
from kdumpkey.ops.open import open_luks

# What has to hold for a load; the image that is loaded no longer needs it.
_LOADING: Final = frozenset({"interface", "items", "cryptsetup", "systemd", "service", "crypttab", "key"})
_WHY_TARGET: Final = "The dump goes where kdump's configuration says; its devices are what must be opened."
_WHY_HEADER: Final = "What the header asks for decides whether anything can open the device."


def examine(root: Path, devices: Sequence[str] = ()) -> list[Finding]:
    """Examine a machine, from the dump target down; nothing is changed.

    Args:
        root: ``/``, or a directory with another machine's files.
        devices: The encrypted devices; default: those beneath the dump target.

    Raises:
        UsageError: `root` is no directory.
    """
    if not root.is_dir():
        raise UsageError(f"{root} is no directory.")
    host = Host(root)
    if host.is_kdump_kernel:
        raise UsageError("This is the kdump kernel; the doctor examines the first.")
    found: list[Finding] = []
    crypts = [_named(host, device) for device in devices] if devices else _beneath_target(host, found)
    if crypts is None:
        return found
    crypts = [_with_header(host, device, found) for device in crypts]
    found += check_reserved(host, _estimate(host, crypts))
    if crypts:
        found += check_interface(host) + check_programs(host)
        found += check_service(host)
    for device in crypts:
        found += check_crypttab(host, device, has_key=has_key(host, device))
        reachable = _reachable(device) if _is_here(host) else None
        privileged = os.geteuid() == 0 or not _is_here(host)
        found += check_key(host, device, privileged=privileged, reachable=reachable)
    found += check_image(host, crypts)
    found += check_initramfs(host) if crypts else []
    if crypts and is_loaded(host) and {device.description for device in crypts} <= recorded(host):
        found = [_of_the_next_load(finding) for finding in found]
    return found


def _of_the_next_load(finding: Finding) -> Finding:
    """What is wrong on a key's way into an image spoils the next load, not the image that has the key."""
    if finding.check not in _LOADING or finding.verdict is Verdict.GOOD:
        return finding
    return replace(finding, verdict=Verdict.WARNING)


def _is_here(host: Host) -> bool:
    return host.root == Path("/")


def _beneath_target(host: Host, found: list[Finding]) -> list[CryptDevice] | None:
    """The encrypted devices beneath the dump target; None: where that is cannot be told."""
    target = dump_target(host)
    fix = "Name the encrypted devices: kdumpkey kdump doctor DEVICE…"
    if target is None:
        what = "Neither /etc/kdump.conf nor the mounted filesystems say where a dump would go."
        found.append(Finding("target", Verdict.UNKNOWN, what, _WHY_TARGET, fix))
        return None
    where = f"{target.source} ({target.origin})"
    if target.remote:
        what = f"The dump goes to another machine, {where}: no device has to be opened."
        found.append(Finding("target", Verdict.GOOD, what, _WHY_TARGET))
        return []
    block = block_name(host, target.source)
    if block is None:
        what = f"The dump goes to {where}, which is not a block device that is there."
        found.append(Finding("target", Verdict.UNKNOWN, what, _WHY_TARGET, fix))
        return None
    crypts = crypt_devices(host, block)
    names = ", ".join(device.name for device in crypts) or "nothing encrypted"
    what = f"The dump goes to {where}, and beneath that is {names}."
    found.append(Finding("target", Verdict.GOOD, what, _WHY_TARGET))
    return crypts


def _named(host: Host, device: str) -> CryptDevice:
    """A device as it was named: what is mapped from it says its UUID, where its header cannot be read."""
    block = block_name(host, device)
    if block is not None:
        for holder in [block, *host.names(f"sys/block/{block}/holders", "dm-*")]:
            for crypt in crypt_devices(host, holder):
                return crypt if holder == block else replace(crypt, name=device)
    return CryptDevice(device, "", "", "", None, aliases(host, device) if block else frozenset({device}))


def _with_header(host: Host, device: CryptDevice, found: list[Finding]) -> CryptDevice:
    path = device.name if _is_here(host) or not device.uuid else str(host.path(device.name))
    if device.kind and not device.kind.startswith("LUKS"):
        what = f"It is mapped as {device.kind}, without a LUKS header."
        found.append(Finding("header", Verdict.GOOD, what, _WHY_HEADER, "", device.name))
        return device
    try:
        with open_luks(path) as luks:
            header = luks.header
    except KdumpkeyError as error:
        # What is mapped has been opened already; its UUID is known, only the keyslots are not.
        verdict = Verdict.WARNING if device.uuid else Verdict.BROKEN
        fix = "Run this as root, or name the device or an image of its header."
        found.append(Finding("header", verdict, f"The header: {error}", _WHY_HEADER, fix, device.name))
        return device
    costs = [
        slot.kdf.memory_kib if isinstance(slot.kdf, Argon2) else 0
        for number, slot in header.keyslots.items()
        if slot.priority != PRIORITY_IGNORE and not header.is_unbound(number)
    ]
    largest = max(costs, default=0)
    kind = f"LUKS{header.version}"
    if header.requirements:
        what = f"{kind} demands {', '.join(header.requirements)}."
        fix = "Finish what was begun on it (cryptsetup reencrypt --resume-only), or dump elsewhere."
        found.append(Finding("header", Verdict.BROKEN, what, _WHY_HEADER, fix, device.name))
    else:
        what = f"{kind}, UUID {header.uuid}, {largest // 1024} MiB for its largest keyslot."
        found.append(Finding("header", Verdict.GOOD, what, _WHY_HEADER, "", device.name))
    return replace(device, uuid=header.uuid, kind=kind, memory_kib=largest)


def _estimate(host: Host, devices: Sequence[CryptDevice]) -> Estimate | None:
    machine = Machine(root=host.root, release=host.release or None, arch=host.arch or None)
    keyslots = [Keyslot(device.name, 0, device.memory_kib or 0) for device in devices]
    try:
        return estimate_machine(machine, [device.name for device in devices], keyslots).estimate
    except KdumpkeyError:
        return None


def _reachable(device: CryptDevice) -> bool | None:
    try:
        request_key("logon", device.description)
    except KeyringError:
        return False
    return True
