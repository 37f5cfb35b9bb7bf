"""Where LUKS is if not at the start of a device: in a partition, in a container, or in what is left of it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from kdumpkey.errors import DeviceError
from kdumpkey.luks import layout
from kdumpkey.luks.salvage import is_salvageable
from kdumpkey.storage.containers import container_of
from kdumpkey.storage.device import open_readonly
from kdumpkey.storage.partitions import partitions

if TYPE_CHECKING:
    import os

    from kdumpkey.storage.device import Reader
    from kdumpkey.storage.partitions import Partition


def hint(path: str | os.PathLike[str]) -> str:
    """Say which part of a file or disk holds LUKS, and what to type to open it; empty if no part does.

    Args:
        path: The file or disk, which has no LUKS header itself.
    """
    try:
        with open_readonly(path) as device:
            if (container := container_of(device)) is not None:
                return _unwrapping(device.name, container.name, container.qemu_name)
            return "\n".join(
                _cutting_out(device.name, part, device.is_block, device.size)
                for part in partitions(device)
                if _has_luks(device, part.offset_bytes)
            )
    except DeviceError:
        return ""


def way_out(path: str) -> str:
    """How to read a device both of whose headers are damaged; empty if not enough of either is left."""
    if not is_salvageable(path):
        return ""
    return (
        f"Its metadata are still there: kdumpkey unlock {path} reads them, and "
        f"kdumpkey repair {path} --header-backup-file FILE makes a detached header of them."
    )


def _has_luks(reader: Reader, offset: int) -> bool:
    magic = bytearray(len(layout.MAGIC) + 2)
    if offset + len(magic) > reader.size:
        return False
    reader.pread_into(magic, offset)
    return magic.startswith(layout.MAGIC) and int.from_bytes(magic[-2:]) in (1, 2)


def _cutting_out(name: str, part: Partition, is_block: bool, disk_bytes: int) -> str:
    where = f"Partition {part.number} of {name} holds LUKS: "
    where += f"{part.size_bytes} bytes from byte {part.offset_bytes} on."
    quoted = shlex.quote(name)
    if is_block:
        return f"{where} Name the partition itself: lsblk {quoted}"
    size = min(part.size_bytes, disk_bytes - part.offset_bytes)
    return (
        f"{where}\n"
        f"As root: losetup --find --show --read-only --offset {part.offset_bytes} --sizelimit {size} "
        f"{quoted}\n"
        f"or copy it: dd if={quoted} of=partition{part.number}.img bs=1M iflag=skip_bytes,count_bytes "
        f"skip={part.offset_bytes} count={size}"
    )


def _unwrapping(name: str, kind: str, qemu_name: str | None) -> str:
    quoted = shlex.quote(name)
    if qemu_name is None:
        return (
            f"{name} is a disk image in the {kind} format.\n"
            f"To have its content as a file: mkdir raw; ewfmount {quoted} raw; then name raw/ewf1"
        )
    return (
        f"{name} is a disk image in the {kind} format.\n"
        f"As root: modprobe nbd; qemu-nbd --read-only --format={qemu_name} --connect=/dev/nbd0 {quoted}; "
        f"then name /dev/nbd0 or its partition\n"
        f"or convert it: qemu-img convert -f {qemu_name} -O raw {quoted} disk.raw"
    )
