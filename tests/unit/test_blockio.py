"""Opening and reading: only devices and files, never blocking, all the bytes or an error."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kdumpkey.errors import DeviceError
from kdumpkey.secret import SecretBuffer
from kdumpkey.storage.device import BytesReader, open_readonly, open_readwrite


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image"
    path.write_bytes(bytes(range(256)) * 4)
    return path


def test_bytes_come_from_the_offset_asked_for(image: Path) -> None:
    buffer = bytearray(10)
    with open_readonly(image) as device:
        device.pread_into(buffer, 250)
        assert device.size == 1024
        assert device.name == str(image)
        assert not device.is_block
    assert buffer == bytes([250, 251, 252, 253, 254, 255, 0, 1, 2, 3])


def test_a_secret_buffer_can_be_read_into(image: Path) -> None:
    with open_readonly(image) as device, SecretBuffer(4) as secret:
        device.pread_into(secret, 1)
        assert secret.equals(b"\x01\x02\x03\x04")


def test_a_device_that_shrank_is_an_error_that_names_it(image: Path) -> None:
    with open_readonly(image) as device:
        os.truncate(image, 100)
        with pytest.raises(DeviceError, match=r"image ends at byte 100, it is shorter than it was"):
            device.pread_into(bytearray(200), 0)


@pytest.mark.parametrize("kind", ["directory", "fifo", "character device"])
def test_other_kinds_are_refused_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x"
    if kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path = Path("/dev/null")
    for opener in (open_readonly, open_readwrite):
        with pytest.raises(DeviceError, match=f"^Device {path} is not compatible.$") as caught:
            opener(path)
        assert caught.value.exit_code == 4


@pytest.mark.parametrize("name", ["missing", "image/below", "nul\0in it"])
def test_what_is_not_there_is_said_as_cryptsetup_says_it(image: Path, name: str) -> None:
    with pytest.raises(DeviceError, match="does not exist or access denied"):
        open_readonly(f"{image.parent}/{name}")


def test_what_was_written_is_read_back(image: Path) -> None:
    with open_readwrite(image) as device:
        device.pwrite(b"abc", 1022)
        device.sync()
        buffer = bytearray(3)
        device.pread_into(buffer, 1022)
    assert buffer == b"abc"
    assert image.stat().st_size == 1025


def test_a_device_opened_for_reading_cannot_be_written(image: Path) -> None:
    before = image.read_bytes()
    with open_readonly(image) as device, pytest.raises(DeviceError, match="Cannot write device"):
        device.pwrite(b"abc", 0)
    assert image.read_bytes() == before


def test_a_closed_device_is_refused(image: Path) -> None:
    device = open_readonly(image)
    device.close()
    device.close()
    with pytest.raises(ValueError, match="is closed"):
        device.pread_into(bytearray(1), 0)


def test_memory_reads_like_a_device() -> None:
    reader = BytesReader(b"0123456789")
    buffer = bytearray(3)
    reader.pread_into(buffer, 7)
    assert (reader.size, buffer) == (10, b"789")
    for offset in (8, -1):
        with pytest.raises(DeviceError):
            reader.pread_into(buffer, offset)
