"""Where kexec_file_load puts the segments of a crash image, and how unpredictable the keys' place is.

`v1` and `upstream` place in order, the keys bottom-up from a start that 16 random bits choose; `hardened`
places the keys last, uniformly over every page where they fit. Source: kexec_add_buffer on x86-64.
"""

from __future__ import annotations

import errno
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from kdumpkey._native.region import FAILED, Plan
from kdumpkey.errors import UsageError, kernel_error
from kdumpkey.region.model import KEYS, PAGE, Part, Policy, Segment

__all__ = ["FAILED", "Distribution", "Layout"]

_NATIVE: Final = {Policy.V1: "upstream", Policy.UPSTREAM: "upstream", Policy.HARDENED: "hardened"}


@dataclass(frozen=True)
class Distribution:
    """Where the keys may begin, exactly: over all draws, each equally likely.

    Attributes:
        draws: How many draws there are.
        failures: How many of them find no room for some segment.
        reachable_pages: How many pages the keys may begin at.
        shannon_bits: Shannon entropy of that page, given that loading does not fail.
        min_bits: Its min-entropy: what the best single guess is worth.
        counts: For each page of the region, how many draws lead there.
    """

    draws: int
    failures: int
    reachable_pages: int
    shannon_bits: float
    min_bits: float
    counts: array[int]

    @property
    def failure_probability(self) -> float:
        """How likely it is that a load fails."""
        return self.failures / self.draws

    @property
    def likeliest_page(self) -> int | None:
        """The page of the region that the best single guess names; None: it always fails."""
        if self.failures >= self.draws:
            return None
        # A region has millions of pages: their maximum is known.
        return self.counts.index(round((self.draws - self.failures) / 2**self.min_bits))


class Layout:
    """A region with the segments that are to be placed in it.

    Args:
        policy: How the keys are placed.
        base: Physical address of the region, a page's.
        size_bytes: Its size, whole pages.
        segments: In the order of placement; `dm_crypt_keys` are the keys.

    Raises:
        UsageError: A segment is empty, its alignment is not a power of two, or the region is not whole pages.
    """

    def __init__(self, policy: Policy, base: int, size_bytes: int, segments: Sequence[Segment]) -> None:
        self.policy = policy
        self.base = base
        self.size_bytes = size_bytes
        self.segments = tuple(segments)
        flat = [(each.nbytes, each.alignment, each.top_down, each.name == KEYS) for each in self.segments]
        try:
            self._plan = Plan(base, size_bytes, flat, _NATIVE[policy])  # type: ignore[arg-type]
        except ValueError as error:
            raise UsageError(f"This cannot be laid out: {error}.") from error

    @property
    def draws(self) -> int:
        """How many equally likely draws there are; 0: the keys fit nowhere, or the rest does not."""
        return self._plan.draws

    def place(self, draw: int) -> tuple[Part, ...]:
        """Place every segment for one draw, from 0 to `draws` - 1.

        Raises:
            KernelError: EADDRNOTAVAIL: a segment has no room.
        """
        starts, failed = self._plan.place(draw)
        if starts is None:
            name = self.segments[failed].name if failed is not None else KEYS
            raise kernel_error(errno.EADDRNOTAVAIL, f"there is no room for {name} in the reserved memory")
        return tuple(
            Part(each.name, start, -(-each.nbytes // PAGE) * PAGE)
            for each, start in zip(self.segments, starts, strict=True)
        )

    def place_at_random(self, draw: Callable[[int], int]) -> tuple[Part, ...]:
        """Place every segment once.

        Args:
            draw: A uniform random number below its argument.

        Raises:
            KernelError: EADDRNOTAVAIL: a segment has no room.
        """
        return self.place(draw(max(self.draws, 1)))

    def distribution(self) -> Distribution:
        """The exact distribution of the keys' first page: enumerated, or for `hardened` in closed form."""
        counts, draws, failures, reachable, shannon, least = self._plan.distribution()
        return Distribution(draws, failures, reachable, shannon, least, counts)

    def sample(self, n: int, seed: int | None = None) -> array[int]:
        """Draw n placements.

        Args:
            n: How many.
            seed: Makes them repeatable; None: by the system's randomness.

        Returns:
            The region's page that the keys begin at, or `FAILED`, for each.
        """
        return self._plan.sample(n, seed)
