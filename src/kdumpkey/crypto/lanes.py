"""Sector ciphers on `cryptography`: what each thread works with, and who lends it out."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from kdumpkey.crypto.ivs import BLOCK, iv_key, numbering
from kdumpkey.secret import SecretBuffer

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    from kdumpkey.crypto.cipher_spec import CipherSpec

# A multiple of every sector size; what a core's second-level cache holds with its copies.
CHUNK: Final = 64 * 1024


class Lane(Protocol):
    """A cipher's buffers and expanded keys for one thread; OpenSSL wipes its keys when they are freed."""

    def encrypt(self, src: memoryview, dst: memoryview, sector_size: int, ivs: bytes) -> None:
        """Encrypt at most CHUNK bytes of whole sectors, each with its 16 bytes of `ivs`."""

    def decrypt(self, src: memoryview, dst: memoryview, sector_size: int, ivs: bytes) -> None:
        """Decrypt likewise."""

    def close(self) -> None:
        """Wipe what it holds of the plaintext."""


class SectorIvs:
    """The IVs of runs of sectors, for one thread.

    Args:
        spec: The cipher.
        key: Its `iv_key`.
        sector_size: Bytes.
        step: What each next sector adds to the IV's number.
    """

    def __init__(self, spec: CipherSpec, key: SecretBuffer | None, sector_size: int, step: int) -> None:
        self._numbers = numbering(spec, sector_size)
        self._step = step
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
        numbers, mask = self._numbers, (1 << self._numbers.bits) - 1
        sectors = range(first, first + count * self._step, self._step)
        words[1 if numbers.big_endian else 0 :: 2] = array("Q", [numbers.of(n) & mask for n in sectors])
        if (sys.byteorder == "big") != numbers.big_endian:
            words.byteswap()
        blocks = words.tobytes()
        if not self._encryptors:
            return blocks
        blocks = self._encryptors[0].update(blocks)
        if len(self._encryptors) == 1:
            return blocks
        whitened = int.from_bytes(self._encryptors[1].update(blocks)) ^ int.from_bytes(blocks)
        return whitened.to_bytes(len(blocks))


class LanedSectors:
    """A cipher over whole sectors, whose lanes any number of threads may use.

    Args:
        spec: The cipher.
        key: Of one of the spec's sizes; copied.
        sector_size: Bytes.
        iv_step: What each next sector adds to the IV's number.
        make_lane: Makes a lane of the key.
    """

    def __init__(
        self,
        spec: CipherSpec,
        key: ReadableBuffer,
        sector_size: int,
        iv_step: int,
        make_lane: Callable[[SecretBuffer], Lane],
    ) -> None:
        self._spec = spec
        self._sector_size = sector_size
        self._iv_step = iv_step
        self._key = SecretBuffer.copy_of(key)
        self._iv_key = iv_key(spec, self._key)
        self._make_lane = make_lane
        self._closed = False
        self._idle: list[tuple[Lane, SectorIvs]] = []

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
            lane, ivs = lent = self._borrow()
            work = lane.decrypt if decrypt else lane.encrypt
            for at in range(0, len(source), CHUNK):
                part = source[at : at + CHUNK]
                count = len(part) // self._sector_size
                work(part, target[at : at + CHUNK], self._sector_size, ivs.of(first, count))
                first += count * self._iv_step
            self._give_back(lent)  # after an error it is not: its state would be unknown

    def close(self) -> None:
        """Wipe the keys; calls that run in other threads end with what they have expanded."""
        self._closed = True
        self._key.close()
        if self._iv_key is not None:
            self._iv_key.close()
        self._drop_idle()

    def _borrow(self) -> tuple[Lane, SectorIvs]:
        if self._closed or self._key.closed:
            raise ValueError("the cipher is closed (in a forked child: left to the parent)")
        try:
            return self._idle.pop()
        except IndexError:
            ivs = SectorIvs(self._spec, self._iv_key, self._sector_size, self._iv_step)
            return self._make_lane(self._key), ivs

    def _give_back(self, lent: tuple[Lane, SectorIvs]) -> None:
        self._idle.append(lent)
        if self._closed:  # close() came in between, and has not seen this one
            self._drop_idle()

    def _drop_idle(self) -> None:
        while True:
            try:
                self._idle.pop()[0].close()
            except IndexError:
                return
