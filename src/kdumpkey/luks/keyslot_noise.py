"""Whether keyslot areas still look like the noise that encrypted stripes are.

A filesystem or a partition table that was written over a keyslot is not noise. Blocks are judged by the
chi-squared test over their bytes; where one fails, its parts are, by that over their bits, to say where. One
block of a thousand fails by chance, so this is a hint, never a reason to write anything.

Source: the release notes of cryptsetup 2.8.0 and what that version reports; the critical values are those of
the chi-squared distribution for 255 degrees of freedom and p = 0.001, and for one degree and p = 0.0001.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kdumpkey.luks.layout import LUKS1_STRIPES
from kdumpkey.luks.model import REENCRYPTION

if TYPE_CHECKING:
    from kdumpkey.luks.model import LuksHeader
    from kdumpkey.storage.device import Reader

PART: Final = 128  # bytes of what a suspicion names
MOST_OFFSETS: Final = 3
_BLOCK: Final = 4096
_BYTES_CRITICAL: Final = 330.5197
_BITS_CRITICAL: Final = 15.1367
_OPENABLE: Final = ("luks1", "luks2")


@dataclass(frozen=True)
class Suspicion:
    """A keyslot whose area is not all noise, and the first places on the device where it is not, in bytes.

    No more are looked for once there are `MOST_OFFSETS`.
    """

    keyslot: int
    offsets_bytes: tuple[int, ...]


def suspicions(device: Reader, header: LuksHeader) -> list[Suspicion]:
    """Judge the areas of all keyslots with keys; none are judged in the middle of a reencryption.

    Args:
        device: What the header was read from.
        header: Its header.

    Raises:
        DeviceError: The device cannot be read.
    """
    if any(slot.type == REENCRYPTION for slot in header.keyslots.values()):
        return []
    found = []
    for number, slot in sorted(header.keyslots.items()):
        size = min(slot.key_size * LUKS1_STRIPES, slot.area.size, max(device.size - slot.area.offset, 0))
        if slot.type not in _OPENABLE or size <= 0:
            continue
        stripes = bytearray(size)
        device.pread_into(stripes, slot.area.offset)
        places = _judged(stripes)
        if places is not None:
            at = tuple(slot.area.offset + place for place in places[:MOST_OFFSETS])
            found.append(Suspicion(number, at))
    return found


def _judged(stripes: bytearray) -> list[int] | None:
    """Where parts of stripes are not noise; an empty list: it cannot be said where; None: all is noise."""
    places: list[int] = []
    suspected = False
    for at_block in range(0, len(stripes), _BLOCK):
        # The last block is a whole one too, and shares bytes with the block before it.
        start = max(0, min(at_block, len(stripes) - _BLOCK))
        block = bytes(stripes[start : start + _BLOCK])
        if _bytes_statistic(block) > _BYTES_CRITICAL:
            suspected = True
            places += [
                start + at
                for at in range(0, len(block), PART)
                if _bits_statistic(block[at : at + PART]) > _BITS_CRITICAL
            ]
    return places if suspected else None


def _bytes_statistic(block: bytes) -> float:
    expected = len(block) / 256
    counts = Counter(block)
    missing = (256 - len(counts)) * expected
    return sum((count - expected) ** 2 for count in counts.values()) / expected + missing


def _bits_statistic(part: bytes) -> float:
    expected = len(part) * 4
    return 2 * (int.from_bytes(part).bit_count() - expected) ** 2 / expected
