"""The writes that move the keyslots' areas of a LUKS1 header, after each of which the header opens.

The header has eight areas, in use or not, and none may overlap another. An area that moves by less than its
length overwrites itself. So its content first goes to the area of a keyslot that is not in use, and the two
keyslots change places, which takes one sector of the header; then it goes to its final offset. An area is
overwritten in place only if all keyslots of its sector are in use. The others open meanwhile: there is at
least one more in that sector.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdumpkey.luks import luks1
from kdumpkey.luks.layout import SECTOR

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Buffer

    from kdumpkey.luks.model import Luks1Header

    Write = tuple[int, Buffer]


def moved(header: Luks1Header, distance: int) -> Luks1Header:
    """A header all of whose areas are `distance` bytes farther back; in front, if it is negative."""
    return _placed(
        header, {number: _offset(header, number) + distance for number in range(len(header.slots))}
    )


def moves(header: Luks1Header, distance: int, areas: memoryview, start: int) -> Iterator[Write]:
    """The writes that make a LUKS1 header on the device the one that `moved` gives.

    Args:
        header: As it is on the device.
        distance: How far the areas go, in bytes.
        areas: The content of the areas, with what is between them.
        start: The byte of the device at which `areas` begins.
    """
    numbers = range(len(header.slots))
    for number in sorted(numbers, key=lambda each: _offset(header, each), reverse=distance > 0):
        offset = _offset(header, number)
        goal = _placed(header, {number: offset + distance})
        if header.slots[number].active:
            content = areas[offset - start :][: header.keyslots[number].area.size]
            swapped = _swapped(header, number)
            if swapped is not None:
                yield _offset(swapped, number), content
                yield from _changed_sectors(header, swapped)
                header = swapped
            yield offset + distance, content
        yield from _changed_sectors(header, goal)
        header = goal


def between(header: Luks1Header, areas: memoryview, start: int) -> Iterator[Write]:
    """The writes of all that is not an area of a keyslot in use.

    Args:
        header: As it is on the device.
        areas: As for `moves`.
        start: The byte of the device at which `areas` is to begin.
    """
    at, end = start, start + areas.nbytes
    used = sorted((slot.area.offset, slot.area.size) for slot in header.keyslots.values())
    for offset, size in (*used, (end, 0)):
        if at < offset:
            yield at, areas[at - start : offset - start]
        at = offset + size


def _offset(header: Luks1Header, number: int) -> int:
    return header.slots[number].key_material_offset * SECTOR


def _placed(header: Luks1Header, offsets: dict[int, int]) -> Luks1Header:
    """A header with the areas of some keyslots elsewhere, in bytes."""
    slots = list(header.slots)
    for number, offset in offsets.items():
        slots[number] = slots[number]._replace(key_material_offset=offset // SECTOR)
    return luks1.rebuilt(header, slots=tuple(slots))


def _swapped(header: Luks1Header, number: int) -> Luks1Header | None:
    """A header in which a keyslot has the area of one that is not in use; None: two sectors would change."""
    for other, slot in enumerate(header.slots):
        if slot.active:
            continue
        swapped = _placed(header, {number: _offset(header, other), other: _offset(header, number)})
        if len(list(_changed_sectors(header, swapped))) == 1:
            return swapped
    return None


def _changed_sectors(old: Luks1Header, new: Luks1Header) -> Iterator[tuple[int, bytes]]:
    for before, after in zip(luks1.sectors(old), luks1.sectors(new), strict=True):
        if before != after:
            yield after
