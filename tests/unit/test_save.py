"""Writing a dump into a volume: what comes back, and what of a file that cannot be read or does not fit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kdumpkey.errors import DeviceError, UsageError
from kdumpkey.storage.device import open_readwrite
from kdumpkey.volume.save import save_file, saved_line
from kdumpkey.volume.volume import CryptSegment, Volume
from noise import noise

KEY = bytes(range(64))
SIZE = 64 * 512


@pytest.fixture
def device(tmp_path: Path) -> Path:
    path = tmp_path / "device"
    path.write_bytes(bytes(SIZE))
    return path


@pytest.fixture
def volume(device: Path) -> Iterator[Volume]:
    segments = (CryptSegment(0, SIZE, "aes-xts-plain64", 512, 0),)
    with open_readwrite(device) as opened, Volume(opened, segments, KEY) as made:
        yield made


@pytest.mark.parametrize("nbytes", [1, 512, 1000, SIZE])
def test_a_file_comes_back_from_the_beginning_of_the_volume(
    volume: Volume, tmp_path: Path, nbytes: int
) -> None:
    dump = noise(nbytes)
    (tmp_path / "dump").write_bytes(dump)
    assert save_file(volume, str(tmp_path / "dump")) == nbytes
    found = bytearray(nbytes)
    volume.read_into(found, 0)
    assert found == dump


@pytest.mark.parametrize(
    ("name", "reason"),
    [("absent", "No such file or directory"), ("", "Is a directory"), ("a\0b", "embedded null byte")],
)
def test_a_file_that_cannot_be_read_is_named_with_the_reason(
    volume: Volume, device: Path, tmp_path: Path, name: str, reason: str
) -> None:
    source = f"{tmp_path}/{name}"
    with pytest.raises(DeviceError) as caught:
        save_file(volume, source)
    assert str(caught.value) == f"{source} cannot be read: {reason}."
    assert device.read_bytes() == bytes(SIZE)


def test_a_file_that_does_not_fit_changes_nothing(volume: Volume, device: Path, tmp_path: Path) -> None:
    (tmp_path / "dump").write_bytes(noise(SIZE + 1))
    with pytest.raises(UsageError):
        save_file(volume, str(tmp_path / "dump"))
    assert device.read_bytes() == bytes(SIZE)


def test_what_was_written_is_said_with_both_names() -> None:
    assert saved_line(7, "vmcore", "/dev/sda2") == "7 bytes of vmcore are encrypted in /dev/sda2."
