"""Passphrases and keys from files and from standard input, straight into secret memory.

Nothing is read beyond a bound: of a volume key its length, of a passphrase the size that was asked for, or
one byte more than `MAXIMUM`, which tells that there are too many. A file without an end is refused there.
"""

from __future__ import annotations

import os
import stat
from typing import Final

from kdumpkey.errors import NothingToReadError, UsageError
from kdumpkey.secret import SecretBuffer
from kdumpkey.storage.transfer import read_in_full

MAXIMUM: Final = 8192 * 1024  # bytes, where no size was asked for
_CHUNK: Final = 64 * 1024
_NEWLINE: Final = 0x0A


def read_key_file(path: str, *, offset: int = 0, nbytes: int | None = None) -> SecretBuffer:
    """Read a key file, newlines and all.

    Args:
        path: The file; a FIFO or a device too.
        offset: How many bytes to leave out at its beginning.
        nbytes: How many to read, no fewer; None: to its end.

    Raises:
        UsageError: It cannot be read, or has too many or too few bytes.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise UsageError("Failed to open key file.") from error
    try:
        # An empty file holds the empty passphrase; an empty pipe holds none.
        regular = stat.S_ISREG(os.fstat(fd).st_mode)
        return read_key(fd, offset=offset, nbytes=nbytes, may_be_empty=regular)
    finally:
        os.close(fd)


def read_key(
    fd: int, *, offset: int = 0, nbytes: int | None = None, line: bool = False, may_be_empty: bool = False
) -> SecretBuffer:
    """Read a passphrase or key from a file descriptor.

    Args:
        fd: Read from where it stands, and with `line` not a byte farther than the line goes.
        offset: How many bytes to leave out first.
        nbytes: How many to read, no fewer; None: to the end, at most `MAXIMUM`.
        line: Stop at the first newline, which is not part of it.
        may_be_empty: Take the end of input at once for the empty passphrase.

    Raises:
        NothingToReadError: It is at its end.
        UsageError: It cannot be read, or has too many or too few bytes.
    """
    limit = MAXIMUM + 1 if nbytes is None else nbytes
    try:
        _skip(fd, offset)
        key, ended = _read(fd, limit, line)
    except OSError as error:
        raise UsageError("Error reading passphrase.") from error
    refusal = None
    if not key and not ended and not may_be_empty:
        key.close()
        raise NothingToReadError("Nothing to read on input.")
    if nbytes is not None and len(key) < nbytes:
        refusal = "Cannot read requested amount of data."
    elif nbytes is None and len(key) > MAXIMUM:
        refusal = "Maximum keyfile size exceeded."
    if refusal:
        key.close()
        raise UsageError(refusal)
    return key


def _skip(fd: int, nbytes: int) -> None:
    refusal = UsageError("Cannot seek to requested keyfile offset.")
    if not nbytes:
        return
    if stat.S_ISREG(os.fstat(fd).st_mode):
        if os.lseek(fd, 0, os.SEEK_CUR) + nbytes > os.fstat(fd).st_size:
            raise refusal
        os.lseek(fd, nbytes, os.SEEK_CUR)
        return
    with SecretBuffer(min(nbytes, _CHUNK)) as scratch, memoryview(scratch) as view:
        for left in range(nbytes, 0, -_CHUNK):
            part = view[: min(left, _CHUNK)]
            if read_in_full(fd, part) < len(part):
                raise refusal


def _read(fd: int, limit: int, line: bool) -> tuple[SecretBuffer, bool]:
    """At most `limit` bytes, and whether a newline ended them."""
    key = SecretBuffer(min(limit, _expected(fd)))
    done = 0
    try:
        while done < limit:
            if done == len(key):
                key = _resized(key, done, min(limit, max(4 * done, _CHUNK)))
            with memoryview(key) as view:
                # A line is read byte by byte: what follows it belongs to the next reader.
                got = read_in_full(fd, view[done : done + 1] if line else view[done:])
                if got == 0:
                    break
                if line and view[done] == _NEWLINE:
                    return _resized(key, done, done), True
            done += got
        return _resized(key, done, done), False
    except BaseException:
        key.close()
        raise


def _expected(fd: int) -> int:
    """The bytes to have a buffer for: a file's and one, to meet its end; what has no length begins small."""
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        return _CHUNK
    return max(status.st_size - os.lseek(fd, 0, os.SEEK_CUR), 0) + 1


def _resized(key: SecretBuffer, used: int, nbytes: int) -> SecretBuffer:
    if nbytes == len(key):
        return key
    with memoryview(key) as old, old[:used] as content:
        resized = SecretBuffer.copy_of(content, nbytes)
    key.close()
    return resized
