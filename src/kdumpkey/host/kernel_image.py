"""How much memory a kernel image's segments take once it is unpacked.

Source: the ELF format; kernel documentation, arch/x86/boot, for where a bzImage has what it unpacks.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from kdumpkey.host.unpack import (
    MAGIC_BYTES,
    DamagedStreamError,
    NeedsMemoryError,
    NoToolError,
    Unpacked,
    is_packed,
)

if TYPE_CHECKING:
    from pathlib import Path

_ELF: Final = b"\x7fELF"
_HEAD_BYTES: Final = 64 << 10  # an ELF file's own header and its program headers, and far more
_PT_LOAD: Final = 1
_TIME_S: Final = 10.0
_SECTOR: Final = 512
_SETUP: Final = struct.Struct("<B")
_SETUP_AT: Final = 0x1F1
_MAGIC_AT: Final = 0x202
_PAYLOAD: Final = struct.Struct("<II")
_PAYLOAD_AT: Final = 0x248
_BOOT_BYTES: Final = 0x268


def loaded_bytes(path: Path) -> int | None:
    """The memory of all loadable segments of the vmlinux in a kernel image; None: no vmlinux is in it.

    Raises:
        OSError: The file cannot be read.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        for head in _heads(fd):
            if (nbytes := _segments(head)) is not None:
                return nbytes
    finally:
        os.close(fd)
    return None


def _heads(fd: int) -> Iterator[bytes]:
    """The beginnings of what may be a vmlinux: the file, and what it unpacks."""
    head = os.pread(fd, _HEAD_BYTES, 0)
    yield head
    offset = 0
    if len(head) >= _BOOT_BYTES and head[_MAGIC_AT : _MAGIC_AT + 4] == b"HdrS":
        (sectors,) = _SETUP.unpack_from(head, _SETUP_AT)
        payload, _ = _PAYLOAD.unpack_from(head, _PAYLOAD_AT)
        offset = (sectors + 1) * _SECTOR + payload
    if not is_packed(os.pread(fd, MAGIC_BYTES, offset)):
        return
    try:
        with Unpacked(fd, offset, time.monotonic() + _TIME_S) as unpacked:
            head = b""
            while len(head) < _HEAD_BYTES and (chunk := unpacked.read()):
                head += chunk
            yield head
    except (DamagedStreamError, NeedsMemoryError, NoToolError, TimeoutError):
        return


def _segments(head: bytes) -> int | None:
    if not head.startswith(_ELF) or len(head) < 64:
        return None
    order = "<" if head[5] == 1 else ">"
    if head[4] == 2:
        (at,) = struct.unpack_from(f"{order}Q", head, 32)
        size, count = struct.unpack_from(f"{order}HH", head, 54)
        kind, memory_at, memory = "I", 40, "Q"
    else:
        (at,) = struct.unpack_from(f"{order}I", head, 28)
        size, count = struct.unpack_from(f"{order}HH", head, 42)
        kind, memory_at, memory = "I", 20, "I"
    total = 0
    for number in range(count):
        where = at + number * size
        if where + memory_at + 8 > len(head):
            return None
        if struct.unpack_from(f"{order}{kind}", head, where)[0] == _PT_LOAD:
            total += struct.unpack_from(f"{order}{memory}", head, where + memory_at)[0]
    return total
