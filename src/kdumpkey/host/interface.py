"""The kernel's interface for keys on a machine: the configfs directory, and the keys named in it.

Source: kernel documentation, admin-guide/kdump, "Write the dump file to encrypted disk volume".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdumpkey.host.configfs import DIRECTORY, is_mounted
from kdumpkey.host.host import Missing

if TYPE_CHECKING:
    from kdumpkey.host.host import Host


@dataclass(frozen=True)
class ConfigfsItem:
    """A key that is named to the kernel; `description` is None if it cannot be read."""

    name: str
    description: str | None


@dataclass(frozen=True)
class Interface:
    """The interface.

    Attributes:
        present: Whether the directory is there; `Missing.UNREADABLE` is neither.
        configfs: Whether configfs is mounted in its place.
        reuse: Whether loads copy the keys of the previous image.
        items: The keys that are named.
    """

    present: bool | Missing
    configfs: bool
    reuse: bool
    items: tuple[ConfigfsItem, ...]


def read_interface(host: Host) -> Interface:
    """Read the directory, if there is one."""
    names = [name for name in host.names(DIRECTORY, "*") if host.exists(f"{DIRECTORY}/{name}/description")]
    return Interface(
        host.exists(DIRECTORY) or (False if host.absent(DIRECTORY) else Missing.UNREADABLE),
        is_mounted(host.text("proc/mounts") or ""),
        host.word(f"{DIRECTORY}/reuse") == "1",
        tuple(ConfigfsItem(name, _description(host, name)) for name in names),
    )


def _description(host: Host, item: str) -> str | None:
    text = host.text(f"{DIRECTORY}/{item}/description")
    return None if text is None else text.removesuffix("\n")
