"""The machine that is examined: only its files under a root directory, and nothing is written.

Links are followed as the machine itself would follow them, so that none leads out of the root. Only regular
files are opened, so that a FIFO cannot block the examination.
"""

from __future__ import annotations

import errno
import fnmatch
import os
import re
import stat
import zlib
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

_MOST: Final = 8 << 20  # bytes: no file that is read here is longer
_CHUNK: Final = 64 << 10  # bytes: /proc/sys refuses to read millions at once, with ENOMEM
_MOST_NAMES: Final = 20_000  # of one directory
_MOST_LINKS: Final = 40  # the kernel's own limit
_ABSENT: Final = frozenset({errno.ENOENT, errno.ENOTDIR})


class Missing(Enum):
    """Why a file's content is not available."""

    ABSENT = "absent"
    UNREADABLE = "unreadable"


@dataclass(frozen=True)
class CryptDevice:
    """An encrypted device beneath the dump target.

    Attributes:
        name: Its path.
        uuid: Of its header; empty: the device has none, or it is not known.
        kind: ``LUKS2``, ``LUKS1``, ``PLAIN`` …
        mapping: The name that device-mapper has it under; empty: not mapped.
        memory_kib: The most memory that a keyslot needs; None: its header could not be read.
        aliases: Other ways in which crypttab may name it: ``PARTUUID=…``, ``LABEL=…``, paths.
    """

    name: str
    uuid: str
    kind: str
    mapping: str = ""
    memory_kib: int | None = None
    aliases: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Host:
    """A machine by its files; `root` is ``/`` for the one that this runs on."""

    root: Path

    def path(self, relative: str) -> Path:
        """Where a file of the machine is, links followed within its root.

        Args:
            relative: Named from the root, with or without a leading slash.

        Raises:
            OSError: It is not there, or this user cannot see it.
        """
        left = [part for part in relative.split("/") if part not in ("", ".")][::-1]
        here: list[str] = []
        links = 0
        while left:
            part = left.pop()
            if part == "..":
                here = here[:-1]
                continue
            path = self.root.joinpath(*here, part)
            mode = os.lstat(path).st_mode
            if not stat.S_ISLNK(mode):
                if left and not stat.S_ISDIR(mode):
                    raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
                here.append(part)
                continue
            links += 1
            if links > _MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
            target = os.readlink(path)
            if target.startswith("/"):
                here = []
            left += [step for step in target.split("/") if step not in ("", ".")][::-1]
        return self.root.joinpath(*here)

    def text(self, relative: str) -> str | None:
        """A file's text; None: it is absent, or it cannot be read, which `absent` tells apart."""
        content = self.content(relative)
        return None if content is None else content.decode("utf-8", "replace")

    def read(self, relative: str) -> str | Missing:
        """A file's text, or why it is not available."""
        text = self.text(relative)
        if text is not None:
            return text
        return Missing.ABSENT if self.absent(relative) else Missing.UNREADABLE

    def content(self, relative: str) -> bytes | None:
        """A regular file's bytes; None: it is absent, cannot be read, or is longer than any text."""
        try:
            fd = os.open(self.path(relative), os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
        except (OSError, ValueError):
            return None
        try:
            with open(fd, "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    return None
                chunks: list[bytes] = []
                while sum(map(len, chunks)) <= _MOST and (chunk := file.read1(_CHUNK)):
                    chunks.append(chunk)
        except OSError:
            return None
        content = b"".join(chunks)
        return content if len(content) <= _MOST else None

    def word(self, relative: str) -> str | None:
        """A file's text without the blanks around it."""
        text = self.text(relative)
        return None if text is None else text.strip()

    def exists(self, relative: str) -> bool:
        """Whether there is such a file that this user can see."""
        try:
            self.path(relative).lstat()
        except (OSError, ValueError):
            return False
        return True

    def absent(self, relative: str) -> bool:
        """Whether there is certainly no such file; if neither this nor `exists`, this user cannot see it."""
        try:
            self.path(relative).lstat()
        except OSError as error:
            return error.errno in _ABSENT
        except ValueError:
            return True
        return False

    def names(self, relative: str, pattern: str) -> list[str]:
        """The names in a directory that match a shell pattern, sorted; only some, if there are too many."""
        found: list[str] = []
        try:
            with os.scandir(self.path(relative)) as entries:
                for number, entry in enumerate(entries):
                    if number >= _MOST_NAMES:
                        break
                    if fnmatch.fnmatchcase(entry.name, pattern):
                        found.append(entry.name)
        except (OSError, ValueError):
            return []
        return sorted(found)

    @property
    def is_here(self) -> bool:
        """Whether it is the machine that this runs on."""
        return self.root == Path("/")

    @property
    def release(self) -> str:
        """The running kernel's release, or empty."""
        return self.word("proc/sys/kernel/osrelease") or (os.uname().release if self.is_here else "")

    @property
    def arch(self) -> str:
        """As ``uname -m`` says it, or empty."""
        return self.word("proc/sys/kernel/arch") or (os.uname().machine if self.is_here else "")

    @property
    def is_kdump_kernel(self) -> bool:
        """Whether this is the second kernel."""
        return self.exists("proc/vmcore")

    def config(self, option: str) -> str | None:
        """A build option of the kernel: ``y``, ``m``, ``n``; None: its configuration is not there."""
        text = self._config_of_running()
        for path in (
            f"boot/config-{self.release}",
            f"lib/modules/{self.release}/config",
            f"usr/lib/modules/{self.release}/config",
        ):
            text = text or self.text(path)
        if not text:
            return None
        matched = re.search(rf"^CONFIG_{option}=(\w)", text, re.MULTILINE)
        return matched[1] if matched else "n"

    def _config_of_running(self) -> str | None:
        packed = self.content("proc/config.gz")
        try:
            return (
                zlib.decompressobj(31).decompress(packed, _MOST).decode("utf-8", "replace")
                if packed
                else None
            )
        except zlib.error:
            return None
