"""Where in the reserved memory of a simulated machine keys lie, and whether they should."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kdumpkey.kernel.protocol import Audit, AuditEntry, KeyPages
from kdumpkey.region.handover import COUNT, LONGEST_DESCRIPTION, LONGEST_KEY, MOST_KEYS, RECORD
from kdumpkey.region.model import KEYS, PAGE

if TYPE_CHECKING:
    from kdumpkey.kernel.simulated.state import MachineState
    from kdumpkey.region.memory import CrashRegion

_PRINTABLE: Final = range(0x20, 0x7F)


def audit(state: MachineState, region: CrashRegion) -> Audit:
    """Look at every page of the reserved memory that is not zero.

    Args:
        state: Says where the loaded image keeps its keys.
        region: The reserved memory.
    """
    pages = key_pages(state, region)
    stale = sum(each.stale for each in pages)
    summary = f"{stale} stale of {len(pages)} places with keys." if stale else "No stale copies."
    entries = tuple(AuditEntry(_line(each), each.stale) for each in pages)
    return Audit(entries, pages, summary if pages else "No keys are in the reserved memory.")


def key_pages(state: MachineState, region: CrashRegion) -> tuple[KeyPages, ...]:
    """The runs of pages with keys, by address: adjacent pages together, a new run where a record begins.

    Args:
        state: Says where the loaded image keeps its keys.
        region: The reserved memory.
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


def _line(pages: KeyPages) -> str:
    names = ", ".join(pages.descriptions[:3]) or "not a record that can be read"
    kind = "STALE copy" if pages.stale else "loaded image"
    return f"{pages.address:#010x}  {pages.nbytes // PAGE:3} pages  {kind:12}  {names}"


def _descriptions(page: memoryview) -> tuple[str, ...]:
    """The names in a page where a record in the merged form begins; empty: it does not look like a record."""
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
