"""Reading plaintext through a Volume: what it costs beside reading the bytes and decrypting them."""

from __future__ import annotations

import io
import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from kdumpkey import Volume, open_luks
from kdumpkey._native.aesxts import AesXts
from luks_images import DATA_OFFSET, PASSPHRASE, Image, make
from measure import Row, fastest_in_turn, seconds

KIB, MIB = 1 << 10, 1 << 20
SIZE = 64 * MIB
SECTOR_SIZE = 4096
Figure = Callable[[Row], None]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return make(tmp_path_factory.mktemp("volume"), SIZE, sector_size=SECTOR_SIZE)


@pytest.fixture(scope="module")
def volume(image: Image) -> Iterator[Volume]:
    key = image.volume_key_file.read_bytes()
    with open_luks(image.path) as luks, luks.volume(key) as opened:
        yield opened


@pytest.fixture
def fd(image: Image) -> Iterator[int]:
    number = os.open(image.path, os.O_RDONLY)
    yield number
    os.close(number)


def test_large_reads_cost_a_read_and_a_decryption(
    benchmark: BenchmarkFixture, figure: Figure, timed: bool, image: Image, volume: Volume, fd: int
) -> None:
    buffer = bytearray(MIB)
    engine = AesXts(image.volume_key_file.read_bytes())

    def through_volume() -> None:
        for offset in range(0, SIZE, MIB):
            volume.read_into(buffer, offset)

    def by_hand() -> None:
        for offset in range(0, SIZE, MIB):
            os.preadv(fd, [buffer], DATA_OFFSET + offset)
        for offset in range(0, SIZE, MIB):
            engine.decrypt(buffer, buffer, SECTOR_SIZE, offset // 512, SECTOR_SIZE // 512)

    benchmark.pedantic(through_volume, rounds=3)
    ours, peer = fastest_in_turn(
        [lambda: seconds(through_volume), lambda: seconds(by_hand)], 40 if timed else 1
    )
    figure(
        Row(
            "Volume.read_into, 1 MiB / pread and the bare engine",
            f"{SIZE / ours / 1e9:.2f} GB/s",
            f"{SIZE / peer / 1e9:.2f} GB/s",
            ours / peer,
            1.15,
            at_most=True,
        )
    )


def test_small_random_reads(
    benchmark: BenchmarkFixture, figure: Figure, timed: bool, volume: Volume, fd: int
) -> None:
    random_offsets = random.Random(1)
    offsets = [random_offsets.randrange(SIZE // SECTOR_SIZE) * SECTOR_SIZE for _ in range(2000)]
    buffer = bytearray(SECTOR_SIZE)

    def through_volume() -> None:
        for offset in offsets:
            volume.read_into(buffer, offset)

    def pread() -> None:
        for offset in offsets:
            os.pread(fd, SECTOR_SIZE, DATA_OFFSET + offset)

    benchmark.pedantic(through_volume, rounds=3)
    ours, peer = fastest_in_turn(
        [lambda: seconds(through_volume), lambda: seconds(pread)], 40 if timed else 1
    )
    figure(
        Row(
            "Volume.read_into, 4 KiB at random offsets / os.pread",
            f"{ours / len(offsets) * 1e6:.2f} µs",
            f"{peer / len(offsets) * 1e6:.2f} µs",
            ours / peer,
            2.7,
            at_most=True,
        )
    )


def test_reading_an_image_against_dissect(
    benchmark: BenchmarkFixture, figure: Figure, timed: bool, tmp_path: Path
) -> None:
    luks = pytest.importorskip("dissect.fve.luks", reason="dissect.fve (extra bench) is not installed")
    image = make(tmp_path, SIZE)
    measured = SIZE if timed else 64 * KIB

    def dissect() -> float:
        with image.path.open("rb") as file:
            reader = luks.LUKS(file)
            reader.unlock_with_passphrase(PASSPHRASE.decode())
            stream = reader.open()
            began = time.perf_counter()
            stream.read(measured)
            return time.perf_counter() - began

    with open_luks(image.path) as opened, opened.volume(image.volume_key_file.read_bytes()) as volume:

        def ours() -> float:
            raw = volume.raw()
            buffer = bytearray(MIB)
            began = time.perf_counter()
            for _ in range(0, measured, MIB):
                raw.readinto(buffer)
            return time.perf_counter() - began

        with image.path.open("rb") as file:
            reader = luks.LUKS(file)
            reader.unlock_with_passphrase(PASSPHRASE.decode())
            plaintext = io.BufferedReader(volume.raw()).read(4096)
            assert reader.open().read(4096) == plaintext
        benchmark.pedantic(ours, rounds=3)
        took = min(ours() for _ in range(10 if timed else 1))
        peer = dissect()
    figure(
        Row(
            "64 MiB of an image, 512-byte sectors / dissect.fve",
            f"{measured / took / 1e9:.2f} GB/s",
            f"{measured / peer / 1e6:.2f} MB/s",
            peer / took,
            1000,
        )
    )
