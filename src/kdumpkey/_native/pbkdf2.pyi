from typing import Final, Self

from _typeshed import ReadableBuffer, WriteableBuffer

def hashes() -> tuple[str, ...]:
    """The hashes that are implemented: ``sha1``, ``sha256``, ``sha512``."""

def tiers() -> tuple[str, ...]:
    """The names of all tiers, whether this build and this processor have them or not."""

def tier_status(name: str, hash: str, /) -> str:
    """``usable``, ``not built`` (another architecture's), ``not on this cpu``, ``not for this hash``, or
    ``unknown``."""

def usable_tiers(hash: str, /) -> tuple[str, ...]:
    """The tiers that run here and have this hash."""

def default_tier(hash: str, nbytes: int, /) -> str:
    """The fastest measured tier of those that run here, for an output of `nbytes`."""

class Sha:
    """A hash under way, as hashlib's objects are; what it holds is wiped when it is collected.

    Not for several threads at once.

    Args:
        name: One of `hashes()`.
        data: The beginning of the message; contiguous.

    Raises:
        ValueError: There is no such hash here.
    """

    def __init__(self, name: str, data: ReadableBuffer = b"") -> None: ...
    def update(self, data: ReadableBuffer, /) -> None:
        """Hash more data, a contiguous buffer; of much data the GIL is released."""

    def copy(self) -> Self:
        """Another object that has hashed the same data."""

    def digest(self) -> bytes:
        """The hash of everything so far; more may follow."""

def derive_into(
    out: WriteableBuffer,
    password: ReadableBuffer,
    salt: ReadableBuffer,
    *,
    hash: str,
    iterations: int,
    tier: str | None = None,
) -> None:
    """Fill `out` with what PBKDF2 (RFC 8018, section 5.2) with HMAC derives.

    The GIL is released. Signals are handled every few milliseconds; after an exception from a handler
    (Ctrl-C), `out` is zero.

    Args:
        out: Contiguous, at least 1 byte; unchanged where an argument is wrong.
        password: Contiguous; read in place, as the salt is.
        salt: Of any length.
        hash: One of `hashes()`.
        iterations: 1 to 4294967295.
        tier: The name of the implementation to use; a demand, never replaced by another. Default:
            `default_tier()`.

    Raises:
        ValueError: An argument is out of its bounds, or a tier is unknown, not built, not on this processor
            or not for this hash.
    """

__test__: Final[dict[str, str]]
