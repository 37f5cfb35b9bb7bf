"""Copies that were cut short: what is there is read, what is missing is named, and the whole is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from both import Result, ours
from kdumpkey.errors import DeviceError, HeaderError
from kdumpkey.luks.device import open_luks
from odd_headers import rewrite

PASSPHRASE = b"correct horse"
MIB = 1 << 20
DATA = 64 * 1024
PLAIN = bytes((i * 7 + (i >> 9)) & 0xFF for i in range(DATA))
LUKS1 = ["--type", "luks1", "--pbkdf-force-iterations", "1000"]
LUKS2 = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"]


def made(folder: Path, words: list[str], offset: int, *, header: Path | None = None) -> Path:
    """An image whose volume holds PLAIN."""
    image, plain = folder / "image", folder / "plain"
    image.touch()
    os.truncate(image, offset + DATA)
    plain.write_bytes(PLAIN)
    where: list[str | Path] = ["--header", header] if header else []
    assert ours(["luksFormat", "-q", *words, *where, image, "-d", "-"], PASSPHRASE).code == 0
    assert ours(["encrypt", plain, image, *where, "-d", "-"], PASSPHRASE).code == 0
    return image


def unlock(image: Path, *words: str | Path) -> Result:
    return ours(["unlock", image, "-d", "-", *words], PASSPHRASE)


@pytest.mark.parametrize(
    ("words", "offset", "cut", "there"),
    [
        ([*LUKS2, "--sector-size", "4096"], 16 * MIB, 8 * 4096 + 1000, 8 * 4096),
        ([*LUKS2, "--sector-size", "4096"], 16 * MIB, 8 * 4096 + 512, 8 * 4096),
        ([*LUKS2, "--sector-size", "512"], 16 * MIB, 77 * 512 + 1, 77 * 512),
        (
            [*LUKS2, "--sector-size", "2048", "-c", "aes-cbc-essiv:sha256"],
            16 * MIB,
            3 * 2048 + 2047,
            3 * 2048,
        ),
        (LUKS1, 2 * MIB, 20 * 512 + 511, 20 * 512),
    ],
)
def test_a_copy_cut_within_a_sector_is_read_as_far_as_it_goes(
    tmp_path: Path, words: list[str], offset: int, cut: int, there: int
) -> None:
    image, out = made(tmp_path, words, offset), tmp_path / "out"
    os.truncate(image, offset + cut)
    done = unlock(image, "--to", out, "--from", "0", "--length", str(there))
    assert done.code == 0
    assert f"was cut short: it ends at byte {offset + cut}" in done.err
    assert out.read_bytes() == PLAIN[:there]
    done = unlock(image, "--to", tmp_path / "part", "--from", "700", "--length", "99")
    assert done.code == 0
    assert (tmp_path / "part").read_bytes() == PLAIN[700:799]
    _the_whole_is_refused(tmp_path, image, there)


def _the_whole_is_refused(tmp_path: Path, image: Path, there: int, *words: str | Path) -> None:
    for more in ((), ("--from", "512"), ("--length", str(there + 1))):
        done = unlock(image, *words, "--to", tmp_path / "whole", *more)
        assert done.code == 4
        assert f"the first {there} bytes" in done.err
        assert not (tmp_path / "whole").exists()
    done = unlock(image, *words, "--to", tmp_path / "whole", "--force")
    assert done.code == 0
    assert "was cut short" in done.err
    assert (tmp_path / "whole").read_bytes() == PLAIN[:there]


def test_a_device_smaller_than_its_segment_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    image = made(tmp_path, [*LUKS2, "--sector-size", "4096"], 16 * MIB)
    rewrite(image, lambda json: json["segments"]["0"].update(size=str(DATA)))
    os.truncate(image, 16 * MIB + 5 * 4096 + 5)
    done = unlock(image, "--to", tmp_path / "out", "--length", str(5 * 4096))
    assert done.code == 0
    assert f"the last {DATA - 5 * 4096 - 5} bytes of its data are missing" in done.err
    assert (tmp_path / "out").read_bytes() == PLAIN[: 5 * 4096]
    _the_whole_is_refused(tmp_path, image, 5 * 4096)


def test_a_short_data_device_of_a_detached_header_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    header = tmp_path / "header"
    header.touch()
    image = made(tmp_path, [*LUKS2, "--sector-size", "4096"], 0, header=header)
    os.truncate(image, 4096 + 17)
    done = unlock(image, "--header", header, "--to", tmp_path / "out", "--length", "4096")
    assert done.code == 0
    assert (tmp_path / "out").read_bytes() == PLAIN[:4096]
    _the_whole_is_refused(tmp_path, image, 4096, "--header", header)


@pytest.mark.parametrize("words", [LUKS1, LUKS2])
def test_a_copy_of_a_header_cut_behind_a_keyslot_still_opens_the_data(
    tmp_path: Path, words: list[str]
) -> None:
    offset = 2 * MIB if words is LUKS1 else 16 * MIB
    image, cut = made(tmp_path, words, offset), tmp_path / "cut"
    cut.write_bytes(image.read_bytes()[: 400 * 1024])
    done = unlock(image, "--header", cut, "--to", tmp_path / "out")
    assert done.code == 0
    assert (tmp_path / "out").read_bytes() == PLAIN
    assert ours(["isLuks", cut]).code == 1  # as cryptsetup has it
    with pytest.raises(HeaderError, match="too small"):
        open_luks(cut)
    done = unlock(cut)
    assert done.code == 0
    assert "its data, which begin at byte" in done.err
    done = unlock(cut, "--to", tmp_path / "none", "--length", "512")
    assert done.code == 4


def test_a_keyslot_that_is_missing_is_named(tmp_path: Path) -> None:
    image, cut = made(tmp_path, LUKS2, 16 * MIB), tmp_path / "cut"
    for there in (32768, 32768 + 4096):
        cut.write_bytes(image.read_bytes()[:there])
        done = unlock(image, "--header", cut)
        assert done.code == 4
        assert "ends before the area of keyslot 0" in done.err


def test_a_keyslot_that_is_there_opens_though_another_is_missing(tmp_path: Path) -> None:
    image, cut = made(tmp_path, LUKS2, 16 * MIB), tmp_path / "cut"
    add = ["luksAddKey", "-q", *LUKS2, image, "-d", tmp_path / "k", tmp_path / "second"]
    (tmp_path / "k").write_bytes(PASSPHRASE)
    (tmp_path / "second").write_bytes(b"second")
    assert ours(add).code == 0
    assert ours(["config", image, "-S", "1", "--priority", "prefer"]).code == 0
    cut.write_bytes(image.read_bytes()[:290816])  # where the second keyslot's area begins
    assert unlock(image, "--header", cut).code == 0
    done = ours(["unlock", image, "--header", cut, "-d", tmp_path / "second"])
    assert done.code == 4
    assert "ends before the area of keyslot 1" in done.err


def test_python_reads_what_is_there_and_is_told_what_is_missing(tmp_path: Path) -> None:
    image = made(tmp_path, [*LUKS2, "--sector-size", "4096"], 16 * MIB)
    rewrite(image, lambda json: json["segments"]["0"].update(size=str(DATA)))
    os.truncate(image, 16 * MIB + 3 * 4096 + 1)
    with (
        open_luks(image) as luks,
        luks.unlock(PASSPHRASE) as opened,
        luks.volume(opened.volume_key) as volume,
    ):
        assert (volume.size, volume.available) == (DATA, 3 * 4096)
        assert "was cut short" in luks.missing_end()
        buffer = bytearray(3 * 4096)
        volume.read_into(buffer, 0)
        assert buffer == PLAIN[: 3 * 4096]
        for offset, length in ((0, 3 * 4096 + 1), (3 * 4096, 1), (DATA - 512, 512)):
            with pytest.raises(DeviceError, match=f"bytes {3 * 4096} to {DATA} of the volume are missing"):
                volume.read_into(bytearray(length), offset)
    with (
        open_luks(image, writable=True) as luks,
        luks.unlock(PASSPHRASE) as opened,
        pytest.raises(DeviceError, match="too small"),
    ):
        luks.volume(opened.volume_key)


def test_a_device_that_is_whole_misses_nothing(tmp_path: Path) -> None:
    image = made(tmp_path, LUKS2, 16 * MIB)
    with (
        open_luks(image) as luks,
        luks.unlock(PASSPHRASE) as opened,
        luks.volume(opened.volume_key) as volume,
    ):
        assert luks.missing_end() == ""
        assert volume.available == volume.size == DATA
