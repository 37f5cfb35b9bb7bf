"""What a machine's kdump kernel would consist of, read from its files, and what its devices ask for."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kdumpkey.errors import DeviceError, NotAKernelError
from kdumpkey.kdump.estimate.rules import Estimate, Item, Keyslot, estimate
from kdumpkey.region.model import sizes_of_files

_MIB: Final = 1 << 20
_KERNELS: Final = ("vmlinuz-*", "vmlinux-*", "Image-*")
# What kdump's own initramfs is called by Fedora and by Debian; else the machine's own is nearest to it.
_INITRAMFS: Final = (
    "boot/initramfs-{}kdump.img",
    "var/lib/kdump/initrd.img-{}",
    "var/lib/kdump/initramfs-tools/initrd.img-{}",
    "boot/initramfs-{}.img",
    "boot/initrd.img-{}",
    "boot/initrd-{}",
)
_ARM64_MAGIC: Final = b"ARM\x64"  # of an arm64 Image, at 0x38; its size in memory stands at 0x10
_MOST_TEXT: Final = 1 << 20  # bytes
# Where a machine's files do not say: a distribution's kernel, its modules for a disk and a filesystem.
_TYPICAL_KERNEL: Final = 70 * _MIB
_TYPICAL_MODULES: Final = 20 * _MIB
_TYPICAL_INITRAMFS: Final = 40 * _MIB


@dataclass(frozen=True)
class Machine:
    """What is known of a machine; what is None is looked up in its files.

    `root` is where its files are; `release` its kernel's, of those under /boot.
    """

    root: Path = Path("/")
    release: str | None = None
    arch: str | None = None
    ram_bytes: int | None = None
    kernel: str | None = None
    initramfs: str | None = None
    kernel_bytes: int | None = None
    modules_bytes: int | None = None
    initramfs_bytes: int | None = None


@dataclass(frozen=True)
class Found:
    """An estimate with what it was made of."""

    estimate: Estimate
    arch: str
    ram_bytes: int
    kernel_bytes: int
    initramfs_bytes: int
    devices: tuple[str, ...]


def estimate_machine(machine: Machine, devices: Sequence[str], keyslots: Sequence[Keyslot] = ()) -> Found:
    """Estimate the reserved memory that a machine needs.

    Args:
        machine: The machine.
        devices: The encrypted devices that its kdump kernel has to open.
        keyslots: Theirs, by `keyslots_of`.

    Raises:
        DeviceError: A file that was named cannot be read.
        NotAKernelError: The kernel that was named is none.
        UsageError: Nothing is known of the architecture.
    """
    release = machine.release or _newest_release(machine.root)
    arch = machine.arch or os.uname().machine
    ram = machine.ram_bytes if machine.ram_bytes is not None else _ram(machine.root)
    kernel = _kernel(machine, release)
    initramfs = _initramfs(machine, release)
    made = estimate(
        kernel,
        _modules(machine),
        initramfs,
        keyslots,
        devices=len(devices),
        arch=arch,
        ram_bytes=ram,
    )
    return Found(made, arch, ram, kernel.nbytes, initramfs.nbytes, tuple(devices))


def keyslots_of(device: str) -> list[Keyslot]:
    """The keyslots of a device that a passphrase or a token may be tried on without being told which.

    Those of an unbound key open nothing, and those of the priority "ignore" are not tried. A token's are
    keyslots like others: its passphrase goes through the same function.

    Raises:
        KdumpkeyError: The device or its header cannot be read.
    """
    from kdumpkey.crypto.kdf import Argon2  # noqa: PLC0415 - without devices no header is read
    from kdumpkey.luks.device import open_luks  # noqa: PLC0415
    from kdumpkey.luks.model import PRIORITY_IGNORE  # noqa: PLC0415

    with open_luks(device) as luks:
        return [
            Keyslot(device, number, slot.kdf.memory_kib if isinstance(slot.kdf, Argon2) else 0)
            for number, slot in sorted(luks.header.keyslots.items())
            if slot.kdf is not None
            and slot.priority != PRIORITY_IGNORE
            and not luks.header.is_unbound(number)
        ]


def _newest_release(root: Path) -> str | None:
    """The newest kernel under /boot, by version as people count."""
    found = [path for pattern in _KERNELS for path in root.glob(f"boot/{pattern}") if path.is_file()]
    names = [path.name.partition("-")[2] for path in found if "rescue" not in path.name]
    return max(names, key=_version, default=None)


def _version(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"[.\-+~_]", name)]


def _ram(root: Path) -> int:
    text = _text(root / "proc/meminfo")
    matched = re.search(r"^MemTotal:\s+(\d+) kB", text, re.MULTILINE)
    if matched is None:
        raise DeviceError(f"{root / 'proc/meminfo'} does not say how much memory there is; --ram does.")
    return int(matched[1]) * 1024


def _kernel(machine: Machine, release: str | None) -> Item:
    name = "kernel"
    if machine.kernel_bytes is not None:
        return Item(name, machine.kernel_bytes, "as given")
    if machine.kernel is not None:
        return Item(name, kernel_size(Path(machine.kernel)), machine.kernel)
    for pattern in _KERNELS if release else ():
        path = machine.root / "boot" / pattern.replace("*", str(release))
        if path.is_file():
            try:
                return Item(name, kernel_size(path), str(path))
            except (NotAKernelError, DeviceError):  # not ours to read, or of a kind that does not say
                break
    return Item(name, _TYPICAL_KERNEL, "typical: no kernel image could be read")


def kernel_size(path: Path) -> int:
    """What a kernel image takes in memory: a bzImage's init_size, an arm64 Image's image_size.

    Raises:
        DeviceError: It cannot be read.
        NotAKernelError: It is neither.
    """
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise DeviceError(f"Cannot read {path}: {reason}.") from error
    if head[0x38:0x3C] == _ARM64_MAGIC:
        return int(struct.unpack_from("<Q", head, 0x10)[0])
    return sizes_of_files(path).kernel


def _modules(machine: Machine) -> Item:
    name = "modules"
    if machine.modules_bytes is not None:
        return Item(name, machine.modules_bytes, "as given")
    path = machine.root / "proc/modules"
    sizes = [line.split()[1] for line in _text(path).splitlines() if len(line.split()) > 1]
    if sizes and all(size.isdigit() for size in sizes):
        return Item(name, sum(map(int, sizes)), f"{len(sizes)} loaded, {path}")
    named = machine.root / "etc/modules-load.d"
    found = _named_modules(machine.root, named)
    if found:
        return Item(name, sum(found.values()), f"{len(found)} named in {named}, and what they need")
    if path.exists():
        return Item(name, 0, f"none loaded, {path}")
    return Item(name, _TYPICAL_MODULES, "typical: nothing says which are loaded")


def _named_modules(root: Path, folder: Path) -> dict[str, int]:
    """The sizes of the modules that are to be loaded at boot, with those that they depend on."""
    wanted = [
        line.strip()
        for path in sorted(folder.glob("*.conf"))
        for line in _text(path).splitlines()
        if line.strip() and line.strip()[0] not in "#;"
    ]
    release = _newest_release(root)
    home = root / "lib/modules" / (release or "")
    needs: dict[str, list[str]] = {}
    for line in _text(home / "modules.dep").splitlines() if wanted else ():
        module, _, others = line.partition(":")
        needs[Path(module).name.partition(".")[0].replace("-", "_")] = [module, *others.split()]
    files = {file for name in wanted for file in needs.get(name.replace("-", "_"), ())}
    return {file: (home / file).stat().st_size for file in sorted(files) if (home / file).is_file()}


def _initramfs(machine: Machine, release: str | None) -> Item:
    name = "initramfs"
    if machine.initramfs_bytes is not None:
        return Item(name, machine.initramfs_bytes, "as given")
    if machine.initramfs is not None:
        return Item(name, sizes_of_files(initrd=machine.initramfs).initrd, machine.initramfs)
    for pattern in _INITRAMFS if release else ():
        path = machine.root / pattern.format(release)
        if path.is_file():
            return Item(name, path.stat().st_size, str(path))
    return Item(name, _TYPICAL_INITRAMFS, "typical: none was found under /boot")


def _text(path: Path) -> str:
    try:
        if not path.is_file():  # a FIFO must not hold the estimate up
            return ""
        with path.open("rb") as file:
            return file.read(_MOST_TEXT).decode("utf-8", "replace")
    except (OSError, ValueError):
        return ""
