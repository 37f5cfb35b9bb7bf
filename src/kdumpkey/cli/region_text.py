"""Reserved memory as text: a bar, a table of what lies where, policies side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from kdumpkey.cli.columns import folded
from kdumpkey.region.model import KEYS, PAGE, Part, Policy
from kdumpkey.region.placement import FAILED, Distribution, Layout

_CELLS: Final = 64
_BINS: Final = 16
_BLOCKS: Final = 40
_FREE: Final = "."
_MARKS: Final = {
    "elfcorehdr": "e",
    KEYS: "*",
    "purgatory": "p",
    "boot_params": "b",
    "kernel": "K",
    "initrd": "i",
}


def size(nbytes: int) -> str:
    """Bytes in the largest unit that leaves a digit before the point."""
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if nbytes >= unit:
            return f"{nbytes / unit:.4g} {name}"
    return f"{nbytes} B"


def heading(layout: Layout, policy: str = "") -> list[str]:
    """What is reserved, and what is to be placed there."""
    contents = ", ".join(f"{each.name} {size(each.nbytes)}" for each in layout.segments)
    return folded("", f"{size(layout.size_bytes)} reserved at {layout.base:#x}{policy}: {contents}", indent=2)


def bar(layout: Layout, parts: Sequence[Part]) -> str:
    """The region in one line, from its lowest address; what is small is shown all the same."""
    cells = [_FREE] * _CELLS
    # The small ones last: a page of keys would vanish behind megabytes of kernel.
    for part in sorted(parts, key=lambda part: -part.nbytes):
        first = (part.start - layout.base) * _CELLS // layout.size_bytes
        last = (part.end - 1 - layout.base) * _CELLS // layout.size_bytes
        cells[first : last + 1] = _MARKS.get(part.name, "#") * (last + 1 - first)
    return f"[{''.join(cells)}]"


def table(layout: Layout, parts: Sequence[Part]) -> list[str]:
    """What lies where, by address, with the gaps between."""
    lines = [f"{'from':>14}  {'to':>14}  {'size':>10}  what"]
    at = layout.base
    for part in [*sorted(parts, key=lambda part: part.start), Part("", layout.base + layout.size_bytes, 0)]:
        if part.start > at:
            lines.append(f"{at:#14x}  {part.start:#14x}  {size(part.start - at):>10}  free")
        if part.nbytes:
            page = f", page {(part.start - layout.base) // PAGE}" if part.name == KEYS else ""
            name = f"{_MARKS.get(part.name, '#')} {part.name}{page}"
            lines.append(f"{part.start:#14x}  {part.end:#14x}  {size(part.nbytes):>10}  {name}")
        at = max(at, part.end)
    return lines


def entropy(layout: Layout, found: Distribution) -> list[str]:
    """Everything that is exact about where the keys may be."""
    pages = layout.size_bytes // PAGE
    lines = [
        f"draws              {found.draws}, each equally likely",
        f"load fails         {percent(found.failure_probability)} of them: no room for a segment",
        f"reachable pages    {found.reachable_pages} of {pages}",
        f"Shannon entropy    {found.shannon_bits:.2f} bits",
        f"min-entropy        {found.min_bits:.2f} bits",
    ]
    if (best := found.likeliest_page) is not None:
        share = found.counts[best] / (found.draws - found.failures)
        address = layout.base + best * PAGE
        lines.append(f"likeliest page     {best} ({address:#x}), with a probability of {percent(share)}")
    return lines


def comparison(found: Mapping[Policy, Distribution]) -> list[str]:
    """The policies side by side."""
    rows: list[tuple[str, list[str]]] = [
        ("", [policy.value for policy in found]),
        ("load fails", [percent(each.failure_probability) for each in found.values()]),
        ("reachable pages", [str(each.reachable_pages) for each in found.values()]),
        ("Shannon entropy, bits", [f"{each.shannon_bits:.2f}" for each in found.values()]),
        ("min-entropy, bits", [f"{each.min_bits:.2f}" for each in found.values()]),
    ]
    return [f"{name:<24}" + "".join(f"{cell:>14}" for cell in cells) for name, cells in rows]


def histogram(layout: Layout, pages: Sequence[int], found: Distribution) -> list[str]:
    """How often the keys came to lie in each sixteenth of the region, beside how often they must."""
    per_bin = -(-layout.size_bytes // PAGE // _BINS)
    seen = [0] * _BINS
    for page in pages:
        if page != FAILED:
            seen[page // per_bin] += 1
    due = [sum(found.counts[i * per_bin : (i + 1) * per_bin]) for i in range(_BINS)]
    most = max([*seen, 1])
    lines = [f"{'from page':>10}  {'seen':>8}  {'expected':>9}"]
    for i in range(_BINS):
        expected = due[i] * len(pages) / found.draws
        mark = "#" * round(seen[i] * _BLOCKS / most)
        lines.append(f"{i * per_bin:>10}  {seen[i]:>8}  {expected:>9.1f}  {mark}".rstrip())
    failed = sum(page == FAILED for page in pages)
    lines.append(f"{'failed':>10}  {failed:>8}  {found.failure_probability * len(pages):>9.1f}")
    return lines


def percent(share: float) -> str:
    """A probability; 0 and 1 only where it is exactly that."""
    if share in (0, 1):
        return f"{100 * share:.0f} %"
    return f"{100 * share:.3g} %" if share >= 0.0001 else f"{100 * share:.1e} %"
