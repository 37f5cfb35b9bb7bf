"""A filesystem that cryptsetup encrypted in place comes back byte for byte, and debugfs reads it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from both import Result, ours
from noise import noise
from tools import require_tool

MIB = 1 << 20
SIZE = 24 * MIB
PASSPHRASE = b"correct horse"
NUMBERS = "".join(f"{i} bottles\n" for i in range(100_000)).encode()


@pytest.fixture(scope="module")
def filesystem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ext4 image with two files in it."""
    folder = tmp_path_factory.mktemp("filesystem")
    (folder / "root" / "deep").mkdir(parents=True)
    (folder / "root" / "numbers").write_bytes(NUMBERS)
    (folder / "root" / "deep" / "noise").write_bytes(noise(5 * MIB))
    image = folder / "ext4.img"
    image.touch()
    os.truncate(image, SIZE)
    mke2fs = [require_tool("mke2fs"), "-q", "-t", "ext4", "-b", "4096", "-d", folder / "root", image]
    subprocess.run(mke2fs, check=True, capture_output=True)
    return image


def encrypted_in_place(filesystem: Path, folder: Path, *options: str) -> Path:
    """A copy of the image, grown by 32 MiB and encrypted by cryptsetup where it lies."""
    device = folder / "device"
    shutil.copy(filesystem, device)
    os.truncate(device, SIZE + 32 * MIB)
    command = [require_tool("cryptsetup"), "reencrypt", "--encrypt", "--force-offline-reencrypt", "-q"]
    command += ["--reduce-device-size", "32M", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"]
    command += [*options, "--key-file", "-", str(device)]
    subprocess.run(command, input=PASSPHRASE, check=True, capture_output=True)
    return device


def holds_the_filesystem(device: Path, filesystem: Path) -> None:
    plain = device.with_name("plain")
    assert ours(["unlock", device, "-d", "-", "--to", plain], PASSPHRASE) == Result(0, "", "")
    with plain.open("rb") as mine, filesystem.open("rb") as original:
        assert mine.read(SIZE) == original.read()
    debugfs = [require_tool("debugfs"), "-R", "cat /numbers", str(plain)]
    assert subprocess.run(debugfs, capture_output=True, check=True).stdout == NUMBERS


@pytest.mark.parametrize("sector_size", [512, 1024, 2048, 4096])
@pytest.mark.parametrize(
    ("cipher", "bits"),
    [
        ("aes-xts-plain64", 256),
        ("aes-xts-plain64", 512),
        ("aes-cbc-essiv:sha256", 256),
        ("aes-cbc-plain64", 128),
    ],
)
def test_what_was_encrypted_in_place_comes_back(
    filesystem: Path, tmp_path: Path, cipher: str, bits: int, sector_size: int
) -> None:
    options = ["--cipher", cipher, "--key-size", str(bits), "--sector-size", str(sector_size)]
    holds_the_filesystem(encrypted_in_place(filesystem, tmp_path, *options), filesystem)


def test_so_does_it_under_a_luks1_header(filesystem: Path, tmp_path: Path) -> None:
    device = encrypted_in_place(filesystem, tmp_path, "--sector-size", "512")
    convert = [require_tool("cryptsetup"), "convert", "-q", "--type", "luks1", device]
    subprocess.run(convert, check=True, capture_output=True)
    assert "Version:       \t1\n" in ours(["luksDump", device]).out
    holds_the_filesystem(device, filesystem)


def test_a_volume_left_in_the_middle_of_reencryption_is_refused(filesystem: Path, tmp_path: Path) -> None:
    device = encrypted_in_place(filesystem, tmp_path, "--init-only")
    result = ours(["unlock", device, "-d", "-", "--to", tmp_path / "plain"], PASSPHRASE)
    assert result.code == 1
    assert result.err
    assert not (tmp_path / "plain").exists()
