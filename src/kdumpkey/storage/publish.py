"""Files that get their name when they are whole: the one place where outputs are opened and named.

A file under construction has no name (`O_TMPFILE`), or a hidden one where the filesystem makes no files
without one; then SIGINT, SIGTERM and SIGHUP remove it before they end the process. Nothing that already has
the name is opened: links are not followed, and a FIFO, socket or character device is refused. A block device
is written in place, only where that was asked for, and only after the opened descriptor was checked.

Source: open(2), linkat(2) and renameat2(2).
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kdumpkey.errors import OutputError, OutputExistsError
from kdumpkey.storage.extent import share_bytes
from kdumpkey.storage.signals import HeldSignals, SignalledError
from kdumpkey.storage.transfer import write_in_full

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from typing_extensions import Buffer

PRIVATE: Final = 0o600  # for its owner's eyes

_KINDS: Final = {
    stat.S_IFDIR: "a directory",
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a character device",
}
# What a filesystem says that makes no files without a name, or a kernel that knows of none.
_NO_TMPFILE: Final = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT)
# What a filesystem says that has no hard links.
_NO_LINKS: Final = (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS)
# What a filesystem says that has no permissions of files, as many in user space.
_NO_MODES: Final = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)
_DESCRIPTORS: Final = "/proc/self/fd"
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True)
class Output:
    """What an output is written to.

    Attributes:
        fd: Open for reading and writing (a block device: for writing).
        block_device: It is a block device, which is written in place.
    """

    fd: int
    block_device: bool


def write_file(  # noqa: PLR0913 - the options of new_file, all by name
    path: str | os.PathLike[str],
    content: Buffer,
    *,
    mode: int = PRIVATE,
    replace: bool = False,
    sync: bool = False,
    apart_from: Sequence[int] = (),
) -> None:
    """Write a file, whole or not at all; see `new_file`."""
    with new_file(path, mode=mode, replace=replace, sync=sync, apart_from=apart_from) as fd:
        write_in_full(fd, content)


@contextmanager
def new_file(
    path: str | os.PathLike[str],
    *,
    mode: int = PRIVATE,
    replace: bool = False,
    sync: bool = False,
    apart_from: Sequence[int] = (),
) -> Iterator[int]:
    """Make a file that gets its name at the end of the `with` block, if that ends without an error.

    Args:
        path: The file's name.
        mode: Its permissions; the umask does not count.
        replace: Take the place of a regular file of that name.
        sync: Wait until content and name are on the medium.
        apart_from: Open files and devices that the output must not be, or hold a byte of, by any name.

    Yields:
        A file descriptor, open for reading and writing.

    Raises:
        OutputExistsError: There is such a file, and `replace` was not asked for.
        OutputError: The file cannot be written; nothing is left that was not there before.
    """
    what = _Wanted(mode=mode, replace=replace, sync=sync, apart_from=tuple(apart_from))
    with _open(path, what) as output:
        yield output.fd


def write_file_at(folder: int, name: str, content: Buffer, *, mode: int = PRIVATE) -> None:
    """Write a file into a folder that is open, in place of a file of that name.

    Args:
        folder: The folder's descriptor.
        name: The file's name in it.
        content: The bytes.
        mode: Its permissions; the umask does not count.

    Raises:
        OSError: The file cannot be written; nothing is left that was not there before.
    """
    with _new_file(_Name(folder, name, name), mode, replace=True, sync=False) as fd:
        write_in_full(fd, content)


def stage(folder: str | os.PathLike[str], name: str, content: Buffer, *, mode: int = PRIVATE) -> Path:
    """Write a file under a hidden name, on the medium when this returns, for the caller to rename or remove.

    The caller holds signals back (`HeldSignals`) until it has done either.

    Args:
        folder: Where the file is to be.
        name: What the hidden name is made from.
        content: The bytes.
        mode: Its permissions; the umask does not count.

    Returns:
        The hidden file's path.

    Raises:
        OSError: The file cannot be written; nothing is left of it.
    """
    hidden = Path(folder) / _hidden(name)
    fd = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE)
    try:
        _set_mode(fd, mode)
        write_in_full(fd, content)
        os.fsync(fd)
    except BaseException:
        hidden.unlink()
        raise
    finally:
        os.close(fd)
    return hidden


def sync_folder(folder: str | os.PathLike[str]) -> None:
    """Wait until the names in a folder are on the medium.

    Raises:
        OSError: The medium refuses.
    """
    _sync(os.open(folder, _FOLDER))


@contextmanager
def open_output(
    path: str | os.PathLike[str],
    *,
    mode: int = PRIVATE,
    replace: bool = False,
    apart_from: Sequence[int] = (),
) -> Iterator[Output]:
    """Make a new file, as `new_file` does, or open the block device of that name where `replace` is set.

    Args:
        path: The file's name, or the device's.
        mode: A new file's permissions; the umask does not count.
        replace: Take the place of a regular file of that name, or overwrite the device.
        apart_from: Open files and devices that the output must not be, or hold a byte of, by any name.

    Raises:
        OutputExistsError: There is such a file or block device, and `replace` was not asked for.
        OutputError: It cannot be written, or the block device is in use.
    """
    what = _Wanted(mode=mode, replace=replace, devices=True, apart_from=tuple(apart_from))
    with _open(path, what) as output:
        yield output


@dataclass(frozen=True)
class _Wanted:
    """How an output is to be opened."""

    mode: int
    replace: bool = False
    sync: bool = False
    devices: bool = False
    apart_from: tuple[int, ...] = ()

    def check_apart(self, fd: int, shown: str) -> None:
        if any(share_bytes(fd, each) for each in self.apart_from):
            raise OutputError(
                f"{shown} is, or holds, what is being read, under this name or another: name another output."
            )


@contextmanager
def _open(path: str | os.PathLike[str], what: _Wanted) -> Iterator[Output]:
    shown = os.fsdecode(path)
    if "\0" in shown:
        raise OutputError(f"Cannot write {shown!r}: a name cannot hold a NUL character.")
    try:
        parent, name = os.path.split(shown)
        folder = os.open(parent or ".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            device = _block_device_at(folder, name, shown, what)
            if device is None:
                with _new_file(
                    _Name(folder, name, shown), what.mode, replace=what.replace, sync=what.sync
                ) as fd:
                    yield Output(fd, block_device=False)
            else:
                try:
                    what.check_apart(device, shown)
                    yield Output(device, block_device=True)
                    os.fsync(device)
                finally:
                    os.close(device)
        finally:
            os.close(folder)
    except OSError as error:
        raise OutputError(f"Cannot write {shown}: {error.strerror or error}.") from error


def _block_device_at(folder: int, name: str, shown: str, what: _Wanted) -> int | None:
    """Open the block device of that name; None: there is nothing, or a file to be replaced."""
    try:
        found = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)  # opens no device
    except FileNotFoundError:
        if name:
            return None
        raise
    try:
        status = os.fstat(found)
        if stat.S_ISREG(status.st_mode):
            what.check_apart(found, shown)
        if stat.S_ISREG(status.st_mode) or (what.devices and stat.S_ISBLK(status.st_mode)):
            if not what.replace:
                kind = "is a block device" if stat.S_ISBLK(status.st_mode) else "exists already"
                does = "overwrites" if stat.S_ISBLK(status.st_mode) else "replaces"
                raise OutputExistsError(f"File {shown} {kind}; --force {does} it.")
            return None if stat.S_ISREG(status.st_mode) else _reopened(found, folder, name, status)
    finally:
        os.close(found)
    raise OutputError(_refusal(folder, name, shown, status.st_mode))


def _refusal(folder: int, name: str, shown: str, mode: int) -> str:
    kind = _KINDS.get(stat.S_IFMT(mode), "a block device")
    if stat.S_ISLNK(mode):
        target = os.readlink(name, dir_fd=folder)
        return f"{shown} is a symbolic link to {target}, and links are not followed: name the file itself."
    if stat.S_ISDIR(mode):
        return f"Cannot write {shown}: it is a directory."
    return f"{shown} is {kind}, not a regular file: redirect standard output to it instead."


def _reopened(found: int, folder: int, name: str, status: os.stat_result) -> int:
    """Open the device that was looked at, and no other; O_EXCL refuses one that is mounted or mapped."""
    flags = os.O_WRONLY | os.O_EXCL | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    if os.path.exists(_DESCRIPTORS):
        device = os.open(f"{_DESCRIPTORS}/{found}", flags)
    else:
        device = os.open(name, flags | os.O_NOFOLLOW, dir_fd=folder)
    try:
        now = os.fstat(device)
        if not stat.S_ISBLK(now.st_mode) or now.st_rdev != status.st_rdev:
            raise OSError(errno.ESTALE, "another file took the device's name")
        os.set_blocking(device, True)
    except BaseException:
        os.close(device)
        raise
    return device


@dataclass(frozen=True)
class _Name:
    """A name in a folder that is open, so that it stays that folder; `shown` is for messages."""

    folder: int
    name: str
    shown: str

    def hidden(self) -> str:
        return _hidden(self.name)


@contextmanager
def _new_file(target: _Name, mode: int, *, replace: bool, sync: bool) -> Iterator[int]:
    fd = _unnamed_file(target.folder)
    if fd is None:
        with _hidden_file(target, mode, replace=replace, sync=sync) as fd:
            yield fd
    else:
        try:
            _set_mode(fd, mode)
            yield fd
            if sync:
                os.fsync(fd)
            _name_unnamed(fd, target, replace=replace)
        finally:
            os.close(fd)
    if sync:
        _sync(os.open(".", _FOLDER, dir_fd=target.folder))


def _set_mode(fd: int, mode: int) -> None:
    """Give a file its permissions; where a filesystem keeps none, it has those of its mount."""
    try:
        os.fchmod(fd, mode)
    except OSError as error:
        if error.errno not in _NO_MODES:
            raise


def _unnamed_file(folder: int) -> int | None:
    if not os.path.exists(_DESCRIPTORS):  # without it, the file could not be given a name
        return None
    try:
        return os.open(".", os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, PRIVATE, dir_fd=folder)
    except OSError as error:
        if error.errno not in _NO_TMPFILE:
            raise
        return None


def _name_unnamed(fd: int, target: _Name, *, replace: bool) -> None:
    if not replace:
        _link_open_file(fd, target, target.name)
        return
    with (
        HeldSignals()
    ):  # no system call gives an open file the name of another: it has a second one for a moment
        hidden = target.hidden()
        _link_open_file(fd, target, hidden)
        try:
            os.replace(hidden, target.name, src_dir_fd=target.folder, dst_dir_fd=target.folder)
        except BaseException:
            os.unlink(hidden, dir_fd=target.folder)
            raise


def _link_open_file(fd: int, target: _Name, name: str) -> None:
    # Only with a folder given does Python call linkat, which alone follows the link in /proc.
    source = f"{_DESCRIPTORS}/{fd}"
    try:
        os.link(source, name, src_dir_fd=fd, dst_dir_fd=target.folder, follow_symlinks=True)
    except FileExistsError as error:
        raise OutputExistsError(f"File {target.shown} exists already; --force replaces it.") from error


@contextmanager
def _hidden_file(target: _Name, mode: int, *, replace: bool, sync: bool) -> Iterator[int]:
    """A file with a hidden name, which no signal leaves behind."""
    folder, hidden = target.folder, target.hidden()
    try:
        with HeldSignals() as held:
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            fd = os.open(hidden, flags, PRIVATE, dir_fd=folder)
            named = False
            try:
                try:
                    _set_mode(fd, mode)
                    held.interrupting = True
                    yield fd
                    held.interrupting = False
                    if sync:
                        os.fsync(fd)
                    _rename(target, hidden, replace=replace)
                    named = True
                finally:
                    held.interrupting = False
            finally:  # by itself, for a signal may come at the very beginning of the block above
                os.close(fd)
                if not named:
                    os.unlink(hidden, dir_fd=folder)
    except SignalledError as error:  # the signal's own handler let the process go on
        raise OutputError(f"Cannot write {target.shown}: interrupted by a signal.") from error


def _rename(target: _Name, hidden: str, *, replace: bool) -> None:
    folder = target.folder
    if not replace:
        try:
            try:
                os.link(hidden, target.name, src_dir_fd=folder, dst_dir_fd=folder)
            except FileExistsError:
                raise
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                # An empty file of our own takes the name first, so that no other file is overwritten.
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
                os.close(os.open(target.name, flags, PRIVATE, dir_fd=folder))
            else:
                os.unlink(hidden, dir_fd=folder)
                return
        except FileExistsError as error:
            raise OutputExistsError(f"File {target.shown} exists already; --force replaces it.") from error
    os.replace(hidden, target.name, src_dir_fd=folder, dst_dir_fd=folder)


def _hidden(name: str) -> str:
    return f".{name[:200]}.{os.urandom(6).hex()}.part"


def _sync(folder: int) -> None:
    """Synchronise a folder, and close it."""
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a filesystem whose folders cannot be synchronised
            raise
    finally:
        os.close(folder)
