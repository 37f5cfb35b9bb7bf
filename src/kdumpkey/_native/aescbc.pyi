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
class AesCbc:
    """AES-CBC (NIST SP 800-38A) over runs of whole sectors, with the keys expanded once.

    Each sector has an IV of its own, made of a number. The expanded keys lie in locked memory; it is zeroed
    when the context is closed or collected, and a forked child sees a closed context. Any number of threads
    may use one context; each call releases the GIL. A `close()` while calls run takes effect when the last of
    them returns.

    Args:
        key: 16, 24 or 32 bytes. Any buffer.
        iv_key: 16, 24 or 32 bytes: the key that IVs are encrypted with (ESSIV). Default: they are not.
        tier: The name of the implementation to use; a demand, never replaced by another. Default:
            `default_tier()`.

    Raises: ValueError for another key size, or a tier that is unknown, not built or not on this processor.
    """

    def __new__(
        cls, key: ReadableBuffer, iv_key: ReadableBuffer | None = None, tier: str | None = None
    ) -> Self: ...
    @property
    def tier(self) -> str: ...
    @property
    def closed(self) -> bool: ...
    def encrypt(
        self,
        src: ReadableBuffer,
        dst: WriteableBuffer,
        sector_size: int,
        first_iv: int = 0,
        iv_step: int = 1,
        iv_bits: int = 64,
        big_endian: bool = False,
    ) -> None:
        """Encrypt the sectors of `src` into `dst`.

        Args:
            src: Contiguous, a whole number of sectors; may be empty.
            dst: Contiguous, of the same length; `src` itself, or apart from it.
            sector_size: Bytes, a multiple of 16 from 16 to 65536.
            first_iv: The number that the first sector's IV is made of.
            iv_step: What each next sector adds to it, modulo 2**64.
            iv_bits: 64, or 32: the number's low half.
            big_endian: Put the number at the IV's end, the highest byte first; default: at its beginning, the
                lowest first.

        Raises: ValueError, and nothing is written, for arguments that do not fit, or a closed context.
        """

    def decrypt(
        self,
        src: ReadableBuffer,
        dst: WriteableBuffer,
        sector_size: int,
        first_iv: int = 0,
        iv_step: int = 1,
        iv_bits: int = 64,
        big_endian: bool = False,
    ) -> None:
        """Decrypt the sectors of `src` into `dst`; as `encrypt`."""

    def crypt_unit(
        self, src: ReadableBuffer, dst: WriteableBuffer, iv: ReadableBuffer, decrypt: bool
    ) -> None:
        """For test vectors: the whole buffer as one sector under an IV of 16 bytes."""

    def close(self) -> None:
        """Zero the expanded keys."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *exc_info: object) -> None: ...
    def __reduce_ex__(self, *_: object) -> NoReturn: ...
    def __copy__(self, *_: object) -> NoReturn: ...
    def __deepcopy__(self, *_: object) -> NoReturn: ...

__test__: Final[dict[str, str]]
