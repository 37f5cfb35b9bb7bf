"""A volume key in a file: its length, which a header says, and its bytes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from kdumpkey.errors import KeyslotError, UsageError
from kdumpkey.secret import SecretBuffer
from kdumpkey.storage.transfer import read_in_full

if TYPE_CHECKING:
    from kdumpkey.luks.model import LuksHeader


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
