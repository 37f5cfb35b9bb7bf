"""Files that other programs touch when they load a crash image, so that their times tell of a later load.

Source: systemd, which names each run of a service under /run/systemd/units; kdumpctl's lock; kdump-config.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from kdumpkey.host.settings import KDUMP_TOOLS, shell_settings

if TYPE_CHECKING:
    from kdumpkey.host.host import Host

_TOUCHED: Final = (
    ("run/systemd/units/invocation:kdump.service", "kdump.service was started"),
    ("run/systemd/units/invocation:kdump-tools.service", "kdump-tools.service was started"),
    ("run/lock/kdump", "kdumpctl ran"),
    ("var/crash/kexec_cmd", "kdump-config loaded an image"),
)


def loaded_after(host: Host, seconds: float) -> str:
    """What another program did after a time that may have loaded another image; empty: nothing.

    Args:
        host: The machine.
        seconds: Since the epoch.
    """
    for path, what in (*_TOUCHED, *_by_settings(host)):
        folder, _, name = path.rpartition("/")
        try:
            changed = (host.path(folder) / name).lstat().st_mtime
        except (OSError, ValueError):
            continue
        if changed > seconds:
            return f"{what} at {moment(changed)}"
    return ""


def moment(seconds: float) -> str:
    """A time in UTC, for people."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))


def _by_settings(host: Host) -> list[tuple[str, str]]:
    """Where kdump-config writes down what it loaded, if not in its usual place."""
    folder = shell_settings(host.text(KDUMP_TOOLS) or "").get("KDUMP_COREDIR", "")
    return [(f"{folder.rstrip('/')}/kexec_cmd", "kdump-config loaded an image")] if folder else []
