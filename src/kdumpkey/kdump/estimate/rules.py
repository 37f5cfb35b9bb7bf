"""How much memory a kdump kernel needs, as kdumpkey adds it up.

It begins with kdump-utils' sum (kernel + modules + 3 × initramfs + 16 MiB + what unlocking takes), but
devices are opened one after the other, so the largest keyslot counts and not the sum of them; and a volume
key that was handed over needs no keyslot at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from kdumpkey.kdump.estimate.kdumpctl import Recommendation
from kdumpkey.kdump.estimate.keyslots import KeyslotMemory

_MIB: Final = 1 << 20
_RUNTIME_BYTES: Final = 16 * _MIB
_UNPACKING: Final = 3  # the initramfs as loaded, unpacked, and what it is unpacked through

# What a program that opens a device takes beside the keyslot's memory; larger pages, more of it.
_UNLOCKING: Final = {"aarch64": 50 * _MIB}
_UNLOCKING_ELSEWHERE: Final = 20 * _MIB


@dataclass(frozen=True)
class Item:
    """A part of the sum, and where its number is from."""

    name: str
    nbytes: int
    source: str


@dataclass(frozen=True)
class Parts:
    """What a load brings into the reserved memory.

    Attributes:
        kernel: What the kernel takes in memory.
        modules: What its modules take.
        initramfs: The length of its initramfs.
    """

    kernel: Item
    modules: Item
    initramfs: Item


@dataclass(frozen=True)
class Estimate:
    """What a machine needs.

    Attributes:
        items: The parts that are the same both ways.
        unlocking: What opening the devices takes with a passphrase, and with keys handed over.
        kdumpctl: What kdump-utils recommends instead.
    """

    items: tuple[Item, ...]
    unlocking: tuple[Item, Item]
    kdumpctl: Recommendation

    def needed_bytes(self, *, reuse: bool) -> int:
        """The sum, with a passphrase or with key reuse."""
        return sum(item.nbytes for item in self.items) + self.unlocking[reuse].nbytes

    def to_reserve_bytes(self, *, reuse: bool) -> int:
        """The sum in whole MiB, and no less than kdump-utils' default for such a machine."""
        needed = -(-self.needed_bytes(reuse=reuse) // _MIB) * _MIB
        return max(self.kdumpctl.default_bytes, needed)


def estimate(
    parts: Parts, keyslots: Sequence[KeyslotMemory], *, devices: int, kdumpctl: Recommendation, arch: str
) -> Estimate:
    """Add up what a kdump kernel needs.

    Args:
        parts: What is loaded.
        keyslots: Those of all devices.
        devices: How many encrypted devices have to be opened.
        kdumpctl: What kdump-utils recommends.
        arch: As ``uname -m`` says it.
    """
    program = _UNLOCKING.get(arch, _UNLOCKING_ELSEWHERE) if devices else 0
    tried = [slot for slot in keyslots if slot.tried]
    worst = max(tried, key=lambda slot: slot.memory_kib, default=None)
    memory = worst.memory_kib * 1024 if worst else 0
    largest = f"{worst.device} keyslot {worst.number}, the largest, + " if worst and memory else ""
    base = f"{program // _MIB} MiB to open a device" if devices else "no encrypted device"
    return Estimate(
        (
            parts.kernel,
            parts.modules,
            Item(f"{_UNPACKING} × initramfs", _UNPACKING * parts.initramfs.nbytes, parts.initramfs.source),
            Item("running", _RUNTIME_BYTES, "the programs of the kdump initramfs"),
        ),
        (
            Item("unlocking, passphrase", program + memory, f"{largest}{base}"),
            Item("unlocking, key reuse", program, base),
        ),
        kdumpctl,
    )
