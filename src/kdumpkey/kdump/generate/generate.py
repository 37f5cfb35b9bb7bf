"""Generates configuration for encrypted devices: what can be generated, and for which devices."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from kdumpkey.errors import UsageError
from kdumpkey.host.host import CryptDevice, Host
from kdumpkey.host.system import read_system
from kdumpkey.kdump.doctor.finding import Verdict
from kdumpkey.kdump.doctor.header import check_header
from kdumpkey.kdump.doctor.target import check_target
from kdumpkey.kdump.facts.devices import read_dump_devices
from kdumpkey.kdump.generate.change import Change
from kdumpkey.kdump.generate.crypttab import crypttab
from kdumpkey.kdump.generate.initramfs import dracut, initramfs_tools
from kdumpkey.kdump.generate.kdump_conf import kdump_conf
from kdumpkey.kdump.generate.setup import Setup
from kdumpkey.kdump.generate.systemd import systemd
from kdumpkey.kdump.generate.udev import udev

GENERATORS: Final[dict[str, Callable[[Setup], list[Change]]]] = {
    "crypttab": crypttab,
    "dracut": dracut,
    "initramfs-tools": initramfs_tools,
    "kdump.conf": kdump_conf,
    "systemd": systemd,
    "udev": udev,
}
# These come from headers: nothing in them may mean anything to the programs that read the configuration.
_UUID: Final = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_MAPPING: Final = re.compile(r"[0-9A-Za-z_][0-9A-Za-z#+\-.:=@_]*")


def generate(kind: str, root: Path, devices: Sequence[str] = ()) -> list[Change]:
    """Generate one kind of configuration.

    Args:
        kind: One of `GENERATORS`.
        root: ``/``, or a directory with another machine's files.
        devices: The encrypted devices; default: those beneath the dump target.

    Returns:
        The changed files; some of them may be as they should be already.

    Raises:
        UsageError: There is no such kind, no such root, or no device that can be named by a UUID.
    """
    if kind not in GENERATORS:
        *others, last = GENERATORS
        raise UsageError(f"kdump generate makes {', '.join(others)} or {last}, not {kind!r}.")
    if not root.is_dir():
        raise UsageError(f"{root} is not a directory.")
    host = Host(root.resolve())
    # By its interpreter: dracut, mkinitramfs and systemd look for programs in few directories.
    program = (sys.executable, "-I", "-m", "kdumpkey")
    return GENERATORS[kind](Setup(host, _devices(host, devices), program))


def _devices(host: Host, named: Sequence[str]) -> tuple[CryptDevice, ...]:
    devices, system = read_dump_devices(host, named), read_system(host)
    headers = devices.headers or ()
    found = [
        *check_target(system, devices),
        *(finding for each in headers for finding in check_header(system, each)),
    ]
    if not headers:
        said = " ".join(finding.what for finding in found)
        raise UsageError(f"{said} Name the encrypted devices.".lstrip())
    crypts = [header.known for header in headers]
    for crypt in crypts:
        if not _UUID.fullmatch(crypt.uuid):
            bad = [finding.what for finding in found if finding.verdict is not Verdict.GOOD]
            raise UsageError(f"{crypt.name} has no UUID to name its key by. {' '.join(bad)}".rstrip())
        if crypt.mapping and not _MAPPING.fullmatch(crypt.mapping):
            raise UsageError(f"{crypt.name} is mapped as {crypt.mapping!r}: no name for configuration.")
    return tuple({crypt.uuid: crypt for crypt in crypts}.values())
