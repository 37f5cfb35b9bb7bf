"""A volume key in a file: its length, which a header says, and its bytes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from kdumpkey.errors import KeyslotError, UsageError, WrongKeyError
from kdumpkey.luks.model import MAX_KEY_SIZE
from kdumpkey.secret import SecretBuffer
from kdumpkey.storage.transfer import read_in_full

if TYPE_CHECKING:
    from kdumpkey.luks.model import LuksHeader

_CHUNK: Final = 1 << 16


def key_size(header: LuksHeader, bits: int | None) -> int:
    """Bytes of the volume key: what the header says, else what --key-size says in bits.

    Raises:
        KeyslotError: Neither says it: a LUKS2 header without keyslots does not.
    """
    for segment in header.data_segments:
        digest = header.digest_of_segment(segment.id)
        if digest and (sizes := header.key_sizes(digest)):
            return sizes[0]
    if bits:
        return bits // 8
    raise KeyslotError(
        "Cannot determine volume key size for LUKS without keyslots, please use --key-size option."
    )


def read_volume_key(path: str, header: LuksHeader, bits: int | None) -> SecretBuffer:
    """Read a header's volume key from the beginning of a file.

    Args:
        path: The file.
        header: The header.
        bits: The key's length, where a header without keyslots does not say it.

    Raises:
        KeyslotError: As `key_size`.
        UsageError: As `read_exactly`.
        WrongKeyError: The length is one that no volume key has; so much memory is not taken for it.
    """
    nbytes = key_size(header, bits)
    if nbytes <= MAX_KEY_SIZE:
        return read_exactly(path, nbytes)
    left = nbytes
    try:
        with (
            open(path, "rb", buffering=0) as file,
            SecretBuffer(_CHUNK) as buffer,
            memoryview(buffer) as view,
        ):
            while left > 0 and (got := file.readinto(view[: min(left, _CHUNK)])):
                left -= got
    except (OSError, ValueError) as error:
        raise UsageError(f"Cannot read keyfile {path}.") from error
    if left:
        raise UsageError(f"Cannot read {nbytes} bytes from keyfile {path}.")
    raise WrongKeyError("Volume key does not match the volume.")


def read_exactly(path: str, nbytes: int) -> SecretBuffer:
    """Read a volume key of a known length from the beginning of a file.

    Raises:
        UsageError: It cannot be read, or has fewer bytes.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY)
    except (OSError, ValueError) as error:
        raise UsageError(f"Cannot read keyfile {path}.") from error
    try:
        key = SecretBuffer(nbytes)
        if read_in_full(fd, key) == nbytes:
            return key
        key.close()
    except OSError as error:
        raise UsageError(f"Cannot read {nbytes} bytes from keyfile {path}.") from error
    finally:
        os.close(fd)
    raise UsageError(f"Cannot read {nbytes} bytes from keyfile {path}.")
