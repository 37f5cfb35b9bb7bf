"""Reserved memory as a picture: where everything lies, and how likely each place is for the keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from kdumpkey.cli.plots import COLOURS, HATCHES, new_figure, save
from kdumpkey.region.model import KEYS, PAGE, Part, Policy
from kdumpkey.region.placement import Layout

_MIB: Final = 1 << 20
_BINS: Final = 128
_LEAST_SHARE: Final = 0.004  # of the width: what is smaller would not be seen


def plot(path: str, layouts: Mapping[Policy, Layout], parts: Mapping[Policy, Sequence[Part]] | None) -> None:
    """Draw layouts (`parts`), or without them the probability of each place for the keys.

    Raises:
        UsageError: The format is unknown, or matplotlib is missing.
        OutputError: The file cannot be written.
    """
    figure = new_figure(path, 9, 1.3 + 1.9 * len(layouts))
    axes = figure.subplots(len(layouts), 1, squeeze=False)[:, 0]
    for ax, (policy, layout) in zip(axes, layouts.items(), strict=True):
        ax.set_xlim(0, layout.size_bytes / _MIB)
        if parts is not None:
            _draw_parts(ax, layout, parts[policy])
        else:
            _draw_distribution(ax, layout)
        ax.set_title(_title(policy, layout), loc="left", fontsize=10)
    axes[-1].set_xlabel("MiB from the start of the reserved memory")
    save(figure, path)


def _title(policy: Policy, layout: Layout) -> str:
    found = layout.distribution()
    return (
        f"{policy.value}: load fails {100 * found.failure_probability:.3g} %, "
        f"min-entropy {found.min_bits:.2f} bits of {found.shannon_bits:.2f} (Shannon)"
    )


def _draw_parts(ax: object, layout: Layout, parts: Sequence[Part]) -> None:
    least = layout.size_bytes / _MIB * _LEAST_SHARE
    for i, part in enumerate(sorted(parts, key=lambda part: part.name == KEYS)):
        start = (part.start - layout.base) / _MIB
        width = max(part.nbytes / _MIB, least)
        ax.barh(  # type: ignore[attr-defined]
            0,
            width,
            left=start,
            color=COLOURS[i % len(COLOURS)],
            hatch=HATCHES[i % len(HATCHES)],
            edgecolor="black",
            linewidth=0.4,
            label=part.name,
        )
    ax.set_yticks([])  # type: ignore[attr-defined]
    ax.legend(ncols=6, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.25))  # type: ignore[attr-defined]


def _draw_distribution(ax: object, layout: Layout) -> None:
    counts, draws = layout.distribution().counts, layout.distribution().draws
    per_bin = max(1, -(-len(counts) // _BINS))
    shares = [100 * sum(counts[at : at + per_bin]) / draws for at in range(0, len(counts), per_bin)]
    edges = [i * per_bin * PAGE / _MIB for i in range(len(shares) + 1)]
    ax.stairs(shares, edges, fill=True, color=COLOURS[0])  # type: ignore[attr-defined]
    ax.set_ylabel(f"% of draws\nper {per_bin * PAGE / _MIB:.3g} MiB", fontsize=8)  # type: ignore[attr-defined]
