"""Making a keyslot's area: a key, spread over stripes and encrypted by what a passphrase derives.

The inverse of `luks.unlock.open_keyslot`. The result depends on no offset, so it can be made before the
header is locked, and written where there is room.

Source: docs/spec/luks.md "Unlocking a keyslot"; LUKS1 on-disk format, section 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kdumpkey.crypto import af, kdf
from kdumpkey.crypto.cipher import SECTOR, CipherSpec, sector_cipher
from kdumpkey.crypto.kdf import Kdf
from kdumpkey.errors import KeyslotError
from kdumpkey.luks.layout import LUKS1_STRIPES
from kdumpkey.memory import available
from kdumpkey.secret import SecretBuffer

if TYPE_CHECKING:
    from typing_extensions import Buffer

DEFAULT_HASH: Final = "sha256"


@dataclass(frozen=True)
class AreaCipher:
    """How a keyslot's area is encrypted: the cipher's specification, and bytes of its key."""

    encryption: str
    key_size: int


@dataclass(frozen=True)
class Recipe:
    """How a keyslot is made.

    Attributes:
        kdf: The key derivation function with its costs and a new salt; a LUKS1 header takes only PBKDF2
            with its own hash.
        af_hash: The hash of the anti-forensic splitter; in LUKS1 always the header's.
        cipher: The area's encryption in LUKS2; default: as the data's.
        check_memory: Compare Argon2's memory with what is available before it runs.
    """

    kdf: Kdf
    af_hash: str = DEFAULT_HASH
    cipher: AreaCipher | None = None
    check_memory: bool = True


def seal(volume_key: Buffer, passphrase: Buffer, recipe: Recipe, cipher: AreaCipher) -> SecretBuffer:
    """Make the content of a keyslot's area.

    Args:
        volume_key: The key that the keyslot is to give.
        passphrase: What is to open it; only read.
        recipe: How the keyslot is made, but for its cipher.
        cipher: The area's encryption.

    Returns:
        The encrypted stripes, padded to whole sectors.

    Raises:
        CipherError: The cipher or the hash is not implemented, or the key's size does not go with it.
        KeyslotError: The null cipher, and a passphrase that is not empty.
        KdfError: The costs are out of bounds.
        ResourceError: The memory that Argon2 needs is not available.
    """
    function = recipe.kdf
    spec = CipherSpec.parse(cipher.encryption, keyslot=True)
    spec.check_key_size(cipher.key_size)
    if spec.is_null and memoryview(passphrase).nbytes:
        raise KeyslotError("Only an empty passphrase opens a keyslot with the null cipher.")
    kdf.check(function)
    locked = False
    if isinstance(function, kdf.Argon2):
        if recipe.check_memory:
            available.check_fits(function.memory_kib, "the new keyslot", function.variant)
        locked = available.can_be_locked(function.memory_kib)
    with kdf.derive(function, passphrase, cipher.key_size, lock_memory=locked) as area_key:
        sectors = sector_cipher(spec, area_key)
    try:
        with af.split(volume_key, LUKS1_STRIPES, recipe.af_hash) as stripes:
            area = SecretBuffer(-(-len(stripes) // SECTOR) * SECTOR)
            with memoryview(area) as view, memoryview(stripes) as source:
                view[: len(source)] = source
        sectors.encrypt_into(area, area, 0)
    finally:
        sectors.close()
    return area
