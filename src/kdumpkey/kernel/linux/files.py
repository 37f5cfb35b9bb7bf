"""Writes Linux's files and kdumpkey's own under /run, keeping each errno; and takes the locks."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from kdumpkey.errors import kernel_error
from kdumpkey.storage.publish import write_file_at

_FOLDER_MODE: Final = 0o700
_FILE_MODE: Final = 0o600
_LOCK: Final = "arm.lock"
_AGAIN_S: Final = 0.2


def doing(step: Callable[[], object], what: str) -> None:
    """Call a function; an error of the operating system becomes a `KernelError` with its errno.

    Raises:
        KernelError: The errno of the step.
    """
    try:
        step()
    except OSError as error:
        number = error.errno or errno.EIO
        raise kernel_error(number, f"{what}: {os.strerror(number)}") from error


def write_once(path: Path, text: str) -> None:
    """Write a value into a file of the kernel's in one write, because configfs takes each for a whole value.

    Raises:
        OSError: As open(2) and write(2).
    """
    file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(file, os.fsencode(text))
    finally:
        os.close(file)


def text_of(path: Path) -> str | None:
    """A file's text; None: it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except (OSError, ValueError):
        return None


def replace_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all, in a directory of the same kind.

    Raises:
        OSError: It cannot be written; EPERM: others may write to the directory.
    """
    folder = _own_folder(path.parent)
    try:
        write_file_at(folder, path.name, text.encode(), mode=_FILE_MODE)
    finally:
        os.close(folder)


@contextmanager
def alone(folder_path: Path) -> Iterator[None]:
    """Keep other kdumpkeys from naming and loading keys; the lock ends with the process.

    Args:
        folder_path: Where the lock's file is; made if it is missing.

    Raises:
        KernelError: EBUSY: another process has the lock; else the errno of making it.
    """
    try:
        folder = _own_folder(folder_path)
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            lock = os.open(_LOCK, flags, _FILE_MODE, dir_fd=folder)
        finally:
            os.close(folder)
    except OSError as error:
        number = error.errno or errno.EIO
        raise kernel_error(number, f"{folder_path} cannot be used: {os.strerror(number)}") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise kernel_error(errno.EBUSY, "another process names or loads keys at this moment") from error
        yield
    finally:
        os.close(lock)


@contextmanager
def tools_waiting(path: Path, *, installed: bool, patience_s: float) -> Iterator[None]:
    """Hold the lock by which one kdumpctl keeps out another, because both load and unload the same image.

    Args:
        path: The lock's file; it is made if it is missing, and never written to, so that its time of change
            stays that of kdumpctl's last run.
        installed: Whether there is a kdumpctl on this machine.
        patience_s: For how long to wait for a running kdumpctl.

    Raises:
        KernelError: EBUSY: it was still running after that.
    """
    lock = _tools_lock(path) if installed else None
    try:
        if lock is not None:
            _wait_for(lock, path, time.monotonic() + patience_s)
        yield
    finally:
        if lock is not None:
            os.close(lock)


def _tools_lock(path: Path) -> int | None:
    """The open lock; None: it is not this user's, so this user cannot load an image either."""
    try:
        flags = os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        lock = os.open(path, flags, _FILE_MODE)
    except OSError:
        return None
    found = os.fstat(lock)
    if found.st_uid == os.geteuid() and stat.S_ISREG(found.st_mode):
        return lock
    os.close(lock)
    return None


def _wait_for(lock: int, path: Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= deadline:
                raise kernel_error(errno.EBUSY, f"kdumpctl is at work and holds {path}; try again") from error
            time.sleep(_AGAIN_S)
        else:
            return


def _own_folder(path: Path) -> int:
    """The open directory, made if it is missing; if others could write to it, they could put links there."""
    path.mkdir(mode=_FOLDER_MODE, exist_ok=True)
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    found = os.fstat(folder)
    if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o022:
        os.close(folder)
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), str(path))
    return folder
