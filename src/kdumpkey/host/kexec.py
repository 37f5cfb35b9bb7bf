"""What the kernel says of the memory that it reserved and of the crash image in it.

Source: kernel documentation, ABI/testing/sysfs-kernel-kexec-kdump, admin-guide/sysctl/kernel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kdumpkey.host.host import Missing

if TYPE_CHECKING:
    from kdumpkey.host.host import Host

# Linux 7.0 gave these files a directory of their own; the old names are deprecated.
_PATHS: Final = ("sys/kernel/kexec/{}", "sys/kernel/kexec_{}")


@dataclass(frozen=True)
class CrashMemory:
    """The reserved memory.

    Attributes:
        sysfs: Whether /sys/kernel is there; `Missing.UNREADABLE` is neither.
        size_file: What says how much is reserved.
        loaded_file: What says whether it holds an image.
        size_bytes: How much is reserved.
        loaded: Whether it holds an image.
        forbidden: What prevents all loads; empty: nothing.
        by_firmware: The machine dumps by fadump.
    """

    sysfs: bool | Missing
    size_file: str
    loaded_file: str
    size_bytes: int | Missing
    loaded: bool | Missing
    forbidden: str
    by_firmware: bool

    @property
    def is_loaded(self) -> bool:
        """Whether an image is known to be loaded."""
        return self.loaded is True


def read_crash_memory(host: Host) -> CrashMemory:
    """Read what the kernel says."""
    size_file, loaded_file = kexec_file(host, "crash_size"), kexec_file(host, "crash_loaded")
    size, loaded = host.read(size_file), host.read(loaded_file)
    return CrashMemory(
        sysfs=_is_there(host, "sys/kernel"),
        size_file=size_file,
        loaded_file=loaded_file,
        size_bytes=size if isinstance(size, Missing) else _number(size),
        loaded=loaded if isinstance(loaded, Missing) else _flag(loaded),
        forbidden=forbidden(host),
        by_firmware=host.word("sys/kernel/fadump_enabled") == "1",
    )


def kexec_file(host: Host, name: str) -> str:
    """Where sysfs says something of kexec, by the name that this kernel has for it.

    Args:
        host: The machine.
        name: ``crash_loaded``, ``crash_size``, ``crash_elfcorehdr_size`` or ``loaded``.
    """
    *newer, old = (path.format(name) for path in _PATHS)
    return next((path for path in newer if not host.absent(path)), old)


def forbidden(host: Host) -> str:
    """What prevents all loads until the machine restarts; empty: nothing."""
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
