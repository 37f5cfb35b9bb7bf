"""How much of its reserved memory a kdump kernel leaves for programs.

Measured with real kernels that have Python in their initramfs: of 256, 192 and 160 MiB, 154 to 162, 101 and
74 MiB stayed available.
"""

from __future__ import annotations

from typing import Final

KERNEL_BYTES: Final = 40 << 20
UNPACKED_BYTES: Final = 52 << 20  # of an initramfs with Python


def left_bytes(reserved_bytes: int, unpacked_bytes: int = UNPACKED_BYTES) -> int:
    """What is left for programs; negative: not even the kernel and its initramfs fit.

    Args:
        reserved_bytes: The reserved memory.
        unpacked_bytes: What the initramfs takes unpacked.
    """
    return reserved_bytes - unpacked_bytes - KERNEL_BYTES
