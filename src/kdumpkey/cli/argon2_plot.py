"""Memory against time, with the reserved sizes as lines: what opens where, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from kdumpkey.cli.plots import COLOURS, new_figure, save
from kdumpkey.kdump.cost.measure import Cost, Fit, available_kib
from kdumpkey.memory.kdump_kernel import UNPACKED_BYTES

_MIB: Final = 1 << 20
_MARKERS: Final = "osD^vP"


def frontier(
    measured: Sequence[Cost], reserved: Sequence[int], unpacked_bytes: int = UNPACKED_BYTES
) -> list[Cost]:
    """Of each reserved size, what fits with the most memory, and of those the quickest.

    Args:
        measured: What was measured.
        reserved: Sizes in bytes.
        unpacked_bytes: Of the initramfs.
    """
    best = []
    for nbytes in sorted(reserved):
        fitting = [cost for cost in measured if cost.verdict(nbytes, unpacked_bytes) is Fit.FITS]
        most = max(fitting, key=lambda cost: (cost.cell.memory_kib, -cost.seconds), default=None)
        if most is not None and most not in best:
            best.append(most)
    return best


def plot(path: str, measured: Sequence[Cost], reserved: Sequence[int], unpacked_bytes: int) -> None:
    """Draw what was measured.

    Raises:
        UsageError: The format is unknown, or matplotlib is missing.
        OutputError: The file cannot be written.
    """
    figure = new_figure(path, 9, 6)
    ax = figure.subplots()
    costs = [cost for cost in measured if not cost.refused and cost.peak_kib]
    groups: dict[tuple[str, int, int], list[Cost]] = {}
    for cost in costs:
        if not cost.cell.label:
            groups.setdefault((cost.cell.kdf, cost.cell.passes, cost.cell.parallel), []).append(cost)
    for i, ((kdf, passes, lanes), group) in enumerate(sorted(groups.items())):
        ordered = sorted(group, key=lambda cost: cost.peak_kib)
        ax.plot(
            [cost.seconds for cost in ordered],
            [cost.peak_kib / 1024 for cost in ordered],
            marker=_MARKERS[i % len(_MARKERS)],
            color=COLOURS[i % len(COLOURS)],
            linestyle=("-", "--", "-.", ":")[i % 4],
            label=f"{kdf}, {passes} passes, {lanes} lane{'s' if lanes > 1 else ''}",
        )
    slots = [cost for cost in costs if cost.cell.label]
    if slots:
        ax.scatter(
            [cost.seconds for cost in slots],
            [cost.peak_kib / 1024 for cost in slots],
            marker="*",
            s=180,
            color=COLOURS[5],
            edgecolor="black",
            zorder=3,
            label="keyslots of the devices",
        )
        for cost in slots:
            name = cost.cell.label.rsplit("/", 1)[-1]
            ax.annotate(
                name,
                (cost.seconds, cost.peak_kib / 1024),
                xytext=(10, -16),
                textcoords="offset points",
                fontsize=8,
                bbox={"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": "none", "alpha": 0.8},
                zorder=4,
            )
    best = frontier(costs, reserved, unpacked_bytes)
    if best:
        ax.plot(
            [cost.seconds for cost in best],
            [cost.peak_kib / 1024 for cost in best],
            linestyle="none",
            marker="o",
            markersize=13,
            markerfacecolor="none",
            markeredgecolor="black",
            label="the most memory that opens in a reserved size",
        )
    for nbytes in reserved:
        there = available_kib(nbytes, unpacked_bytes) / 1024
        if there > 0:
            ax.axhline(there, color="0.45", linewidth=0.8, linestyle=(0, (4, 3)), zorder=0)
            ax.annotate(
                f"↓ opens in {nbytes // _MIB}M",
                (1, there),
                xycoords=("axes fraction", "data"),
                xytext=(4, 0),  # outside, where no curve runs through it
                textcoords="offset points",
                ha="left",
                va="center",
                fontsize=7,
                color="0.25",
            )
    ax.set_yscale("log", base=2)
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.set_xlabel("seconds to unlock on this machine (median)")
    ax.set_ylabel("peak memory of the process, MiB")
    ax.set_title("What does unlocking cost, and in how much reserved memory does it open?")
    if groups or slots:
        # Cost rises to the right: below the curves there is room.
        ax.legend(loc="lower right", fontsize=8, labelspacing=0.8)
    save(figure, path)
