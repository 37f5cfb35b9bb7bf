"""The IVs of runs of sectors, as dm-crypt generates them, or for keyslots cryptsetup.

Source: the kernel's documentation, admin-guide/device-mapper/dm-crypt; keyslots: cryptsetup, by running it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kdumpkey.crypto import hashes
from kdumpkey.secret import SecretBuffer, take

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    from kdumpkey.crypto.cipher_spec import CipherSpec

BLOCK: Final = 16
_WORD: Final = 0xFFFF_FFFF_FFFF_FFFF


def iv_key(spec: CipherSpec, key: ReadableBuffer) -> SecretBuffer | None:
    """The key that the IVs of a cipher are encrypted with; None: they are no secret.

    Args:
        spec: The cipher.
        key: Its key.
    """
    if spec.iv == "essiv":
        return take(hashes.find(spec.iv_hash).new(key).digest())
    return SecretBuffer.copy_of(key) if spec.iv == "eboiv" else None


@dataclass(frozen=True)
class IvNumbers:
    """The number that an IV holds, by the number of its sector: ``number * factor + summand``.

    Attributes:
        factor: Of the sector's number.
        summand: What is added to the product.
        bits: How many of the sum's low bits are used: 64 or 32.
        big_endian: It stands at the IV's end, the highest byte first, not at its beginning, the lowest first.
    """

    factor: int = 1
    summand: int = 0
    bits: int = 64
    big_endian: bool = False

    def of(self, number: int) -> int:
        """The IV's number of a sector, in 64 bits, of which `bits` are used."""
        return (number * self.factor + self.summand) & _WORD

    def step(self, step: int) -> int:
        """What is added to an IV's number where `step` is added to the sector's, in 64 bits."""
        return step * self.factor & _WORD


def numbering(spec: CipherSpec, sector_size: int) -> IvNumbers:
    """How the IVs of a cipher are numbered, before any encryption of them.

    Args:
        spec: The cipher.
        sector_size: Bytes.
    """
    match spec.essiv_of if spec.iv == "essiv" else spec.iv:
        case "plain":
            return IvNumbers(bits=32)
        case "plain64be":
            return IvNumbers(big_endian=True)
        case "benbi":  # the cipher's blocks, from 1 on
            return IvNumbers(1 << spec.block_shift, 1, big_endian=True)
        case "eboiv":  # where the sector begins, in bytes, if its number counts sectors
            return IvNumbers(sector_size)
        case "null":
            return IvNumbers(0)
        case _:
            return IvNumbers()
