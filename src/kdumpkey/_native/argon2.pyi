from collections.abc import Callable
from typing import Final

from _typeshed import ReadableBuffer, WriteableBuffer

def tiers() -> tuple[str, ...]:
    """The names of all tiers, whether this build and this processor have them or not."""

def tier_status(name: str, /) -> str:
    """``usable``, ``not built`` (another architecture's), ``not on this cpu``, or ``unknown``."""

def usable_tiers() -> tuple[str, ...]:
    """The tiers that run here, slowest first."""

def default_tier() -> str:
    """The fastest measured tier of those that run here."""

def derive_into(
    out: WriteableBuffer,
    password: ReadableBuffer,
    salt: ReadableBuffer,
    *,
    variant: str,
    passes: int,
    memory_kib: int,
    lanes: int,
    version: int = 0x13,
    secret: ReadableBuffer = b"",
    associated: ReadableBuffer = b"",
    threads: int = 0,
    lock: bool = True,
    tier: str | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> None:
    """Fill `out` with the tag of Argon2i or Argon2id (RFC 9106).

    The GIL is released. After each slice, four a pass, signals are handled, and an exception from a handler
    (Ctrl-C) ends the computation. The memory is kept out of core dumps and child processes, and is zero
    before it goes back to the system, whatever the outcome.

    Args:
        out: Contiguous, at least 4 bytes; unchanged where anything is raised.
        password: Contiguous; read in place, as the other inputs are.
        salt: At least 8 bytes.
        variant: ``argon2i`` or ``argon2id``.
        passes: At least 1.
        memory_kib: At least 8 for each lane.
        lanes: 1 to 16777215; they change the result.
        version: 0x13, or the older 0x10.
        secret: The secret value, or key, K.
        associated: The associated data X.
        threads: How many at most, the caller's included; 0: as many as processors in the affinity mask. They
            do not change the result.
        lock: Try to keep the memory out of swap; where that is refused, go on without.
        tier: The name of the implementation to use; a demand, never replaced by another. Default:
            `default_tier()`.
        progress: Told after each slice how many are done and how many there are; may raise to cancel.

    Raises:
        ValueError: An argument is out of its bounds, or a tier is unknown, not built or not on this
            processor.
        MemoryError: The memory cannot be had.
    """

__test__: Final[dict[str, str]]
