"""The keys that the kernel lists for this caller.

Source: keyrings(7), /proc/keys, which lists the keys that the reader may view.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from kdumpkey.host.host import Host

_FIELDS: Final = 9  # serial flags usage timeout permissions uid gid type description
_UNITS_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


@dataclass(frozen=True)
class ListedKey:
    """A line of /proc/keys."""

    serial: str
    flags: str
    timeout: str
    uid: str
    type: str
    description: str
    permissions: int = 0

    @property
    def remaining_s(self) -> int | None:
        """How long it lasts at least, by its line; None: for ever, or it has expired."""
        unit = _UNITS_S.get(self.timeout[-1:])
        return int(self.timeout[:-1]) * unit if unit and self.timeout[:-1].isdecimal() else None

    @property
    def problem(self) -> str:
        """Why a load could not use it; empty: it could."""
        if self.timeout == "expd":
            return "has expired"
        if "R" in self.flags:
            return "was revoked"
        return "is dead" if set(self.flags) & set("DNi") else ""


def listed_keys(host: Host) -> list[ListedKey] | None:
    """The keys that the reader may view; None: that cannot be read."""
    text = host.text("proc/keys")
    if text is None:
        return None
    rows = [line.split(None, _FIELDS - 1) for line in text.splitlines()]
    return [
        ListedKey(row[0], row[1], row[3], row[5], row[7], row[8].rpartition(": ")[0] or row[8], _hex(row[4]))
        for row in rows
        if len(row) == _FIELDS
    ]


def _hex(text: str) -> int:
    try:
        return int(text, 16)
    except ValueError:
        return 0
