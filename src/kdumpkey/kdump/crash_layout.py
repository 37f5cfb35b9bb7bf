"""Where kexec_file_load puts the parts of a crash image, and the keys among them, by three policies.

Source: spec of kexec_add_buffer's search on x86-64: parts in a fixed order, each bottom-up or top-down into
the first hole, the keys from a start that 16 random bits choose.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from kdumpkey.errors import KernelError, kernel_error
from kdumpkey.kdump.crash_region import PAGE

_MIB: Final = 1 << 20
_STEPS: Final = 65535
_KERNEL_ALIGNMENT: Final = 2 * _MIB
KEYS: Final = "dm_crypt_keys"


class Policy(Enum):
    """How keys are handed over: as the series of 2023 did, as Linux does, and better."""

    V1 = "v1"
    UPSTREAM = "upstream"
    HARDENED = "hardened"


@dataclass(frozen=True)
class Part:
    """A part of a crash image in the reserved memory: `nbytes` are whole pages."""

    name: str
    start: int
    nbytes: int

    @property
    def end(self) -> int:
        """The address after it."""
        return self.start + self.nbytes


@dataclass(frozen=True)
class ImageSizes:
    """Bytes of what is loaded; the defaults are typical for a distribution's kernel."""

    elfcorehdr: int = 225 * PAGE
    purgatory: int = 20 << 10
    boot_params: int = 8 << 10
    kernel: int = 70 * _MIB
    initrd: int = 40 * _MIB


def lay_out(
    policy: Policy,
    base: int,
    size_bytes: int,
    sizes: ImageSizes,
    keys_bytes: int,
    draw: Callable[[int], int],
) -> tuple[Part, ...]:
    """Place every part.

    Args:
        policy: Where the keys go.
        base: Address of the reserved memory.
        size_bytes: Its size.
        sizes: Of the image's parts.
        keys_bytes: Of the keys' record; 0: no keys, and no part for them.
        draw: A uniform random number below its argument.

    Raises:
        KernelError: EADDRNOTAVAIL: a part has no room.
    """
    found: list[Part] = []
    end = base + size_bytes

    def place(name: str, nbytes: int, alignment: int = PAGE, *, start: int = base, up: bool = False) -> None:
        nbytes = -(-nbytes // PAGE) * PAGE
        if nbytes:
            search = _bottom_up if up else _top_down
            found.append(Part(name, search(found, name, start, end, nbytes, alignment), nbytes))

    place("elfcorehdr", sizes.elfcorehdr, up=True)
    if policy is not Policy.HARDENED:
        place(KEYS, keys_bytes, start=base + (size_bytes - 1) // _STEPS * draw(_STEPS + 1), up=True)
    place("purgatory", sizes.purgatory)
    place("boot_params", sizes.boot_params)
    place("kernel", sizes.kernel, _KERNEL_ALIGNMENT)
    place("initrd", sizes.initrd)
    if policy is Policy.HARDENED and keys_bytes:
        found.append(_anywhere(found, base, end, -(-keys_bytes // PAGE) * PAGE, draw))
    return tuple(found)


def _bottom_up(placed: Sequence[Part], name: str, start: int, end: int, nbytes: int, alignment: int) -> int:
    at = -(-start // alignment) * alignment
    while at + nbytes <= end:
        in_the_way = _collision(placed, at, nbytes)
        if in_the_way is None:
            return at
        # Page by page, as Linux does it, comes to the same place.
        at = -(-in_the_way.end // alignment) * alignment
    raise _no_room(name)


def _top_down(placed: Sequence[Part], name: str, start: int, end: int, nbytes: int, alignment: int) -> int:
    at = (end - nbytes) // alignment * alignment
    while at >= start:
        in_the_way = _collision(placed, at, nbytes)
        if in_the_way is None:
            return at
        at = (in_the_way.start - nbytes) // alignment * alignment
    raise _no_room(name)


def _anywhere(placed: Sequence[Part], base: int, end: int, nbytes: int, draw: Callable[[int], int]) -> Part:
    """A page chosen with equal chance among all where the keys fit."""
    gaps, at = [], -(-base // PAGE) * PAGE
    for part in [*sorted(placed, key=lambda part: part.start), Part("end", end // PAGE * PAGE, 0)]:
        slots = (part.start - at - nbytes) // PAGE + 1
        if slots > 0:
            gaps.append((at, slots))
        at = max(at, part.end)
    total = sum(slots for _, slots in gaps)
    if not total:
        raise _no_room(KEYS)
    chosen = draw(total)
    for start, slots in gaps:
        if chosen < slots:
            return Part(KEYS, start + chosen * PAGE, nbytes)
        chosen -= slots
    raise _no_room(KEYS)


def _collision(placed: Sequence[Part], at: int, nbytes: int) -> Part | None:
    return next((part for part in placed if at < part.end and part.start < at + nbytes), None)


def _no_room(name: str) -> KernelError:
    return kernel_error(errno.EADDRNOTAVAIL, f"there is no room for {name} in the reserved memory")
