"""The anti-forensic splitter of LUKS: a key spread over many stripes, of which losing one loses the key."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kdumpkey.crypto import hashes
from kdumpkey.secret import SecretBuffer

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

Random = Callable[[int], "ReadableBuffer"]


def merge(area: ReadableBuffer, key_size: int, stripes: int, hash_name: str) -> SecretBuffer:
    """Join the stripes of a keyslot area to the key that was split (LUKS1 specification, section 2.4).

    Args:
        area: The decrypted area: at least `key_size` × `stripes` bytes; what follows them is not looked at.
        key_size: Bytes of the key and of each stripe.
        stripes: How many; LUKS always has 4000.
        hash_name: The hash of the diffusion, by cryptsetup's name.

    Raises:
        CipherError: There is no such hash here.
        ValueError: The area is too short, or a count is not positive.
    """
    _check_counts(key_size, stripes)
    with memoryview(area).cast("B") as view:
        if len(view) < key_size * stripes:
            raise ValueError(f"{len(view)} bytes hold no {stripes} stripes of {key_size} bytes")
        key = _diffused(view, key_size, stripes - 1, hash_name)
        key.xor(view[key_size * (stripes - 1) : key_size * stripes])
    return key


def split(key: ReadableBuffer, stripes: int, hash_name: str, random: Random | None = None) -> SecretBuffer:
    """Spread a key over stripes, all of them random but the last: the inverse of `merge`.

    Args:
        key: The key.
        stripes: How many; LUKS always has 4000.
        hash_name: The hash of the diffusion, by cryptsetup's name.
        random: Gives that many bytes for the stripes before the last; the kernel's generator by default.

    Raises:
        CipherError: There is no such hash here.
        ValueError: The key is empty, `stripes` is not positive, or `random` gave another number of bytes.
    """
    with memoryview(key).cast("B") as source:
        key_size = len(source)
        _check_counts(key_size, stripes)
        last = key_size * (stripes - 1)
        if random is None:
            area = SecretBuffer.random(last + key_size)
            memoryview(area)[last:] = bytes(key_size)
        else:
            area = SecretBuffer(last + key_size)
            memoryview(area)[:last] = memoryview(random(last)).cast("B")
        with memoryview(area) as view, _diffused(view, key_size, stripes - 1, hash_name) as state:
            area.xor(state, last)
            area.xor(source, last)
    return area


def _check_counts(key_size: int, stripes: int) -> None:
    if key_size < 1 or stripes < 1:
        raise ValueError(f"there are no {stripes} stripes of {key_size} bytes")


def _diffused(area: memoryview, key_size: int, stripes: int, hash_name: str) -> SecretBuffer:
    """The state after the first `stripes` stripes: before each next one it is XORed in and diffused."""
    found = hashes.find(hash_name)
    state = SecretBuffer(key_size)
    view = memoryview(state)
    # Copying a hash object that already holds the block's number takes half the time of making one.
    blocks = [
        (view[at : at + found.size], found.new(number.to_bytes(4, "big")), min(found.size, key_size - at))
        for number, at in enumerate(range(0, key_size, found.size))
    ]
    for at in range(0, stripes * key_size, key_size):
        state.xor(area[at : at + key_size])
        for block, prefix, length in blocks:
            hashed = prefix.copy()
            hashed.update(block)
            block[:] = hashed.digest()[:length]
    for block, _, _ in blocks:
        block.release()
    view.release()
    return state
