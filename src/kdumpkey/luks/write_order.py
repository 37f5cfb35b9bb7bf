"""The writes that put a header on a device, in an order that survives a loss of power between any two.

Each is on the medium before the next, and a sector is written whole or not at all.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, assert_never

from kdumpkey.luks import area_moves, layout, luks1, luks2
from kdumpkey.luks.layout import SECTOR
from kdumpkey.luks.model import Luks1Header, Luks2Header

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Buffer

    from kdumpkey.luks.model import LuksHeader

    Writes = tuple[tuple[int, Buffer], ...]


def copies(header: LuksHeader) -> tuple[tuple[int, bytes], ...]:
    """The copies of a header with their offsets; of LUKS2 the primary first, each with a new salt.

    Raises:
        HeaderError: The JSON does not fit into its area.
    """
    match header:
        case Luks1Header():
            return ((0, luks1.serialise(header)),)
        case Luks2Header():
            return (
                (0, _copy(header, secondary=False)),
                (header.metadata_size, _copy(header, secondary=True)),
            )
        case _:
            assert_never(header)


def changed(header: LuksHeader) -> Writes:
    """The writes of a changed header over the one that it was made from.

    Of LUKS1's two sectors the second comes first: it has the end of keyslot 6, of which the first says
    whether it is active.

    Raises:
        HeaderError: As `copies`.
    """
    match header:
        case Luks1Header():
            return luks1.sectors(header)[::-1]
        case Luks2Header():
            return copies(header)
        case _:
            assert_never(header)


def replaced(header: LuksHeader, offset: int, area: Buffer) -> Writes:
    """The writes of a keyslot area over the old one of the same keyslot, and of the header that it goes with.

    While the area is written, the keyslot opens by neither passphrase. With LUKS2 that is all: the new
    secondary is written before, with a seqid so low that nobody takes it, and it counts as soon as one sector
    of the primary is zeroed.

    Raises:
        HeaderError: As `copies`.
    """
    area_write = (offset, area)
    match header:
        case Luks1Header():
            return (area_write, *changed(header))
        case Luks2Header():
            waiting = _copy(header._replace(seqid=0), secondary=True)
            return ((header.metadata_size, waiting), area_write, (0, bytes(SECTOR)), *copies(header))
        case _:
            assert_never(header)


def erased(header: LuksHeader) -> Writes:
    """The writes of a header that has lost its keyslots, all at once.

    LUKS1 has keyslots in both its sectors, and the key of each must fit the digest in the first sector. So
    the first write also spoils the digest, and the last one puts it back, when the keyslots of the other
    sector are gone.

    Raises:
        HeaderError: As `copies`.
    """
    match header:
        case Luks1Header():
            spoilt = header._replace(mk_digest=os.urandom(len(header.mk_digest)))
            return (luks1.sectors(spoilt)[0], *changed(header))
        case Luks2Header():
            return changed(header)
        case _:
            assert_never(header)


def new(
    header: LuksHeader, areas: Mapping[int, Buffer], *, over: int | None, crowded: bool = False
) -> Writes:
    """The writes of a header that has nothing to do with the one on the device.

    Args:
        header: The new header.
        areas: Its keyslots' areas by offset, which overwrite no old keyslot unless `crowded`.
        over: The version of the header on the device; None: it has no header.
        crowded: The only area overwrites an old one, and the copies of both headers are in the same places.

    Raises:
        HeaderError: As `copies`.
    """
    areas_first = tuple(areas.items())
    match header:
        case Luks1Header():
            # Over LUKS1, the new first sector goes with the old second one if the keys have one size. A
            # primary of LUKS2 is not valid with another second sector, so its secondary counts until the
            # first is overwritten.
            return (*areas_first, *(luks1.sectors(header) if over == 1 else changed(header)))
        case Luks2Header() if crowded:
            ((offset, area),) = areas_first
            return replaced(header, offset, area)
        case Luks2Header():
            # A LUKS1 header is gone with the primary's first sector: the secondary must be there by then.
            return (*areas_first, *(copies(header)[::-1] if over == 1 else copies(header)))
        case _:
            assert_never(header)


def converted(old: LuksHeader, header: LuksHeader, areas: memoryview, source: int, target: int) -> Writes:
    """The writes of a header of the other version, with its areas elsewhere; one of the two always opens.

    The areas move while the device has the LUKS1 header, to or from the offsets that they have in LUKS2.
    While they are there the headers change, and LUKS2's secondary holds while the first sector and the rest
    of the primary do not fit together.

    Args:
        old: The header on the device.
        header: The new one.
        areas: The content of the old areas, with what is between them.
        source: The byte at which they begin.
        target: The byte at which they are to begin.

    Raises:
        HeaderError: As `copies`.
        ValueError: Both headers are of one version.
    """
    distance = target - source
    match old, header:
        case Luks1Header(), Luks2Header():
            first, second = copies(header)
            moved = area_moves.moved(old, distance)
            return (
                *area_moves.moves(old, distance, areas, source),
                second,
                (0, first[1][:SECTOR]),
                first,
                *area_moves.between(moved, areas, target),
            )
        case Luks2Header(), Luks1Header():
            behind, end = layout.LUKS1_HEADER_SIZE, target + areas.nbytes
            moved = area_moves.moved(header, -distance)
            return (
                *changed(moved),
                (behind, bytes(old.areas_start - behind)),
                *area_moves.moves(moved, distance, areas, source),
                *area_moves.between(header, areas, target),
                (end, bytes(-distance)),
            )
        case _:
            raise ValueError("a conversion changes the version of the header")


def _copy(header: Luks2Header, *, secondary: bool) -> bytes:
    return luks2.serialise(header, secondary=secondary, salt=os.urandom(layout.LUKS2_SALT_BYTES))
