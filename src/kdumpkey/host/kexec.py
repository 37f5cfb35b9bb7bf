"""What the kernel says of the memory that it reserved and of the crash image in it.

Source: kernel documentation, ABI/testing/sysfs-kernel-kexec-kdump, admin-guide/sysctl/kernel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kdumpkey.host.host import Missing

if TYPE_CHECKING:
    from kdumpkey.host.host import Host

CRASH_SIZE: Final = "sys/kernel/kexec_crash_size"
CRASH_LOADED: Final = "sys/kernel/kexec_crash_loaded"


@dataclass(frozen=True)
class CrashMemory:
    """The reserved memory.

    Attributes:
        sysfs: Whether /sys/kernel is there; `Missing.UNREADABLE` is neither.
        size_bytes: How much is reserved.
        loaded: Whether it holds an image.
        forbidden: What keeps everybody from loading one; empty: nothing.
        by_firmware: The machine dumps by fadump.
    """

    sysfs: bool | Missing
    size_bytes: int | Missing
    loaded: bool | Missing
    forbidden: str
    by_firmware: bool

    @property
    def is_loaded(self) -> bool:
        """Whether an image is known to be loaded."""
        return self.loaded is True

    @property
    def without_kexec(self) -> bool:
        """Whether the kernel cannot load any, for one of its files of that is certainly not there."""
        return self.sysfs is True and Missing.ABSENT in (self.size_bytes, self.loaded)


def read_crash_memory(host: Host) -> CrashMemory:
    """Read what the kernel says."""
    size, loaded = host.read(CRASH_SIZE), host.read(CRASH_LOADED)
    return CrashMemory(
        sysfs=_is_there(host, "sys/kernel"),
        size_bytes=size if isinstance(size, Missing) else _number(size),
        loaded=loaded if isinstance(loaded, Missing) else _flag(loaded),
        forbidden=forbidden(host),
        by_firmware=host.word("sys/kernel/fadump_enabled") == "1",
    )


def forbidden(host: Host) -> str:
    """What keeps everybody from loading an image until the machine restarts; empty: nothing."""
    if host.word("proc/sys/kernel/kexec_load_disabled") == "1":
        return "kernel.kexec_load_disabled is 1"
    if host.word("proc/sys/kernel/kexec_load_limit_panic") == "0":
        return "kernel.kexec_load_limit_panic is 0"
    return ""


def _is_there(host: Host, path: str) -> bool | Missing:
    if host.exists(path):
        return True
    return False if host.absent(path) else Missing.UNREADABLE


def _number(text: str) -> int | Missing:
    word = text.strip()
    return int(word) if word.isdecimal() else Missing.UNREADABLE


def _flag(text: str) -> bool | Missing:
    return {"1": True, "0": False}.get(text.strip(), Missing.UNREADABLE)
