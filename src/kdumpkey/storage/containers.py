"""Disk images in a container: which format a file is in, by the magic that its format puts there.

Source: QEMU's docs/interop/qcow2.rst, VMware's "Virtual Disk Format 5.0", Microsoft's
VHD and VHDX specifications, libewf's "Expert Witness Compression Format", VirtualBox's VDICore.h.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from kdumpkey.storage.device import Reader


@dataclass(frozen=True)
class Container:
    """A format: its name, and what qemu-nbd calls it; None: QEMU does not read it."""

    name: str
    qemu_name: str | None


# Where the magic is, from the end where negative.
_MAGICS: Final = (
    (0, b"QFI\xfb", Container("qcow2", "qcow2")),
    (0, b"KDMV", Container("VMDK", "vmdk")),
    (0, b"# Disk DescriptorFile", Container("VMDK", "vmdk")),
    (0, b"vhdxfile", Container("VHDX", "vhdx")),
    (0x40, b"\x7f\x10\xda\xbe", Container("VDI", "vdi")),
    (0, b"EVF\x09\x0d\x0a\xff\x00", Container("E01", None)),
    (0, b"EVF2\x0d\x0a\x81\x00", Container("Ex01", None)),
    (0, b"conectix", Container("VHD", "vpc")),
    (-512, b"conectix", Container("VHD", "vpc")),
    (-511, b"conectix", Container("VHD", "vpc")),
)


def container_of(reader: Reader) -> Container | None:
    """Return the container format that a file is in, or None.

    Raises:
        DeviceError: The file cannot be read.
    """
    for offset, magic, container in _MAGICS:
        at = offset if offset >= 0 else reader.size + offset
        if 0 <= at <= reader.size - len(magic):
            found = bytearray(len(magic))
            reader.pread_into(found, at)
            if found == magic:
                return container
    return None
