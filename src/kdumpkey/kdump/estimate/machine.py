"""What a machine's kdump kernel would consist of, read from its files, and what its devices ask for."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kdumpkey.errors import DeviceError, NotAKernelError, UsageError
from kdumpkey.host.initramfs import UnreadableInitramfsError, read_initramfs
from kdumpkey.host.kdump_files import INITRAMFS
from kdumpkey.host.kernel_image import loaded_bytes
from kdumpkey.host.settings import SYSCONFIG, shell_settings
from kdumpkey.kdump.estimate.kdumpctl import ARCHITECTURES, KdumpSizes, Variant, recommend
from kdumpkey.kdump.estimate.keyslots import KeyslotMemory
from kdumpkey.kdump.estimate.rules import Estimate, Item, Parts, estimate
from kdumpkey.region.model import sizes_of_files

_MIB: Final = 1 << 20
_KERNELS: Final = ("vmlinuz-*", "vmlinux-*", "Image-*")
# Where there is no initramfs of kdump's, the machine's own is nearest to it.
_THE_MACHINES_OWN: Final = ("boot/initramfs-{}.img", "boot/initrd.img-{}", "boot/initrd-{}")
_LISTED: Final = "usr/lib/dracut/hostonly-kernel-modules.txt"  # written by dracut, read by kdumpctl
_MODULE: Final = re.compile(r"\.ko(\.(gz|xz|zst))?$")
_ENCRYPTED: Final = re.compile(
    r"^(\[[^]]*\] )?Memory Encryption Features active: AMD (SME|SEV)$", re.MULTILINE
)
_MOST_MESSAGES: Final = 20_000
_LONGEST_MESSAGE: Final = 8192  # bytes, as the kernel gives them
_ARM64_MAGIC: Final = b"ARM\x64"  # of an arm64 Image, at 0x38; its size in memory stands at 0x10
_MOST_TEXT: Final = 1 << 20  # bytes
# Where a machine's files do not say: a distribution's kernel, its modules for a disk and a filesystem.
_TYPICAL_KERNEL: Final = 70 * _MIB
_TYPICAL_MODULES: Final = 20 * _MIB
_TYPICAL_INITRAMFS: Final = 40 * _MIB


@dataclass(frozen=True)
class MachineSpec:
    """What is known of a machine; the rest, None, is read from its files.

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
class MachineEstimate:
    """An estimate, and what it is based on."""

    estimate: Estimate
    variant: Variant
    ram_bytes: int
    kernel_bytes: int
    initramfs_bytes: int
    devices: tuple[str, ...]


def estimate_machine(
    machine: MachineSpec, devices: Sequence[str], keyslots: Sequence[KeyslotMemory] = ()
) -> MachineEstimate:
    """Estimate the reserved memory that a machine needs.

    Args:
        machine: The machine.
        devices: The encrypted devices that its kdump kernel has to open.
        keyslots: Their keyslots.

    Raises:
        DeviceError: A file that was named cannot be read.
        NotAKernelError: The file that was named is not a kernel.
        UsageError: Nothing is known of the architecture.
    """
    release = machine.release or _running_release(machine.root) or _newest_release(machine.root)
    arch = machine.arch or os.uname().machine
    if arch not in ARCHITECTURES:
        raise UsageError(f"Nothing is known of {arch}; --arch can be {', '.join(ARCHITECTURES)}.")
    ram = machine.ram_bytes if machine.ram_bytes is not None else _ram(machine.root)
    kernel = _kernel(machine, release)
    initramfs, path = _initramfs(machine, release)
    listed, image = _modules_in(path)
    modules = _modules(machine, image)
    variant = _variant(machine, arch, release or "")
    modules_bytes = machine.modules_bytes
    if modules_bytes is None:
        modules_bytes = sum(size for name, size in _loaded(machine.root).items() if name in listed)
    by_kdumpctl = recommend(
        variant,
        machine.ram_bytes if machine.ram_bytes is not None else _system_ram(machine.root) or ram,
        KdumpSizes(_kernel_by_kdumpctl(machine, release, kernel), modules_bytes, initramfs.nbytes),
        keyslots,
    )
    parts = Parts(kernel, modules, initramfs)
    made = estimate(parts, keyslots, devices=len(devices), kdumpctl=by_kdumpctl, arch=arch)
    return MachineEstimate(made, variant, ram, kernel.nbytes, initramfs.nbytes, tuple(devices))


def _running_release(root: Path) -> str | None:
    """The kernel that runs, if its image is there: kdump-utils loads the same again."""
    release = _text(root / "proc/sys/kernel/osrelease").strip()
    kdumps = [pattern.format(release) for pattern in INITRAMFS if "{}" in pattern]
    known = release and (_kernel_files(root, release) or any((root / path).is_file() for path in kdumps))
    return release if known and "/" not in release else None


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


def _kernel(machine: MachineSpec, release: str | None) -> Item:
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
        NotAKernelError: It is neither of these.
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


def _kernel_by_kdumpctl(machine: MachineSpec, release: str | None, ours: Item) -> int:
    """The segments of the vmlinux in the image; else what the running kernel takes; else our number."""
    if machine.kernel_bytes is not None:
        return machine.kernel_bytes
    named = [Path(machine.kernel)] if machine.kernel else []
    for path in named or _kernel_files(machine.root, release):
        with suppress(OSError):
            if (nbytes := loaded_bytes(path)) is not None:
                return nbytes
    return _iomem(machine.root, r"Kernel (?:code|rodata|data|bss)", last=0) or ours.nbytes


def _kernel_files(root: Path, release: str | None) -> list[Path]:
    if not release:
        return []
    named = [root / "boot" / pattern.replace("*", release) for pattern in _KERNELS]
    return [path for path in (*named, root / "usr/lib/modules" / release / "vmlinuz") if path.is_file()]


def _iomem(root: Path, what: str, last: int) -> int:
    """The bytes of ranges in /proc/iomem; `last` is 1 where the last byte of each is counted too."""
    found = re.finditer(rf"^\s*([0-9a-f]+)-([0-9a-f]+) : {what}$", _text(root / "proc/iomem"), re.MULTILINE)
    return sum(int(each[2], 16) - int(each[1], 16) + last for each in found)


def _system_ram(root: Path) -> int:
    """All "System RAM"; 0: /proc/iomem does not say, as to another user than root."""
    nbytes = _iomem(root, "System RAM", last=1)
    return nbytes if nbytes >= _MIB else 0


def _variant(machine: MachineSpec, arch: str, release: str) -> Variant:
    """What kdumpctl looks at to tell machines apart."""
    root = machine.root
    settings = shell_settings(_text(root / SYSCONFIG))
    fadump = _text(root / "sys/kernel/fadump/enabled").strip() == "1"
    line = settings.get("FADUMP_COMMANDLINE_APPEND" if fadump else "KDUMP_COMMANDLINE_APPEND", "")
    counts = [word[8:] for word in line.split() if re.fullmatch(r"nr_cpus=[1-9]\d*", word, re.ASCII)]
    return Variant(
        arch,
        memory_encryption=_ENCRYPTED.search(_kernel_log(root)) is not None,
        pages_64k="64k" in release,
        smmu=any(root.glob("sys/devices/platform/arm-smmu-*")),
        mlx5=(root / "sys/bus/pci/drivers/mlx5_core").is_dir(),
        fadump=fadump,
        nr_cpus=int(counts[-1]) if counts else 1,
    )


def _kernel_log(root: Path) -> str:
    """What the kernel logged at boot, from its buffer or from the log file."""
    if root != Path("/"):
        return _text(root / "var/log/dmesg")
    try:
        fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return _text(root / "var/log/dmesg")
    lines: list[bytes] = []
    try:
        while len(lines) < _MOST_MESSAGES:
            lines.append(os.read(fd, _LONGEST_MESSAGE).partition(b";")[2].partition(b"\n")[0])
    except OSError:  # there are no more messages, or the buffer has been overwritten
        pass
    finally:
        os.close(fd)
    return b"\n".join(lines).decode("utf-8", "replace")


def _loaded(root: Path) -> dict[str, int]:
    """The loaded modules with their sizes in bytes."""
    lines = [line.split() for line in _text(root / "proc/modules").splitlines()]
    return {words[0]: int(words[1]) for words in lines if len(words) > 1 and words[1].isdigit()}


def _modules_in(path: Path | None) -> tuple[frozenset[str], frozenset[str] | None]:
    """The modules that dracut lists in a kdump initramfs, and those in it; None: it cannot be read."""
    if path is None:
        return frozenset(), None
    try:
        found = read_initramfs(path, kept=lambda name: name.endswith(_LISTED))
    except UnreadableInitramfsError:
        return frozenset(), None
    listed = b" ".join(found.texts.values()).decode("utf-8", "replace").split()
    held = (name.rpartition("/")[2] for name in found.names if _MODULE.search(name))
    return frozenset(listed), frozenset(name.partition(".ko")[0].replace("-", "_") for name in held)


def _modules(machine: MachineSpec, image: frozenset[str] | None) -> Item:
    """The modules of the kdump initramfs: those loaded here have a size that is known."""
    name = "modules"
    if machine.modules_bytes is not None:
        return Item(name, machine.modules_bytes, "as given")
    if image is not None:
        sizes = [size for module, size in _loaded(machine.root).items() if module in image]
        return Item(name, sum(sizes), f"{len(sizes)} loaded of the {len(image)} in the kdump initramfs")
    named = machine.root / "etc/modules-load.d"
    found = _named_modules(machine.root, named)
    if found:
        return Item(name, sum(found.values()), f"{len(found)} named in {named}, and what they need")
    return Item(name, _TYPICAL_MODULES, "typical: no kdump initramfs could be read")


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


def _initramfs(machine: MachineSpec, release: str | None) -> tuple[Item, Path | None]:
    """The initramfs that the kdump kernel gets, and where it is, if it is kdump's own."""
    name = "initramfs"
    if machine.initramfs is not None:
        size = machine.initramfs_bytes
        if size is None:
            size = sizes_of_files(initrd=machine.initramfs).initrd
        return Item(name, size, machine.initramfs), Path(machine.initramfs)
    if machine.initramfs_bytes is not None:
        return Item(name, machine.initramfs_bytes, "as given"), None
    for pattern in (*INITRAMFS, *_THE_MACHINES_OWN) if release else ():
        path = machine.root / pattern.format(release)
        if path.is_file():
            own = path if pattern not in _THE_MACHINES_OWN else None
            return Item(name, path.stat().st_size, str(path)), own
    return Item(name, _TYPICAL_INITRAMFS, "typical: none was found under /boot"), None


def _text(path: Path) -> str:
    try:
        if not path.is_file():  # a FIFO would block the estimate
            return ""
        with path.open("rb") as file:
            return file.read(_MOST_TEXT).decode("utf-8", "replace")
    except (OSError, ValueError):
        return ""
