"""Making a keyslot's area: a key, spread over stripes and encrypted by what a passphrase derives.

The inverse of `luks.unlock.open_keyslot`. What is made depends on no offset, so it can be made before anybody
is locked out, and go wherever there is room.

Source: docs/spec/luks.md "Unlocking a keyslot"; LUKS1 on-disk format, section 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdumpkey.crypto import af, kdf
from kdumpkey.crypto.cipher import SECTOR, CipherSpec, sector_cipher
from kdumpkey.errors import KeyslotError
from kdumpkey.luks.layout import LUKS1_STRIPES
from kdumpkey.secret import SecretBuffer

if TYPE_CHECKING:
    from typing_extensions import Buffer


def seal(
    volume_key: Buffer,
    passphrase: Buffer,
    function: kdf.Kdf,
    *,
    encryption: str,
    key_size: int,
    af_hash: str,
    check_memory: bool = True,
) -> SecretBuffer:
    """Make the content of a keyslot's area.

    Args:
        volume_key: The key that the keyslot is to give.
        passphrase: What is to open it; only read.
        function: The key derivation function with its costs and a fresh salt.
        encryption: The area's cipher, such as ``aes-xts-plain64``.
        key_size: Bytes of the area's key.
        af_hash: The hash of the anti-forensic splitter.
        check_memory: Compare Argon2's memory with what is available before it runs.

    Returns:
        The encrypted stripes, padded to whole sectors.

    Raises:
        CipherError: The cipher or the hash is not implemented, or the key's size does not go with it.
        KeyslotError: The null cipher, and a passphrase that is not empty.
        KdfError: The costs are out of bounds.
        ResourceError: The memory that Argon2 needs is not available.
    """
    spec = CipherSpec.parse(encryption, keyslot=True)
    spec.check_key_size(key_size)
    if spec.is_null and memoryview(passphrase).nbytes:
        raise KeyslotError("Only an empty passphrase opens a keyslot with the null cipher.")
    kdf.check(function)
    locked = False
    if isinstance(function, kdf.Argon2):
        from kdumpkey.memory import available as memory  # noqa: PLC0415  (it reads files in /proc, which only Argon2 is worth)

        if check_memory:
            memory.check_fits(function.memory_kib, "the new keyslot", function.variant)
        locked = memory.can_be_locked(function.memory_kib)
    with kdf.derive(function, passphrase, key_size, lock_memory=locked) as area_key:
        cipher = sector_cipher(spec, area_key)
    try:
        with af.split(volume_key, LUKS1_STRIPES, af_hash) as stripes:
            area = SecretBuffer(-(-len(stripes) // SECTOR) * SECTOR)
            with memoryview(area) as view, memoryview(stripes) as source:
                view[: len(source)] = source
        cipher.encrypt_into(area, area, 0)
    finally:
        cipher.close()
    return area
