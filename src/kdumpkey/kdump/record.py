"""The record of a load: which keys went into the crash image, for the kernel never tells. No secret is in it.

One line of JSON: ``{"version": 1, "boot_id": …, "loaded_at": seconds since the epoch, "descriptions": […]}``.
A record counts only in the boot that it names. Source: this page; the kernel's random/boot_id.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

RECORD: Final = "run/kdumpkey/loaded.json"
_VERSION: Final = 1
_MOST: Final = 128  # keys


@dataclass(frozen=True)
class LoadRecord:
    """What was loaded: the boot, when (seconds since the epoch), and the keys' descriptions."""

    boot_id: str
    loaded_at: float
    descriptions: tuple[str, ...]

    def to_text(self) -> str:
        """The file's content."""
        return (
            json.dumps(
                {
                    "version": _VERSION,
                    "boot_id": self.boot_id,
                    "loaded_at": self.loaded_at,
                    "descriptions": list(self.descriptions),
                }
            )
            + "\n"
        )


def parse_record(text: str) -> LoadRecord | None:
    """Read a record; None: it is not one, which says no more than that there is none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or found.get("version") != _VERSION:
        return None
    boot, when, names = found.get("boot_id"), found.get("loaded_at"), found.get("descriptions")
    if not isinstance(boot, str) or not isinstance(when, int | float) or not isinstance(names, list):
        return None
    if len(names) > _MOST or not all(isinstance(name, str) for name in names):
        return None
    return LoadRecord(boot, float(when), tuple(names))
