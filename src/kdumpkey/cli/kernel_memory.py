"""The memory of each kernel's programs, as options say."""

from __future__ import annotations

from dataclasses import dataclass

from kdumpkey.cli.options import FirstMemory, KdumpMemory, UnpackedSize


@dataclass(frozen=True)
class KernelMemory:
    """The memory of either kernel's programs."""

    first_bytes: FirstMemory = None
    kdump_bytes: KdumpMemory = None
    unpacked_bytes: UnpackedSize = None
