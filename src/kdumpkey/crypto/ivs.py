"""The IVs of runs of sectors, as dm-crypt generates them, or for keyslots cryptsetup.

Source: the kernel's documentation, admin-guide/device-mapper/dm-crypt; keyslots: cryptsetup, by running it.
"""

from __future__ import annotations

import sys
from array import array
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from kdumpkey.crypto import hashes
from kdumpkey.secret import SecretBuffer, take

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    from kdumpkey.crypto.cipher_spec import CipherSpec

BLOCK: Final = 16
_WORD: Final = 0xFFFF_FFFF_FFFF_FFFF
_HALF_WORD: Final = 0xFFFF_FFFF
_BIG_ENDIAN: Final = ("plain64be", "benbi")  # at the IV's end; the others, little-endian at its beginning


def iv_key(spec: CipherSpec, key: ReadableBuffer) -> SecretBuffer | None:
    """The key that the IVs of a cipher are encrypted with; None: they are no secret.

    Args:
        spec: The cipher.
        key: Its key.
    """
    if spec.iv == "essiv":
        return take(hashes.find(spec.iv_hash).new(key).digest())
    return SecretBuffer.copy_of(key) if spec.iv == "eboiv" else None


class SectorIvs:
    """The IVs of runs of sectors, for one thread.

    Args:
        spec: The cipher.
        key: Its `iv_key`.
        sector_size: Bytes.
        step: What each next sector adds to the IV's number.
    """

    def __init__(self, spec: CipherSpec, key: SecretBuffer | None, sector_size: int, step: int) -> None:
        self._number = spec.essiv_of if spec.iv == "essiv" else spec.iv
        self._step = step
        self._shift = spec.block_shift
        self._sector_size = sector_size
        self._encryptors = []
        if key is not None:
            with memoryview(key) as view:
                # dm-crypt makes an EBOIV by the volume's own cipher out of zeros: with XTS, twice.
                as_dm_crypt = not (spec.keyslot and spec.is_cryptsetups(len(view)))
                twice = spec.iv == "eboiv" and spec.mode == "xts" and as_dm_crypt
                half = len(view) // 2
                for part in (view[half:], view[:half]) if twice else (view,):
                    aes = Cipher(algorithms.AES(part), modes.ECB())  # noqa: S305 (what these IVs are)
                    self._encryptors.append(aes.encryptor())

    def of(self, first: int, count: int) -> bytes:
        """The IVs of `count` sectors, 16 bytes each; `first` is the first one's number."""
        words = array("Q", bytes(BLOCK * count))
        big = self._number in _BIG_ENDIAN
        if self._number != "null":
            words[1 if big else 0 :: 2] = array("Q", self._numbers(first, count))
        if (sys.byteorder == "big") != big:
            words.byteswap()
        blocks = words.tobytes()
        if not self._encryptors:
            return blocks
        blocks = self._encryptors[0].update(blocks)
        if len(self._encryptors) == 1:
            return blocks
        whitened = int.from_bytes(self._encryptors[1].update(blocks)) ^ int.from_bytes(blocks)
        return whitened.to_bytes(len(blocks))

    def _numbers(self, first: int, count: int) -> list[int]:
        numbers = range(first, first + count * self._step, self._step)
        match self._number:
            case "plain":
                return [n & _HALF_WORD for n in numbers]
            case "benbi":
                return [((n << self._shift) + 1) & _WORD for n in numbers]
            case "eboiv":  # where the sector begins, in bytes, if its number counts sectors
                return [n * self._sector_size & _WORD for n in numbers]
            case _:
                return [n & _WORD for n in numbers]
