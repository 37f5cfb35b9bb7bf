"""The crashkernel estimate, against cases worked by hand."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from kdumpkey.errors import DeviceError, NotAKernelError, UsageError
from kdumpkey.kdump.estimate.device_keyslots import keyslots_of
from kdumpkey.kdump.estimate.kdumpctl import (
    KdumpSizes,
    Variant,
    default_bytes,
    default_crashkernel,
    recommend,
)
from kdumpkey.kdump.estimate.keyslots import KeyslotMemory
from kdumpkey.kdump.estimate.machine import MachineSpec, estimate_machine, kernel_size
from kdumpkey.kdump.estimate.rules import Estimate, Item, Parts, estimate
from roots import cpio

MIB, GIB = 1 << 20, 1 << 30


def made(
    keyslots: tuple[KeyslotMemory, ...] = (), devices: int = 0, arch: str = "x86_64", ram: int = 16 * GIB
) -> Estimate:
    sizes = KdumpSizes(kernel_bytes=60 * MIB, modules_bytes=20 * MIB, initramfs_bytes=40 * MIB)
    return estimate(
        Parts(Item("kernel", 60 * MIB, ""), Item("modules", 20 * MIB, ""), Item("initramfs", 40 * MIB, "")),
        keyslots,
        devices=devices,
        arch=arch,
        kdumpctl=recommend(Variant(arch), ram, sizes, keyslots),
    )


GIB_SLOT = KeyslotMemory("a", 0, 1024 * 1024)
SMALL_SLOT = KeyslotMemory("a", 1, 64 * 1024)
OTHER_SLOT = KeyslotMemory("b", 0, 512 * 1024)
PBKDF2_SLOT = KeyslotMemory("c", 0, 0)

# 60 + 20 + 3 × 40 + 16 = 216 MiB without any device.
CASES = [
    # keyslots, devices, arch, RAM in GiB -> passphrase, key reuse, default (all MiB)
    ((), 0, "x86_64", 16, 216, 216, 256),
    ((GIB_SLOT,), 1, "x86_64", 16, 216 + 1024 + 20, 216 + 20, 256),
    ((PBKDF2_SLOT,), 1, "x86_64", 16, 216 + 20, 216 + 20, 256),  # LUKS1: PBKDF2 takes no memory
    (
        (GIB_SLOT, SMALL_SLOT),
        1,
        "x86_64",
        16,
        216 + 1024 + 20,
        236,
        256,
    ),  # the largest may be it
    ((SMALL_SLOT, OTHER_SLOT), 2, "x86_64", 16, 216 + 512 + 20, 236, 256),  # one after the other, not both
    ((GIB_SLOT, OTHER_SLOT, PBKDF2_SLOT), 3, "x86_64", 16, 216 + 1024 + 20, 236, 256),
    ((SMALL_SLOT,), 1, "aarch64", 16, 216 + 64 + 50, 216 + 50, 320),  # larger pages
    ((), 1, "x86_64", 128, 236, 236, 512),
    ((), 1, "x86_64", 1, 236, 236, 0),  # less than the 2 GiB from which anything is reserved
    ((), 0, "ppc64le", 3, 216, 216, 385),  # and 1 MiB for each processor
    ((), 0, "ppc64le", 200, 216, 216, 4097),
    ((), 0, "s390x", 16, 216, 216, 256),
]


@pytest.mark.parametrize(("keyslots", "devices", "arch", "ram", "passphrase", "reuse", "default"), CASES)
def test_the_sum_is_that_worked_by_hand(
    keyslots: tuple[KeyslotMemory, ...],
    devices: int,
    arch: str,
    ram: int,
    passphrase: int,
    reuse: int,
    default: int,
) -> None:
    found = made(keyslots, devices, arch, ram * GIB)
    assert found.needed_bytes(reuse=False) == passphrase * MIB
    assert found.needed_bytes(reuse=True) == reuse * MIB
    assert found.kdumpctl.default_bytes == default * MIB
    assert found.to_reserve_bytes(reuse=False) == max(passphrase, default) * MIB
    assert found.to_reserve_bytes(reuse=True) == max(reuse, default) * MIB


def test_an_unknown_architecture_is_refused() -> None:
    with pytest.raises(UsageError, match="Nothing is known of riscv64"):
        estimate_machine(MachineSpec(arch="riscv64", ram_bytes=GIB), [])


# -- what kdumpctl recommends: expected values by its own shell functions, commit 63f248c

ARM = Variant("aarch64")
ARM64K = Variant("aarch64", pages_64k=True)
POWER = Variant("ppc64le")
FADUMP = Variant("ppc64le", fadump=True)
RAM_GIB = (1, 2, 3, 4, 16, 63, 64, 128, 1024, 65536)
DEFAULTS = [
    # what kdump-utils has for it, and what that is in MiB on machines with so many GiB
    (Variant("x86_64"), "2G-64G:256M,64G-:512M", (0, 256, 256, 256, 256, 256, 512, 512, 512, 512)),
    (Variant("s390x"), "2G-64G:256M,64G-:512M", (0, 256, 256, 256, 256, 256, 512, 512, 512, 512)),
    (
        Variant("x86_64", memory_encryption=True),
        "2G-64G:320M,64G-:576M",
        (0, 320, 320, 320, 320, 320, 576, 576, 576, 576),
    ),
    (ARM, "2G-4G:256M,4G-64G:320M,64G-:576M", (0, 256, 256, 320, 320, 320, 576, 576, 576, 576)),
    (
        replace(ARM, mlx5=True, smmu=True),  # with 4k pages the SMMU does not count
        "2G-4G:406M,4G-64G:470M,64G-:726M",
        (0, 406, 406, 470, 470, 470, 726, 726, 726, 726),
    ),
    (ARM64K, "2G-4G:356M,4G-64G:420M,64G-:676M", (0, 356, 356, 420, 420, 420, 676, 676, 676, 676)),
    (
        replace(ARM64K, smmu=True),
        "2G-4G:740M,4G-64G:804M,64G-:1060M",
        (0, 740, 740, 804, 804, 804, 1060, 1060, 1060, 1060),
    ),
    (
        replace(ARM64K, mlx5=True),
        "2G-4G:556M,4G-64G:620M,64G-:876M",
        (0, 556, 556, 620, 620, 620, 876, 876, 876, 876),
    ),
    (
        replace(ARM64K, smmu=True, mlx5=True),
        "2G-4G:940M,4G-64G:1004M,64G-:1260M",
        (0, 940, 940, 1004, 1004, 1004, 1260, 1260, 1260, 1260),
    ),
    (
        POWER,
        "2G-4G:385M,4G-16G:513M,16G-64G:1025M,64G-128G:2049M,128G-:4097M",
        (0, 385, 385, 513, 1025, 1025, 2049, 4097, 4097, 4097),
    ),
    (
        replace(POWER, nr_cpus=1024),
        "2G-4G:1408M,4G-16G:1536M,16G-64G:2G,64G-128G:3G,128G-:5G",
        (0, 1408, 1408, 1536, 2048, 2048, 3072, 5120, 5120, 5120),
    ),
    (
        FADUMP,
        "4G-16G:769M,16G-64G:1025M,64G-128G:2049M,128G-1T:4097M,1T-2T:6145M,2T-4T:12289M,4T-8T:20481M,"
        "8T-16T:36865M,16T-32T:65537M,32T-64T:131073M,64T-:184321M",
        (0, 0, 0, 769, 1025, 1025, 2049, 4097, 6145, 184321),
    ),
]


@pytest.mark.parametrize(("variant", "line", "sizes"), DEFAULTS)
def test_the_defaults_are_kdump_utils(variant: Variant, line: str, sizes: tuple[int, ...]) -> None:
    assert default_crashkernel(variant) == line
    assert tuple(default_bytes(variant, ram * GIB) // MIB for ram in RAM_GIB) == sizes


def test_memory_is_rounded_up_to_128_mib_before_it_is_compared() -> None:
    x86 = Variant("x86_64")
    assert default_bytes(x86, 64 * GIB - 128 * MIB) == 256 * MIB
    assert default_bytes(x86, 64 * GIB - 127 * MIB) == 512 * MIB
    assert default_bytes(x86, 2 * GIB - 127 * MIB) == 256 * MIB


def test_kdumpctl_adds_up_every_device_and_knows_no_key_that_is_handed_over() -> None:
    slots = (GIB_SLOT, SMALL_SLOT, OTHER_SLOT, PBKDF2_SLOT, KeyslotMemory("b", 3, 768 << 10, tried=False))
    found = made(slots, devices=3).kdumpctl
    assert found.luks_bytes == (1024 + 768 + 20) * MIB
    assert found.mebibytes == 216 + 1024 + 768 + 20
    assert made((SMALL_SLOT,), 1, "aarch64").kdumpctl.luks_bytes == (64 + 50) * MIB
    assert made((PBKDF2_SLOT,), 1).kdumpctl.luks_bytes == 0
    assert made((GIB_SLOT,), 1).needed_bytes(reuse=True) == 236 * MIB


# -- from files


def bzimage(init_size: int) -> bytes:
    head = bytearray(0x268)
    head[0x202:0x208] = b"HdrS\x0f\x02"
    head[0x260:0x264] = struct.pack("<I", init_size)
    return bytes(head)


KDUMP_IMAGE = gzip.compress(
    cpio(
        {
            "usr/lib/dracut/hostonly-kernel-modules.txt": b"dm_crypt\nvirtio_blk\n",
            "usr/lib/modules/6.16.0-1/kernel/drivers/md/dm-crypt.ko.xz": b"",
            "usr/lib/modules/6.16.0-1/kernel/fs/ext4/ext4.ko": b"",
        }
    )
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine's files: two kernels, the newer with kdump's own initramfs."""
    (tmp_path / "boot").mkdir()
    (tmp_path / "proc").mkdir()
    for release, size in (("6.9.0-1", 40), ("6.16.0-1", 60)):
        (tmp_path / f"boot/vmlinuz-{release}").write_bytes(bzimage(size * MIB))
        (tmp_path / f"boot/initramfs-{release}.img").write_bytes(bytes(30 * 1000))
    (tmp_path / "boot/initramfs-6.16.0-1kdump.img").write_bytes(KDUMP_IMAGE)
    (tmp_path / "proc/meminfo").write_text("MemTotal:        8388608 kB\n")
    (tmp_path / "proc/modules").write_text(
        "ext4 1000 1 - Live\ndm_crypt 500 0 - Live\namdgpu 21688320 1 - Live\n"
    )
    return tmp_path


def test_the_newest_kernel_and_its_kdump_initramfs_count(root: Path) -> None:
    found = estimate_machine(MachineSpec(root=root, arch="x86_64"), [])
    items = {item.name: item for item in found.estimate.items}
    assert items["kernel"].nbytes == 60 * MIB
    assert items["kernel"].source == str(root / "boot/vmlinuz-6.16.0-1")
    assert items["3 × initramfs"].nbytes == 3 * len(KDUMP_IMAGE)
    assert items["modules"].nbytes == 1500
    assert found.ram_bytes == 8 * GIB
    older = estimate_machine(MachineSpec(root=root, arch="x86_64", release="6.9.0-1"), [])
    assert [item.nbytes for item in older.estimate.items] == [40 * MIB, 20 * MIB, 90_000, 16 * MIB]
    # kdumpctl counts the modules that dracut lists, whatever else the image holds.
    kernel = found.estimate.kdumpctl.sum_bytes - 500 - 3 * len(KDUMP_IMAGE) - 16 * MIB
    assert kernel == 60 * MIB


def test_debians_places_are_known(root: Path) -> None:
    (root / "boot/initramfs-6.16.0-1kdump.img").unlink()
    (root / "var/lib/kdump").mkdir(parents=True)
    (root / "var/lib/kdump/initrd.img-6.16.0-1").write_bytes(bytes(5000))
    found = estimate_machine(MachineSpec(root=root, arch="x86_64"), [])
    assert found.initramfs_bytes == 5000


def test_modules_named_for_loading_count_with_what_they_need(root: Path) -> None:
    (root / "proc/modules").unlink()
    (root / "boot/initramfs-6.16.0-1kdump.img").unlink()
    (root / "etc/modules-load.d").mkdir(parents=True)
    (root / "etc/modules-load.d/x.conf").write_text("# comment\n; too\ndm-crypt\n\n")
    home = root / "lib/modules/6.16.0-1"
    (home / "kernel").mkdir(parents=True)
    (home / "kernel/dm-crypt.ko.xz").write_bytes(bytes(700))
    (home / "kernel/dm-mod.ko.xz").write_bytes(bytes(300))
    (home / "modules.dep").write_text("kernel/dm-crypt.ko.xz: kernel/dm-mod.ko.xz\nkernel/dm-mod.ko.xz:\n")
    found = estimate_machine(MachineSpec(root=root, arch="x86_64"), [])
    assert found.estimate.items[1].nbytes == 1000


def test_what_the_files_do_not_say_is_typical_and_called_so(tmp_path: Path) -> None:
    found = estimate_machine(MachineSpec(root=tmp_path, arch="x86_64", ram_bytes=4 * GIB), [])
    assert all("typical" in item.source for item in found.estimate.items[:3])
    with pytest.raises(DeviceError, match="--ram"):
        estimate_machine(MachineSpec(root=tmp_path, arch="x86_64"), [])


def test_numbers_given_go_before_files(root: Path) -> None:
    machine = MachineSpec(
        root=root, arch="x86_64", kernel_bytes=1, modules_bytes=2, initramfs_bytes=3, ram_bytes=2 * GIB
    )
    found = estimate_machine(machine, [])
    assert [item.nbytes for item in found.estimate.items] == [1, 2, 9, 16 * MIB]
    assert found.ram_bytes == 2 * GIB


def test_an_arm64_image_says_its_size(tmp_path: Path) -> None:
    head = bytearray(64)
    head[0x38:0x3C] = b"ARM\x64"
    head[0x10:0x18] = struct.pack("<Q", 33 * MIB)
    (tmp_path / "Image").write_bytes(head)
    assert kernel_size(tmp_path / "Image") == 33 * MIB


def test_a_file_that_was_named_and_is_none_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(bytes(5000))
    with pytest.raises(NotAKernelError):
        estimate_machine(
            MachineSpec(root=tmp_path, ram_bytes=GIB, arch="x86_64", kernel=str(tmp_path / "x")), []
        )
    with pytest.raises(DeviceError):
        estimate_machine(
            MachineSpec(root=tmp_path, ram_bytes=GIB, arch="x86_64", initramfs="/nonexistent"), []
        )
    with pytest.raises(DeviceError):
        keyslots_of("/nonexistent")


# -- what kdumpctl looks at


def elf(*segments: tuple[int, int]) -> bytes:
    """A 64-bit vmlinux with program headers of these types and sizes in memory."""
    head = bytearray(64 + 56 * len(segments))
    head[:6] = b"\x7fELF\x02\x01"
    struct.pack_into("<Q", head, 32, 64)
    struct.pack_into("<HH", head, 54, 56, len(segments))
    for number, (kind, memory) in enumerate(segments):
        struct.pack_into("<I", head, 64 + 56 * number, kind)
        struct.pack_into("<Q", head, 64 + 56 * number + 40, memory)
    return bytes(head)


@pytest.mark.parametrize("packed", [bytes, gzip.compress], ids=["vmlinux", "gzip"])
def test_kdumpctl_takes_the_segments_of_the_vmlinux(root: Path, packed: Callable[[bytes], bytes]) -> None:
    (root / "boot/vmlinuz-6.16.0-1").write_bytes(packed(elf((1, 30 * MIB), (4, 99 * MIB), (1, 7 * MIB))))
    found = estimate_machine(MachineSpec(root=root, arch="x86_64"), []).estimate.kdumpctl
    assert found.sum_bytes == 37 * MIB + 500 + 3 * len(KDUMP_IMAGE) + 16 * MIB


def test_a_bzimage_says_where_its_vmlinux_is(root: Path) -> None:
    image = bytearray(bzimage(60 * MIB))
    image[0x1F1] = 3
    payload = gzip.compress(elf((1, 41 * MIB)))
    struct.pack_into("<II", image, 0x248, 100, len(payload))
    image += bytes(4 * 512 + 100 - len(image)) + payload
    (root / "boot/vmlinuz-6.16.0-1").write_bytes(image)
    found = estimate_machine(MachineSpec(root=root, arch="x86_64"), []).estimate.kdumpctl
    assert found.sum_bytes == 41 * MIB + 500 + 3 * len(KDUMP_IMAGE) + 16 * MIB


def test_memory_and_kernel_are_read_from_iomem(root: Path) -> None:
    (root / "proc/iomem").write_text(
        "00001000-7fffffff : System RAM\n"
        "  01000000-01ffffff : Kernel code\n"
        "  02000000-027fffff : Kernel bss\n"
        "100000000-107fffffff : System RAM\n"
        "fee00000-fee00fff : Local APIC\n"
    )
    found = estimate_machine(MachineSpec(root=root, arch="x86_64"), []).estimate.kdumpctl
    assert found.sum_bytes == (24 * MIB - 2) + 500 + 3 * len(KDUMP_IMAGE) + 16 * MIB
    assert found.default_bytes == 512 * MIB  # 64 GiB less 4 KiB
    (root / "proc/iomem").write_text("00000000-00000000 : System RAM\n")  # as any user but root sees it
    assert (
        estimate_machine(MachineSpec(root=root, arch="x86_64"), []).estimate.kdumpctl.default_bytes
        == 256 * MIB
    )


def test_variants_are_told_apart_by_the_machine_s_files(root: Path) -> None:
    def variant(arch: str, release: str | None = None) -> Variant:
        return estimate_machine(MachineSpec(root=root, arch=arch, release=release), []).variant

    assert variant("x86_64") == Variant("x86_64")
    for name, text in {
        "var/log/dmesg": "[    0.1] Memory Encryption Features active: AMD SEV\n",
        "sys/kernel/fadump/enabled": "1\n",
        "etc/sysconfig/kdump": "KDUMP_COMMANDLINE_APPEND=nr_cpus=2\n"
        "FADUMP_COMMANDLINE_APPEND='x nr_cpus=16'\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "sys/devices/platform/arm-smmu-v3.0.auto").mkdir(parents=True)
    (root / "sys/bus/pci/drivers/mlx5_core").mkdir(parents=True)
    assert variant("x86_64").memory_encryption
    assert variant("aarch64", "6.16.0-1.el10.aarch64+64k") == Variant(
        "aarch64", pages_64k=True, smmu=True, mlx5=True, memory_encryption=True, fadump=True, nr_cpus=16
    )
    assert not variant("aarch64", "6.16.0-1.el10.aarch64").pages_64k
    (root / "sys/kernel/fadump/enabled").write_text("0\n")
    assert (variant("ppc64le").fadump, variant("ppc64le").nr_cpus) == (False, 2)
