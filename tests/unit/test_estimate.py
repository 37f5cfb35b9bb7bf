"""The crashkernel estimate, against cases worked by hand."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from kdumpkey.errors import DeviceError, NotAKernelError, UsageError
from kdumpkey.kdump.estimate.machine import Machine, estimate_machine, kernel_size, keyslots_of
from kdumpkey.kdump.estimate.rules import Estimate, Item, Keyslot, estimate

MIB, GIB = 1 << 20, 1 << 30


def made(
    keyslots: tuple[Keyslot, ...] = (), devices: int = 0, arch: str = "x86_64", ram: int = 16 * GIB
) -> Estimate:
    return estimate(
        Item("kernel", 60 * MIB, ""),
        Item("modules", 20 * MIB, ""),
        Item("initramfs", 40 * MIB, ""),
        keyslots,
        devices=devices,
        arch=arch,
        ram_bytes=ram,
    )


GIB_SLOT = Keyslot("a", 0, 1024 * 1024)
SMALL_SLOT = Keyslot("a", 1, 64 * 1024)
OTHER_SLOT = Keyslot("b", 0, 512 * 1024)
PBKDF2_SLOT = Keyslot("c", 0, 0)

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
    ((), 0, "ppc64le", 3, 216, 216, 384),
    ((), 0, "ppc64le", 200, 216, 216, 4096),
]


@pytest.mark.parametrize(("keyslots", "devices", "arch", "ram", "passphrase", "reuse", "default"), CASES)
def test_the_sum_is_that_worked_by_hand(
    keyslots: tuple[Keyslot, ...],
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
    assert found.default_bytes == default * MIB
    assert found.recommended_bytes(reuse=False) == max(passphrase, default) * MIB
    assert found.recommended_bytes(reuse=True) == max(reuse, default) * MIB


def test_the_recommendation_is_whole_mebibytes() -> None:
    found = estimate(
        Item("kernel", 300 * MIB + 1, ""),
        Item("modules", 0, ""),
        Item("initramfs", 0, ""),
        (),
        devices=0,
        arch="x86_64",
        ram_bytes=16 * GIB,
    )
    assert found.recommended_bytes(reuse=True) == 317 * MIB


def test_an_unknown_architecture_is_refused() -> None:
    with pytest.raises(UsageError, match="Nothing is known of riscv64"):
        made(arch="riscv64")


# -- from files


def bzimage(init_size: int) -> bytes:
    head = bytearray(0x268)
    head[0x202:0x208] = b"HdrS\x0f\x02"
    head[0x260:0x264] = struct.pack("<I", init_size)
    return bytes(head)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine's files: two kernels, the newer with kdump's own initramfs."""
    (tmp_path / "boot").mkdir()
    (tmp_path / "proc").mkdir()
    for release, size in (("6.9.0-1", 40), ("6.16.0-1", 60)):
        (tmp_path / f"boot/vmlinuz-{release}").write_bytes(bzimage(size * MIB))
        (tmp_path / f"boot/initramfs-{release}.img").write_bytes(bytes(30 * 1000))
    (tmp_path / "boot/initramfs-6.16.0-1kdump.img").write_bytes(bytes(10 * 1000))
    (tmp_path / "proc/meminfo").write_text("MemTotal:        8388608 kB\n")
    (tmp_path / "proc/modules").write_text("ext4 1000 1 - Live\ndm_crypt 500 0 - Live\n")
    return tmp_path


def test_the_newest_kernel_and_its_kdump_initramfs_count(root: Path) -> None:
    found = estimate_machine(Machine(root=root, arch="x86_64"), [])
    items = {item.name: item for item in found.estimate.items}
    assert items["kernel"].nbytes == 60 * MIB
    assert items["kernel"].source == str(root / "boot/vmlinuz-6.16.0-1")
    assert items["3 × initramfs"].nbytes == 30_000
    assert items["modules"].nbytes == 1500
    assert found.ram_bytes == 8 * GIB
    older = estimate_machine(Machine(root=root, arch="x86_64", release="6.9.0-1"), [])
    assert [item.nbytes for item in older.estimate.items] == [40 * MIB, 1500, 90_000, 16 * MIB]


def test_debians_places_are_known(root: Path) -> None:
    (root / "boot/initramfs-6.16.0-1kdump.img").unlink()
    (root / "var/lib/kdump").mkdir(parents=True)
    (root / "var/lib/kdump/initrd.img-6.16.0-1").write_bytes(bytes(5000))
    found = estimate_machine(Machine(root=root, arch="x86_64"), [])
    assert found.initramfs_bytes == 5000


def test_modules_named_for_loading_count_with_what_they_need(root: Path) -> None:
    (root / "proc/modules").unlink()
    (root / "etc/modules-load.d").mkdir(parents=True)
    (root / "etc/modules-load.d/x.conf").write_text("# comment\n; too\ndm-crypt\n\n")
    home = root / "lib/modules/6.16.0-1"
    (home / "kernel").mkdir(parents=True)
    (home / "kernel/dm-crypt.ko.xz").write_bytes(bytes(700))
    (home / "kernel/dm-mod.ko.xz").write_bytes(bytes(300))
    (home / "modules.dep").write_text("kernel/dm-crypt.ko.xz: kernel/dm-mod.ko.xz\nkernel/dm-mod.ko.xz:\n")
    found = estimate_machine(Machine(root=root, arch="x86_64"), [])
    assert found.estimate.items[1].nbytes == 1000


def test_what_the_files_do_not_say_is_typical_and_called_so(tmp_path: Path) -> None:
    found = estimate_machine(Machine(root=tmp_path, arch="x86_64", ram_bytes=4 * GIB), [])
    assert all("typical" in item.source for item in found.estimate.items[:3])
    with pytest.raises(DeviceError, match="--ram"):
        estimate_machine(Machine(root=tmp_path, arch="x86_64"), [])


def test_numbers_given_go_before_files(root: Path) -> None:
    machine = Machine(
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
        estimate_machine(Machine(root=tmp_path, ram_bytes=GIB, arch="x86_64", kernel=str(tmp_path / "x")), [])
    with pytest.raises(DeviceError):
        estimate_machine(Machine(root=tmp_path, ram_bytes=GIB, arch="x86_64", initramfs="/nonexistent"), [])
    with pytest.raises(DeviceError):
        keyslots_of("/nonexistent")
