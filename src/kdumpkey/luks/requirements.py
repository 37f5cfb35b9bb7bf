"""What a LUKS2 header demands of every program that uses it, and what to do about each demand.

Source: the LUKS2 on-disk format, section "Requirements"; cryptsetup(8), version 2.8.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_ONLINE: Final = re.compile(r"online-reencrypt(-v[0-9]+)?")
_KNOWN: Final = {
    "offline-reencrypt": (
        "the legacy offline reencryption was interrupted; finish it where it was begun, with its log files: "
        "cryptsetup-reencrypt {device} (cryptsetup 2.4 and older have it)"
    ),
    "opal": (
        "the drive encrypts the data itself (OPAL); open it with cryptsetup 2.7 or later, as root, in "
        "the machine that has the drive: cryptsetup open {device} NAME"
    ),
    "inline-hw-tags": (
        "the drive keeps the integrity tags in its sectors' metadata; open it with cryptsetup 2.8 or later, "
        "on Linux 6.11 or later, as root: cryptsetup open {device} NAME"
    ),
}
_UNKNOWN: Final = "neither kdumpkey nor cryptsetup 2.8 knows this; use the program that wrote the header"
_LONGEST_NAME: Final = 64


def step_for(requirement: str, device: str = "DEVICE") -> str:
    """Say what to do about one requirement, on one line that begins with its name.

    Args:
        requirement: As the header names it.
        device: What commands are to call the device.
    """
    if _ONLINE.fullmatch(requirement):
        step = "a reencryption was begun and is not finished: cryptsetup reencrypt --resume-only {device}"
    else:
        step = _KNOWN.get(requirement, _UNKNOWN)
    shown = "".join(each if each.isprintable() else "?" for each in requirement[:_LONGEST_NAME])
    return f"{shown}: {step.format(device=device)}."


def unmet(requirements: Iterable[str], device: str = "DEVICE") -> str:
    """Say that requirements are not met, in cryptsetup's words, then which and what to do about each."""
    return "\n".join(
        ["Unmet LUKS2 requirements detected.", *(step_for(each, device) for each in requirements)]
    )
