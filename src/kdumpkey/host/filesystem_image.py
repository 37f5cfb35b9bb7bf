"""The files of a squashfs or EROFS image, by those filesystems' own programs, within bounds.

dracut packs nearly everything of a kdump initramfs into such an image. Nothing is mounted: an image is read
as this user, like any other file that may be hostile.

Source: kernel documentation, filesystems/squashfs and filesystems/erofs; unsquashfs(1), fsck.erofs(1).
"""

from __future__ import annotations

import os
import re
import resource
import select
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

from kdumpkey.host.unpack import CHUNK, MEMORY_BYTES, DamagedStreamError, NoToolError

MAGIC_BYTES: Final = 1028  # at the beginning of an image, which tell its kind
_SQUASHFS: Final = b"hsqs"
_EROFS: Final = b"\xe2\xe1\xf5\xe0"
_EROFS_AT: Final = 1024
# unsquashfs begins each path with this, and says the owner as two numbers, of a device node two numbers more.
_LISTED: Final = re.compile(
    rb"([-dlcbps])\S{9}\s+\d+/\d+\s+\d+(?:,\s*\d+)? \d{4}-\d\d-\d\d \d\d:\d\d squashfs-root(?:/(.*))?"
)
_LONGEST_LINE: Final = 16 << 10  # bytes: a path of 4096, and that of a link's target
_WORDS: Final = 64 << 10  # bytes of names that one call is given
_MOST_UNPACKED: Final = 1 << 30  # bytes on disk
_MOST_FILES: Final = 100_000
_PERIOD_S: Final = 0.1
_CACHE_MIB: Final = "8"


class FilesystemImage(Protocol):
    """An image that can be listed and read."""

    def names(self) -> Iterator[tuple[str, bool]]:
        """Its paths, without a leading slash, and whether each is a regular file."""

    def content(self, names: Sequence[str]) -> Iterator[bytes]:
        """The bytes of regular files, one after the other, in chunks."""


def is_image(beginning: bytes) -> bool:
    """Whether a file that begins with these `MAGIC_BYTES` is an image."""
    return beginning.startswith(_SQUASHFS) or beginning[_EROFS_AT:].startswith(_EROFS)


@contextmanager
def opened(fd: int, deadline: float) -> Iterator[FilesystemImage]:
    """Read the image in a file.

    Args:
        fd: The file.
        deadline: When to give up, in seconds of the monotonic clock.

    Raises:
        NoToolError: The program that reads such an image is not on this machine.
        DamagedStreamError: The image is damaged, or holds more than a kdump kernel has memory for.
        TimeoutError: It takes too long.
    """
    if os.pread(fd, len(_SQUASHFS), 0) == _SQUASHFS:
        yield _Squashfs(fd, deadline)
        return
    with tempfile.TemporaryDirectory(prefix="kdumpkey-", dir=scratch(), ignore_cleanup_errors=True) as folder:
        yield _Erofs(fd, deadline, Path(folder))


def scratch() -> str | None:
    """Where to put large temporary files: on a disk rather than in memory; None: the default directory."""
    folder = "/var/tmp"  # noqa: S108 - what is made there has a name that nobody can guess, or none
    return folder if os.access(folder, os.W_OK | os.X_OK) else None


class _Squashfs:
    """Listed and read through pipes: nothing is unpacked to disk."""

    def __init__(self, fd: int, deadline: float) -> None:
        self._fd, self._deadline = fd, deadline

    def names(self) -> Iterator[tuple[str, bool]]:
        pending = b""
        for chunk in self._run(["-lln"], []):
            *lines, pending = (pending + chunk).split(b"\n")
            if len(pending) > _LONGEST_LINE:
                raise DamagedStreamError("its image lists too long a name")
            yield from self._parsed(lines)
        yield from self._parsed([pending])

    def _parsed(self, lines: list[bytes]) -> Iterator[tuple[str, bool]]:
        for line in lines:
            found = _LISTED.fullmatch(line)
            if found is not None and found[2]:
                name = found[2].split(b" -> ")[0] if found[1] == b"l" else found[2]
                yield name.decode("utf-8", "surrogateescape"), found[1] == b"-"

    def content(self, names: Sequence[str]) -> Iterator[bytes]:
        batch: list[str] = []
        size = 0
        for name in names:
            batch.append(name)
            size += len(name) + 1
            if size > _WORDS:
                yield from self._run(["-no-wildcards", "-cat"], batch)
                batch, size = [], 0
        if batch:
            yield from self._run(["-no-wildcards", "-cat"], batch)

    def _run(self, options: list[str], names: Sequence[str]) -> Iterator[bytes]:
        bounds = ["-processors", "1", "-data-queue", _CACHE_MIB, "-frag-queue", _CACHE_MIB, "-no-progress"]
        words = [*bounds, *options, f"/proc/self/fd/{self._fd}", *names]
        with _started("unsquashfs", words, self._fd) as process:
            assert process.stdout is not None  # noqa: S101 - it was asked for
            pipe = process.stdout.fileno()
            while True:
                left = self._deadline - time.monotonic()
                if left <= 0 or not select.select([pipe], [], [], left)[0]:
                    raise TimeoutError
                chunk = os.read(pipe, CHUNK)
                if not chunk:
                    break
                yield chunk
            _check(process, self._deadline)


class _Erofs:
    """Unpacked into a private directory: no released program shows single files of all images."""

    def __init__(self, fd: int, deadline: float, folder: Path) -> None:
        self._folder = folder / "root"
        words = [f"--extract={self._folder}", "--no-preserve", f"/proc/self/fd/{fd}"]
        with _started("fsck.erofs", words, fd) as process:
            while process.poll() is None:
                if time.monotonic() > deadline:
                    raise TimeoutError
                self._check_size()
                time.sleep(_PERIOD_S)
            self._check_size()
            _check(process, deadline)

    def _check_size(self) -> None:
        total = count = 0
        for path in self._paths():
            count += 1
            try:
                total += path.lstat().st_size
            except OSError:  # it was removed meanwhile
                continue
        if total > _MOST_UNPACKED or count > _MOST_FILES:
            raise DamagedStreamError(f"its image unpacks to more than {_MOST_UNPACKED >> 20} MiB")

    def _paths(self) -> Iterator[Path]:
        for parent, folders, files in os.walk(self._folder):
            for name in (*folders, *files):
                yield Path(parent, name)

    def names(self) -> Iterator[tuple[str, bool]]:
        for path in self._paths():
            yield str(path.relative_to(self._folder)), stat.S_ISREG(path.lstat().st_mode)

    def content(self, names: Sequence[str]) -> Iterator[bytes]:
        for name in names:
            fd = os.open(self._folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(fd, "rb", buffering=0) as file:
                while chunk := file.read(CHUNK):
                    yield chunk


@contextmanager
def _started(program: str, words: list[str], fd: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program on an image; leaving the `with` block ends it."""
    path = shutil.which(program)
    if path is None:
        raise NoToolError(program)
    process = subprocess.Popen(
        [path, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if program == "unsquashfs" else subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(fd,),
        env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8", "TZ": "UTC", "MALLOC_ARENA_MAX": "1"},
    )
    try:
        resource.prlimit(process.pid, resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (_MOST_UNPACKED, _MOST_UNPACKED))
        yield process
    finally:
        if process.stdout is not None:
            process.stdout.close()
        process.kill()
        process.wait()


def _check(process: subprocess.Popen[bytes], deadline: float) -> None:
    try:
        code = process.wait(max(deadline - time.monotonic(), 0))
    except subprocess.TimeoutExpired as error:
        raise TimeoutError from error
    if code:
        raise DamagedStreamError("the image in it cannot be read")
