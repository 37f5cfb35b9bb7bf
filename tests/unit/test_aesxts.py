"""The engine's Python face: what it refuses, and how long a context lives."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import platform
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import kdumpkey
from forked import in_child
from kdumpkey._native.aesxts import AesXts, default_tier, tier_status, tiers, usable_tiers
from kdumpkey.secret import SecretBuffer

pytestmark = pytest.mark.every_python

every_tier = pytest.mark.parametrize("tier", usable_tiers())
KEY = bytes(range(64))
EQUAL = bytes(range(32)) * 2
FOREIGN = "aesni" if platform.machine() == "aarch64" else "armv8ce"


def refused(crypt: Callable[..., None], match: str, src: bytes, *arguments: object, size: int = 1024) -> None:
    """The call raises ValueError, and leaves its destination as it was."""
    dst = bytearray(b"\xc3" * size)
    with pytest.raises(ValueError, match=match):
        crypt(src, dst, *arguments)
    assert dst == b"\xc3" * size


# --- arguments ------------------------------------------------------------------------------------


@every_tier
@pytest.mark.parametrize("decrypt", [False, True])
def test_a_bad_argument_is_a_value_error_and_nothing_is_written(tier: str, decrypt: bool) -> None:
    src = bytes(1024)
    with AesXts(KEY, tier) as context:
        crypt = context.decrypt if decrypt else context.encrypt
        for sector_size in (0, 1, 8, 15, 17, 24, 511, 513, 65537, 65536 + 16, 2**63):
            refused(crypt, "multiple of 16 from 16 to 65536", src, sector_size)
        refused(crypt, "whole number of sectors", src, 48)
        refused(crypt, "whole number of sectors", src, 2048)
        refused(crypt, "differ in length: 1023 and 1024", src[:-1], 512)
        refused(crypt, "at least 1", src, 512, 0, 0)
        refused(crypt, "go past 64 bits", src, 512, 2**64 - 1)
        refused(crypt, "go past 64 bits", src, 512, 2**63, 2**63)
        for bits in (0, -64, 31, 63, 128):
            refused(crypt, r"64 bits \(plain64\) or 32", src, 512, 0, 1, bits)
        for wrong in (-1, -512, 2**64):
            refused(crypt, "negative or past 64 bits", src, wrong)
            refused(crypt, "negative or past 64 bits", src, 512, wrong)
            refused(crypt, "negative or past 64 bits", src, 512, 0, wrong)


@every_tier
def test_a_bad_argument_of_the_test_only_entry_is_a_value_error_and_nothing_is_written(tier: str) -> None:
    with AesXts(KEY, tier) as context:
        for size in (15, 17):
            refused(context.crypt_unit, "must have 16 bytes", bytes(1024), bytes(size), True)
        for size in (0, 1, 15, 17, 65552):
            refused(context.crypt_unit, "multiple of 16", bytes(size), bytes(16), True, size=size)


def test_an_argument_of_a_wrong_type_is_refused_and_nothing_is_written() -> None:
    dst = bytearray(1024)
    with AesXts(KEY) as context:
        for arguments in ((512.0,), (512, 1.5), (512, 0, 1.5), ("512",), (None,)):
            with pytest.raises(TypeError):
                context.encrypt(bytes(1024), dst, *arguments)
        for src, to in (("text", dst), (bytes(1024), "text"), (None, dst), (bytes(1024), None)):
            with pytest.raises(TypeError):
                context.encrypt(src, to, 512)  # type: ignore[arg-type]
        with pytest.raises(BufferError):
            context.encrypt(bytes(1024), bytes(1024), 512)  # not writable
        with pytest.raises(BufferError):
            context.encrypt(bytes(512), memoryview(dst)[::2], 512)  # not contiguous
    assert not any(dst)


@every_tier
@pytest.mark.parametrize("shift", [1, 15, 16, 512, 1008, 1023])
def test_a_partial_overlap_is_refused_and_nothing_is_written(tier: str, shift: int) -> None:
    arena = bytearray(b"\xc3" * 2048)
    low, high = memoryview(arena)[:1024], memoryview(arena)[shift : shift + 1024]
    with AesXts(KEY, tier) as context:
        for src, dst in ((low, high), (high, low)):
            for crypt in (context.encrypt, context.decrypt):
                with pytest.raises(ValueError, match="overlap without being the same"):
                    crypt(src, dst, 512)
        assert arena == b"\xc3" * 2048
        context.encrypt(low, memoryview(arena)[1024:], 512)  # next to each other is apart
    assert arena[:1024] == b"\xc3" * 1024


@every_tier
@pytest.mark.parametrize("key", [EQUAL, EQUAL[:32][:16] * 2], ids=["AES-256", "AES-128"])
def test_equal_key_halves_decrypt_and_do_not_encrypt(tier: str, key: bytes) -> None:
    data = bytearray(1024)
    with AesXts(key, tier) as context, AesXts(key, "portable") as oracle:
        refused(context.encrypt, "halves of the key are equal", bytes(1024), 512)
        context.decrypt(data, data, 512)
        expected = bytearray(1024)
        oracle.decrypt(bytes(1024), expected, 512)
        assert data == expected != bytes(1024)


@pytest.mark.parametrize("size", [0, 1, 16, 31, 33, 48, 63, 65, 96, 128])
def test_a_key_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="32 or 64 bytes"):
        AesXts(bytes(size))


def test_a_key_comes_from_any_buffer_and_is_not_needed_afterwards() -> None:
    secret = SecretBuffer.copy_of(KEY)
    with AesXts(secret) as context, AesXts(memoryview(KEY)) as same:
        secret.close()
        one, other = bytearray(512), bytearray(512)
        context.encrypt(bytes(512), one, 512)
        same.encrypt(bytes(512), other, 512)
        assert one == other


# --- tiers ----------------------------------------------------------------------------------------


def test_every_tier_is_known_and_says_whether_it_is_usable() -> None:
    assert tiers() == ("portable", "aesni", "vaes_avx2", "vaes_avx512", "armv8ce")
    assert usable_tiers() == tuple(name for name in tiers() if tier_status(name) == "usable")
    assert "portable" in usable_tiers()
    assert default_tier() in usable_tiers()
    assert {tier_status(name) for name in tiers()} <= {"usable", "not built", "not on this cpu"}
    assert tier_status("sse9") == "unknown"


@every_tier
def test_a_context_has_the_tier_that_was_asked_for(tier: str) -> None:
    with AesXts(KEY, tier) as context:
        assert context.tier == tier
    with AesXts(KEY) as context:
        assert context.tier == default_tier()


def test_a_tier_that_is_unknown_and_one_that_is_not_built_are_two_errors() -> None:
    # The third, "not on this cpu", is tested under an emulated processor in tests/c.
    with pytest.raises(ValueError, match="no tier has this name"):
        AesXts(KEY, "sse9")
    assert tier_status(FOREIGN) == "not built"
    with pytest.raises(ValueError, match="not in this build: it is for another architecture"):
        AesXts(KEY, FOREIGN)


def test_a_tier_that_this_processor_lacks_is_refused() -> None:
    lacking = [name for name in tiers() if tier_status(name) == "not on this cpu"]
    for name in lacking:
        with pytest.raises(ValueError, match="does not offer the tier's instructions"):
            AesXts(KEY, name)
    assert set(lacking) | set(usable_tiers()) < set(tiers())


# --- life -----------------------------------------------------------------------------------------


@every_tier
def test_a_closed_context_refuses_and_writes_nothing(tier: str) -> None:
    context = AesXts(KEY, tier)
    assert not context.closed
    context.close()
    context.close()
    assert context.closed
    for crypt in (context.encrypt, context.decrypt):
        refused(crypt, "context is closed", bytes(1024), 512)
    refused(context.crypt_unit, "context is closed", bytes(1024), bytes(16), True)
    with pytest.raises(ValueError, match="context is closed"):
        _ = context.tier
    with pytest.raises(ValueError, match="context is closed"), context:
        pass


def test_a_context_is_not_copied_or_pickled() -> None:
    with AesXts(KEY) as context:
        for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(TypeError, match="not copied or pickled"):
                attempt(context)


@every_tier
def test_a_forked_child_sees_a_closed_context_and_the_parent_keeps_its_own(tier: str) -> None:
    context = AesXts(KEY, tier)

    def child() -> None:
        assert context.closed
        refused(context.decrypt, "in a forked child: left to the parent", bytes(1024), 512)
        context.close()

    in_child(child)
    before, after = bytearray(512), bytearray(512)
    with AesXts(KEY, tier) as fresh:
        fresh.decrypt(bytes(512), before, 512)
    context.decrypt(bytes(512), after, 512)
    assert before == after
    context.close()


@every_tier
def test_threads_share_one_context(tier: str) -> None:
    data = bytes(range(256)) * 256
    failures: list[int] = []
    start = threading.Barrier(4)

    def work(context: AesXts, number: int) -> None:
        crypted, back = bytearray(len(data)), bytearray(len(data))
        first = number * 1_000_003
        alone = bytearray(len(data))
        with AesXts(KEY, "portable") as own:
            own.encrypt(data, alone, 512, first)
        start.wait()
        for _ in range(20):
            context.encrypt(data, crypted, 512, first)
            context.decrypt(crypted, back, 512, first)
            if crypted != alone or back != data:
                failures.append(number)

    with AesXts(KEY, tier) as context:
        threads = [threading.Thread(target=work, args=(context, number)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []


@every_tier
def test_close_during_calls_in_other_threads_lets_them_end_well(tier: str) -> None:
    data = bytes(1 << 20)
    expected = bytearray(len(data))
    with AesXts(KEY, tier) as own:
        own.decrypt(data, expected, 512)
    context = AesXts(KEY, tier)
    ends: list[str] = []
    first_calls = threading.Barrier(4)

    def work() -> None:
        out = bytearray(len(data))
        context.decrypt(data, out, 512)
        first_calls.wait()
        while True:
            out[:] = bytes(len(out))
            try:
                context.decrypt(data, out, 512)
            except ValueError as error:
                ends.append(f"{error}" if not any(out) else "a refused call wrote")
                return
            if out != expected:
                ends.append("a wrong result")
                return

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    first_calls.wait()
    context.close()
    assert context.closed
    for thread in threads:
        thread.join()
    assert ends == ["the context is closed (in a forked child: left to the parent)"] * 3


def test_a_collected_context_gives_its_locked_memory_back() -> None:
    def mappings() -> int:
        with open("/proc/self/maps", encoding="ascii") as maps:
            return sum(1 for _ in maps)

    contexts = [AesXts(KEY) for _ in range(200)]
    held = mappings()
    del contexts
    gc.collect()
    assert held - mappings() >= 100


# --- the stub -------------------------------------------------------------------------------------


def test_the_stub_is_true_to_the_module(tmp_path: Path) -> None:
    pytest.importorskip("mypy", reason="mypy, which has stubtest, is not installed")
    root = Path(kdumpkey.__file__).parent.parent
    where = {} if root.name == "site-packages" else {"MYPYPATH": str(root)}
    done = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", "kdumpkey._native.aesxts"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, **where},
    )
    assert done.returncode == 0, done.stdout + done.stderr
