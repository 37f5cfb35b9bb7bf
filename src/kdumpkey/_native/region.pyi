from array import array
from collections.abc import Iterable
from typing import Final, Literal, Self, final

PAGE: Final = 4096
FAILED: Final = 0xFFFFFFFF

@final
class Plan:
    """A region and the segments to be placed in it; see kdumpkey.region.placement.

    `segments`: for each, in the order of placement, its bytes, its alignment, whether it is placed top-down,
    and whether it is the keys (one at most). Raises: ValueError where one of them cannot be.
    """

    def __new__(
        cls,
        base: int,
        nbytes: int,
        segments: Iterable[tuple[int, int, bool, bool]],
        policy: Literal["upstream", "hardened"],
    ) -> Self: ...
    @property
    def draws(self) -> int:
        """How many equally likely draws there are: 65536, or the slots of the hardened policy."""

    def place(self, draw: int) -> tuple[tuple[int, ...], None] | tuple[None, int]:
        """The address of each segment for one draw; or None, and the index of the one without room."""

    def distribution(self) -> tuple[array[int], int, int, int, float, float]:
        """How many draws lead to each page of the region; the draws, how many of them fail, how many pages
        can be reached; Shannon and min-entropy in bits, given that it does not fail."""

    def sample(self, n: int, seed: int | None = None) -> array[int]:
        """n placements: the keys' first page in the region, or FAILED.

        Without a seed by the system's randomness. Raises: OSError where that gives nothing.
        """

@final
class LoadedMapping:
    """A region's file as a loaded one: read-only, and a part of it not there: touching that is a SIGSEGV.

    Sizes and offsets in bytes, multiples of a page. Raises: ValueError where they are not, OSError where it
    cannot be mapped.
    """

    locked: bool
    def __new__(cls, fd: int, nbytes: int, hidden: int, hidden_bytes: int) -> Self: ...
    def close(self) -> None:
        """Unmap it. Raises: BufferError while a view is open."""

    def __len__(self) -> int: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *exc_info: object) -> None: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...
