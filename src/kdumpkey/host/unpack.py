"""Decompression in a stream, bounded in memory and time: by Python, or else by the system's tools."""

from __future__ import annotations

import bz2
import lzma
import os
import select
import shutil
import subprocess
import time
import zlib
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from types import TracebackType

CHUNK: Final = 1 << 18  # bytes
# What unpacking may take: xz -9 has a dictionary of 64 MiB, zstd -19 a window of 8.
MEMORY_BYTES: Final = 80 << 20
_XZ_TRIED: Final = tuple(MEMORY_BYTES << shift for shift in range(1, 7))
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
# What a stream begins with, and who undoes it. The tools read the file from its descriptor's position.
_TOOLS: Final = (
    (_ZSTD, "zstd", ("-dcqf", f"--memory={MEMORY_BYTES >> 20}MB")),
    (b"\x02\x21\x4c\x18", "lz4", ("-dcqf",)),
    (b"\x04\x22\x4d\x18", "lz4", ("-dcqf",)),
    (b"\x89LZO", "lzop", ("-dcq",)),
)
_LZMA_ALONE: Final = b"\x5d\0\0"
_PYTHON: Final = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", _LZMA_ALONE)
MAGIC_BYTES: Final = 6
_ZSTD_HEADER: Final = 18  # bytes of a frame's longest header
_XZ_HEADERS: Final = 1100  # bytes, with the stream's and the first block's header in them


class DamagedStreamError(Exception):
    """The stream is damaged, truncated, or of another kind."""


class NeedsMemoryError(Exception):
    """Unpacking it takes more memory than is allowed; the message is how many MiB."""


class NoToolError(Exception):
    """No program on this machine undoes the compression."""


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = ...) -> bytes: ...


class Unpacked:
    """The plain bytes of a compressed stream, which begins where a file's descriptor stands.

    Attributes:
        end: Where in the file the stream ended, once it is read to its end; None: that cannot be told.
    """

    def __init__(self, fd: int, offset: int, deadline: float) -> None:
        self._fd, self._offset, self._deadline = fd, offset, deadline
        self.end: int | None = None
        magic = os.pread(fd, MAGIC_BYTES, offset)
        self._made = _python_decompressor(magic)
        self._pending = b""
        self._process = None if self._made is not None else _started(fd, offset, magic)

    def read(self) -> bytes:
        """The next bytes, at most `CHUNK`; empty: it is over.

        Raises:
            DamagedStreamError: The stream is damaged or cut off.
            TimeoutError: It takes too long.
        """
        if time.monotonic() > self._deadline:
            raise TimeoutError
        return self._by_python() if self._made is not None else self._by_tool()

    def succeeded(self) -> bool:
        """Whether a tool, read to its end, succeeded: then the file ended there too."""
        if self._process is None:
            return True
        try:
            return self._process.wait(max(self._deadline - time.monotonic(), 0)) == 0
        except subprocess.TimeoutExpired:
            return False

    def close(self) -> None:
        """End the tool."""
        if self._process is not None:
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Unpacked:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _by_python(self) -> bytes:
        made = self._made
        while made is not None and not made.eof:
            needs = getattr(made, "needs_input", not self._pending)
            data = self._pending
            if needs and not data:
                data = os.pread(self._fd, CHUNK, self._offset)
                self._offset += len(data)
                if not data:
                    raise DamagedStreamError("it is cut off")
            try:
                plain = made.decompress(data, CHUNK)
            except (zlib.error, lzma.LZMAError, OSError, ValueError, MemoryError) as error:
                if needed := _xz_memory(made, data):
                    raise NeedsMemoryError(f"{needed >> 20}") from error
                raise DamagedStreamError(str(error) or "it is damaged") from error
            self._pending = getattr(made, "unconsumed_tail", b"")
            if plain:
                return plain
        if made is not None:
            self.end = self._offset - len(made.unused_data)
        return b""

    def _by_tool(self) -> bytes:
        process = self._process
        if process is None or process.stdout is None:
            return b""
        left = self._deadline - time.monotonic()
        ready, _, _ = select.select([process.stdout], [], [], max(left, 0))
        if not ready:
            raise TimeoutError
        return os.read(process.stdout.fileno(), CHUNK)


def is_packed(magic: bytes) -> bool:
    """Whether a stream that begins like this can be unpacked here."""
    return magic.startswith((*_PYTHON, *(start for start, _, _ in _TOOLS)))


def _python_decompressor(magic: bytes) -> _Decompressor | None:
    if magic.startswith(b"\x1f\x8b"):
        return zlib.decompressobj(31)
    if magic.startswith(b"BZh"):
        return bz2.BZ2Decompressor()
    if magic.startswith((b"\xfd7zXZ", _LZMA_ALONE)):
        return lzma.LZMADecompressor(memlimit=MEMORY_BYTES)
    return None


def _started(fd: int, offset: int, magic: bytes) -> subprocess.Popen[bytes]:
    tool = next(((name, words) for start, name, words in _TOOLS if magic.startswith(start)), None)
    if tool is None:
        raise DamagedStreamError("it is of no known kind")
    path = shutil.which(tool[0])
    if path is None:
        raise NoToolError(tool[0])
    if (
        magic.startswith(_ZSTD)
        and (window := _zstd_window(os.pread(fd, _ZSTD_HEADER, offset))) > MEMORY_BYTES
    ):
        raise NeedsMemoryError(f"{window >> 20}")
    os.lseek(fd, offset, os.SEEK_SET)
    return subprocess.Popen(
        [path, *tool[1]], stdin=fd, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, close_fds=True
    )


def _zstd_window(header: bytes) -> int:
    """The bytes that a zstd frame's decoder has to keep; 0: the header is cut off.

    Source: RFC 8878, 3.1.1.1.
    """
    if len(header) < _ZSTD_HEADER:
        return 0
    descriptor = header[4]
    if not descriptor & 0x20:
        exponent, mantissa = header[5] >> 3, header[5] & 7
        base = 1 << (10 + exponent)
        return base + (base >> 3) * mantissa
    at = 5 + (0, 1, 2, 4)[descriptor & 3]  # one segment: the window is the content
    size = (1, 2, 4, 8)[descriptor >> 6]
    return int.from_bytes(header[at : at + size], "little") + (256 if size == 2 else 0)


def _xz_memory(made: _Decompressor, data: bytes) -> int:
    """The memory that an xz stream asks for, if it was refused for that; 0: it is damaged."""
    if not isinstance(made, lzma.LZMADecompressor):
        return 0
    for limit in _XZ_TRIED:
        try:
            lzma.LZMADecompressor(memlimit=limit).decompress(data[:_XZ_HEADERS], 1)
        except lzma.LZMAError as error:
            if "memory usage limit" not in str(error).lower():
                return 0
        else:
            return limit
    return 0
