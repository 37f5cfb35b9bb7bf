"""A reserved region and what is to be placed in it, for a machine that options describe."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kdumpkey.errors import UsageError
from kdumpkey.region.crashkernel import parse_crashkernel
from kdumpkey.region.handover import MOST_KEYS, merged_size
from kdumpkey.region.model import PAGE, USUAL_BASE, ImageSizes, Policy, segments_of, sizes_of_files
from kdumpkey.region.placement import Layout

if TYPE_CHECKING:
    PathLike = str | os.PathLike[str]


@dataclass(frozen=True)
class LoadPlan:
    """What is known of the machine whose kdump kernel is to be loaded.

    Attributes:
        crashkernel: As on the kernel's command line.
        ram_bytes: The machine's memory, which ranges in `crashkernel` depend on.
        keys: How many keys are handed over.
        kernel: A bzImage to take the size from, and `initrd` an initramfs.
        kernel_bytes: The size itself, instead, and `initrd_bytes`.
    """

    crashkernel: str = "256M"
    ram_bytes: int = 4 << 30
    keys: int = 1
    kernel: PathLike | None = None
    initrd: PathLike | None = None
    kernel_bytes: int | None = None
    initrd_bytes: int | None = None


def layout_of(machine: LoadPlan, policy: Policy) -> Layout:
    """The layout that a load on this machine has under a policy.

    Raises:
        UsageError: `crashkernel` cannot be understood, or there are too many keys.
        DeviceError: A file cannot be read.
        NotAKernelError: The file is not a kernel.
    """
    if not 0 < machine.keys <= MOST_KEYS:
        raise UsageError(f"{machine.keys} keys: 1 to {MOST_KEYS} can be handed over.")
    reservation = parse_crashkernel(machine.crashkernel, machine.ram_bytes)
    base = USUAL_BASE if reservation.base is None else reservation.base
    if base % PAGE or reservation.size_bytes % PAGE:
        raise UsageError(f"crashkernel={machine.crashkernel} is not a whole number of pages of {PAGE} bytes.")
    record = merged_size(machine.keys, checked=policy is Policy.HARDENED)
    return Layout(policy, base, reservation.size_bytes, segments_of(_sizes(machine), record))


def _sizes(machine: LoadPlan) -> ImageSizes:
    sizes = sizes_of_files(machine.kernel, machine.initrd)
    if machine.kernel_bytes is not None:
        sizes = replace(sizes, kernel=machine.kernel_bytes)
    if machine.initrd_bytes is not None:
        sizes = replace(sizes, initrd=machine.initrd_bytes)
    return sizes
