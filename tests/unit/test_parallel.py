"""A run spread over threads is the run of one thread."""

from __future__ import annotations

import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forked import in_child
from kdumpkey.crypto.cipher import CipherSpec, SectorCipher, sector_cipher
from kdumpkey.crypto.parallel import MIN_CHUNK, ParallelCipher
from kdumpkey.secret import SecretBuffer

KEY = bytes(range(64))


def xts(sector_size: int = 512, *, large_iv: bool = False) -> SectorCipher:
    return sector_cipher(CipherSpec.parse("aes-xts-plain64"), KEY, sector_size=sector_size, large_iv=large_iv)


class Recording:
    """A cipher that does nothing but note what it was asked for, and by which thread."""

    sector_size = 512

    def __init__(self) -> None:
        self.parts: list[tuple[int, int]] = []
        self.threads: set[int] = set()
        self.failing_sector: int | None = None
        self.closed = False

    def encrypt_into(self, src: memoryview, dst: memoryview, first_sector: int) -> None:
        assert len(src) == len(dst)
        self.threads.add(threading.get_ident())
        self.parts.append((first_sector, len(src)))
        if first_sector == self.failing_sector:
            raise ValueError(f"sector {first_sector} fails")

    decrypt_into = encrypt_into

    def close(self) -> None:
        self.closed = True

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


@given(
    sector_size=st.sampled_from([512, 4096]),
    sectors=st.integers(0, 60),
    threads=st.integers(1, 5),
    min_chunk=st.integers(1, 9000),
    first_sector=st.one_of(st.integers(0, 2**40), st.integers(2**64 - 300, 2**64 - 1)),
    large_iv=st.booleans(),
)
def test_it_is_what_one_thread_does(
    *, sector_size: int, sectors: int, threads: int, min_chunk: int, first_sector: int, large_iv: bool
) -> None:
    first_sector -= first_sector % (sector_size // 512)
    data = bytes(i % 251 for i in range(sectors * sector_size))
    expected, spread = bytearray(len(data)), bytearray(len(data))
    with (
        xts(sector_size, large_iv=large_iv) as one,
        ParallelCipher(xts(sector_size, large_iv=large_iv), threads, min_chunk=min_chunk) as many,
    ):
        one.encrypt_into(data, expected, first_sector)
        many.encrypt_into(data, spread, first_sector)
        assert spread == expected
        many.decrypt_into(spread, spread, first_sector)
        assert spread == data


@given(st.integers(0, 200), st.integers(1, 6), st.integers(1, 20_000))
def test_the_parts_are_whole_sectors_not_too_small_and_not_too_many(
    sectors: int, threads: int, min_chunk: int
) -> None:
    recording, data = Recording(), bytearray(sectors * 512)
    with ParallelCipher(recording, threads, min_chunk=min_chunk) as cipher:
        cipher.encrypt_into(data, data, 1000)
    parts = sorted(recording.parts)
    assert len(parts) <= threads
    assert sum(length for _, length in parts) == len(data)
    position = 1000
    for number, length in parts:
        assert number == position
        assert length % 512 == 0
        position += length // 512
    if len(parts) > 1:
        assert parts[0][1] >= min_chunk
    assert len(recording.threads) <= threads


def test_the_default_is_one_thread_for_each_processor_of_the_process() -> None:
    with ParallelCipher(xts()) as cipher:
        assert cipher.threads == len(os.sched_getaffinity(0))
        assert cipher.sector_size == 512


def test_a_run_below_two_minimal_chunks_stays_with_the_caller() -> None:
    recording, data = Recording(), bytearray(2 * MIN_CHUNK - 512)
    with ParallelCipher(recording, 4) as cipher:
        cipher.decrypt_into(data, data, 0)
    assert recording.threads == {threading.get_ident()}
    assert recording.parts == [(0, len(data))]


@pytest.mark.parametrize("failing", [0, 4, 12])
def test_an_error_in_any_part_is_raised_after_all_parts_have_ended(failing: int) -> None:
    recording, data = Recording(), bytearray(16 * 512)
    recording.failing_sector = failing
    with ParallelCipher(recording, 4, min_chunk=1) as cipher:
        with pytest.raises(ValueError, match=f"sector {failing} fails"):
            cipher.encrypt_into(data, data, 0)
        assert len(recording.parts) == 4
        data.append(0)  # a BufferError if a part still had its view
    assert recording.closed


@pytest.mark.parametrize("length", [511, 4 * 512 + 1])
def test_a_length_that_is_no_whole_number_of_sectors_is_refused_and_nothing_is_written(length: int) -> None:
    target = bytearray(length)
    with ParallelCipher(xts(), 4, min_chunk=1) as cipher:
        with pytest.raises(ValueError, match="whole number of sectors"):
            cipher.encrypt_into(bytes(length), target, 0)
        with pytest.raises(ValueError, match="differ in length"):
            cipher.encrypt_into(bytes(1024), bytearray(2048), 0)
    assert not any(target)


@pytest.mark.parametrize("arguments", [(0, 1), (-1, 1), (1, 0)])
def test_no_threads_and_empty_chunks_are_refused(arguments: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="at least one thread|must be positive"):  # noqa: RUF043
        ParallelCipher(xts(), arguments[0], min_chunk=arguments[1])


def test_after_close_the_cipher_is_closed_and_refuses() -> None:
    inner = xts()
    cipher = ParallelCipher(inner, 2, min_chunk=512)
    with SecretBuffer(4096) as buffer:
        cipher.encrypt_into(buffer, buffer, 0)
        cipher.close()
        cipher.close()
        with pytest.raises(ValueError, match="closed"):
            cipher.encrypt_into(buffer, buffer, 0)
        with pytest.raises(ValueError, match="closed"):
            inner.encrypt_into(buffer, buffer, 0)


def test_a_forked_child_is_refused_and_does_not_wait_for_threads_it_has_not() -> None:
    data = bytearray(8 * 512)
    with ParallelCipher(xts(), 3, min_chunk=1) as cipher:
        cipher.encrypt_into(data, data, 0)

        def body() -> None:
            with pytest.raises(ValueError, match="closed"):
                cipher.encrypt_into(data, data, 0)
            cipher.close()

        in_child(body)
        cipher.decrypt_into(data, data, 0)
    assert data == bytes(8 * 512)
