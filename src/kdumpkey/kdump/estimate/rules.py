"""How much memory to reserve for a kdump kernel: the sum, its items, and the distributions' defaults.

Source: kdump-utils' ``kdumpctl estimate`` (kernel + modules + 3 × initramfs + 16 MiB + what unlocking takes),
mended where it counts LUKS wrongly: devices are opened one after the other, so the largest keyslot counts,
not the sum; and a volume key that was handed over needs no keyslot at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from kdumpkey.errors import UsageError
from kdumpkey.region.crashkernel import parse_crashkernel

_MIB: Final = 1 << 20
RUNTIME_BYTES: Final = 16 * _MIB
UNPACKING: Final = 3  # the initramfs as loaded, unpacked, and what it is unpacked through

DEFAULTS: Final = {
    "x86_64": "2G-64G:256M,64G-:512M",
    "aarch64": "2G-4G:256M,4G-64G:320M,64G-:576M",
    "ppc64le": "2G-4G:384M,4G-16G:512M,16G-64G:1G,64G-128G:2G,128G-:4G",
}
# What a program that opens a device takes beside the keyslot's memory; larger pages, more of it.
_UNLOCKING: Final = {"aarch64": 50 * _MIB}
_UNLOCKING_ELSEWHERE: Final = 20 * _MIB


@dataclass(frozen=True)
class Keyslot:
    """A keyslot that might be opened in the kdump kernel, with Argon2's memory (0: PBKDF2)."""

    device: str
    number: int
    memory_kib: int


@dataclass(frozen=True)
class Item:
    """A part of the sum, and where its number is from."""

    name: str
    nbytes: int
    source: str


@dataclass(frozen=True)
class Estimate:
    """What a machine needs.

    Attributes:
        items: The parts that are the same both ways.
        unlocking: What opening the devices takes with a passphrase, and with keys handed over.
        default_bytes: What the distributions reserve for such a machine; 0: nothing, it is too small.
    """

    items: tuple[Item, ...]
    unlocking: tuple[Item, Item]
    default_bytes: int

    def needed_bytes(self, *, reuse: bool) -> int:
        """The sum, with a passphrase or with key reuse."""
        return sum(item.nbytes for item in self.items) + self.unlocking[reuse].nbytes

    def recommended_bytes(self, *, reuse: bool) -> int:
        """The sum in whole MiB, and no less than the default."""
        return max(self.default_bytes, -(-self.needed_bytes(reuse=reuse) // _MIB) * _MIB)


def estimate(
    kernel: Item,
    modules: Item,
    initramfs: Item,
    keyslots: Sequence[Keyslot],
    *,
    devices: int,
    arch: str,
    ram_bytes: int,
) -> Estimate:
    """Add up what a kdump kernel needs.

    Args:
        kernel: What the kernel takes in memory.
        modules: What its modules take.
        initramfs: The length of its initramfs.
        keyslots: Those that a passphrase or token might be tried on, of all devices.
        devices: How many encrypted devices have to be opened; 0: none, and nothing is added for that.
        arch: As ``uname -m`` says it.
        ram_bytes: The machine's memory.

    Raises:
        UsageError: No defaults are known for this architecture.
    """
    if arch not in DEFAULTS:
        raise UsageError(f"Nothing is known of {arch}; --arch can be {', '.join(DEFAULTS)}.")
    try:
        default = parse_crashkernel(DEFAULTS[arch], ram_bytes).size_bytes
    except UsageError:  # less memory than kdump is meant for
        default = 0
    program = _UNLOCKING.get(arch, _UNLOCKING_ELSEWHERE) if devices else 0
    worst = max(keyslots, key=lambda slot: slot.memory_kib, default=None)
    memory = worst.memory_kib * 1024 if worst else 0
    largest = f"{worst.device} keyslot {worst.number}, the largest, + " if worst and memory else ""
    base = f"{program // _MIB} MiB to open a device" if devices else "no encrypted device"
    return Estimate(
        (
            kernel,
            modules,
            Item(f"{UNPACKING} × initramfs", UNPACKING * initramfs.nbytes, initramfs.source),
            Item("running", RUNTIME_BYTES, "kdump-utils"),
        ),
        (
            Item("unlocking, passphrase", program + memory, f"{largest}{base}"),
            Item("unlocking, key reuse", program, base),
        ),
        default,
    )
