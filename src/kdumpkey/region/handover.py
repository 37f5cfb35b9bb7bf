"""The bytes in which one kernel leaves keys to the next.

v1: ``u32 size ‖ key``. Merged: ``u32 count ‖ count × (u32 size ‖ description[128] ‖ key[256])``. Hardened:
the merged form, followed by SHA-256 over all of it. Integers are in the machine's own byte order.
"""

from __future__ import annotations

import errno
import hashlib
import struct
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from kdumpkey.errors import kernel_error
from kdumpkey.secret import SecretBuffer

if TYPE_CHECKING:
    from typing_extensions import Buffer

MOST_KEYS: Final = 128
LONGEST_KEY: Final = 256
LONGEST_DESCRIPTION: Final = 128  # bytes that the interface takes; a load loses the last one
COUNT: Final = struct.Struct("=I")
RECORD: Final = 4 + LONGEST_DESCRIPTION + LONGEST_KEY
CHECKSUM: Final = 32
LONGEST_V1_KEY: Final = 128


def merged_size(count: int, *, checked: bool = False) -> int:
    """Bytes of `count` keys in the merged form."""
    return COUNT.size + count * RECORD + (CHECKSUM if checked else 0)


def pack_merged(keys: Sequence[tuple[str, Buffer]], *, checked: bool = False) -> SecretBuffer:
    """Keys in the merged form.

    Args:
        keys: Description and payload; what is too long must have been refused before.
        checked: Whether the checksum follows.
    """
    packed = SecretBuffer(merged_size(len(keys), checked=checked))
    with memoryview(packed) as view:
        COUNT.pack_into(view, 0, len(keys))
        at = COUNT.size
        for description, payload in keys:
            name = description.encode("utf-8", "surrogateescape")
            with memoryview(payload) as whole, whole.cast("B") as content:
                COUNT.pack_into(view, at, content.nbytes)
                view[at + 4 : at + 4 + len(name)] = name
                start = at + 4 + LONGEST_DESCRIPTION
                view[start : start + content.nbytes] = content
            at += RECORD
        if checked:
            view[at:] = hashlib.sha256(view[:at]).digest()
    return packed


def unpack_merged(
    read: Callable[[int, int], SecretBuffer], address: int, *, checked: bool = False
) -> list[tuple[str, SecretBuffer]]:
    """Keys out of the merged form, each in secret memory of its own.

    Args:
        read: Gives bytes at an address.
        address: Where the form begins.
        checked: Whether a checksum follows, and must be right.

    Raises:
        KernelError: EINVAL: too many keys, or one too long; EBADMSG: the checksum is wrong.
    """
    with read(address, COUNT.size) as head:
        (count,) = COUNT.unpack(head)
    if count > MOST_KEYS:
        raise kernel_error(errno.EINVAL, f"{count} keys are handed over, more than {MOST_KEYS}")
    with read(address, merged_size(count, checked=checked)) as packed, memoryview(packed) as view:
        end = merged_size(count)
        if checked and hashlib.sha256(view[:end]).digest() != view[end:]:
            raise kernel_error(errno.EBADMSG, "the checksum of the keys handed over is wrong")
        return _unpack_records(view, count)


def _unpack_records(view: memoryview, count: int) -> list[tuple[str, SecretBuffer]]:
    found: list[tuple[str, SecretBuffer]] = []
    for at in range(COUNT.size, COUNT.size + count * RECORD, RECORD):
        (nbytes,) = COUNT.unpack_from(view, at)
        start = at + 4 + LONGEST_DESCRIPTION
        if not 0 < nbytes <= LONGEST_KEY:
            for _, key in found:
                key.close()
            raise kernel_error(errno.EINVAL, f"a key of {nbytes} bytes is handed over")
        name = bytes(view[at + 4 : start]).partition(b"\0")[0]
        key = SecretBuffer.copy_of(view[start : start + nbytes])
        found.append((name.decode("utf-8", "surrogateescape"), key))
    return found


def pack_v1(payload: Buffer) -> SecretBuffer:
    """One key in the form of v1."""
    with memoryview(payload) as whole, whole.cast("B") as content:
        packed = SecretBuffer(COUNT.size + content.nbytes)
        with memoryview(packed) as view:
            COUNT.pack_into(view, 0, content.nbytes)
            view[COUNT.size :] = content
    return packed


def unpack_v1(read: Callable[[int, int], SecretBuffer], address: int) -> SecretBuffer:
    """The key out of the form of v1.

    Raises:
        KernelError: EINVAL: its length is impossible.
    """
    with read(address, COUNT.size) as head:
        (nbytes,) = COUNT.unpack(head)
    if not 0 < nbytes <= LONGEST_V1_KEY:
        raise kernel_error(errno.EINVAL, f"a key of {nbytes} bytes is handed over")
    return read(address + COUNT.size, nbytes)
