"""AES in the modes that hardly any volume has: ECB, CTR, CFB and OFB, and XTS with keys or IVs of its own.

Each sector is one message with its IV. Correct first; fast where it costs nothing.

Source: NIST SP 800-38A, IEEE 1619.
"""

from __future__ import annotations

import hmac
from functools import partial
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes

from kdumpkey._native import aesxts
from kdumpkey.crypto.ivs import BLOCK
from kdumpkey.crypto.lanes import CHUNK, LanedSectors
from kdumpkey.secret import SecretBuffer

try:  # where `cryptography` has had them since 47
    from cryptography.hazmat.decrepit.ciphers.modes import CFB, OFB
except ImportError:
    from cryptography.hazmat.primitives.ciphers.modes import CFB, OFB

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import ReadableBuffer

    from kdumpkey.crypto.cipher_spec import CipherSpec
    from kdumpkey.crypto.lanes import Lane

_SLACK: Final = BLOCK - 1  # update_into wants it, and writes nothing there
_XTS_POLYNOMIAL: Final = 0x87
_TWEAK: Final = (1 << 128) - 1
_NATIVE_XTS_KEYS: Final = (32, 64)


def mode_sectors(
    spec: CipherSpec, key: ReadableBuffer, sector_size: int, iv_step: int, tier: str | None = None
) -> LanedSectors:
    """Make the cipher of a specification in another mode than CBC.

    Args:
        spec: The cipher, of AES.
        key: Of one of the spec's sizes; copied.
        sector_size: Bytes.
        iv_step: What each next sector adds to the IV's number.
        tier: The AES-XTS implementation to use: a demand. Default: the fastest.
    """
    return LanedSectors(spec, key, sector_size, iv_step, _lanes_of(spec, key, tier))


def _lanes_of(spec: CipherSpec, key: ReadableBuffer, tier: str | None) -> Callable[[SecretBuffer], Lane]:
    match spec.mode:
        case "ecb":
            return _EcbLane
        case "ctr":
            return _CtrLane
        case "cfb":
            return partial(_FeedbackLane, CFB)
        case "ofb":
            return partial(_FeedbackLane, OFB)
        case _ if memoryview(key).nbytes in _NATIVE_XTS_KEYS:
            return partial(_XtsLane, tier)
        case _:
            return _Xts192Lane


class _Scratch:
    """Room for a chunk, and what `cryptography` wants beyond it."""

    def __init__(self) -> None:
        self.buffer = SecretBuffer(CHUNK + BLOCK)
        self.view = memoryview(self.buffer)

    def close(self) -> None:
        self.view.release()
        self.buffer.close()


class _EcbLane:
    def __init__(self, key: SecretBuffer) -> None:
        cipher = Cipher(algorithms.AES(memoryview(key)), modes.ECB())  # noqa: S305 (what the volume has)
        self._encryptor, self._decryptor = cipher.encryptor(), cipher.decryptor()
        self._scratch = _Scratch()

    def encrypt(self, src: memoryview, dst: memoryview, sector_size: int, ivs: bytes) -> None:  # noqa: ARG002
        self._encryptor.update_into(src, self._scratch.view[: len(src) + _SLACK])
        dst[:] = self._scratch.view[: len(src)]

    def decrypt(self, src: memoryview, dst: memoryview, sector_size: int, ivs: bytes) -> None:  # noqa: ARG002
        self._decryptor.update_into(src, self._scratch.view[: len(src) + _SLACK])
        dst[:] = self._scratch.view[: len(src)]

    def close(self) -> None:
        self._scratch.close()


class _CtrLane:
    def __init__(self, key: SecretBuffer) -> None:
        self._context = Cipher(algorithms.AES(memoryview(key)), modes.CTR(bytes(BLOCK))).encryptor()

    def encrypt(self, src: memoryview, dst: memoryview, sector_size: int, ivs: bytes) -> None:
        for iv, at in _sectors(len(src), sector_size, ivs):
            self._context.reset_nonce(iv)
            self._context.update_into(src[at : at + sector_size], dst[at : at + sector_size])

    def decrypt(self, src: memoryview, dst: memoryview, sector_size: int, ivs: bytes) -> None:
        self.encrypt(src, dst, sector_size, ivs)

    def close(self) -> None:
        pass


class _FeedbackLane:
    """CFB or OFB, of whole blocks."""

    def __init__(self, mode: type[CFB] | type[OFB], key: SecretBuffer) -> None:
        self._mode = mode
        self._key = SecretBuffer.copy_of(key)
        self._aes = algorithms.AES(memoryview(self._key))

    def encrypt(self, src: memoryview, dst: memoryview, sector_size: int, ivs: bytes) -> None:
        for iv, at in _sectors(len(src), sector_size, ivs):
            context = Cipher(self._aes, self._mode(iv)).encryptor()
            context.update_into(src[at : at + sector_size], dst[at : at + sector_size])

    def decrypt(self, src: memoryview, dst: memoryview, sector_size: int, ivs: bytes) -> None:
        for iv, at in _sectors(len(src), sector_size, ivs):
            context = Cipher(self._aes, self._mode(iv)).decryptor()
            context.update_into(src[at : at + sector_size], dst[at : at + sector_size])

    def close(self) -> None:
        self._key.close()


class _XtsLane:
    """XTS by the engine, sector by sector: it counts no IVs but plain and plain64."""

    def __init__(self, tier: str | None, key: SecretBuffer) -> None:
        self._engine = aesxts.AesXts(key, tier)

    def encrypt(self, src: memoryview, dst: memoryview, sector_size: int, ivs: bytes) -> None:
        self._crypt(src, dst, sector_size, ivs, False)

    def decrypt(self, src: memoryview, dst: memoryview, sector_size: int, ivs: bytes) -> None:
        self._crypt(src, dst, sector_size, ivs, True)

    def _crypt(self, src: memoryview, dst: memoryview, sector_size: int, ivs: bytes, decrypt: bool) -> None:
        for iv, at in _sectors(len(src), sector_size, ivs):
            end = at + sector_size
            self._engine.crypt_unit(src[at:end], dst[at:end], iv, decrypt)

    def close(self) -> None:
        self._engine.close()


class _Xts192Lane:
    """XTS with AES-192, which the engine has not: made of ECB, all tweaks of a chunk at once."""

    def __init__(self, key: SecretBuffer) -> None:
        with memoryview(key) as view:
            half = len(view) // 2
            self._equal_halves = hmac.compare_digest(view[:half], view[half:])
            data = Cipher(algorithms.AES(view[:half]), modes.ECB())  # noqa: S305 (XTS is made of it)
            tweak = Cipher(algorithms.AES(view[half:]), modes.ECB())  # noqa: S305
            self._encryptor, self._decryptor = data.encryptor(), data.decryptor()
            self._tweaks = tweak.encryptor()
        self._scratch = _Scratch()
        self._result = _Scratch()

    def encrypt(self, src: memoryview, dst: memoryview, sector_size: int, ivs: bytes) -> None:
        if self._equal_halves:
            raise ValueError("the two halves of the key are equal: encryption is refused")
        self._crypt(self._encryptor, src, dst, self._every_tweak(ivs, sector_size // BLOCK))

    def decrypt(self, src: memoryview, dst: memoryview, sector_size: int, ivs: bytes) -> None:
        self._crypt(self._decryptor, src, dst, self._every_tweak(ivs, sector_size // BLOCK))

    def _crypt(self, context: CipherContext, src: memoryview, dst: memoryview, tweaks: bytes) -> None:
        length = len(src)
        self._scratch.view[:length] = src
        self._scratch.buffer.xor(tweaks)
        context.update_into(self._scratch.view[:length], self._result.view[: length + _SLACK])
        self._result.buffer.xor(tweaks)
        dst[:] = self._result.view[:length]

    def _every_tweak(self, ivs: bytes, blocks: int) -> bytes:
        """The tweak of every block: a sector's first one is its IV encrypted, the next are doubled."""
        first, tweaks = self._tweaks.update(ivs), []
        for at in range(0, len(first), BLOCK):
            tweak = int.from_bytes(first[at : at + BLOCK], "little")
            for _ in range(blocks):
                tweaks.append(tweak.to_bytes(BLOCK, "little"))
                tweak = (tweak << 1 & _TWEAK) ^ (_XTS_POLYNOMIAL if tweak >> 127 else 0)
        return b"".join(tweaks)

    def close(self) -> None:
        self._scratch.close()
        self._result.close()


def _sectors(length: int, sector_size: int, ivs: bytes) -> list[tuple[bytes, int]]:
    """Every sector's IV, and where the sector begins."""
    return [
        (ivs[number * BLOCK : (number + 1) * BLOCK], at)
        for number, at in enumerate(range(0, length, sector_size))
    ]
