"""Unified kernel images: one PE file, whose sections hold the kernel, its initramfs and its command line.

Source: the UAPI group's specification of unified kernel images; systemd-stub(7); the PE format.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    from kdumpkey.host.host import Host

KERNEL: Final = ".linux"
INITRD: Final = ".initrd"
COMMAND_LINE: Final = ".cmdline"
_PATHS: Final = (
    "boot/efi/EFI/Linux/{machine}-{release}.efi",
    "efi/EFI/Linux/{machine}-{release}.efi",
    "boot/EFI/Linux/{machine}-{release}.efi",
    "usr/lib/modules/{release}/vmlinuz-virt.efi",
)
_PLAIN: Final = ("boot/vmlinuz-{}", "usr/lib/modules/{}/vmlinuz")
_BOOTED: Final = "sys/firmware/efi/efivars/StubImageIdentifier-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
_PARTITIONS: Final = ("boot/efi", "efi", "boot")  # where the EFI system partition is mounted
_VALUE: Final = 4  # bytes of attributes come before an EFI variable's value
_PE_AT: Final = 0x3C
_COFF_BYTES: Final = 24
_ENTRY_BYTES: Final = 40
_MOST_SECTIONS: Final = 96  # the format's own limit
_MOST_BYTES: Final = 1 << 30
_MOST_TEXT: Final = 64 << 10


@dataclass(frozen=True)
class Section:
    """Where a section's content lies in the file."""

    offset_bytes: int
    size_bytes: int


def read_sections(path: Path) -> dict[str, Section]:
    """The sections of a unified kernel image, the first of each name; empty: it is not one.

    Raises:
        OSError: It cannot be read.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        found = _sections(fd)
    finally:
        os.close(fd)
    return found if KERNEL in found else {}


@contextmanager
def section_in_memory(path: Path, section: Section) -> Iterator[int]:
    """A section as a file of its own, which has no name: its descriptor.

    Raises:
        OSError: It cannot be read, or not so much of it.
    """
    made = os.memfd_create("section", os.MFD_CLOEXEC)
    try:
        with path.open("rb") as file:
            offset, left = section.offset_bytes, section.size_bytes
            while left and (copied := os.sendfile(made, file.fileno(), offset, left)):
                offset, left = offset + copied, left - copied
        os.lseek(made, 0, os.SEEK_SET)
        yield made
    finally:
        os.close(made)


def find_uki(host: Host, release: str) -> str:
    """The unified kernel image that a machine boots; empty: it boots a plain kernel.

    Args:
        host: The machine.
        release: The kernel's.
    """
    if booted := _booted(host):
        return booted
    if any(host.exists(relative.format(release)) for relative in _PLAIN):
        return ""
    machine = host.word("etc/machine-id") or ""
    paths = [relative.format(machine=machine, release=release) for relative in _PATHS]
    return next((relative for relative in paths if _has_kernel(host, relative)), "")


def command_line_of(host: Host, relative: str) -> str:
    """What a unified kernel image has for a command line; empty: nothing, or it cannot be read."""
    try:
        path = host.path(relative)
        section = read_sections(path).get(COMMAND_LINE)
        if section is None or section.size_bytes > _MOST_TEXT:
            return ""
        with path.open("rb") as file:
            return os.pread(file.fileno(), section.size_bytes, section.offset_bytes).decode(
                "utf-8", "replace"
            )
    except OSError:
        return ""


def _booted(host: Host) -> str:
    """The image that the firmware started, as systemd-stub says, under any mount point of its partition."""
    value = (host.content(_BOOTED) or b"")[_VALUE:]
    name = value.decode("utf-16-le", "replace").replace("\\", "/").strip("\0/ ")
    paths = [f"{partition}/{name}" for partition in _PARTITIONS] if name else []
    return next((relative for relative in paths if _has_kernel(host, relative)), "")


def _has_kernel(host: Host, relative: str) -> bool:
    try:
        return bool(read_sections(host.path(relative)))
    except (OSError, ValueError):
        return False


def _sections(fd: int) -> dict[str, Section]:
    size = os.fstat(fd).st_size
    head = os.pread(fd, _PE_AT + 4, 0)
    if len(head) < _PE_AT + 4 or head[:2] != b"MZ":
        return {}
    (start,) = struct.unpack_from("<I", head, _PE_AT)
    coff = os.pread(fd, _COFF_BYTES, start)
    if len(coff) < _COFF_BYTES or coff[:4] != b"PE\0\0":
        return {}
    count, optional = struct.unpack_from("<H", coff, 6)[0], struct.unpack_from("<H", coff, 20)[0]
    nbytes = min(count, _MOST_SECTIONS) * _ENTRY_BYTES
    table = os.pread(fd, nbytes, start + _COFF_BYTES + optional)
    found: dict[str, Section] = {}
    for number in range(len(table) // _ENTRY_BYTES):
        entry = table[number * _ENTRY_BYTES : (number + 1) * _ENTRY_BYTES]
        name = entry[:8].rstrip(b"\0").decode("latin-1")
        virtual, _, raw, offset = struct.unpack_from("<IIII", entry, 8)
        # Beyond the raw size are zeros, beyond the virtual size padding.
        length = min(virtual, raw)
        if length and length <= _MOST_BYTES and offset + length <= size:
            found.setdefault(name, Section(offset, length))
    return found
