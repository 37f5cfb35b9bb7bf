"""The keys of a simulated kernel in a file, for the next process; an old file is zeroed."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from kdumpkey.errors import DeviceError
from kdumpkey.kernel.simulated.keyring import SimulatedKeyrings
from kdumpkey.kernel.simulated.keys import Key
from kdumpkey.secret import SecretBuffer
from kdumpkey.storage.transfer import read_in_full, write_in_full

_LENGTH: Final = struct.Struct("=I")
_LONGEST: Final = 64 << 20


def save_keyrings(keyrings: SimulatedKeyrings, path: Path) -> None:
    """Write all keys, an index without secrets and then the payloads, and zero the file that is replaced."""
    keys = sorted(keyrings.keys.values(), key=lambda key: key.serial)
    index = {
        "next": keyrings.next_serial,
        "keys": [
            {name: value for name, value in vars(key).items() if name != "payload"}
            | {"nbytes": None if key.payload is None else len(key.payload)}
            for key in keys
        ],
    }
    head = json.dumps(index).encode()
    made = path.with_name(f"{path.name}.new")
    discard(made)
    fd = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        write_in_full(fd, _LENGTH.pack(len(head)) + head)
        for key in keys:
            if key.payload is not None:
                write_in_full(fd, key.payload)
    finally:
        os.close(fd)
    # The old file stays whole until the new one has its name, so that one of them survives an interruption.
    with _opened(path) as old:
        made.replace(path)
        _zero(old)


def load_keyrings(keyrings: SimulatedKeyrings, path: Path) -> None:
    """Read what `save_keyrings` wrote, if there is a file.

    Raises:
        DeviceError: The file is damaged.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    with SecretBuffer(min(os.fstat(fd).st_size, _LONGEST)) as whole, memoryview(whole) as view:
        try:
            read_in_full(fd, view)
            (length,) = _LENGTH.unpack_from(view)
            at = _LENGTH.size + length
            index = json.loads(bytes(view[_LENGTH.size : at]))
            for fields in index["keys"]:
                nbytes = fields.pop("nbytes")
                key = Key(**fields)
                if nbytes is not None:
                    key.payload = SecretBuffer.copy_of(view[at : at + nbytes])
                    at += nbytes
                keyrings.keys[key.serial] = key
            keyrings.next_serial = index["next"]
        except (ValueError, KeyError, TypeError, struct.error) as error:
            raise DeviceError(f"the machine's keyrings cannot be read: {error}") from error
        finally:
            os.close(fd)


def discard(path: Path) -> None:
    """Zero a file and remove it, if it is there."""
    with _opened(path) as fd:
        _zero(fd)
    path.unlink(missing_ok=True)


@contextmanager
def _opened(path: Path) -> Iterator[int | None]:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        yield None
        return
    try:
        yield fd
    finally:
        os.close(fd)


def _zero(fd: int | None) -> None:
    if fd is not None:
        write_in_full(fd, bytes(os.fstat(fd).st_size), 0)
