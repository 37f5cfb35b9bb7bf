"""What ``kdumpctl estimate`` recommends, as kdump-utils computes it (commit 63f248c), faults included.

It counts the keyslots' memory however the device will be opened: it knows no key that is handed over. What
kdumpkey itself holds to be needed is in `kdumpkey.kdump.estimate.rules`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from kdumpkey.kdump.estimate.keyslots import KeyslotMemory

_KIB: Final = 1 << 10
_MIB: Final = 1 << 20
_GIB: Final = 1 << 30
_TIB: Final = 1 << 40
_ROUNDED_MIB: Final = 128  # as the kernel rounds the memory that it compares with the ranges of crashkernel=
_UNPACKING: Final = 3
_RUNTIME_BYTES: Final = 16 * _MIB
_OPENING_BYTES: Final = {"aarch64": 50 * _MIB}
_OPENING_ELSEWHERE_BYTES: Final = 20 * _MIB

# Ranges of the machine's memory in GiB, from one up to the next, with what is reserved in MiB.
_Ranges = tuple[tuple[int, int], ...]
_X86: Final[_Ranges] = ((2, 256), (64, 512))
_ARM64: Final[_Ranges] = ((2, 256), (4, 320), (64, 576))
_POWER: Final[_Ranges] = ((2, 384), (4, 512), (16, 1024), (64, 2048), (128, 4096))
_POWER_FADUMP: Final[_Ranges] = (
    (4, 768),
    (16, 1 << 10),
    (64, 2 << 10),
    (128, 4 << 10),
    (1 << 10, 6 << 10),
    (2 << 10, 12 << 10),
    (4 << 10, 20 << 10),
    (8 << 10, 36 << 10),
    (16 << 10, 64 << 10),
    (32 << 10, 128 << 10),
    (64 << 10, 180 << 10),
)
ARCHITECTURES: Final = ("x86_64", "s390x", "aarch64", "ppc64le")


@dataclass(frozen=True)
class Variant:
    """What kdumpctl tells machines apart by.

    Attributes:
        arch: As ``uname -m`` says it.
        memory_encryption: x86-64 and s390x: AMD's SME or SEV is active.
        pages_64k: aarch64: the kernel is a 64k variant, by its release's name.
        smmu: aarch64: there is an ARM SMMU; it counts with 64k pages alone.
        mlx5: aarch64: the driver mlx5_core is loaded.
        fadump: ppc64le: firmware-assisted dump is on.
        nr_cpus: ppc64le: ``nr_cpus=`` of the kdump kernel's command line.
    """

    arch: str
    memory_encryption: bool = False
    pages_64k: bool = False
    smmu: bool = False
    mlx5: bool = False
    fadump: bool = False
    nr_cpus: int = 1


@dataclass(frozen=True)
class Recommendation:
    """What kdumpctl recommends, and what of.

    Attributes:
        default: The ``crashkernel=`` that kdump-utils has for such a machine.
        default_bytes: What that reserves on this machine; 0: nothing.
        sum_bytes: Kernel, modules, three times the initramfs, 16 MiB and LUKS.
        luks_bytes: The last of them.
    """

    default: str
    default_bytes: int
    sum_bytes: int
    luks_bytes: int

    @property
    def nbytes(self) -> int:
        """The larger of the two."""
        return max(self.default_bytes, self.sum_bytes)

    @property
    def mebibytes(self) -> int:
        """As kdumpctl prints it: rounded down."""
        return self.nbytes // _MIB


@dataclass(frozen=True)
class KdumpSizes:
    """What kdumpctl adds up.

    Attributes:
        kernel_bytes: The kernel's loaded segments.
        modules_bytes: The loaded modules that the kdump initramfs lists.
        initramfs_bytes: The length of the kdump initramfs.
    """

    kernel_bytes: int
    modules_bytes: int
    initramfs_bytes: int


def recommend(
    variant: Variant, ram_bytes: int, sizes: KdumpSizes, keyslots: Sequence[KeyslotMemory] = ()
) -> Recommendation:
    """Add up as kdumpctl does.

    Args:
        variant: The machine.
        ram_bytes: Its memory: all "System RAM" of /proc/iomem.
        sizes: Of what it loads.
        keyslots: All keyslots of the LUKS2 devices beneath the dump target.
    """
    largest: dict[str, int] = {}
    for slot in keyslots:
        largest[slot.device] = max(slot.memory_kib, largest.get(slot.device, 0))
    luks = sum(largest.values()) * _KIB
    if luks:
        luks += _OPENING_BYTES.get(variant.arch, _OPENING_ELSEWHERE_BYTES)
    loaded = sizes.kernel_bytes + sizes.modules_bytes + _UNPACKING * sizes.initramfs_bytes
    total = loaded + _RUNTIME_BYTES + luks
    return Recommendation(default_crashkernel(variant), default_bytes(variant, ram_bytes), total, luks)


def default_crashkernel(variant: Variant) -> str:
    """The ``crashkernel=`` that kdump-utils has for a machine: ``kdumpctl get-default-crashkernel``."""
    ranges, more = _ranges(variant)
    starts = [start for start, _ in ranges]
    ends = [*(_size(start * _GIB) for start in starts[1:]), ""]
    return ",".join(
        f"{_size(start * _GIB)}-{end}:{_size((size + more) * _MIB)}"
        for (start, size), end in zip(ranges, ends, strict=True)
    )


def default_bytes(variant: Variant, ram_bytes: int) -> int:
    """What that reserves on a machine with so much memory; 0: nothing."""
    ranges, more = _ranges(variant)
    ram_mib = -(-(ram_bytes // _MIB) // _ROUNDED_MIB) * _ROUNDED_MIB
    found = [size for start, size in ranges if start <= ram_mib * _MIB // _GIB]
    return (found[-1] + more) * _MIB if found else 0


def _ranges(variant: Variant) -> tuple[_Ranges, int]:
    """The ranges, and what is added to each, in MiB."""
    match variant.arch:
        case "x86_64" | "s390x":
            return _X86, 64 * variant.memory_encryption
        case "aarch64" if variant.pages_64k:
            return _ARM64, 100 + 384 * variant.smmu + 200 * variant.mlx5
        case "aarch64":
            return _ARM64, 150 * variant.mlx5
        case "ppc64le":
            return (_POWER_FADUMP if variant.fadump else _POWER), variant.nr_cpus
    return (), 0


def _size(nbytes: int) -> str:
    """A size in the largest unit that it is a whole number of."""
    for unit, name in ((_TIB, "T"), (_GIB, "G"), (_MIB, "M"), (_KIB, "K")):
        if nbytes and nbytes % unit == 0:
            return f"{nbytes // unit}{name}"
    return str(nbytes)
