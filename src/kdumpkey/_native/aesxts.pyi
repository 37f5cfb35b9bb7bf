from typing import Final, NoReturn, Self, final

from _typeshed import ReadableBuffer, WriteableBuffer

def tiers() -> tuple[str, ...]:
    """The names of all tiers, whether this build and this processor have them or not."""

def tier_status(name: str, /) -> str:
    """``usable``, ``not built`` (another architecture's), ``not on this cpu``, or ``unknown``."""

def usable_tiers() -> tuple[str, ...]:
    """The tiers that run here, slowest first."""

def default_tier() -> str:
    """The fastest measured tier of those that run here."""

@final
class AesXts:
    """AES-128-XTS or AES-256-XTS (IEEE 1619) over runs of whole sectors, with the keys expanded once.

    The expanded keys lie in locked memory; it is zeroed when the context is closed or collected, and a
    forked child sees a closed context. Any number of threads may use one context; each call releases the
    GIL. A `close()` while calls run takes effect when the last of them returns.

    Args:
        key: 32 bytes (AES-128) or 64 bytes (AES-256): the data key, then the tweak key. Any buffer.
        tier: The name of the implementation to use; a demand, never replaced by another. Default:
            `default_tier()`.

    Raises: ValueError for another key size, or a tier that is unknown, not built or not on this processor.
    """

    def __new__(cls, key: ReadableBuffer, tier: str | None = None) -> Self: ...
    @property
    def tier(self) -> str: ...
    @property
    def closed(self) -> bool: ...
    def encrypt(
        self,
        src: ReadableBuffer,
        dst: WriteableBuffer,
        sector_size: int,
        first_sector: int = 0,
        iv_step: int = 1,
        iv_bits: int = 64,
    ) -> None:
        """Encrypt the sectors of `src` into `dst`.

        Args:
            src: Contiguous, a whole number of sectors; may be empty.
            dst: Contiguous, of the same length; `src` itself, or apart from it.
            sector_size: Bytes, a multiple of 16 from 16 to 65536.
            first_sector: The number (IV) of the first sector.
            iv_step: What each next sector adds to it; sector_size / 512 where, as in dm-crypt, 512-byte
                units are counted.
            iv_bits: 64 (plain64) or 32 (plain: the number's low half).

        Raises: ValueError, and nothing is written, for arguments that do not fit, a key with equal halves
            (FIPS 140), or a closed context.
        """

    def decrypt(
        self,
        src: ReadableBuffer,
        dst: WriteableBuffer,
        sector_size: int,
        first_sector: int = 0,
        iv_step: int = 1,
        iv_bits: int = 64,
    ) -> None:
        """Decrypt the sectors of `src` into `dst`; as `encrypt`, but keys with equal halves are allowed."""

    def crypt_unit(
        self, src: ReadableBuffer, dst: WriteableBuffer, tweak: ReadableBuffer, decrypt: bool
    ) -> None:
        """For test vectors: the whole buffer as one data unit under a 128-bit little-endian tweak."""

    def close(self) -> None:
        """Zero the expanded keys."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *exc_info: object) -> None: ...
    def __reduce_ex__(self, *_: object) -> NoReturn: ...
    def __copy__(self, *_: object) -> NoReturn: ...
    def __deepcopy__(self, *_: object) -> NoReturn: ...

__test__: Final[dict[str, str]]
