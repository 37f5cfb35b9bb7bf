"""dracut and mkinitramfs make initramfs with what is generated for them, where the program takes a key."""

from __future__ import annotations

import lzma
import shutil
import subprocess
from pathlib import Path

import pytest

import roots
from kdumpkey.kdump.generate.apply import apply
from kdumpkey.kdump.generate.generate import generate
from kdumpkey.luks.device import open_luks
from layered_root import run_layered, unpacked_packages
from roots import IMAGE, UUID
from tools import chrooted, require_tool

RELEASE = "6.17.0-kdumpkey"
MODULES = "drivers/md/dm-crypt", "fs/configfs/configfs", "crypto/xts"
UDEV = ("dmsetup", "kmod", "libkmod2", "udev")
DRACUT = ("dracut-core", *UDEV)
INITRAMFS_TOOLS = ("initramfs-tools-core", "klibc-utils", "libklibc", *UDEV)


def _kernel(layer: Path) -> None:
    """Modules that say no more than their names, and a configuration: depmod and the like look no further."""
    for module in MODULES:
        path = layer / f"usr/lib/modules/{RELEASE}/kernel/{module}.ko"
        path.parent.mkdir(parents=True)
        name = path.stem.replace("-", "_")
        words = "\\0".join((f"name={name}", "license=GPL", f"alias=crypto-{name}"))
        source = f'__attribute__((section(".modinfo"))) const char info[] = "{words}";\n'
        subprocess.run(
            [require_tool("gcc"), "-c", "-x", "c", "-", "-o", path], input=source, text=True, check=True
        )
    (layer / "boot").mkdir()
    (layer / f"boot/config-{RELEASE}").write_text("CONFIG_RD_GZIP=y\n")


def _generated(piece: str, folder: Path) -> Path:
    """A layer with the piece for a machine whose dump goes to an encrypted device."""
    host, layer = folder / "host", folder / "layer"
    roots.build(host, {"dev/mapper/root": "", **roots.fedora()})
    for done in apply(host, generate(piece, host)):
        target = layer / done.path.relative_to(host)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(done.path, target)
    _kernel(layer)
    return layer


def _unpacked(image: Path, folder: Path) -> Path:
    """The root file system in an initramfs that is not compressed, or by gzip; without its devices."""
    folder.mkdir()
    with image.open("rb") as file:
        words = ["gzip", "-dc"] if file.read(2) == b"\x1f\x8b" else ["cat"]
    made = subprocess.run([*words, image], capture_output=True, check=True).stdout
    cpio = [require_tool("cpio"), "-idm", "--quiet", "--no-absolute-filenames", "--no-preserve-owner"]
    subprocess.run([*cpio, "--nonmatching", "dev/*"], cwd=folder, input=made, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def by_dracut(tmp_path_factory: pytest.TempPathFactory) -> Path:
    scratch = tmp_path_factory.mktemp("dracut")
    layer, image = _generated("dracut", scratch), scratch / "image"
    command = f'depmod {RELEASE} && exec dracut "$@"'
    words = ["--kver", RELEASE, "--no-hostonly", "--no-early-microcode", "--no-compress", "--nostrip"]
    done = run_layered(
        [unpacked_packages(*DRACUT), layer],
        ["sh", "-c", command, "sh", *words, "--modules", "base kdumpkey", image],
        scratch,
        IN_KDUMP="1",
    )
    assert done.returncode == 0, done.stderr
    return _unpacked(image, scratch / "root")


@pytest.fixture(scope="module")
def by_mkinitramfs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    scratch = tmp_path_factory.mktemp("initramfs-tools")
    image = scratch / "image"
    done = _mkinitramfs(scratch, image, "KDUMP=y")
    assert done.returncode == 0, done.stderr
    return _unpacked(image, scratch / "root")


def _mkinitramfs(scratch: Path, image: Path, mark: str) -> subprocess.CompletedProcess[str]:
    """As kdump-tools does it: from a copy of the configuration, with a mark in it."""
    layer = _generated("initramfs-tools", scratch)
    packages = unpacked_packages(*INITRAMFS_TOOLS)
    confdir = layer / "var/lib/kdump/initramfs-tools"
    shutil.copytree(packages / "etc/initramfs-tools", confdir)
    shutil.copytree(layer / "etc/initramfs-tools", confdir, dirs_exist_ok=True)
    with (confdir / "initramfs.conf").open("a") as file:
        file.write(f"MODULES=list\nBUSYBOX=n\nCOMPRESS=gzip\nCOMPRESSLEVEL=1\n{mark}\n")
    command = ["mkinitramfs", "-d", "/var/lib/kdump/initramfs-tools", "-o", image, RELEASE]
    return run_layered([packages, layer], command, scratch)


@pytest.fixture(params=["by_dracut", "by_mkinitramfs"])
def root(request: pytest.FixtureRequest) -> Path:
    made: Path = request.getfixturevalue(request.param)
    return made


def test_kdumpkey_capture_checks_the_key_of_an_image_in_it(root: Path) -> None:
    (root / "disk.img").write_bytes(lzma.decompress(IMAGE.read_bytes()))
    with open_luks(root / "disk.img") as luks, luks.unlock(b"correct horse battery staple") as opened:
        (root / "volume-key").write_bytes(bytes(memoryview(opened.volume_key)))
    words = [
        "/usr/bin/kdumpkey-capture",
        "test",
        "/disk.img",
        "--volume-key-file",
        "/volume-key",
        "--verbose",
    ]
    done = subprocess.run([*chrooted(root), *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "The volume key of /disk.img is /volume-key.\n"


def test_it_has_the_device_dmsetup_and_the_kernel_s_modules(root: Path) -> None:
    assert (root / "etc/kdumpkey/devices").read_text().splitlines()[-1] == f"{UUID} root"
    names = {path.name for path in root.rglob("*")}
    assert {"dmsetup", *(f"{module.rpartition('/')[2]}.ko" for module in MODULES)} <= names


def test_dracut_runs_the_script_until_every_device_was_tried(by_dracut: Path) -> None:
    assert (by_dracut / "sbin/kdumpkey-unlock").stat().st_mode & 0o111
    hooks = by_dracut / "lib/dracut/hooks/initqueue"
    assert [path.name for path in (hooks / "settled").iterdir()] == ["20-settled.sh"]
    assert "20-finished.sh" in [path.name for path in (hooks / "finished").iterdir()]


def test_initramfs_tools_runs_the_script_before_anything_is_mounted(by_mkinitramfs: Path) -> None:
    order = (by_mkinitramfs / "scripts/local-top/ORDER").read_text()
    assert "/scripts/local-top/kdumpkey" in order


def test_an_initramfs_that_is_not_for_kdump_stays_as_it_was(tmp_path: Path) -> None:
    done = _mkinitramfs(tmp_path, tmp_path / "image", "KDUMP=n")
    assert done.returncode == 0, done.stderr
    names = {path.name for path in _unpacked(tmp_path / "image", tmp_path / "root").rglob("*")}
    assert not {"kdumpkey", "kdumpkey-capture", "devices"} & names
