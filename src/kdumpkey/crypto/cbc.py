"""AES-CBC over runs of sectors on `cryptography`.

CBC decrypts a whole run in one call: every block is AES-decrypted, then XORed with the ciphertext before it,
or at the start of a sector with the sector's IV. Encryption is serial by its nature.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from kdumpkey.crypto.ivs import BLOCK
from kdumpkey.crypto.lanes import CHUNK, LanedSectors
from kdumpkey.secret import SecretBuffer

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    from kdumpkey.crypto.cipher_spec import CipherSpec

_SLACK: Final = (
    BLOCK - 1
)  # update_into wants room for a block that a block cipher without padding never writes


class _Lane:
    """What one thread works with."""

    def __init__(self, key: SecretBuffer) -> None:
        aes = algorithms.AES(memoryview(key))
        self._decryptor = Cipher(aes, modes.ECB()).decryptor()  # noqa: S305 (CBC is made of it below)
        self._encryptor = Cipher(aes, modes.CBC(bytes(BLOCK))).encryptor()
        self._previous = bytes(BLOCK)  # the last ciphertext block that the encryptor chains to
        self._plain = SecretBuffer(CHUNK + BLOCK)
        self._plain_view = memoryview(self._plain)
        self._chain = bytearray(CHUNK + BLOCK)  # ciphertext and IVs: no secrets
        self._chain_view = memoryview(self._chain)

    def close(self) -> None:
        """Wipe the plaintext."""
        self._plain_view.release()
        self._plain.close()

    def decrypt(self, src: memoryview, dst: memoryview, sector_size: int, ivs: bytes) -> None:
        """Decrypt at most CHUNK bytes."""
        length = len(src)
        self._chain_view[BLOCK:length] = src[: length - BLOCK]
        for at in range(BLOCK):  # every sector's IV at once, byte by byte
            self._chain[at:length:sector_size] = ivs[at::BLOCK]
        self._decryptor.update_into(src, self._plain_view[: length + _SLACK])
        self._plain.xor(self._chain_view[:length])
        dst[:] = self._plain_view[:length]

    def encrypt(self, src: memoryview, dst: memoryview, sector_size: int, ivs: bytes) -> None:
        """Encrypt at most CHUNK bytes."""
        length = len(src)
        self._plain_view[:length] = src
        previous: ReadableBuffer = self._previous
        for sector, at in enumerate(range(0, length, sector_size)):
            end = at + sector_size
            # One context for all sectors: what it chains to is taken out again, and the IV put in.
            self._plain.xor(previous, at)
            self._plain.xor(ivs[sector * BLOCK : (sector + 1) * BLOCK], at)
            self._encryptor.update_into(self._plain_view[at:end], self._chain_view[at : end + _SLACK])
            previous = self._chain_view[end - BLOCK : end]
        self._previous = bytes(previous)
        dst[:] = self._chain_view[:length]


class CbcSectors(LanedSectors):
    """AES-CBC over whole sectors; any number of threads may use one.

    Args:
        spec: With mode ``cbc``.
        key: Of one of the spec's sizes; copied.
        sector_size: Bytes.
        iv_step: What each next sector adds to the IV's number.
    """

    def __init__(self, spec: CipherSpec, key: ReadableBuffer, sector_size: int, iv_step: int) -> None:
        super().__init__(spec, key, sector_size, iv_step, _Lane)
