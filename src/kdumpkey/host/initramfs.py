"""The names in an initramfs, and whether some words are in its files, without unpacking it to disk.

It is read in one pass, a piece at a time, so that neither a large one nor one made to burst takes memory.

Source: kernel documentation, driver-api/early-userspace/buffer-format: cpio archives in "newc" form, each
plain or compressed, one after another, zeros between them.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from kdumpkey.errors import DeviceError
from kdumpkey.host.unpack import CHUNK, MAGIC_BYTES, DamagedStreamError, NoToolError, Unpacked, is_packed

if TYPE_CHECKING:
    from pathlib import Path

_MOST: Final = 2 << 30  # bytes unpacked: more than any kdump kernel has memory for
_MOST_NAMES: Final = 200_000
_LONGEST_NAME: Final = 4096
_TIME_S: Final = 60.0
_HEADER: Final = 110
_NEWC: Final = (b"070701", b"070702")
_END: Final = b"TRAILER!!!"
_ALIGNED: Final = 4


class UnreadableInitramfsError(DeviceError):
    """It is compressed in a way that nothing here undoes, damaged, or no initramfs."""


@dataclass(frozen=True)
class Initramfs:
    """What is in an initramfs.

    Attributes:
        names: The paths, without a leading slash.
        words: Which of the wanted words occur in its files.
        listed: Which of them occur in those of its files that are lists of what to open.
        nbytes: How much its files take unpacked.
        whole: Whether all of it was read; if not, what was not found may be in the rest.
    """

    names: frozenset[str]
    words: frozenset[str]
    nbytes: int = 0
    whole: bool = True
    listed: frozenset[str] = frozenset()

    def has(self, *endings: str) -> bool:
        """Whether a path ends so."""
        return any(f"/{name}".endswith(endings) for name in self.names)


@dataclass
class _Found:
    """What has been read so far."""

    wanted: tuple[bytes, ...]
    ignored: Callable[[str], bool]
    lists: Callable[[str], bool]
    names: set[str] = field(default_factory=set)
    words: set[bytes] = field(default_factory=set)
    listed: set[bytes] = field(default_factory=set)
    nbytes: int = 0
    left: int = 0
    longest: int = 0


class _Bytes(Protocol):
    """Something to read from, piece by piece."""

    def read(self) -> bytes: ...


class _Plain:
    """A file's own bytes from an offset on."""

    def __init__(self, fd: int, offset: int, deadline: float) -> None:
        self._fd, self._offset, self._deadline = fd, offset, deadline

    def read(self) -> bytes:
        if time.monotonic() > self._deadline:
            raise TimeoutError
        data = os.pread(self._fd, CHUNK, self._offset)
        self._offset += len(data)
        return data


class _Window:
    """A stream with what was read and not yet used; `position` counts what was used."""

    def __init__(self, source: _Bytes, found: _Found) -> None:
        self._source, self._found = source, found
        self._data = b""
        self.position = 0

    def peek(self, nbytes: int) -> bytes:
        """The next bytes, fewer at the end."""
        while len(self._data) < nbytes:
            more = self._source.read()
            if not more:
                break
            self._found.left -= len(more)
            if self._found.left < 0:
                raise DamagedStreamError(f"it unpacks to more than {_MOST >> 20} MiB")
            self._data += more
        return self._data[:nbytes]

    def take(self, nbytes: int) -> bytes:
        """The next bytes, all of them."""
        data = self.peek(nbytes)
        if len(data) < nbytes:
            raise DamagedStreamError("it is cut off")
        self._data = self._data[nbytes:]
        self.position += nbytes
        return data

    def some(self, most: int) -> bytes:
        """Some bytes, at least one."""
        return self.take(min(most, max(len(self.peek(1)), len(self._data), 1)))

    def skip_zeros(self) -> None:
        """Go on to what is not zero, or to the end."""
        while self.peek(1) == b"\0":
            held = len(self._data) - len(self._data.lstrip(b"\0"))
            self.take(held)


def read_initramfs(
    path: Path,
    words: tuple[str, ...] = (),
    ignored: Callable[[str], bool] = lambda _: False,
    lists: Callable[[str], bool] = lambda _: False,
) -> Initramfs:
    """List an initramfs.

    Args:
        path: The file.
        words: What to look for in the contents of its files.
        ignored: Whether a file of this path is left out of that.
        lists: Whether a file of this path is a list of what to open.

    Raises:
        UnreadableInitramfsError: It cannot be read, or is none.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        raise UnreadableInitramfsError(f"Cannot read {path}: {error.strerror}.") from error
    wanted = tuple(word.encode() for word in words)
    found = _Found(wanted, ignored, lists, left=_MOST, longest=max(map(len, wanted), default=0))
    try:
        whole = _read(fd, path, found)
    except NoToolError as error:
        raise UnreadableInitramfsError(f"To unpack {path}, {error} is needed, which is not here.") from error
    except DamagedStreamError as error:
        raise UnreadableInitramfsError(f"{path} is damaged: {error}.") from error
    except TimeoutError as error:
        raise UnreadableInitramfsError(f"{path} took more than {_TIME_S:.0f} s to read.") from error
    except OSError as error:
        raise UnreadableInitramfsError(f"Cannot read {path}: {error.strerror}.") from error
    finally:
        os.close(fd)
    return Initramfs(
        frozenset(found.names),
        frozenset(word.decode() for word in found.words),
        found.nbytes,
        whole,
        frozenset(word.decode() for word in found.listed),
    )


def _read(fd: int, path: Path, found: _Found) -> bool:
    """Read one part after the other; whether all of them were."""
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        raise UnreadableInitramfsError(f"{path} is no file.")
    deadline = time.monotonic() + _TIME_S
    offset = 0
    while True:
        window = _Window(_Plain(fd, offset, deadline), found)
        if offset:
            window.skip_zeros()
        magic = window.peek(MAGIC_BYTES)
        offset += window.position
        if not magic and offset:
            return True
        if magic in _NEWC:
            window = _Window(_Plain(fd, offset, deadline), found)
            _archive(window, found)
            offset += window.position
            continue
        if not is_packed(magic):
            if not offset:
                raise UnreadableInitramfsError(f"{path} is no initramfs.")
            return False
        with Unpacked(fd, offset, deadline) as unpacked:
            clean = _archives(_Window(unpacked, found), found)
            if not clean or unpacked.end is None:
                return clean and unpacked.succeeded()
            offset = unpacked.end


def _archives(window: _Window, found: _Found) -> bool:
    """Read the archives of an unpacked stream; whether nothing else was in it."""
    seen = False
    while window.peek(MAGIC_BYTES) in _NEWC:
        _archive(window, found)
        seen = True
        window.skip_zeros()
    if not seen:
        raise DamagedStreamError("it holds no archive")
    return not window.peek(1)


def _archive(window: _Window, found: _Found) -> None:
    """Read one archive, to the end of its trailer."""
    begun = window.position
    while True:
        header = window.take(_HEADER)
        if header[:6] not in _NEWC:
            raise DamagedStreamError(f"byte {window.position - _HEADER} of its archive is no header")
        try:
            nbytes, name_size = int(header[54:62], 16), int(header[94:102], 16)
        except ValueError as error:
            raise DamagedStreamError(f"byte {window.position} of its archive is no number") from error
        if not 0 < name_size <= _LONGEST_NAME or nbytes < 0 or len(found.names) >= _MOST_NAMES:
            raise DamagedStreamError("it has too long a name, or too many")
        name = window.take(name_size).rstrip(b"\0")
        window.take(-(window.position - begun) % _ALIGNED)
        if name == _END:
            return
        plain = name.decode("utf-8", "replace").removeprefix("./").lstrip("/")
        found.names.add(plain)
        found.nbytes += nbytes
        words = _body(window, nbytes, found, search=not found.ignored(plain))
        found.words |= words
        found.listed |= words if found.lists(plain) else set()
        window.take(min(-(window.position - begun) % _ALIGNED, len(window.peek(_ALIGNED))))


def _body(window: _Window, nbytes: int, found: _Found, *, search: bool) -> set[bytes]:
    """Which words are in a file's content: read with the end of each piece in front of the next."""
    before, words = b"", set[bytes]()
    while nbytes:
        piece = window.some(nbytes)
        nbytes -= len(piece)
        if search:
            data = before + piece
            words |= {word for word in found.wanted if word in data}
            before = data[-(found.longest - 1) :] if found.longest > 1 else b""
    return words
