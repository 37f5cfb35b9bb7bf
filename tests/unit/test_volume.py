"""Volume: plaintext at any offset and length, for reading and writing."""

from __future__ import annotations

import errno
import io
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdumpkey._native.aesxts import AesXts
from kdumpkey.errors import CipherError, DeviceError, TierError
from kdumpkey.storage.device import BytesReader, Device, open_readonly, open_readwrite
from kdumpkey.volume.volume import CryptSegment, Volume
from naive_ciphers import crypt
from noise import noise
from tools import HANGS_AFTER_S

pytestmark = pytest.mark.every_python

KEY = bytes(range(64))
XTS = "aes-xts-plain64"
# A part before the first segment, which is nobody's; then two encrypted ones around a linear one.
LEAD = 4096
SEGMENTS = (
    CryptSegment(LEAD, 24 * 512, XTS, 512, 0),
    CryptSegment(LEAD + 24 * 512, 5 * 512),
    CryptSegment(LEAD + 29 * 512, 5 * 4096, XTS, 4096, 1000),
)
SIZE = sum(segment.size_bytes for segment in SEGMENTS)


def pattern(nbytes: int) -> bytes:
    return bytes((i * i + (i >> 8)) & 0xFF for i in range(nbytes))


def encrypted(plaintext: bytes, segments: tuple[CryptSegment, ...] = SEGMENTS) -> bytes:
    """The data device, made by the engine a sector at a time."""
    device = bytearray(max(segment.offset_bytes + segment.size_bytes for segment in segments))
    start = 0
    with AesXts(KEY, "portable") as engine:
        for segment in segments:
            step = segment.sector_size if segment.encryption else segment.size_bytes
            for at in range(0, segment.size_bytes, step):
                sector = bytearray(plaintext[start + at : start + at + step])
                if segment.encryption:
                    engine.encrypt(sector, sector, step, segment.iv_tweak + at // 512)
                device[segment.offset_bytes + at : segment.offset_bytes + at + step] = sector
            start += segment.size_bytes
    return bytes(device)


PLAINTEXT = pattern(SIZE)
CIPHERTEXT = encrypted(PLAINTEXT)


@pytest.fixture
def volume() -> Iterator[Volume]:
    with Volume(BytesReader(CIPHERTEXT), SEGMENTS, KEY) as opened:
        yield opened


@pytest.fixture
def writable(tmp_path: Path) -> Iterator[tuple[Volume, Path]]:
    path = tmp_path / "device"
    path.write_bytes(CIPHERTEXT)
    with open_readwrite(path) as device, Volume(device, SEGMENTS, KEY) as opened:
        yield opened, path


def test_size_and_segments_are_those_given(volume: Volume) -> None:
    assert volume.size == SIZE
    assert volume.segments == SEGMENTS
    assert not volume.writable


def test_the_whole_is_read(volume: Volume) -> None:
    buffer = bytearray(SIZE)
    volume.read_into(buffer, 0)
    assert buffer == PLAINTEXT


@given(offset=st.integers(0, SIZE), length=st.integers(0, SIZE))
def test_any_offset_and_length_reads_that_part(offset: int, length: int) -> None:
    length = min(length, SIZE - offset)
    buffer = bytearray(length)
    with Volume(BytesReader(CIPHERTEXT), SEGMENTS, KEY) as opened:
        opened.read_into(buffer, offset)
    assert buffer == PLAINTEXT[offset : offset + length]


@given(
    writes=st.lists(st.tuples(st.integers(0, SIZE), st.integers(0, 9000), st.integers(0, 255)), max_size=6)
)
@settings(max_examples=60)
def test_any_writes_leave_what_a_plain_file_would_have(
    tmp_path_factory: pytest.TempPathFactory, writes: list[tuple[int, int, int]]
) -> None:
    path = tmp_path_factory.mktemp("volume") / "device"
    path.write_bytes(CIPHERTEXT)
    model = bytearray(PLAINTEXT)
    with open_readwrite(path) as device, Volume(device, SEGMENTS, KEY) as opened:
        for offset, length, byte in writes:
            data = bytes([byte]) * min(length, SIZE - offset)
            opened.write(data, offset)
            model[offset : offset + len(data)] = data
    assert path.read_bytes() == encrypted(bytes(model))


def test_writing_leaves_what_is_before_the_segments(writable: tuple[Volume, Path]) -> None:
    opened, path = writable
    opened.write(b"x" * SIZE, 0)
    assert path.read_bytes()[:LEAD] == bytes(LEAD)


def test_a_long_run_over_several_chunks_is_read_and_written(tmp_path: Path) -> None:
    segment = CryptSegment(512, 3 << 20, XTS, 512, 7)
    plaintext = noise(3 << 20)
    path = tmp_path / "device"
    path.write_bytes(bytes(512 + (3 << 20)))
    with open_readwrite(path) as device, Volume(device, (segment,), KEY) as opened:
        opened.write(memoryview(plaintext)[:1_234_567], 0)
        opened.write(memoryview(plaintext)[1_234_567:], 1_234_567)
        back = bytearray(len(plaintext) - 99)
        opened.read_into(back, 99)
    assert back == plaintext[99:]
    with AesXts(KEY) as engine:
        expected = bytearray(plaintext)
        engine.encrypt(expected, expected, 512, 7)
    assert path.read_bytes()[512:] == expected


@pytest.mark.parametrize(
    ("offset", "length"), [(-1, 1), (0, SIZE + 1), (SIZE, 1), (SIZE + 1, 0), (1 << 70, 1)]
)
def test_what_is_outside_is_refused_and_nothing_is_touched(
    writable: tuple[Volume, Path], offset: int, length: int
) -> None:
    opened, path = writable
    buffer = bytearray(b"?" * length)
    with pytest.raises(ValueError, match="are not in a volume of"):
        opened.read_into(buffer, offset)
    with pytest.raises(ValueError, match="are not in a volume of"):
        opened.write(buffer, offset)
    assert buffer == b"?" * length
    assert path.read_bytes() == CIPHERTEXT


def test_a_closed_volume_reads_and_writes_nothing(writable: tuple[Volume, Path]) -> None:
    opened, path = writable
    opened.close()
    opened.close()
    for operation in (opened.read_into, opened.write):
        with pytest.raises(ValueError, match="closed"):
            operation(bytearray(512), 0)
    assert path.read_bytes() == CIPHERTEXT


def test_a_device_opened_for_reading_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "device"
    path.write_bytes(CIPHERTEXT)
    with open_readonly(path) as device, Volume(device, SEGMENTS, KEY) as opened:
        with pytest.raises(DeviceError, match="opened for reading only"):
            opened.write(b"x", 0)
        assert not opened.writable
        assert not opened.raw().writable()


def test_equal_key_halves_read_and_do_not_write(tmp_path: Path) -> None:
    path = tmp_path / "device"
    path.write_bytes(bytes(8192))
    with open_readwrite(path) as device, Volume(device, (CryptSegment(0, 8192, XTS),), bytes(64)) as opened:
        opened.read_into(bytearray(8192), 0)
        with pytest.raises(CipherError, match="must not encrypt"):
            opened.write(b"x" * 512, 0)
    assert path.read_bytes() == bytes(8192)


@pytest.mark.parametrize(
    ("segment", "error", "message"),
    [
        (CryptSegment(0, len(CIPHERTEXT) + 512, XTS), DeviceError, "too small"),
        (CryptSegment(0, 700, XTS), DeviceError, "not a whole number of encryption sectors"),
        (CryptSegment(0, 1024, "serpent-xts-plain64"), CipherError, "serpent"),
        (CryptSegment(0, 1024, XTS, 100), CipherError, "100"),
    ],
)
def test_what_cannot_be_is_refused_when_the_volume_is_made(
    segment: CryptSegment, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Volume(BytesReader(CIPHERTEXT), (SEGMENTS[0], segment), KEY)


def test_a_named_tier_is_a_demand() -> None:
    with pytest.raises(TierError):
        Volume(BytesReader(CIPHERTEXT), SEGMENTS, KEY, tier="no_such_tier")
    with Volume(BytesReader(CIPHERTEXT), SEGMENTS, KEY, tier="portable") as opened:
        buffer = bytearray(SIZE)
        opened.read_into(buffer, 0)
    assert buffer == PLAINTEXT


def test_a_device_that_shrinks_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "device"
    path.write_bytes(CIPHERTEXT)
    with open_readonly(path) as device, Volume(device, SEGMENTS, KEY) as opened:
        os.truncate(path, LEAD + 700)
        for offset, length in ((512, 512), (600, 3), (0, SIZE)):
            with pytest.raises(DeviceError, match="end"):
                opened.read_into(bytearray(length), offset)
        first = bytearray(512)
        opened.read_into(first, 0)
    assert first == PLAINTEXT[:512]


def test_many_threads_read_at_once(volume: Volume) -> None:
    gate = threading.Barrier(4)

    def check(seed: int) -> bool:
        gate.wait(timeout=HANGS_AFTER_S)
        buffer = bytearray(1000)
        right = True
        for i in range(300):
            offset = (seed * 7919 + i * 613) % (SIZE - 1000)
            volume.read_into(buffer, offset)
            right &= buffer == PLAINTEXT[offset : offset + 1000]
        return right

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(check, range(4)))


def test_threads_that_write_within_one_sector_lose_nothing(writable: tuple[Volume, Path]) -> None:
    opened, _ = writable
    gate = threading.Barrier(4)

    def write(place: int) -> None:
        gate.wait(timeout=HANGS_AFTER_S)
        for i in range(100):
            opened.write(bytes([i]), 40 * 512 + place)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    found = bytearray(4)
    opened.read_into(found, 40 * 512)
    assert found == bytes([99]) * 4


def test_any_buffer_is_filled(volume: Volume) -> None:
    words = memoryview(bytearray(64)).cast("Q")
    volume.read_into(words, 3)
    assert words.tobytes() == PLAINTEXT[3:67]
    for bad in (bytes(512), memoryview(bytearray(1024))[::2]):
        with pytest.raises((TypeError, BufferError, NotImplementedError)):
            volume.read_into(bad, 0)  # type: ignore[arg-type]


# -- the file object

Opener = Callable[[], io.RawIOBase]


def test_python_code_reads_it_as_a_file(volume: Volume) -> None:
    buffered = io.BufferedReader(volume.raw())
    assert buffered.read(10) == PLAINTEXT[:10]
    assert buffered.seek(-100, io.SEEK_END) == SIZE - 100
    assert buffered.read() == PLAINTEXT[-100:]
    assert buffered.seek(5) == 5
    assert buffered.read(20_000) == PLAINTEXT[5:20_005]
    assert volume.raw().readall() == PLAINTEXT


def test_a_file_object_ends_where_the_volume_ends(volume: Volume) -> None:
    raw = volume.raw()
    assert raw.readable()
    assert raw.seekable()
    assert raw.seek(10, io.SEEK_END) == SIZE + 10
    assert raw.read(4) == b""
    assert raw.seek(-20, io.SEEK_CUR) == SIZE - 10
    assert raw.read(100) == PLAINTEXT[-10:]
    assert raw.tell() == SIZE
    for offset, whence in ((-1, io.SEEK_SET), (0, 9)):
        with pytest.raises(ValueError, match=r"negative|unknown"):
            raw.seek(offset, whence)


def test_closing_the_file_object_closes_no_volume(volume: Volume) -> None:
    raw = volume.raw()
    raw.close()
    with pytest.raises(ValueError, match="closed"):
        raw.read(1)
    volume.read_into(bytearray(1), 0)


def test_a_file_object_writes_and_is_full_at_the_end(writable: tuple[Volume, Path]) -> None:
    opened, path = writable
    raw = opened.raw()
    assert raw.writable()
    raw.seek(SIZE - 3)
    assert raw.write(b"abcdef") == 3
    with pytest.raises(OSError, match="No space left") as error:
        raw.write(b"x")
    assert error.value.errno == errno.ENOSPC
    assert path.read_bytes() == encrypted(PLAINTEXT[:-3] + b"abc")


def test_cbc_with_essiv_is_read_too() -> None:
    from kdumpkey.crypto.cipher import CipherSpec, sector_cipher

    device = bytearray(PLAINTEXT[: 8 * 512])
    with sector_cipher(CipherSpec.parse("aes-cbc-essiv:sha256"), KEY[:32], sector_size=512) as cipher:
        cipher.encrypt_into(device, device, 3)
    segment = CryptSegment(0, 8 * 512, "aes-cbc-essiv:sha256", 512, 3)
    with Volume(BytesReader(bytes(device)), (segment,), KEY[:32]) as opened:
        buffer = bytearray(1000)
        opened.read_into(buffer, 777)
    assert buffer == PLAINTEXT[777:1777]


def test_a_device_is_what_it_needs_and_stays_open(tmp_path: Path) -> None:
    path = tmp_path / "device"
    path.write_bytes(CIPHERTEXT)
    with open_readonly(path) as device:
        assert isinstance(device, Device)
        Volume(device, SEGMENTS, KEY).close()
        device.pread_into(bytearray(16), 0)


@pytest.mark.parametrize("text", ["aes-ecb", "aes-ctr-benbi", "aes-xts-essiv:sha256", "aes-cbc-eboiv"])
@pytest.mark.parametrize(("sector_size", "iv_tweak"), [(512, 0), (512, 2**40 + 3), (2048, 4), (4096, 2**33)])
def test_rare_ciphers_are_read_and_written_at_any_offset(
    tmp_path: Path, text: str, sector_size: int, iv_tweak: int
) -> None:
    key, size, units = KEY[:32], 5 * sector_size, sector_size // 512
    numbers = range(iv_tweak, iv_tweak + 5 * units, units)
    ciphertext = crypt("encrypt", text, key, pattern(size), sector_size=sector_size, numbers=numbers)
    path, segment = tmp_path / "device", CryptSegment(512, size, text, sector_size, iv_tweak)
    path.write_bytes(bytes(512) + ciphertext)
    with open_readwrite(path) as device, Volume(device, (segment,), key) as opened:
        buffer = bytearray(size - 100)
        opened.read_into(buffer, 99)
        assert buffer == pattern(size)[99:-1]
        opened.write(b"x" * (size - 600), 301)
    model = pattern(size)[:301] + b"x" * (size - 600) + pattern(size)[-299:]
    written = path.read_bytes()[512:]
    assert crypt("decrypt", text, key, written, sector_size=sector_size, numbers=numbers) == model
