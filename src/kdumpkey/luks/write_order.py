"""The writes that put a header on a device, in the order in which a cut between any two of them does least.

Each is on the medium before the next, and a sector is written whole or not at all.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from kdumpkey.luks import area_moves, luks1, luks2
from kdumpkey.luks.model import SECTOR, Luks1Header, Luks2Header

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Buffer

    from kdumpkey.luks.model import LuksHeader

    Writes = tuple[tuple[int, Buffer], ...]

_SALT: Final = 64


def copies(header: LuksHeader) -> tuple[tuple[int, bytes], ...]:
    """The copies of a header with their offsets, of LUKS2 the primary first, salts fresh.

    Raises:
        HeaderError: The JSON does not fit into its area.
    """
    if isinstance(header, Luks1Header):
        return ((0, luks1.serialise(header)),)
    assert isinstance(header, Luks2Header)  # noqa: S101  (there is no third)
    return tuple(
        (header.metadata_size if secondary else 0, _copy(header, secondary=secondary))
        for secondary in (False, True)
    )


def changed(header: LuksHeader) -> Writes:
    """The writes of a changed header over the one that it was made from.

    Of LUKS1's two sectors the second comes first: it has the end of keyslot 6, of which the first says
    whether it is active.

    Raises:
        HeaderError: As `copies`.
    """
    if isinstance(header, Luks1Header):
        return _sectors(header)[::-1]
    return copies(header)


def replaced(header: LuksHeader, offset: int, area: Buffer) -> Writes:
    """The writes of a keyslot area over the old one of the same keyslot, and of the header that it goes with.

    While the area is written neither opens. For a LUKS2 header no more than that: its secondary is there
    before, with a seqid that makes nobody take it, and counts once a single sector of the primary is gone.

    Raises:
        HeaderError: As `copies`.
    """
    area_write = (offset, area)
    if isinstance(header, Luks1Header):
        return (area_write, *changed(header))
    assert isinstance(header, Luks2Header)  # noqa: S101
    waiting = _copy(replace(header, seqid=0), secondary=True)
    return ((header.metadata_size, waiting), area_write, (0, bytes(SECTOR)), *copies(header))


def erased(header: LuksHeader) -> Writes:
    """The writes of a header that has lost its keyslots, all at once.

    LUKS1 has keyslots in both its sectors, and what any of them opens must fit a digest in the first: that is
    spoilt with the keyslots there, and comes back when those of the other sector are gone.

    Raises:
        HeaderError: As `copies`.
    """
    if isinstance(header, Luks1Header):
        spoilt = replace(header, mk_digest=os.urandom(len(header.mk_digest)))
        return (_sectors(spoilt)[0], *changed(header))
    return changed(header)


def new(
    header: LuksHeader, areas: Mapping[int, Buffer], *, over: int | None, crowded: bool = False
) -> Writes:
    """The writes of a header that has nothing to do with the one on the device.

    Args:
        header: The new header.
        areas: Its keyslots' areas by offset; where no old keyslot is, unless `crowded`.
        over: The version of the header on the device; None: there is none.
        crowded: The only area overwrites an old one, and the copies of both headers are in the same places.

    Raises:
        HeaderError: As `copies`.
    """
    areas_first = tuple(areas.items())
    if isinstance(header, Luks1Header):
        # Over LUKS1 the first goes with the old second one, if the keys have one size. A primary of LUKS2
        # is not valid with another second sector, so its secondary counts until the first is overwritten.
        return (*areas_first, *(_sectors(header) if over == 1 else changed(header)))
    if crowded:
        ((offset, area),) = areas_first
        return replaced(header, offset, area)
    # A LUKS1 header is gone with the primary's first sector: the secondary must be there by then.
    return (*areas_first, *(copies(header)[::-1] if over == 1 else copies(header)))


def converted(old: LuksHeader, header: LuksHeader, areas: memoryview, source: int, target: int) -> Writes:
    """The writes of a header of the other version, with its areas elsewhere; one of the two always opens.

    The areas move while the header is LUKS1's. There is a moment at which it is in the places of LUKS2: then
    the headers change, and LUKS2's secondary holds while the first sector and the rest of the primary do not
    fit together.

    Args:
        old: The header on the device.
        header: The new one.
        areas: The content of the old areas, with what is between them.
        source: The byte at which they begin.
        target: The byte at which they are to begin.

    Raises:
        HeaderError: As `copies`.
    """
    distance = target - source
    if isinstance(old, Luks1Header):
        first, second = copies(header)
        moved = area_moves.moved(old, distance)
        return (
            *area_moves.moves(old, distance, areas, source),
            second,
            (0, first[1][:SECTOR]),
            first,
            *area_moves.between(moved, areas, target),
        )
    assert isinstance(old, Luks2Header)  # noqa: S101
    assert isinstance(header, Luks1Header)  # noqa: S101
    behind, end = 2 * SECTOR, target + areas.nbytes
    moved = area_moves.moved(header, -distance)
    return (
        *changed(moved),
        (behind, bytes(2 * old.metadata_size - behind)),
        *area_moves.moves(moved, distance, areas, source),
        *area_moves.between(header, areas, target),
        (end, bytes(-distance)),
    )


def _sectors(header: Luks1Header) -> tuple[tuple[int, bytes], tuple[int, bytes]]:
    block = luks1.serialise(header)
    return ((0, block[:SECTOR]), (SECTOR, block[SECTOR:]))


def _copy(header: Luks2Header, *, secondary: bool) -> bytes:
    return luks2.serialise(header, secondary=secondary, salt=os.urandom(_SALT))
