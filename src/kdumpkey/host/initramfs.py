"""The names in an initramfs, and whether some words are in its files, without unpacking it to disk.

It is read in one pass, a chunk at a time, so that neither a large nor a hostile one takes much memory; then
the filesystem images in it are read, into which dracut packs most of a kdump initramfs.

Source: kernel documentation, driver-api/early-userspace/buffer-format: cpio archives in "newc" form, each
plain or compressed, one after another, zeros between them.
"""

from __future__ import annotations

import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol

from kdumpkey.errors import DeviceError
from kdumpkey.host import filesystem_image
from kdumpkey.host.filesystem_image import MAGIC_BYTES as IMAGE_MAGIC_BYTES
from kdumpkey.host.filesystem_image import is_image, scratch
from kdumpkey.host.unpack import (
    CHUNK,
    MAGIC_BYTES,
    MEMORY_BYTES,
    DamagedStreamError,
    NeedsMemoryError,
    NoToolError,
    Unpacked,
    is_packed,
)
from kdumpkey.storage.transfer import write_in_full

if TYPE_CHECKING:
    from pathlib import Path

_MOST: Final = 2 << 30  # bytes unpacked: more than any kdump kernel has memory for
_MOST_NAMES: Final = 100_000
_MOST_NAME_BYTES: Final = 8 << 20  # of all names together
_MOST_IMAGE: Final = 512 << 20  # bytes of the filesystem images in it
_LONGEST_NAME: Final = 4096
_MOST_TEXTS: Final = 16
_LONGEST_TEXT: Final = 1 << 20  # bytes
_TIME_S: Final = 60.0
_HEADER: Final = 110
_NEWC: Final = (b"070701", b"070702")
_END: Final = b"TRAILER!!!"
_ALIGNED: Final = 4


class UnreadableInitramfsError(DeviceError):
    """It is damaged, not an initramfs, or compressed in a way that no program here undoes."""


@dataclass(frozen=True)
class Initramfs:
    """What is in an initramfs.

    Attributes:
        names: The paths, without a leading slash.
        words: Which of the wanted words occur in its files.
        listed: Which of them occur in those of its files that are lists of what to open.
        nbytes: How much its files take unpacked.
        whole: Whether all of it was read; if not, what was not found may be in the rest.
        texts: The content of the files that were to be kept, by their paths; a long one is cut off.
    """

    names: frozenset[str]
    words: frozenset[str]
    nbytes: int = 0
    whole: bool = True
    listed: frozenset[str] = frozenset()
    texts: Mapping[str, bytes] = field(default_factory=dict)

    def has(self, *endings: str) -> bool:
        """Whether a path ends with one of these."""
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
    name_bytes: int = 0
    images: list[BinaryIO] = field(default_factory=list)
    kept: Callable[[str], bool] = lambda _: False
    texts: dict[str, bytes] = field(default_factory=dict)

    def keep(self, name: str, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Pass the content of a file on, and note its beginning if that is wanted."""
        wanted = self.kept(name) and len(self.texts) < _MOST_TEXTS
        for chunk in chunks:
            if wanted:
                text = self.texts.get(name, b"")
                self.texts[name] = text + chunk[: _LONGEST_TEXT - len(text)]
            yield chunk

    def use(self, nbytes: int) -> None:
        """Count what was unpacked, up to the limit."""
        self.left -= nbytes
        if self.left < 0:
            raise DamagedStreamError(f"it unpacks to more than {_MOST >> 20} MiB")

    def add_name(self, name: str) -> None:
        """Note a path, within the bounds of what is kept."""
        self.name_bytes += len(name)
        if len(self.names) >= _MOST_NAMES or self.name_bytes > _MOST_NAME_BYTES:
            raise DamagedStreamError(
                f"it has more than {_MOST_NAMES} names, or {_MOST_NAME_BYTES >> 20} MiB of them"
            )
        self.names.add(name)


class _Bytes(Protocol):
    """Something to read from, chunk by chunk."""

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
    """A stream that can be peeked into; `position` counts the bytes that were taken."""

    def __init__(self, source: _Bytes, found: _Found) -> None:
        self._source, self._found = source, found
        self._data, self._at = b"", 0
        self.position = 0

    @property
    def _held(self) -> int:
        return len(self._data) - self._at

    def peek(self, nbytes: int) -> bytes:
        """The next bytes, fewer at the end."""
        while self._held < nbytes:
            more = self._source.read()
            if not more:
                break
            self._found.use(len(more))
            self._data, self._at = self._data[self._at :] + more, 0
        return self._data[self._at : self._at + nbytes]

    def take(self, nbytes: int) -> bytes:
        """The next bytes, all of them."""
        data = self.peek(nbytes)
        if len(data) < nbytes:
            raise DamagedStreamError("it is cut off")
        self._at += nbytes
        self.position += nbytes
        return data

    def some(self, most: int) -> bytes:
        """Some bytes, at least one."""
        self.peek(1)
        return self.take(min(most, max(self._held, 1)))

    def skip_zeros(self) -> None:
        """Skip zeros, up to the end."""
        while self.peek(1) == b"\0":
            held = self._data[self._at :]
            self.take(len(held) - len(held.lstrip(b"\0")))


def read_initramfs(
    path: Path,
    words: tuple[str, ...] = (),
    ignored: Callable[[str], bool] = lambda _: False,
    lists: Callable[[str], bool] = lambda _: False,
    kept: Callable[[str], bool] = lambda _: False,
) -> Initramfs:
    """List an initramfs.

    Args:
        path: The file.
        words: What to look for in the contents of its files.
        ignored: Whether a file of this path is left out of that.
        lists: Whether a file of this path is a list of what to open.
        kept: Whether the content of a file of this path is wanted.

    Raises:
        UnreadableInitramfsError: It cannot be read, or is not an initramfs.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        raise UnreadableInitramfsError(f"Cannot read {path}: {error.strerror}.") from error
    wanted = tuple(word.encode() for word in words)
    found = _Found(wanted, ignored, lists, left=_MOST, longest=max(map(len, wanted), default=0), kept=kept)
    try:
        deadline = time.monotonic() + _TIME_S
        whole = _read(fd, path, found, deadline)
        _read_images(found, deadline)
    except NeedsMemoryError as error:
        limit = f"{MEMORY_BYTES >> 20} MiB is the limit"
        message = f"What is in {path} cannot be told: unpacking it needs {error} MiB of memory, and {limit}."
        raise UnreadableInitramfsError(message) from error
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
        for image in found.images:
            image.close()
    return Initramfs(
        frozenset(found.names),
        frozenset(word.decode() for word in found.words),
        found.nbytes,
        whole,
        frozenset(word.decode() for word in found.listed),
        found.texts,
    )


def _read(fd: int, path: Path, found: _Found, deadline: float) -> bool:
    """Read one part after the other; whether all of them were."""
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        raise UnreadableInitramfsError(f"{path} is not a file.")
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
                raise UnreadableInitramfsError(f"{path} is not an initramfs.")
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
            raise DamagedStreamError(f"byte {window.position} of its archive is not a number") from error
        if not 0 < name_size <= _LONGEST_NAME or nbytes < 0:
            raise DamagedStreamError("it has too long a name")
        name = window.take(name_size).rstrip(b"\0")
        window.take(-(window.position - begun) % _ALIGNED)
        if name == _END:
            return
        plain = name.decode("utf-8", "replace").removeprefix("./").lstrip("/")
        found.add_name(plain)
        found.nbytes += nbytes
        if is_image(window.peek(min(nbytes, IMAGE_MAGIC_BYTES))[:nbytes]):
            _keep_image(window, nbytes, found)
        else:
            body = found.keep(plain, _body(window, nbytes))
            words = _skipped(body) if found.ignored(plain) else _words(body, found)
            found.words |= words
            found.listed |= words if found.lists(plain) else set()
        window.take(min(-(window.position - begun) % _ALIGNED, len(window.peek(_ALIGNED))))


def _body(window: _Window, nbytes: int) -> Iterator[bytes]:
    """A file's content, in chunks."""
    while nbytes:
        chunk = window.some(nbytes)
        nbytes -= len(chunk)
        yield chunk


def _skipped(chunks: Iterable[bytes]) -> set[bytes]:
    for _ in chunks:
        pass
    return set()


def _words(chunks: Iterable[bytes], found: _Found) -> set[bytes]:
    """Which words occur in some content, also across the boundaries of chunks."""
    before, words = b"", set[bytes]()
    for chunk in chunks:
        data = before + chunk
        words |= {word for word in found.wanted if word in data}
        before = data[-(found.longest - 1) :] if found.longest > 1 else b""
    return words


def _keep_image(window: _Window, nbytes: int, found: _Found) -> None:
    """Copy a filesystem image into a file without a name, for the programs that read such images."""
    if nbytes + sum(image.seek(0, os.SEEK_END) for image in found.images) > _MOST_IMAGE:
        raise DamagedStreamError(f"it has more than {_MOST_IMAGE >> 20} MiB of filesystem images")
    image = tempfile.TemporaryFile(buffering=0, dir=scratch())  # noqa: SIM115 - the reader closes it
    found.images.append(image)
    for chunk in _body(window, nbytes):
        write_in_full(image.fileno(), chunk)


def _read_images(found: _Found, deadline: float) -> None:
    """List and search the filesystem images that were kept."""
    for file in found.images:
        with filesystem_image.opened(file.fileno(), deadline) as image:
            lists, others, kept = list[str](), list[str](), list[str]()
            for name, is_file in image.names():
                found.add_name(name)
                if is_file and found.lists(name):
                    lists.append(name)
                elif is_file and not found.ignored(name):
                    others.append(name)
                if is_file and found.kept(name):
                    kept.append(name)
            for name in kept:
                _skipped(_bounded(found.keep(name, image.content([name])), found))
            listed = _words(_bounded(image.content(lists), found), found)
            found.listed |= listed
            found.words |= listed | _words(_bounded(image.content(others), found), found)


def _bounded(chunks: Iterable[bytes], found: _Found) -> Iterator[bytes]:
    for chunk in chunks:
        found.use(len(chunk))
        yield chunk
