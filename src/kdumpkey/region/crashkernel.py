"""``crashkernel=``: how much memory is reserved for the kdump kernel, by how much the machine has.

Source: kernel documentation, admin-guide/kdump, "crashkernel syntax".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from kdumpkey.errors import UsageError

_SIZE: Final = r"(\d+)([KMGTPE]?)"
_UNITS: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40, "P": 1 << 50, "E": 1 << 60}
_ONE: Final = re.compile(rf"{_SIZE}(?:@{_SIZE})?(?:,(high|low|cma))?", re.ASCII | re.IGNORECASE)
_RANGE: Final = re.compile(rf"{_SIZE}-(?:{_SIZE})?:{_SIZE}", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True)
class Reservation:
    """What is reserved; `base` is None if the kernel chooses the address."""

    size_bytes: int
    base: int | None = None


def parse_crashkernel(text: str, ram_bytes: int) -> Reservation:
    """What a ``crashkernel=`` reserves on a machine.

    Args:
        text: ``256M``, ``512M@64M``, ``256M,high``, ``256M,cma``, or ranges: ``2G-64G:256M,64G-:512M``.
        ram_bytes: How much memory the machine has.

    Raises:
        UsageError: It is not one of these, or reserves nothing on this machine.
    """
    if (one := _ONE.fullmatch(text)) is not None:
        base = None if one[3] is None else _bytes(one[3], one[4])
        return _something(Reservation(_bytes(one[1], one[2]), base), text)
    ranges, at, offset = text.partition("@")
    found = [_RANGE.fullmatch(part) for part in ranges.split(",")]
    where = re.fullmatch(_SIZE, offset, re.ASCII | re.IGNORECASE) if at else None
    if not all(found) or (at and where is None):
        raise UsageError(f"crashkernel={text} cannot be understood.")
    base = _bytes(where[1], where[2]) if where else None
    for matched in found:
        if matched is None:
            continue
        end = _bytes(matched[3], matched[4]) if matched[3] else None
        if _bytes(matched[1], matched[2]) <= ram_bytes and (end is None or ram_bytes < end):
            return _something(Reservation(_bytes(matched[5], matched[6]), base), text)
    raise UsageError(f"crashkernel={text} reserves nothing on a machine with {ram_bytes >> 20} MiB.")


def _bytes(digits: str, unit: str | None) -> int:
    return int(digits) * _UNITS[(unit or "").upper()]


def _something(found: Reservation, text: str) -> Reservation:
    if not found.size_bytes:
        raise UsageError(f"crashkernel={text} reserves nothing.")
    return found
