"""AES-CBC over runs of sectors on `cryptography`, with the IVs of dm-crypt.

CBC decrypts a whole run in one call: every block is AES-decrypted, then XORed with the ciphertext before it,
or at the start of a sector with the sector's IV. Encryption is serial by its nature.
"""

from __future__ import annotations

import sys
from array import array
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from kdumpkey.crypto import hashes
from kdumpkey.crypto.cipher_spec import CipherSpec
from kdumpkey.secret import SecretBuffer, take

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_BLOCK: Final = 16
_CHUNK: Final = (
    64 * 1024
)  # a multiple of every sector size; what a core's second-level cache holds with its copies
_SLACK: Final = (
    _BLOCK - 1
)  # update_into wants room for a block that a block cipher without padding never writes


class _Lane:
    """What one thread works with: buffers, and expanded keys, which OpenSSL wipes when they are freed."""

    def __init__(self, spec: CipherSpec, key: SecretBuffer, essiv_key: SecretBuffer | None) -> None:
        aes = algorithms.AES(memoryview(key))
        self._decryptor = Cipher(aes, modes.ECB()).decryptor()  # noqa: S305 (CBC is made of it below)
        self._encryptor = Cipher(aes, modes.CBC(bytes(_BLOCK))).encryptor()
        self._previous = bytes(_BLOCK)  # the last ciphertext block that the encryptor chains to
        self._iv_mask = 0xFFFF_FFFF if spec.iv == "plain" else 0xFFFF_FFFF_FFFF_FFFF
        self._essiv = (
            Cipher(algorithms.AES(memoryview(essiv_key)), modes.ECB()).encryptor()  # noqa: S305 (what ESSIV is)
            if essiv_key is not None
            else None
        )
        self._plain = SecretBuffer(_CHUNK + _BLOCK)
        self._plain_view = memoryview(self._plain)
        self._chain = bytearray(_CHUNK + _BLOCK)  # ciphertext and IVs: no secrets
        self._chain_view = memoryview(self._chain)

    def close(self) -> None:
        """Wipe the plaintext."""
        self._plain_view.release()
        self._plain.close()

    def decrypt(self, src: memoryview, dst: memoryview, sector_size: int, ivs: bytes) -> None:
        """Decrypt at most _CHUNK bytes."""
        length = len(src)
        self._chain_view[_BLOCK:length] = src[: length - _BLOCK]
        for at in range(_BLOCK):  # every sector's IV at once, byte by byte
            self._chain[at:length:sector_size] = ivs[at::_BLOCK]
        self._decryptor.update_into(src, self._plain_view[: length + _SLACK])
        self._plain.xor(self._chain_view[:length])
        dst[:] = self._plain_view[:length]

    def encrypt(self, src: memoryview, dst: memoryview, sector_size: int, ivs: bytes) -> None:
        """Encrypt at most _CHUNK bytes."""
        length = len(src)
        self._plain_view[:length] = src
        previous: ReadableBuffer = self._previous
        for sector, at in enumerate(range(0, length, sector_size)):
            end = at + sector_size
            # One context for all sectors: what it chains to is taken out again, and the IV put in.
            self._plain.xor(previous, at)
            self._plain.xor(ivs[sector * _BLOCK : (sector + 1) * _BLOCK], at)
            self._encryptor.update_into(self._plain_view[at:end], self._chain_view[at : end + _SLACK])
            previous = self._chain_view[end - _BLOCK : end]
        self._previous = bytes(previous)
        dst[:] = self._chain_view[:length]

    def ivs(self, first: int, step: int, count: int) -> bytes:
        """The IVs of `count` sectors, 16 bytes each."""
        words = array("Q", bytes(_BLOCK * count))
        words[::2] = array("Q", [n & self._iv_mask for n in range(first, first + count * step, step)])
        if sys.byteorder == "big":
            words.byteswap()
        blocks = words.tobytes()
        return blocks if self._essiv is None else self._essiv.update(blocks)


class CbcSectors:
    """AES-CBC over whole sectors; any number of threads may use one.

    Args:
        spec: With mode ``cbc``.
        key: Of one of the spec's sizes; copied.
        sector_size: Bytes.
        iv_step: What each next sector adds to the IV's number.
    """

    def __init__(self, spec: CipherSpec, key: ReadableBuffer, sector_size: int, iv_step: int) -> None:
        self._spec = spec
        self._sector_size = sector_size
        self._iv_step = iv_step
        self._key = SecretBuffer.copy_of(key)
        self._essiv_key = take(hashes.find(spec.iv_hash).new(key).digest()) if spec.iv == "essiv" else None
        self._closed = False
        self._idle: list[_Lane] = []

    def crypt(self, src: ReadableBuffer, dst: ReadableBuffer, first: int, *, decrypt: bool) -> None:
        """Encrypt or decrypt the sectors of `src` into `dst`; `first` is the first one's IV number.

        Raises:
            ValueError: The lengths differ or are no whole sectors, `dst` is read-only, or it is closed.
        """
        with memoryview(src).cast("B") as source, memoryview(dst).cast("B") as target:
            if len(source) != len(target):
                raise ValueError(
                    f"source and destination differ in length: {len(source)} and {len(target)} bytes"
                )
            if len(source) % self._sector_size:
                raise ValueError("the length is not a whole number of sectors")
            if target.readonly:
                raise ValueError("the destination is read-only")
            lane = self._borrow()
            work = lane.decrypt if decrypt else lane.encrypt
            for at in range(0, len(source), _CHUNK):
                part = source[at : at + _CHUNK]
                ivs = lane.ivs(first, self._iv_step, len(part) // self._sector_size)
                work(part, target[at : at + _CHUNK], self._sector_size, ivs)
                first += len(part) // self._sector_size * self._iv_step
            self._give_back(lane)  # after an error it is not: its chain would be unknown

    def close(self) -> None:
        """Wipe the keys; calls that run in other threads end with what they have expanded."""
        self._closed = True
        self._key.close()
        if self._essiv_key is not None:
            self._essiv_key.close()
        self._drop_idle()

    def _borrow(self) -> _Lane:
        if self._closed or self._key.closed:
            raise ValueError("the cipher is closed (in a forked child: left to the parent)")
        try:
            return self._idle.pop()
        except IndexError:
            return _Lane(self._spec, self._key, self._essiv_key)

    def _give_back(self, lane: _Lane) -> None:
        self._idle.append(lane)
        if self._closed:  # close() came in between, and has not seen this one
            self._drop_idle()

    def _drop_idle(self) -> None:
        while True:
            try:
                self._idle.pop().close()
            except IndexError:
                return
