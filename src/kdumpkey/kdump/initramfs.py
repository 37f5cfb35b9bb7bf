"""The names in an initramfs, and whether some words are in its files, without unpacking it to disk.

Source: kernel documentation, driver-api/early-userspace/buffer-format: cpio archives in "newc" form, each
plain or compressed, one after another, zeros between them.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kdumpkey.errors import DeviceError

if TYPE_CHECKING:
    from pathlib import Path

_MOST: Final = 512 << 20  # bytes unpacked: more than any kdump kernel has memory for
_HEADER: Final = 110
_NEWC: Final = (b"070701", b"070702")
_END: Final = b"TRAILER!!!"
_ZSTD, _LZ4, _LZO = b"\x28\xb5\x2f\xfd", b"\x02\x21\x4c\x18", b"\x89LZO"


class UnreadableInitramfsError(DeviceError):
    """It is compressed in a way that this Python cannot undo, damaged, or no initramfs."""


@dataclass(frozen=True)
class Initramfs:
    """What is in an initramfs: the paths, without a leading slash, and which of the wanted words occur."""

    names: frozenset[str]
    words: frozenset[str]

    def has(self, *endings: str) -> bool:
        """Whether a path ends so."""
        return any(f"/{name}".endswith(endings) for name in self.names)


def read_initramfs(path: Path, words: tuple[str, ...] = ()) -> Initramfs:
    """List an initramfs.

    Args:
        path: The file.
        words: What to look for in the contents of its files.

    Raises:
        UnreadableInitramfsError: It cannot be read, or is none.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UnreadableInitramfsError(f"Cannot read {path}: {error.strerror}.") from error
    names: set[str] = set()
    seen: set[str] = set()
    while data:
        if data[:6] not in _NEWC:
            data, rest = _unpack(data, path), b""
            if data[:6] not in _NEWC:
                raise UnreadableInitramfsError(f"{path} is no initramfs.")
        end = _walk(data, names, path)
        seen |= {word for word in words if word.encode() in data[:end]}
        rest = data[end:].lstrip(b"\0")
        if len(rest) >= len(data):
            break
        data = rest
    return Initramfs(frozenset(names), frozenset(seen))


def _unpack(data: bytes, path: Path) -> bytes:
    makers: tuple[tuple[bytes, Callable[[bytes], bytes]], ...] = (
        (b"\x1f\x8b", lambda packed: zlib.decompressobj(31).decompress(packed, _MOST)),
        (b"\xfd7zXZ", lambda packed: lzma.LZMADecompressor().decompress(packed, _MOST)),
        (b"\x5d\0\0", lambda packed: lzma.LZMADecompressor().decompress(packed, _MOST)),
        (b"BZh", lambda packed: bz2.BZ2Decompressor().decompress(packed, _MOST)),
    )
    for magic, undo in makers:
        if data.startswith(magic):
            try:
                return undo(data)
            except (zlib.error, lzma.LZMAError, OSError, ValueError) as error:
                raise UnreadableInitramfsError(f"{path} is damaged: {error}.") from error
    for magic, name in ((_ZSTD, "zstd"), (_LZ4, "lz4"), (_LZO, "lzo")):
        if data.startswith(magic):
            raise UnreadableInitramfsError(f"{path} is compressed with {name}, which Python does not undo.")
    raise UnreadableInitramfsError(f"{path} is no initramfs.")


def _walk(data: bytes, names: set[str], path: Path) -> int:
    """Collect the names of one archive, and say where it ends."""
    offset = 0
    while True:
        header = data[offset : offset + _HEADER]
        if len(header) < _HEADER or header[:6] not in _NEWC:
            raise UnreadableInitramfsError(f"{path} is cut off or damaged at byte {offset} of its archive.")
        try:
            nbytes, name_size = int(header[54:62], 16), int(header[94:102], 16)
        except ValueError as error:
            raise UnreadableInitramfsError(f"{path} is damaged at byte {offset} of its archive.") from error
        start = offset + _HEADER
        name = data[start : start + name_size].rstrip(b"\0")
        body = -(-(start + name_size) // 4) * 4
        offset = -(-(body + nbytes) // 4) * 4
        if name == _END:
            return min(offset, len(data))
        names.add(name.decode("utf-8", "replace").removeprefix("./").lstrip("/"))
