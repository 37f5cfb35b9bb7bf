"""Sector ciphers: dm-crypt's encryption of a run of sectors, by a cipher specification and a key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, Self

from kdumpkey._native import aesxts
from kdumpkey.crypto.cipher_spec import CipherSpec
from kdumpkey.errors import CipherError, TierError, TierNotBuiltError, TierNotOnThisCpuError, UnknownTierError

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import ReadableBuffer, WriteableBuffer

    from kdumpkey.crypto.cbc import CbcSectors
    from kdumpkey.crypto.lanes import LanedSectors

__all__ = [
    "SECTOR",
    "SECTOR_SIZES",
    "CipherSpec",
    "SectorCipher",
    "check_tier",
    "engine_call",
    "sector_cipher",
]

SECTOR: Final = 512  # the unit in which dm-crypt and LUKS count, also with larger sectors
SECTOR_SIZES: Final = (512, 1024, 2048, 4096)
_NUMBERS: Final = 2**64  # sector numbers wrap here, as the kernel's do
_NO_WRAP_BELOW: Final = _NUMBERS - 2**48  # no buffer has as many sectors
_ENGINE_KEY_SIZES: Final = (32, 64)
_ENGINE_IVS: Final = ("plain", "plain64")


class SectorCipher(Protocol):
    """Encrypts and decrypts whole sectors; any number of threads may use one."""

    @property
    def sector_size(self) -> int:
        """Bytes of a sector."""

    def encrypt_into(self, src: ReadableBuffer, dst: WriteableBuffer, first_sector: int) -> None:
        """Encrypt the sectors of `src` into `dst`.

        Args:
            src: A whole number of sectors of bytes, contiguous.
            dst: As long; `src` itself, or apart from it.
            first_sector: The first one's number, in units of 512 bytes, the volume's iv_tweak included.

        Raises:
            ValueError: The buffers do not fit, or the cipher is closed.
        """

    def decrypt_into(self, src: ReadableBuffer, dst: WriteableBuffer, first_sector: int) -> None:
        """Decrypt the sectors of `src` into `dst`; as `encrypt_into`."""

    def close(self) -> None:
        """Wipe the key."""

    def __enter__(self) -> Self:
        """The cipher itself."""

    def __exit__(self, *exc_info: object) -> None:
        """Close."""


def sector_cipher(
    spec: CipherSpec,
    key: ReadableBuffer,
    *,
    sector_size: int = SECTOR,
    large_iv: bool = False,
    tier: str | None = None,
) -> SectorCipher:
    """Make the cipher of a volume or of a keyslot area.

    Args:
        spec: The cipher.
        key: Of one of the spec's key sizes; copied into locked memory.
        sector_size: Bytes: 512, 1024, 2048 or 4096.
        large_iv: Count the IV in sectors (dm-crypt's `iv_large_sectors`), not in units of 512 bytes.
        tier: The AES-XTS implementation to use: a demand. Default: the fastest.

    Raises:
        CipherError: The key or the sector size does not go with the cipher.
        TierError: The tier cannot be used, here or for this cipher.
    """
    spec.check_key_size(memoryview(key).nbytes)
    if sector_size not in SECTOR_SIZES:
        raise CipherError(f"encryption sector size {sector_size} is not supported")
    engine_has_it = spec.mode == "xts" and memoryview(key).nbytes in _ENGINE_KEY_SIZES
    if tier is not None:
        check_tier(tier)
        if not engine_has_it:
            bits = memoryview(key).nbytes * 8
            raise TierError(
                f"tier {tier!r} is for aes-xts with keys of 256 or 512 bits, and the cipher is {spec.text} "
                f"with {bits}"
            )
    if spec.is_null:
        return _Null(sector_size)
    if engine_has_it and spec.iv in _ENGINE_IVS:
        return _Xts(spec, key, sector_size, large_iv, tier)
    return _Rarer(spec, key, sector_size, large_iv, tier)


def engine_call(
    cipher: SectorCipher, beyond: int
) -> tuple[Callable[[ReadableBuffer, WriteableBuffer, int, int, int, int], None], int, int] | None:
    """How to decrypt by the engine itself: AesXts.decrypt, and what to call it with.

    Args:
        cipher: The cipher.
        beyond: A number that no sector's reaches.

    Returns:
        The call, the IV's step and its bits. None for other ciphers, where IVs count sectors larger than 512
        bytes, and where numbers might begin again at 0.
    """
    if not isinstance(cipher, _Xts) or beyond >= _NO_WRAP_BELOW:
        return None
    return cipher.decryption


def check_tier(tier: str) -> None:
    """Refuse an AES-XTS tier that cannot be used here.

    Raises:
        UnknownTierError: No tier has this name.
        TierNotBuiltError: This build does not contain it.
        TierNotOnThisCpuError: This processor or operating system does not offer its instructions.
    """
    status = aesxts.tier_status(tier)
    if status == "unknown":
        raise UnknownTierError(f"unknown tier {tier!r}; there are {', '.join(aesxts.tiers())}")
    if status == "not built":
        raise TierNotBuiltError(f"tier {tier!r} is not in this build: it is for another architecture")
    if status == "not on this cpu":
        raise TierNotOnThisCpuError(f"this processor or operating system does not offer tier {tier!r}")


class _Xts:
    """AES-XTS by the engine. Small random reads go through here: one test and one call."""

    def __init__(
        self, spec: CipherSpec, key: ReadableBuffer, sector_size: int, large_iv: bool, tier: str | None
    ) -> None:
        self.sector_size = sector_size
        self._divisor, self._iv_step = _iv_counting(sector_size, large_iv)
        self._iv_bits = 32 if spec.iv == "plain" else 64
        self._engine = aesxts.AesXts(key, tier)
        self.decryption = (self._engine.decrypt, self._iv_step, self._iv_bits) if self._divisor == 1 else None

    def encrypt_into(self, src: ReadableBuffer, dst: WriteableBuffer, first_sector: int) -> None:
        if 0 <= first_sector < _NO_WRAP_BELOW:
            first_iv = first_sector // self._divisor
            self._engine.encrypt(src, dst, self.sector_size, first_iv, self._iv_step, self._iv_bits)
            return
        for source, target, first in _runs(src, dst, first_sector, self.sector_size):
            first_iv = first // self._divisor
            self._engine.encrypt(source, target, self.sector_size, first_iv, self._iv_step, self._iv_bits)

    def decrypt_into(self, src: ReadableBuffer, dst: WriteableBuffer, first_sector: int) -> None:
        if 0 <= first_sector < _NO_WRAP_BELOW:
            first_iv = first_sector // self._divisor
            self._engine.decrypt(src, dst, self.sector_size, first_iv, self._iv_step, self._iv_bits)
            return
        for source, target, first in _runs(src, dst, first_sector, self.sector_size):
            first_iv = first // self._divisor
            self._engine.decrypt(source, target, self.sector_size, first_iv, self._iv_step, self._iv_bits)

    def close(self) -> None:
        self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class _Rarer:
    """AES in other modes or with unusual IVs, imported only where a volume or keyslot has it."""

    def __init__(
        self, spec: CipherSpec, key: ReadableBuffer, sector_size: int, large_iv: bool, tier: str | None
    ) -> None:
        self.sector_size = sector_size
        self._divisor, iv_step = _iv_counting(sector_size, large_iv)
        self._sectors: CbcSectors | LanedSectors
        try:
            if spec.mode == "cbc":
                from kdumpkey.crypto.cbc import CbcSectors  # noqa: PLC0415 - most ciphers are XTS

                self._sectors = CbcSectors(spec, key, sector_size, iv_step)
            else:
                from kdumpkey.crypto.modes import mode_sectors  # noqa: PLC0415 - it imports cryptography

                self._sectors = mode_sectors(spec, key, sector_size, iv_step, tier)
        except ModuleNotFoundError as error:
            # An initramfs has neither the package nor the module of ours that imports it.
            if (
                error.name != "kdumpkey.crypto.modes"
                and (error.name or "").partition(".")[0] != "cryptography"
            ):
                raise
            raise CipherError(
                f"{spec.text} needs the Python package cryptography, which is not installed here"
            ) from error

    def encrypt_into(self, src: ReadableBuffer, dst: WriteableBuffer, first_sector: int) -> None:
        for source, target, first in _runs(src, dst, first_sector, self.sector_size):
            self._sectors.crypt(source, target, first // self._divisor, decrypt=False)

    def decrypt_into(self, src: ReadableBuffer, dst: WriteableBuffer, first_sector: int) -> None:
        for source, target, first in _runs(src, dst, first_sector, self.sector_size):
            self._sectors.crypt(source, target, first // self._divisor, decrypt=True)

    def close(self) -> None:
        self._sectors.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class _Null:
    """The null cipher: what lies on the disk is the plaintext."""

    def __init__(self, sector_size: int) -> None:
        self.sector_size = sector_size
        self._closed = False

    def encrypt_into(self, src: ReadableBuffer, dst: WriteableBuffer, first_sector: int) -> None:
        if first_sector < 0:
            raise ValueError(f"sector number {first_sector} is negative")
        if self._closed:
            raise ValueError("the cipher is closed")
        with memoryview(src).cast("B") as source, memoryview(dst).cast("B") as target:
            if len(source) != len(target):
                raise ValueError(
                    f"source and destination differ in length: {len(source)} and {len(target)} bytes"
                )
            if len(source) % self.sector_size:
                raise ValueError("the length is not a whole number of sectors")
            if target.readonly:
                raise ValueError("the destination is read-only")
            target[:] = source

    def decrypt_into(self, src: ReadableBuffer, dst: WriteableBuffer, first_sector: int) -> None:
        self.encrypt_into(src, dst, first_sector)

    def close(self) -> None:
        self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def _iv_counting(sector_size: int, large_iv: bool) -> tuple[int, int]:
    """By what a sector's number is divided to be its IV's number, and what the next sector adds to that."""
    units = sector_size // SECTOR
    return (units, 1) if large_iv else (1, units)


def _runs(
    src: ReadableBuffer, dst: WriteableBuffer, first_sector: int, sector_size: int
) -> list[tuple[ReadableBuffer, WriteableBuffer, int]]:
    """The buffers with their first sector's number, cut in two where the number wraps."""
    if first_sector < 0:
        raise ValueError(f"sector number {first_sector} is negative")
    first_sector %= _NUMBERS
    if first_sector < _NO_WRAP_BELOW:
        return [(src, dst, first_sector)]
    source, target = memoryview(src).cast("B"), memoryview(dst).cast("B")
    units = sector_size // SECTOR
    before_wrap = -(-(_NUMBERS - first_sector) // units)
    cut = before_wrap * sector_size
    after = (first_sector + before_wrap * units) % _NUMBERS
    return [(source[:cut], target[:cut], first_sector), (source[cut:], target[cut:], after)]
