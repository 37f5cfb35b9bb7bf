"""The lock under which a header is changed: cryptsetup's own, so that the two wait for each other.

A regular file is locked itself (flock). A block device is locked by a file in a folder that is there for it,
named by the device's numbers; whoever is the last to let go of it removes it.

Source: docs/spec/luks.md "Writing"; flock(2); what cryptsetup 2.6.1 does to /run/cryptsetup.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kdumpkey.errors import DeviceError, LockError

if TYPE_CHECKING:
    from kdumpkey.storage.device import Device

FOLDER: Final = Path("/run/cryptsetup")
MEMORY_HARD_KIB: Final = 32 * 1024  # Argon2 with more than this waits, if asked to
_MEMORY_HARD: Final = "LN_memory-hard-access"


@contextmanager
def exclusive(device: Device, folder: Path = FOLDER) -> Iterator[None]:
    """Hold the exclusive lock of a device's header; waits for whoever has it.

    Args:
        device: The open device or file.
        folder: Where the lock files of block devices are; made if it is not there.

    Raises:
        DeviceError: The lock cannot be taken.
    """
    if not device.is_block:
        _flock(device.fileno(), fcntl.LOCK_EX, device.name)
        try:
            yield
        finally:
            fcntl.flock(device.fileno(), fcntl.LOCK_UN)
        return
    number = os.fstat(device.fileno()).st_rdev
    with named(folder, f"L_{os.major(number)}:{os.minor(number)}"):
        yield


@contextmanager
def memory_hard(folder: Path = FOLDER) -> Iterator[None]:
    """Hold the machine's turn to run a key derivation that needs much memory; waits for whoever has it.

    Every process that was asked to take turns does so by this file, cryptsetup's included
    (``--serialize-memory-hard-pbkdf``): a boot that opens several volumes at once needs the memory of one.

    Args:
        folder: Where the lock file is.

    Raises:
        LockError: The lock cannot be taken.
    """
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(named(folder, _MEMORY_HARD))
        except DeviceError as error:
            raise LockError(
                f"Failed to acquire global memory-hard access serialization lock: {error}"
            ) from error
        yield


@contextmanager
def named(folder: Path, name: str) -> Iterator[None]:
    """Hold the lock that is a file `name` in `folder`.

    Raises:
        DeviceError: The folder is not a directory, or the file cannot be made or locked.
    """
    directory = _open_folder(folder)
    try:
        fd = _lock_file(directory, folder, name)
        try:
            yield
        finally:
            _let_go(directory, name, fd)
    finally:
        os.close(directory)


def _open_folder(folder: Path) -> int:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    try:
        try:
            return os.open(folder, flags | os.O_NOFOLLOW)
        except FileNotFoundError:
            folder.mkdir(mode=0o700, exist_ok=True)
            return os.open(folder, flags | os.O_NOFOLLOW)
    except OSError as error:
        raise DeviceError(f"Locking directory {folder} cannot be used: {error.strerror}.") from error


def _lock_file(directory: int, folder: Path, name: str) -> int:
    while True:
        try:
            fd = os.open(
                name, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, mode=0o600, dir_fd=directory
            )
        except OSError as error:
            raise DeviceError(f"Lock file {folder / name} cannot be opened: {error.strerror}.") from error
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise DeviceError(f"Lock file {folder / name} is not a regular file.")
            _flock(fd, fcntl.LOCK_EX, str(folder / name))
            if _is_still(directory, name, fd):
                return fd
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)  # whoever had the lock has removed the file meanwhile: this one locks nobody out


def _is_still(directory: int, name: str, fd: int) -> bool:
    try:
        return os.path.samestat(os.stat(name, dir_fd=directory, follow_symlinks=False), os.fstat(fd))
    except FileNotFoundError:
        return False


def _let_go(directory: int, name: str, fd: int) -> None:
    try:
        # Removed while it is held: who waits for this file finds that it is not the named one any more.
        if _is_still(directory, name, fd):
            os.unlink(name, dir_fd=directory)
    except OSError:
        pass  # a lock file that stays is harmless
    finally:
        os.close(fd)


def _flock(fd: int, operation: int, name: str) -> None:
    try:
        fcntl.flock(fd, operation)
    except OSError as error:
        raise DeviceError(f"Device {name} cannot be locked: {error.strerror}.") from error
