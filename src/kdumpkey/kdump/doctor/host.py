"""The machine that is examined: its files under a root directory, nothing else, and nothing is written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_MOST: Final = 8 << 20  # bytes: no text that is read here is longer


@dataclass(frozen=True)
class CryptDevice:
    """An encrypted device beneath the dump target.

    Attributes:
        name: What a person calls it: a path.
        uuid: Of its header; empty: it has none, or it cannot be told.
        kind: ``LUKS2``, ``LUKS1``, ``PLAIN`` …
        mapping: The name that device-mapper has it under; empty: not mapped.
        memory_kib: What its hungriest keyslot asks for; None: its header could not be read.
        aliases: Other ways in which crypttab may name it: ``PARTUUID=…``, ``LABEL=…``, paths.
    """

    name: str
    uuid: str
    kind: str
    mapping: str = ""
    memory_kib: int | None = None
    aliases: frozenset[str] = frozenset()

    @property
    def description(self) -> str:
        """The name under which kdump's tools hand its key over."""
        return f"kdump-cryptsetup:vk-{self.uuid}"


@dataclass(frozen=True)
class Host:
    """A machine by its files; `root` is ``/`` for the one that this runs on."""

    root: Path

    def path(self, relative: str) -> Path:
        """Where a file of the machine is, named from its root, with or without a leading slash."""
        return self.root / relative.lstrip("/")

    def text(self, relative: str) -> str | None:
        """A file's text; None: it cannot be read."""
        try:
            with self.path(relative).open("rb") as file:
                return file.read(_MOST).decode("utf-8", "replace")
        except (OSError, ValueError):
            return None

    def word(self, relative: str) -> str | None:
        """A file's text without the blanks around it."""
        text = self.text(relative)
        return None if text is None else text.strip()

    def exists(self, relative: str) -> bool:
        """Whether there is such a file, as far as this caller may see."""
        try:
            return self.path(relative).exists()
        except OSError:
            return False

    def names(self, relative: str, pattern: str) -> list[str]:
        """The names in a directory that fit a pattern of the shell's, sorted."""
        try:
            return sorted(path.name for path in self.path(relative).glob(pattern))
        except OSError:
            return []

    @property
    def release(self) -> str:
        """The running kernel's release, or empty."""
        return self.word("proc/sys/kernel/osrelease") or ""

    @property
    def arch(self) -> str:
        """As ``uname -m`` says it, or empty."""
        return self.word("proc/sys/kernel/arch") or ""

    @property
    def is_kdump_kernel(self) -> bool:
        """Whether this is the second kernel."""
        return self.exists("proc/vmcore")

    def config(self, option: str) -> str | None:
        """A build option of the kernel: ``y``, ``m``, ``n``; None: its configuration is not there."""
        text = self.text(f"boot/config-{self.release}") or self.text(f"lib/modules/{self.release}/config")
        if text is None:
            return None
        matched = re.search(rf"^CONFIG_{option}=(\w)", text, re.MULTILINE)
        return matched[1] if matched else "n"
