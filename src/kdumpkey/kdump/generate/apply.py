"""Writes changed files, all of them or none; the old ones are kept beside them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kdumpkey.errors import OutputError
from kdumpkey.host.host import Host
from kdumpkey.kdump.generate.change import Change
from kdumpkey.storage.publish import stage, sync_folder
from kdumpkey.storage.signals import HeldSignals

BACKUP: Final = ".before-kdumpkey"
# The originals must not be executable: some programs run every executable in a directory.
_NOT_RUN: Final = 0o666
_LABEL: Final = "security.selinux"


@dataclass(frozen=True)
class Applied:
    """A file that was changed, and where its old text is kept; None: there was none."""

    path: Path
    kept: Path | None


@dataclass(frozen=True)
class _Staged:
    path: Path
    staged: Path
    before: str | None
    kept: Path | None


def apply(root: Path, changes: Sequence[Change]) -> list[Applied]:
    """Make changes: every file is written and on disk before the first one takes its name.

    A changed file keeps the old one's mode and owner. The original stays beside it, as it was before the
    first such change. If one file cannot take its name, those before it get back their old text.

    Args:
        root: ``/``, or a directory with another machine's files.
        changes: As they were made; those that change nothing are left out.

    Raises:
        OutputError: A file changed since it was read, or cannot be written; everything is as it was.
    """
    host = Host(root.resolve())
    staged: list[_Staged] = []
    with HeldSignals(), ExitStack() as undo:
        for change in changes:
            if change.diff():
                path = root / change.path
                try:
                    path = _real_path(host, change.path)
                    staged.append(_stage(path, change, undo))
                except OSError as error:
                    raise OutputError(f"Cannot write {path}: {error.strerror}.") from error
        for each in staged:
            try:
                undo.callback(_put_back, each)
                each.staged.replace(each.path)
                sync_folder(each.path.parent)
            except OSError as error:
                raise OutputError(f"Cannot write {each.path}: {error.strerror}.") from error
        undo.pop_all()
    return [Applied(each.path, each.kept) for each in staged]


def _real_path(host: Host, relative: str) -> Path:
    """Where a file is or will be; links are followed as its machine would, so none leads out of the root."""
    try:
        return host.path(relative)
    except FileNotFoundError:
        folder, _, name = relative.rpartition("/")
        path = (_real_path(host, folder) if folder else host.root) / name
        if path.is_symlink():  # its target is not there, on that machine
            raise
        return path


def _stage(path: Path, change: Change, undo: ExitStack) -> _Staged:
    """Write the new text, and what is there under the name that it is kept by."""
    now = path.read_text(encoding="utf-8", errors="replace") if path.exists() else None
    if now != change.before:
        raise OutputError(f"{path} changed while the change was made; nothing was written.")
    if now is not None and "\ufffd" in now:
        raise OutputError(f"{path} is not all UTF-8; nothing was written.")
    _make_folder(path.parent, undo)
    kept = None
    if now is not None:
        kept = path.with_name(path.name + BACKUP)
        if not kept.exists():
            first = _write(path, now, path.stat().st_mode & _NOT_RUN, path, undo)
            undo.callback(kept.unlink, missing_ok=True)
            first.replace(kept)
    mode = change.mode if now is None else path.stat().st_mode & 0o7777
    made = _write(path, change.after, mode, path if now is not None else None, undo)
    return _Staged(path, made, now, kept)


def _make_folder(folder: Path, undo: ExitStack) -> None:
    """Make a directory and those above it; undone, those that are empty are taken away again."""
    if folder.is_dir():
        return
    _make_folder(folder.parent, undo)
    folder.mkdir()
    undo.callback(_remove_empty, folder)


def _remove_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


def _write(path: Path, text: str, mode: int, owner: Path | None, undo: ExitStack) -> Path:
    """A file beside the one that it is to replace, on disk, with that one's mode, owner and label."""
    made = stage(path.parent, path.name, text.encode(), mode=mode)
    undo.callback(made.unlink, missing_ok=True)
    if owner is not None:
        shutil.chown(made, owner.stat().st_uid, owner.stat().st_gid)
        made.chmod(mode)  # giving a file away clears its set-user-ID bit
        with suppress(OSError):  # there is no SELinux here
            os.setxattr(made, _LABEL, os.getxattr(owner, _LABEL))
    return made


def _put_back(each: _Staged) -> None:
    """Undo a rename, if it came to that: the new file is no longer where it was staged."""
    if each.staged.exists():
        return
    if each.before is None:
        each.path.unlink(missing_ok=True)
        return
    with ExitStack() as undo:
        mode = each.path.stat().st_mode & 0o7777
        old = _write(each.path, each.before, mode, each.path, undo)
        old.replace(each.path)
