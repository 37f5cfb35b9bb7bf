"""Making configuration for devices: which pieces there are, and for which devices they are made."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from kdumpkey.errors import UsageError
from kdumpkey.kdump import generate as pieces
from kdumpkey.kdump.doctor import CryptDevice, Finding, Host, Verdict
from kdumpkey.kdump.doctor.devices import find_devices
from kdumpkey.kdump.generate import Change, Setup

PIECES: Final[dict[str, Callable[[Setup], list[Change]]]] = {
    "crypttab": pieces.crypttab,
    "dracut": pieces.dracut,
    "initramfs-tools": pieces.initramfs_tools,
    "kdump.conf": pieces.kdump_conf,
    "systemd": pieces.systemd,
    "udev": pieces.udev,
}
# What stands in configuration comes from headers: nothing in it may mean anything to whoever reads that.
_UUID: Final = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_MAPPING: Final = re.compile(r"[0-9A-Za-z_][0-9A-Za-z#+\-.:=@_]*")


def generate(piece: str, root: Path, devices: Sequence[str] = ()) -> list[Change]:
    """Make one piece of configuration.

    Args:
        piece: Of `PIECES`.
        root: ``/``, or a directory with another machine's files.
        devices: The encrypted devices; default: those beneath the dump target.

    Returns:
        The files of the piece; some of them may be as they should be already.

    Raises:
        UsageError: There is no such piece, no such root, or no device that can be named by a UUID.
    """
    if piece not in PIECES:
        *others, last = PIECES
        raise UsageError(f"kdump generate makes {', '.join(others)} or {last}, not {piece!r}.")
    if not root.is_dir():
        raise UsageError(f"{root} is not a directory.")
    host = Host(root.resolve())
    # By its interpreter: dracut, mkinitramfs and systemd look for programs in few directories.
    program = (sys.executable, "-I", "-m", "kdumpkey")
    return PIECES[piece](Setup(host, _devices(host, devices), program))


def _devices(host: Host, named: Sequence[str]) -> tuple[CryptDevice, ...]:
    found: list[Finding] = []
    crypts = find_devices(host, named, found)
    if not crypts:
        said = " ".join(finding.what for finding in found)
        raise UsageError(f"{said} Name the encrypted devices.".lstrip())
    for crypt in crypts:
        if not _UUID.fullmatch(crypt.uuid):
            bad = [finding.what for finding in found if finding.verdict is not Verdict.GOOD]
            raise UsageError(f"{crypt.name} has no UUID to name its key by. {' '.join(bad)}".rstrip())
        if crypt.mapping and not _MAPPING.fullmatch(crypt.mapping):
            raise UsageError(f"{crypt.name} is mapped as {crypt.mapping!r}: no name for configuration.")
    return tuple({crypt.uuid: crypt for crypt in crypts}.values())
