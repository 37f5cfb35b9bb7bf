"""Filesystems that lack something, by calls that fail as theirs do."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest


def refuse_unnamed_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """No O_TMPFILE, as on FAT, NFS and many in user space."""
    really = os.open

    def refuse(path: str | Path, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
        return really(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", refuse)


def refuse_links(monkeypatch: pytest.MonkeyPatch) -> None:
    """No hard links either, as on FAT."""

    def refuse(*_paths: object, **_how: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)


def refuse_modes(monkeypatch: pytest.MonkeyPatch) -> None:
    """No permissions of files, as on many in user space."""

    def refuse(_fd: int, _mode: int) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(os, "fchmod", refuse)
