"""Where in the reserved memory of a simulated machine keys lie, and whether they should."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kdumpkey.region.handover import COUNT, LONGEST_DESCRIPTION, LONGEST_KEY, MOST_KEYS, RECORD
from kdumpkey.region.model import KEYS, PAGE

if TYPE_CHECKING:
    from kdumpkey.kernel.simulated.state import MachineState
    from kdumpkey.region.memory import CrashRegion

_PRINTABLE: Final = range(0x20, 0x7F)


@dataclass(frozen=True)
class KeyPages:
    """A place with keys in the reserved memory.

    Attributes:
        address: Where it begins, a page's.
        nbytes: How many whole pages' bytes it has.
        descriptions: The names of the keys, as far as they can be read.
        stale: Whether it belongs to no loaded image: a copy that was left behind.
    """

    address: int
    nbytes: int
    descriptions: tuple[str, ...]
    stale: bool


def audit(state: MachineState, region: CrashRegion) -> tuple[KeyPages, ...]:
    """Look at every page of the reserved memory that is not zero.

    Args:
        state: Says where the loaded image keeps its keys.
        region: The reserved memory.

    Returns:
        The places with keys, by address: adjacent pages together, a new one where a record begins.
    """
    image = state.image
    own = next((part for part in image.parts if part.name == KEYS), None) if image else None
    found: list[KeyPages] = []
    for address, page in region.pages():
        with page, memoryview(page) as view:
            names = _descriptions(view)
        stale = own is None or not own.start <= address < own.end
        last = found[-1] if found else None
        if last and not names and last.address + last.nbytes == address and last.stale is stale:
            found[-1] = KeyPages(last.address, last.nbytes + PAGE, last.descriptions, stale)
        else:
            found.append(KeyPages(address, PAGE, names, stale))
    return tuple(found)


def _descriptions(page: memoryview) -> tuple[str, ...]:
    """The names in a page with which a record in the merged form begins; none: it does not look like one."""
    (count,) = COUNT.unpack_from(page)
    names: list[str] = []
    if not 0 < count <= MOST_KEYS + 1:
        return ()
    for at in range(COUNT.size, min(COUNT.size + count * RECORD, len(page) - RECORD), RECORD):
        (nbytes,) = COUNT.unpack_from(page, at)
        name = bytes(page[at + 4 : at + 4 + LONGEST_DESCRIPTION]).partition(b"\0")[0]
        if not 0 < nbytes <= LONGEST_KEY or not name or not all(byte in _PRINTABLE for byte in name):
            return ()
        names.append(name.decode("ascii"))
    return tuple(names)
