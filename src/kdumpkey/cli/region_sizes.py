"""What lies in reserved memory, as options say."""

from __future__ import annotations

from dataclasses import dataclass

from kdumpkey.cli.options import Crashkernel, InitrdFile, InitrdSize, KernelFile, KernelSize, Ram


@dataclass(frozen=True)
class RegionSizes:
    """How much memory is reserved, and what lies in it."""

    crashkernel: Crashkernel = None
    ram_bytes: Ram = None
    kernel_bytes: KernelSize = None
    initrd_bytes: InitrdSize = None
    kernel: KernelFile = None
    initrd: InitrdFile = None
