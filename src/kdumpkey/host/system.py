"""What a machine runs: its kernel, its architecture, and whose commands it has."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from kdumpkey.host.settings import KDUMP_CONF, KDUMP_TOOLS

if TYPE_CHECKING:
    from kdumpkey.host.host import Host


class Family(Enum):
    """Whose tools a distribution has."""

    RED_HAT = "kdump-utils, dracut"
    DEBIAN = "kdump-tools, initramfs-tools"
    OTHER = "not known"


@dataclass(frozen=True)
class System:
    """A machine's system.

    Attributes:
        is_here: It is the one that this runs on, not the files of another.
        release: The running kernel's release, or empty.
        arch: As ``uname -m`` says it, or empty.
        family: Whose commands it has.
    """

    is_here: bool
    release: str
    arch: str
    family: Family

    @property
    def is_debian(self) -> bool:
        """Whether kdump-tools has the say, and not kdump-utils."""
        return self.family is Family.DEBIAN


def read_system(host: Host) -> System:
    """Look at the files that tell one distribution from another."""
    return System(host.is_here, host.release, host.arch, _family(host))


def _family(host: Host) -> Family:
    if host.exists(KDUMP_CONF):
        return Family.RED_HAT
    if host.exists(KDUMP_TOOLS) or host.exists("etc/debian_version"):
        return Family.DEBIAN
    return Family.RED_HAT if host.exists("etc/redhat-release") else Family.OTHER
