"""Reserved memory as a picture: what lies where, how likely each page is, and what was drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from kdumpkey.cli.plots import COLOURS, HATCHES, new_figure, save
from kdumpkey.region.model import KEYS, PAGE, Part, Policy
from kdumpkey.region.placement import FAILED, Distribution, Layout

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MIB: Final = 1 << 20
_BINS: Final = 128
_SAMPLE_BINS: Final = 64
_LEAST_SHARE: Final = 0.004  # of the width: what is smaller would not be seen
_NEIGHBOURS: Final = 12  # pages on each side of the one that stands out
_PANELS: Final = {False: (1,), True: (3, 1)}  # widths
_STANDS_OUT: Final = 2  # times the median page: from there on the likeliest page is pointed at
_AXIS: Final = "MiB from the start of the reserved memory"


def plot_layout(path: str, layout: Layout, parts: Sequence[Part]) -> None:
    """Draw one layout: where each part of the image lies.

    Args:
        path: The file to write.
        layout: The reserved memory.
        parts: What was placed there.

    Raises:
        UsageError: The format is unknown, or matplotlib is missing.
        OutputError: The file cannot be written.
    """
    figure = new_figure(path, 9, 2.8)
    ax = figure.subplots()
    ax.set_xlim(0, layout.size_bytes / _MIB)
    least = layout.size_bytes / _MIB * _LEAST_SHARE
    for i, part in enumerate(sorted(parts, key=lambda part: part.name == KEYS)):
        ax.barh(
            0,
            max(part.nbytes / _MIB, least),
            left=(part.start - layout.base) / _MIB,
            color=COLOURS[i % len(COLOURS)],
            hatch=HATCHES[i % len(HATCHES)],
            edgecolor="black",
            linewidth=0.4,
            label=part.name,
        )
    ax.set_yticks([])
    ax.set_xlabel(_AXIS)
    ax.set_title(f"What lies where in the reserved memory? (policy {layout.policy.value})", fontsize=11)
    figure.legend(ncols=6, fontsize=8, loc="outside lower center")
    save(figure, path)


def plot_distribution(path: str, layouts: Mapping[Policy, Layout]) -> None:
    """Draw the exact probability of each page for the keys, all policies on one scale.

    The scale is logarithmic, because a single page can be hundreds of times as likely as any other.

    Args:
        path: The file to write.
        layouts: The reserved memory under each policy.

    Raises:
        UsageError: The format is unknown, or matplotlib is missing.
        OutputError: The file cannot be written.
    """
    figure = new_figure(path, 9, 0.8 + 2.2 * len(layouts))
    axes = figure.subplots(len(layouts), 1, squeeze=False, sharex=True, sharey=True)[:, 0]
    floor = min(min(filter(None, _shares(layout)), default=1.0) for layout in layouts.values()) / 2
    for ax, layout in zip(axes, layouts.values(), strict=True):
        _draw_distribution(ax, layout, floor)
    axes[-1].set_xlabel(_AXIS)
    figure.suptitle("How likely is each page of the reserved memory to hold the keys?", fontsize=11)
    save(figure, path)


def _shares(layout: Layout) -> list[float]:
    """The probability of each page in percent, of the loads that succeed."""
    found = layout.distribution()
    succeed = max(found.draws - found.failures, 1)
    return [100 * count / succeed for count in found.counts]


def _draw_distribution(ax: Axes, layout: Layout, floor: float) -> None:
    found, shares = layout.distribution(), _shares(layout)
    per_bin = max(1, -(-len(shares) // _BINS))
    bins = [shares[at : at + per_bin] for at in range(0, len(shares), per_bin)]
    # Of each bin a page that is usual there: the one that stands out is drawn for itself.
    tops = [sorted(pages)[len(pages) // 2] or floor for pages in bins]
    edges = [i * per_bin * PAGE / _MIB for i in range(len(bins) + 1)]
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:g} %")
    ax.set_xlim(0, layout.size_bytes / _MIB)
    ax.set_ylim(bottom=floor)
    ax.stairs(tops, edges, fill=True, color=COLOURS[0], baseline=floor)
    ax.set_ylabel("probability of a page", fontsize=8)
    best = found.likeliest_page
    guess = "no load succeeds"
    if best is not None:
        guess = (
            f"the best guess is right in one load of {round(2**found.min_bits):,} ({found.min_bits:.2f} bits)"
        )
        if _stands_out(found):
            where = best * PAGE / _MIB
            ax.vlines(where, floor, shares[best], color=COLOURS[5], linewidth=2)
            ax.plot([where], [shares[best]], marker="o", color=COLOURS[5])
            ax.annotate(
                f"page {best} alone: {shares[best]:.3g} %",
                (where, shares[best]),
                xytext=(8, -3),
                textcoords="offset points",
                fontsize=8,
                color=COLOURS[5],
            )
    fails = f"{100 * found.failure_probability:.3g} % of loads fail"
    ax.set_title(f"Policy {layout.policy.value}: {guess}; {fails}", loc="left", fontsize=9)


def _stands_out(found: Distribution) -> bool:
    """Whether a single page is much likelier than the others."""
    usual = sorted(filter(None, found.counts))
    best = found.likeliest_page
    return best is not None and found.counts[best] >= _STANDS_OUT * usual[len(usual) // 2]


def plot_samples(path: str, layout: Layout, pages: Sequence[int]) -> None:
    """Draw how often the keys came to lie in each part of the region, against the exact expectation.

    Args:
        path: The file to write.
        layout: The reserved memory.
        pages: Where the keys were placed, a page each; `FAILED` where a load failed.

    Raises:
        UsageError: The format is unknown, or matplotlib is missing.
        OutputError: The file cannot be written.
    """
    found = layout.distribution()
    per_bin = max(1, -(-len(found.counts) // _SAMPLE_BINS))
    n_bins = -(-len(found.counts) // per_bin)
    seen, due = [0] * n_bins, [0.0] * n_bins
    for page in pages:
        if page != FAILED:
            seen[page // per_bin] += 1
    for page, count in enumerate(found.counts):
        due[page // per_bin] += count * len(pages) / found.draws
    edges = [i * per_bin * PAGE / _MIB for i in range(n_bins + 1)]
    spread = [2 * (expected * max(0, 1 - expected / len(pages))) ** 0.5 for expected in due]
    best = found.likeliest_page if _stands_out(found) else None
    figure = new_figure(path, 9, 4)
    panels = figure.subplots(
        1, 1 if best is None else 2, squeeze=False, width_ratios=_PANELS[best is not None]
    )[0]
    ax = panels[0]
    ax.stairs(seen, edges, fill=True, color=COLOURS[4], label="placed there")
    ax.stairs(due, edges, baseline=None, color=COLOURS[5], linewidth=1.2, label="expected, exactly")
    for sign in (1, -1):
        bound = [max(0, expected + sign * by) for expected, by in zip(due, spread, strict=True)]
        label = "95 % of runs are between" if sign > 0 else None
        ax.stairs(bound, edges, baseline=None, color="0.2", linewidth=0.7, linestyle=":", label=label)
    ax.set_xlim(0, layout.size_bytes / _MIB)
    ax.set_ylim(0, 1.25 * max([*seen, *due, 1]))
    ax.set_xlabel(_AXIS)
    ax.set_ylabel(f"loads per {per_bin * PAGE / _MIB:.3g} MiB")
    ax.legend(loc="upper right", fontsize=8, ncols=3)
    if best is not None:
        _draw_pages_around(panels[1], found, pages, best)
    failed = sum(page == FAILED for page in pages)
    what = f"{len(pages):,} simulated loads with policy {layout.policy.value}: where were the keys placed?"
    figure.suptitle(f"{what} ({failed:,} loads failed)", fontsize=11)
    save(figure, path)


def _draw_pages_around(ax: Axes, found: Distribution, pages: Sequence[int], best: int) -> None:
    """Page by page, the neighbourhood of the page that stands out."""
    around = range(max(0, best - _NEIGHBOURS), min(len(found.counts), best + _NEIGHBOURS + 1))
    seen = dict.fromkeys(around, 0)
    for page in pages:
        if page in seen:
            seen[page] += 1
    expected = [found.counts[page] * len(pages) / found.draws for page in around]
    ax.bar(list(around), list(seen.values()), width=1, color=COLOURS[4])
    ax.plot(list(around), expected, linestyle="none", marker="_", color=COLOURS[5])
    ax.set_xlabel("page")
    ax.set_ylabel("loads per page")
    ax.set_title(
        f"page {best}: {seen[best]:,} placed,\n{expected[best - around.start]:,.0f} expected", fontsize=9
    )
