"""Whether a crash now would leave a dump: what kdump's findings say, with what LUKS headers know."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kdumpkey.errors import KdumpkeyError, KeyringError, UsageError
from kdumpkey.kdump.doctor import CryptDevice, Finding, Host, Verdict, fixes
from kdumpkey.kdump.doctor.crypttab import check_crypttab
from kdumpkey.kdump.doctor.devices import find_devices
from kdumpkey.kdump.doctor.image import check_image, is_loaded, loaded_since, record_of
from kdumpkey.kdump.doctor.initramfs import check_initramfs
from kdumpkey.kdump.doctor.interface import check_interface
from kdumpkey.kdump.doctor.key import Reach, check_items, check_key, has_key
from kdumpkey.kdump.doctor.programs import check_programs
from kdumpkey.kdump.doctor.reserved import check_reserved
from kdumpkey.kdump.doctor.service import check_service, shares_keyring
from kdumpkey.kdump.estimate.machine import Machine, estimate_machine
from kdumpkey.kdump.estimate.rules import Keyslot
from kdumpkey.kdump.freshness import Freshness, State, key_now
from kdumpkey.keyring import SpecialKeyring, request_key, search_keyring

if TYPE_CHECKING:
    from kdumpkey.kernel.linux.record import KeyOrigin

# What has to hold for a load; the image that is loaded no longer needs it, and has the key or has it not.
_LOADING: Final = frozenset(
    {"configfs", "items", "reuse", "cryptsetup", "systemd", "service", "crypttab", "key", "reach"}
)
_WHY_STALE: Final = (
    "The kdump kernel has the key of the device as it was: now it opens nothing, or it writes a dump that "
    "nobody can open afterwards."
)
_EVERY_USER: Final = ["0", "0", "4294967295"]  # the identity map: root here is the machine's root


def examine(
    root: Path, devices: Sequence[str] = (), *, now: Callable[[], float] = time.time
) -> list[Finding]:
    """Examine a machine, from the dump target down; nothing is changed.

    Args:
        root: ``/``, or a directory with another machine's files.
        devices: The encrypted devices; default: those beneath the dump target.
        now: Seconds since the epoch.

    Raises:
        UsageError: `root` is no directory.
    """
    if not root.is_dir():
        raise UsageError(f"{root} is no directory.")
    host = Host(root.resolve())
    if host.is_kdump_kernel:
        raise UsageError("This is the kdump kernel; the doctor examines the first.")
    found: list[Finding] = []
    crypts = find_devices(host, devices, found)
    if crypts is None:
        return found
    privileged = _is_root(host)
    found += _check_reserved(host, crypts)
    if crypts:
        found += check_interface(host) + check_programs(host)
        found += check_items(host) if privileged else []
        found += check_service(host, crypts)
    for device in crypts:
        found += check_crypttab(host, device, has_key=has_key(host, device))
        reach = _reach(host, device) if host.is_here and privileged else Reach()
        service = shares_keyring(host)
        found += check_key(host, device, privileged=privileged, reach=reach, now=now(), service=service)
    found += check_image(host, crypts) + _check_freshness(host, crypts)
    found += check_initramfs(host, crypts) if crypts else []
    return [_of_the_next_load(finding) for finding in found] if is_loaded(host) else found


def _of_the_next_load(finding: Finding) -> Finding:
    """What is wrong on a key's way into an image spoils the next load, not the image that is loaded."""
    if finding.check not in _LOADING or finding.verdict is Verdict.GOOD:
        return finding
    return replace(finding, verdict=Verdict.WARNING)


def _is_root(host: Host) -> bool:
    """Whether root's keys would be listed; in a container, root is not the machine's."""
    if not host.is_here:
        return True
    mapped = host.word("proc/self/uid_map")  # a kernel without user namespaces has none
    return os.geteuid() == 0 and (mapped is None or mapped.split() == _EVERY_USER)


def _check_reserved(host: Host, devices: Sequence[CryptDevice]) -> list[Finding]:
    record = record_of(host)
    image = record.image if record and not loaded_since(host, record) else None
    kernel, initramfs = (
        str(host.path(name)) if name and host.exists(name) else None
        for name in ((image.kernel, image.initrd) if image else ("", ""))
    )
    machine = Machine(
        root=host.root,
        release=host.release or None,
        arch=host.arch or None,
        kernel=kernel,
        initramfs=initramfs,
    )
    keyslots = [Keyslot(device.name, 0, device.memory_kib or 0) for device in devices]
    try:
        made = estimate_machine(machine, [device.name for device in devices], keyslots).estimate
    except (KdumpkeyError, OSError) as error:
        return check_reserved(host, None, str(error))
    return check_reserved(host, made)


def _reach(host: Host, device: CryptDevice) -> Reach:
    """Search as a load does, and as kdump's service would."""
    if not device.uuid:
        return Reach()
    if has_key(host, device):
        return Reach(
            _finds(lambda: request_key("logon", device.description)),
            _finds(lambda: search_keyring(SpecialKeyring.USER, "logon", device.description)),
        )
    # There is no key yet: what is put into root's user keyring has to be found from here.
    return Reach(_finds(lambda: request_key("keyring", f"_uid.{os.geteuid()}")))


def _finds(search: Callable[[], int]) -> bool:
    try:
        search()
    except KeyringError:
        return False
    return True


def _check_freshness(host: Host, devices: Sequence[CryptDevice]) -> list[Finding]:
    """Hold the keys of the loaded image against their devices as these are now."""
    record = record_of(host)
    if record is None or loaded_since(host, record):
        return []
    found = []
    for device in devices:
        origins = [
            origin
            for origin in record.origins
            if origin.description == device.description or origin.device == device.name
        ]
        found += [_freshness(host, device, origin) for origin in origins]
        if not origins and device.description in record.descriptions:
            what = "The record of the load does not say which volume key of the device was loaded."
            fix = fixes.arm([device])
            found.append(Finding("stale", Verdict.UNKNOWN, what, _WHY_STALE, fix, device.name))
    return found


def _freshness(host: Host, device: CryptDevice, origin: KeyOrigin) -> Finding:
    state = key_now(host.root, origin) if host.is_here else _key_in_tree(host, origin)
    if state.state is State.STALE:
        what, verdict = f"The hand-over is stale: {state.reason}.", Verdict.BROKEN
        fix = f"kdumpkey kdump unload && {fixes.arm([device])}"
    elif state.state is State.UNKNOWN:
        what = f"Whether the key is still the device's cannot be told: {state.reason}"
        verdict, fix = Verdict.UNKNOWN, fixes.to_read(host, origin.device)
    elif not origin.checked:
        what = "What was loaded was a logon key of the device's name, which nobody can read: it is on trust."
        verdict, fix = Verdict.WARNING, fixes.arm([device])
    else:
        what, verdict, fix = "The key that was loaded is still the device's.", Verdict.GOOD, ""
    return Finding("stale", verdict, what, _WHY_STALE, fix, device.name)


def _key_in_tree(host: Host, origin: KeyOrigin) -> Freshness:
    """As `key_now`, with links that do not lead out of the tree."""
    for name in (origin.header or origin.device, f"dev/disk/by-uuid/{origin.uuid}"):
        try:
            place = str(host.path(name))
        except OSError:
            continue
        now = key_now(Path("/"), replace(origin, header=place))
        return replace(now, reason=now.reason.replace(str(host.root), ""))
    return Freshness(origin.description, State.UNKNOWN, f"{origin.device} is not there")
